/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "client/options.h"

static _Atomic bool has_ever_come;

bool interrupt_has_come(void)
{
    return has_ever_come;
}

/* SIGQUIT as well, if the command takes it. */
static void block(sigset_t *signals, bool takes_quit)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    if (takes_quit)
        sigaddset(signals, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void unblock(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

static void handle(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* A signal handler can use only global data: so the line is made in advance. */
static char connecting_line[ERROR_TEXT_MAX];
static volatile sig_atomic_t connecting_length;

static void on_interrupt_while_connecting(int number)
{
    (void)number;
    ssize_t written = write(STDERR_FILENO, connecting_line, (size_t)connecting_length);
    (void)written;
    _exit(EXIT_CODE_START);
}

void interrupt_while_connecting(const char *endpoint)
{
    struct error line;
    (void)error_start(&line, OPTIONS_PROGRAM ": interrupted while connecting to %.200s", endpoint);
    (void)error_text(&line, connecting_line, sizeof(connecting_line) - 1);
    connecting_length = (sig_atomic_t)strlen(connecting_line);
    connecting_line[connecting_length++] = '\n';
    handle(on_interrupt_while_connecting);
    unblock(); /* the command before this one may have left them blocked */
}

void interrupt_open(struct interrupt *interrupt, bool takes_quit)
{
    sigset_t signals;
    block(&signals, takes_quit);
    interrupt->has_come = false;
    interrupt->fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

int interrupt_read(struct interrupt *interrupt)
{
    struct signalfd_siginfo info;
    if (read(interrupt->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    if (info.ssi_signo == SIGQUIT)
        return SIGQUIT;
    if (interrupt->has_come)
        _exit(INTERRUPT_EXIT_TWICE);
    interrupt->has_come = true;
    has_ever_come = true;
    return SIGINT;
}

void interrupt_close(struct interrupt *interrupt)
{
    if (interrupt->fd >= 0)
        close(interrupt->fd);
    interrupt->fd = -1;
}

static void on_interrupt_while_reporting(int number)
{
    (void)number;
    _exit(INTERRUPT_EXIT_TWICE);
}

void interrupt_while_reporting(void)
{
    handle(on_interrupt_while_reporting);
    unblock();
}

static void *watch_main(void *arg)
{
    struct interrupt_watch *watch = arg;
    int number;
    while (!watch->is_stopping) {
        if (sigwait(&watch->signals, &number) != 0 || number == SIGQUIT)
            continue;
        if (watch->has_come)
            _exit(INTERRUPT_EXIT_TWICE);
        watch->has_come = has_ever_come = true;
        (void)eventfd_write(watch->fd, 1);
    }
    return NULL;
}

int interrupt_watch_start(struct interrupt_watch *watch)
{
    watch->has_come = watch->is_stopping = false;
    watch->fd = eventfd(0, EFD_CLOEXEC);
    block(&watch->signals, true);
    if (watch->fd >= 0 && pthread_create(&watch->thread, NULL, watch_main, watch) == 0)
        return 0;
    if (watch->fd >= 0)
        close(watch->fd);
    return -1;
}

void interrupt_watch_stop(struct interrupt_watch *watch)
{
    watch->is_stopping = true;
    pthread_kill(watch->thread, SIGQUIT); /* to that thread alone, which sigwait(3) takes */
    pthread_join(watch->thread, NULL);
    close(watch->fd);
}

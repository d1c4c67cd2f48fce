/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void block(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

int interrupt_open(void)
{
    sigset_t signals;
    block(&signals);
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

int interrupt_read(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return 0;
    return info.ssi_signo == SIGQUIT ? SIGQUIT : SIGINT;
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
        watch->has_come = true;
    }
    return NULL;
}

int interrupt_watch_start(struct interrupt_watch *watch)
{
    watch->has_come = watch->is_stopping = false;
    block(&watch->signals);
    return pthread_create(&watch->thread, NULL, watch_main, watch) == 0 ? 0 : -1;
}

void interrupt_watch_stop(struct interrupt_watch *watch)
{
    watch->is_stopping = true;
    pthread_kill(watch->thread, SIGQUIT); /* to that thread alone, which sigwait(3) takes */
    pthread_join(watch->thread, NULL);
}

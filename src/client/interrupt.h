/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGINT, SIGTERM and SIGQUIT as a descriptor to poll: the first interrupt ends a command politely,
 * the second ends the program at once. */
#ifndef CLIENT_INTERRUPT_H
#define CLIENT_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/attr.h"

#define INTERRUPT_EXIT_TWICE 4

/* For a command that polls. */
struct interrupt {
    int fd;        /* signalfd(2): readable when a signal has come; -1: there is none */
    bool has_come; /* an interrupt has been read */
};

/* For a command that waits elsewhere than in a loop of its own: a thread waits for signals. */
struct interrupt_watch {
    pthread_t thread;
    sigset_t signals;
    int fd;                /* eventfd(2): readable once one has come */
    _Atomic bool has_come; /* once; the second ends the program */
    _Atomic bool is_stopping;
};

/* While there is nothing yet to end politely: from now on, and until the signals are blocked by one
 * of the functions below, an interrupt says that connecting to the endpoint was interrupted, and
 * ends the program with EXIT_CODE_START. Looking up a name cannot be ended in another way. */
void interrupt_while_connecting(const char *endpoint);

/* True once a command was interrupted; another one should not begin. */
bool interrupt_has_come(void);

/* Starts watching. Returns 0, or -1 if no thread or descriptor is available. */
int interrupt_watch_start(struct interrupt_watch *watch) MUST_CHECK;
void interrupt_watch_stop(struct interrupt_watch *watch);

/* For when all that is left is to tell the results: an interrupt ends the program at once, with
 * INTERRUPT_EXIT_TWICE, whatever it waits for. */
void interrupt_while_reporting(void);

/* Blocks the signals and opens the descriptor; SIGQUIT only if the command takes it. */
void interrupt_open(struct interrupt *interrupt, bool takes_quit);
void interrupt_close(struct interrupt *interrupt);

/* The signal received: SIGINT (for SIGTERM too), SIGQUIT, or 0. A second interrupt ends the
 * program. */
int interrupt_read(struct interrupt *interrupt);

#endif

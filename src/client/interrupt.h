/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGINT, SIGTERM and SIGQUIT as a descriptor to poll: the first interrupt ends a command politely,
 * the second ends the program at once. */
#ifndef CLIENT_INTERRUPT_H
#define CLIENT_INTERRUPT_H

#define INTERRUPT_EXIT_TWICE 4

/* Blocks the signals and returns a descriptor (signalfd(2)) that is readable when one has come, or
 * -1 where there is none. */
int interrupt_open(void);

/* What has come: SIGINT (for SIGTERM too), SIGQUIT, or 0. */
int interrupt_read(int fd);

#endif

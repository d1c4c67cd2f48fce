/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of a socket that are not worth refusing service for. */
#ifndef NET_SOCK_OPTION_H
#define NET_SOCK_OPTION_H

#include <sys/socket.h>

/* Sets an option; a failure is passed over. See setsockopt(2). */
static inline void sock_option_set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting on an epoll(7) descriptor for less than a millisecond, on any Linux. */
#ifndef NET_WAIT_H
#define NET_WAIT_H

#include <stdint.h>
#include <sys/epoll.h>

#include "base/attr.h"

/* As epoll_wait(2): waits until there are events, `wait_ns` nanoseconds at most, and returns how
 * many were stored (0: the time is over), or -1 with errno. May be called from many threads. */
int wait_events(int epoll_fd, struct epoll_event *events, int most, uint64_t wait_ns) MUST_CHECK;

#endif

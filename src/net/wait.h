/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for descriptors until a time. */
#ifndef NET_WAIT_H
#define NET_WAIT_H

#include <poll.h>
#include <stdint.h>

#define WAIT_FOR_EVER UINT64_MAX

/* As poll(2), until a time of clock_now_ns(), to the nanosecond: WAIT_FOR_EVER, or one that is over
 * to look without waiting. A signal that is handled meanwhile does not end it. Returns how many
 * descriptors are ready, 0 at that time, or -1 with errno. */
int wait_until(struct pollfd *polled, nfds_t count, uint64_t until_ns);

#endif

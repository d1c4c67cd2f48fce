/* SPDX-License-Identifier: BSD-2-Clause */
/* Waits for descriptors until a point in time. */
#ifndef NET_WAIT_H
#define NET_WAIT_H

#include <poll.h>
#include <stdint.h>

#define WAIT_FOR_EVER UINT64_MAX

/* Like poll(2), until a time of clock_now_ns(), to the nanosecond: WAIT_FOR_EVER, or a time in the
 * past to poll without waiting. A handled signal does not end the wait. Returns the number of ready
 * descriptors, 0 at that time, or -1 with errno. */
int wait_until(struct pollfd *polled, nfds_t count, uint64_t until_ns);

#endif

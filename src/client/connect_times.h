/* SPDX-License-Identifier: BSD-2-Clause */
/* How long connecting took, of every connection that a command makes or tries to make. A connect of
 * about a second, on a path that is faster, is the mark of a SYN that was dropped and sent again.
 */
#ifndef CLIENT_CONNECT_TIMES_H
#define CLIENT_CONNECT_TIMES_H

#include <stdint.h>

#include "base/histogram.h"
#include "client/link.h"
#include "client/outcome.h"

/* A system sends a SYN again after 1 s (RFC 6298, 2.1). */
#define CONNECT_SLOW_NS UINT64_C(900000000)

/* Zeroed, it is empty. The times of threads add up. */
struct connect_times {
    struct histogram connect;   /* ns until the TCP or Unix socket was connected; of an attempt that
                                 * timed out, until it was given up */
    struct histogram handshake; /* ns, of TLS alone: from connected to open */
    uint64_t slow;              /* how many of `connect` are over CONNECT_SLOW_NS */
};

/* Adds a link's times once it is open (OUTCOME_OK), or has ended before that with this outcome and
 * may be closed. A link is counted once: a second call for it changes nothing. */
void connect_times_note(struct connect_times *times, struct link *link, enum outcome outcome);

void connect_times_merge(struct connect_times *sum, const struct connect_times *one);

#endif

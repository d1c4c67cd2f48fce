/* SPDX-License-Identifier: BSD-2-Clause */
/* How many messages one connection, or one flow of datagrams, still has to send, and since when it
 * fails. The messages of --requests are shared out over the connections, so one that stalls keeps
 * its own, whichever thread it is of. Pure: no descriptor and no clock.
 */
#ifndef CLIENT_QUOTA_H
#define CLIENT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_ENDLESS UINT64_MAX

struct quota {
    uint64_t left;       /* messages that are still to fall due; QUOTA_ENDLESS: no end by count */
    uint64_t failing_ns; /* when it first failed with no echo since; 0: it does not fail */
};

/* Connection `number`'s part (from 0) of the messages of all connections: an even one, the first
 * ones' larger by one if it does not divide. No requests at all are QUOTA_ENDLESS. */
uint64_t quota_part(uint64_t requests, uint64_t connections, uint64_t number);

/* Call when a message is due. False if the connection has sent its part. Messages due before
 * counting began, in the warm-up, do not count. */
bool quota_take(struct quota *quota, uint64_t due_ns, uint64_t counted_from_ns);

/* The connection has failed. True if it has gone on failing for so long, with no echo between. */
bool quota_fails(struct quota *quota, uint64_t now_ns, uint64_t patience_ns);

/* An echo came. */
static inline void quota_works(struct quota *quota)
{
    quota->failing_ns = 0;
}

/* The connection is given up; returns how many messages it leaves. */
uint64_t quota_drop(struct quota *quota);

#endif

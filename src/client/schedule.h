/* SPDX-License-Identifier: BSD-2-Clause */
/* When messages of an open loop are due. One schedule for the whole run: message k of all is due
 *
 *     start + (k + 1/2) / rate
 *
 * and belongs to connection k modulo their number, so whichever threads share the connections, a
 * time of so many seconds has as many messages as rate and seconds make, evenly spread.
 *
 * With --ramp-up a connection's messages begin when it should be open: earlier ones are left out,
 * and no other connection sends them.
 */
#ifndef CLIENT_SCHEDULE_H
#define CLIENT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint64_t start_ns;
    uint64_t per_1000s; /* messages of all connections in 1000 s; 0: no schedule, a closed loop */
    uint64_t all;       /* connections */
    uint64_t first;     /* number of this part's first connection, from 0 */
    uint64_t count;     /* of this part's connections */
    uint64_t ramp_ms;   /* over which all connections are opened */
    uint64_t next;      /* message of this part's that is the next to fall due, from 0 */
};

static inline bool schedule_is_open_loop(const struct schedule *schedule)
{
    return schedule->per_1000s > 0;
}

/* When message `number` of this part's is due, which is one of its connection `number` modulo
 * `count`. */
uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t number);

/* When this part's connection of that index should be opened. */
uint64_t schedule_opens_ns(const struct schedule *schedule, uint64_t index);

/* Moves `next` on to a message of a connection that should be open then. False if none is due by
 * that time. Either way *due_ns is when message `next` is due. Its taker counts `next` up. */
bool schedule_find(struct schedule *schedule, uint64_t by_ns, uint64_t *due_ns);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* When messages of an open loop are due. One schedule for the whole run: message k of all is due
 *
 *     start + (k + 1/2) / rate
 *
 * and belongs to connection k modulo their number, so whichever threads share the connections, a
 * time of so many seconds has as many messages as rate and seconds make, evenly spread.
 */
#ifndef CLIENT_SCHEDULE_H
#define CLIENT_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint64_t start_ns;
    uint64_t rate;  /* messages a second of all connections; 0: no schedule, a closed loop */
    uint64_t all;   /* connections */
    uint64_t first; /* number of this part's first connection, from 0 */
    uint64_t count; /* of this part's connections */
};

static inline bool schedule_is_open_loop(const struct schedule *schedule)
{
    return schedule->rate > 0;
}

/* When message `number` of this part's is due, which is one of its connection `number` modulo
 * `count`. */
uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t number);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted: one list makes the enum, the names, the sum and the log line.
 *
 * Every thread has a set of its own and is its only writer, so counting is a plain load and store;
 * whoever wants the total adds the sets up. A total taken while threads run is a sum of moments a
 * few microseconds apart; after they have ended it is exact, and then
 *
 *     bytes_in = bytes_out + owed + lost
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/reason.h"

#define COUNTERS(X)                                                                              \
    X(ACCEPTED, "accepted")             /* connections taken over by a worker */                 \
    X(CLOSED, "closed")                 /* of these, ended */                                    \
    X(BYTES_IN, "bytes_in")             /* read, less what came after our own FIN */             \
    X(BYTES_OUT, "bytes_out")           /* of these, taken by the kernel to send back */         \
    X(OWED, "owed")                     /* of these, waiting in our buffers now: a gauge */      \
    X(LOST, "lost")                     /* of these, dropped by a connection that was reset */   \
    X(ABANDONED, "abandoned")           /* of the lost, those that a drain gave up */            \
    X(DISCARDED, "discarded")           /* read after our own FIN: never echoed */               \
    X(HELD, "held")                     /* times a sender was held at the high-water mark */     \
    X(REFUSED_SOURCE, "refused_source") /* reset at once: its source had too many */             \
    X(REFUSED_ERROR, "refused_error")   /* reset at once: no memory, or a dead socket */         \
    X(ACCEPT_ERRORS, "accept_errors")   /* accepts that the system failed */                     \
    X(ACCEPT_PAUSES, "accept_pauses")   /* times a listener was paused by a limit or an error */ \
    X(LOG_DROPPED, "log_dropped")       /* log lines that could not be queued or written */

enum counter {
#define COUNTER_ENUM(NAME, name) COUNTER_##NAME,
    COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
        COUNTER_END, /* the named ones; a counter for each reason follows */
    COUNTER_COUNT = COUNTER_END + REASON_COUNT
};

struct counters {
    _Atomic uint64_t at[COUNTER_COUNT];
};

/* The counter's name; a reason's is "closed_WORD" and is static as well. */
const char *counter_name(enum counter counter);

static inline uint64_t counter_get(const struct counters *counters, enum counter counter)
{
    return atomic_load_explicit(&counters->at[counter], memory_order_relaxed);
}

/* Only the set's own thread adds. A gauge goes down by adding the two's complement. */
static inline void counter_add(struct counters *counters, enum counter counter, uint64_t amount)
{
    atomic_store_explicit(&counters->at[counter], counter_get(counters, counter) + amount,
                          memory_order_relaxed);
}

static inline enum counter counter_of_reason(enum reason reason)
{
    return (enum counter)((int)COUNTER_END + (int)reason);
}

/* Adds one set to a sum that only the caller sees. */
void counters_sum(struct counters *sum, const struct counters *one);

#endif

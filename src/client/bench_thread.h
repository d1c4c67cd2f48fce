/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread of a bench: a loop, its share of the connections, and what it measured.
 *
 * Closed loop: a message is due as soon as there is room for it. Open loop: messages are due on the
 * schedule of the whole run (schedule.h); one that cannot leave then keeps its due time, so a slow
 * endpoint cannot hide by slowing us (coordinated omission).
 */
#ifndef CLIENT_BENCH_THREAD_H
#define CLIENT_BENCH_THREAD_H

#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "client/bench_results.h"
#include "client/options.h"
#include "client/schedule.h"

struct bench_thread;

/* A thread's share of the whole. */
struct bench_share {
    const struct options *options;
    const struct link_plan *plan;
    uint64_t connections;
    uint64_t first_connection; /* number of its first, from 1 */
};

/* How many messages the share's connection of that index sends behind the warm-up. */
uint64_t bench_quota(const struct bench_share *share, uint64_t index);

/* The part of the run's schedule that is this share's, from start_ns on. */
struct schedule bench_schedule(const struct bench_share *share, uint64_t start_ns);

/* NULL without memory or descriptors. */
struct bench_thread *bench_thread_new(const struct bench_share *share,
                                      struct error *err) MUST_CHECK;

/* All threads of a run start at one time, clock_now_ns()'s. */
int bench_thread_start(struct bench_thread *thread, uint64_t start_ns,
                       struct error *err) MUST_CHECK;

/* From any thread: issue nothing more, and end when what is under way is back. */
void bench_thread_stop(struct bench_thread *thread);

/* True once it has ended. */
bool bench_thread_is_over(const struct bench_thread *thread);

/* Asks for a new picture, which is there in a moment. */
void bench_thread_ask(struct bench_thread *thread);

/* Adds what there is: the last picture while it runs, everything once it is over. */
void bench_thread_peek(struct bench_thread *thread, struct bench_results *sum);

/* Waits for its end, frees it. */
void bench_thread_free(struct bench_thread *thread);

#endif

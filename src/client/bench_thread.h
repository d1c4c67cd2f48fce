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
#include "client/bench.h"
#include "client/options.h"
#include "client/schedule.h"

struct bench_thread;

/* A thread's share of the whole. */
struct bench_share {
    const struct options *options;
    const struct link_plan *plan;
    uint64_t connections;
    uint64_t first_connection; /* number of its first, from 1 */
    uint64_t requests;         /* behind the warm-up; UINT64_MAX: no end by count */
};

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

/* Adds what there is: a picture from a moment ago while it runs, everything once it is over. */
void bench_thread_peek(struct bench_thread *thread, struct bench_results *sum);

/* Waits for its end, frees it. */
void bench_thread_free(struct bench_thread *thread);

/* The warm-up is over: only what cannot be of it counts from now on, and wrong bytes from before.
 */
void bench_results_restart(struct bench_results *results, uint64_t now_ns);

/* A message that was due and had not left at the end. */
void bench_results_add_unsent(struct bench_results *results, uint64_t due_ns, uint64_t end_ns);

/* Adds one result to another. */
void bench_results_merge(struct bench_results *sum, const struct bench_results *one);

#endif

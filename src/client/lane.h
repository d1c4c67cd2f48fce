/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread of a bench: a loop, its share of the connections or flows, and its results.
 *
 * Closed loop: a message is due as soon as there is room for it. Open loop: messages are due on the
 * schedule of the whole run (schedule.h); one that cannot leave then keeps its due time, so a slow
 * endpoint cannot hide by slowing us (coordinated omission).
 *
 *     lane.c: thread, loop, schedule, warm-up, end, results
 *       --> lane_streams.c: connections (flow.h)
 *       --> lane_datagrams.c: flows of datagrams over udp:// (udp_flow.h)
 */
#ifndef CLIENT_LANE_H
#define CLIENT_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "client/bench_results.h"
#include "client/link.h"
#include "client/options.h"
#include "client/quota.h"
#include "client/run_queue.h"
#include "client/schedule.h"
#include "stream/loop.h"

struct lane;

/* A lane's share of the whole. */
struct lane_share {
    const struct client_options *options;
    const struct link_plan *plan;
    uint64_t connections;      /* or flows */
    uint64_t first_connection; /* number of its first, from 1 */
};

/* The differences between streams and datagrams. All except open() and clear() run on the lane's
 * thread. */
struct lane_kind {
    const char *unit;     /* "connection" or "flow" */
    size_t size;          /* of its own struct, which begins with a struct lane */
    uint64_t look_ns;     /* the schedule is looked at once in so long, at most */
    unsigned most_a_look; /* messages that may fall due at one look */
    void (*on_due)(struct deadline *deadline);
    int (*open)(struct lane *lane)
        MUST_CHECK;                   /* 0, or -1 with errno; clear() is called then, too */
    void (*begin)(struct lane *lane); /* the run starts */
    /* Message `number` of the schedule is due. False if there is no room for it in the kernel: it
     * is offered again at the next look. */
    bool (*fall_due)(struct lane *lane, uint64_t number, uint64_t due_ns, uint64_t now_ns);
    void (*restart)(struct lane *lane, uint64_t now_ns); /* the warm-up is over: count anew */
    void (*count)(struct lane *lane);                    /* bring lane->results up to date */
    void (*end)(struct lane *lane); /* issue nothing more; lane_finish() once all are back */
    void (*clear)(struct lane *lane);
};

extern const struct lane_kind lane_of_streams, lane_of_datagrams;

/* A time in which the lane should have looked at its schedule, and did not. */
struct lane_gap {
    uint64_t from_ns, to_ns;
};
#define LANE_GAPS 64 /* the last ones are remembered */

/* The common part, for the kinds to read. */
struct lane {
    const struct lane_kind *kind;
    struct lane_share share;
    struct loop loop;
    struct waker waker;
    struct schedule schedule;
    struct quota *quotas; /* one for each connection */
    uint64_t start_ns;
    uint64_t warm_end_ns; /* 0: no warm-up to come */
    uint64_t end_ns;      /* 0: by count alone */
    int alarm_fd;         /* timerfd(2): the next message, the end of the warm-up, or the end */
    struct event *alarm;
    uint64_t alarm_ns; /* when it should ring */
    struct lane_gap gaps[LANE_GAPS];
    uint64_t gap_count; /* all; number n is at n modulo LANE_GAPS */
    struct run_queue run_queue;
    bool is_ending;
    struct bench_results results;
    pthread_t id;
    bool has_thread;
    _Atomic bool must_stop, is_over;
    pthread_mutex_t lock; /* of the snapshot */
    struct bench_results *snapshot;
};

/* ---- for the bench ---- */

/* NULL without memory or descriptors. */
struct lane *lane_new(const struct lane_kind *kind, const struct lane_share *share,
                      struct error *err) MUST_CHECK;

/* All lanes of a run start at one time, clock_now_ns()'s. */
int lane_start(struct lane *lane, uint64_t start_ns, struct error *err) MUST_CHECK;

/* From any thread: sends nothing more, and ends when all messages in flight are answered. */
void lane_stop(struct lane *lane);

/* True once it has ended. */
bool lane_is_over(const struct lane *lane);

/* Asks for a new picture, which is there in a moment. */
void lane_ask(struct lane *lane);

/* Adds the results: the last picture while it runs, everything once it is over. */
void lane_peek(struct lane *lane, struct bench_results *sum);

/* Waits for its end, frees it. */
void lane_free(struct lane *lane);

/* ---- for the kinds ---- */

/* Nothing is under way any more: the thread ends. */
void lane_finish(struct lane *lane);

/* For how long after it was due the lane did not notice a message; 0 if that was short. */
uint64_t lane_late_ns(const struct lane *lane, uint64_t due_ns);

/* A connection has failed. True if it is given up, since a run that only a count ends does not wait
 * for ever for one that fails for `patience_ns`: its messages are counted as unsent. */
bool lane_gives_up(struct lane *lane, struct quota *quota, uint64_t now_ns, uint64_t patience_ns);

#endif

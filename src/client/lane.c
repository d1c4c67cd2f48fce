/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/lane.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"

#define NS_PER_S 1000000000U
#define NS_PER_MS 1000000U

static bool is_open_loop(const struct lane *lane)
{
    return schedule_is_open_loop(&lane->schedule);
}

static uint64_t quota_of(const struct lane *lane, uint64_t index)
{
    const struct lane_share *share = &lane->share;
    return quota_part(share->options->requests, share->options->connections,
                      share->first_connection - 1 + index);
}

/* ---- time ---- */

/* Sets the lane's next wake-up; 0: none. */
static void set_alarm(struct lane *lane, uint64_t due_ns)
{
    const uint64_t times_ns[] = {due_ns, lane->warm_end_ns, lane->end_ns};
    uint64_t next_ns = UINT64_MAX, soonest_ns = clock_now_ns() + lane->kind->look_ns;
    for (size_t i = 0; i < sizeof(times_ns) / sizeof(times_ns[0]); i++) {
        if (times_ns[i] && times_ns[i] < next_ns)
            next_ns = times_ns[i];
    }
    if (next_ns == UINT64_MAX || lane->is_ending)
        return;
    next_ns = next_ns > soonest_ns ? next_ns : soonest_ns;
    lane->alarm_ns = next_ns;
    const struct itimerspec at = {
        .it_value = {(time_t)(next_ns / NS_PER_S), (long)(next_ns % NS_PER_S)}};
    (void)timerfd_settime(lane->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* The alarm rings, perhaps late. */
static void note_gap(struct lane *lane, uint64_t now_ns)
{
    if (lane->alarm_ns && now_ns > lane->alarm_ns + BENCH_LATE_NS)
        lane->gaps[lane->gap_count++ % LANE_GAPS] = (struct lane_gap){lane->alarm_ns, now_ns};
}

uint64_t lane_late_ns(const struct lane *lane, uint64_t due_ns)
{
    for (uint64_t i = 0; i < lane->gap_count && i < LANE_GAPS; i++) {
        const struct lane_gap *gap = &lane->gaps[(lane->gap_count - 1 - i) % LANE_GAPS];
        if (gap->to_ns <= due_ns)
            break; /* the others are older */
        if (gap->from_ns <= due_ns)
            return gap->to_ns - due_ns;
    }
    return 0;
}

/* Discards the warm-up: only messages due from now on count. */
static void end_warm_up(struct lane *lane, uint64_t now_ns)
{
    lane->warm_end_ns = 0;
    bench_results_restart(&lane->results, now_ns);
    for (uint64_t i = 0; i < lane->share.connections; i++)
        lane->quotas[i].left = quota_of(lane, i);
    run_queue_restart(&lane->run_queue);
    lane->kind->restart(lane, now_ns);
}

/* Open loop: all that is due by then and before the end, or as many as one look may have. Returns
 * when the next is due; 0 in a closed loop. */
static uint64_t issue_due(struct lane *lane, uint64_t now_ns)
{
    uint64_t due_ns = 0;
    if (!is_open_loop(lane))
        return 0;
    uint64_t by_ns = lane->end_ns && lane->end_ns <= now_ns ? lane->end_ns - 1 : now_ns;
    for (unsigned i = 0; schedule_find(&lane->schedule, by_ns, &due_ns); i++) {
        uint64_t number = lane->schedule.next;
        if (i == lane->kind->most_a_look || !lane->kind->fall_due(lane, number, due_ns, now_ns))
            break;
        lane->schedule.next = number + 1;
    }
    return due_ns;
}

static void settle(struct lane *lane)
{
    lane->kind->count(lane);
    lane->results.seen_ns = clock_now_ns();
    lane->results.is_starvation_known = run_queue_read(&lane->run_queue, &lane->results.starved_ns);
    lane->results.starved_max_ns = lane->results.starved_ns;
    bench_results_settle(&lane->results);
}

/* An end before that of the warm-up leaves nothing measured. */
static void begin_ending(struct lane *lane)
{
    uint64_t now_ns = clock_now_ns();
    if (lane->is_ending)
        return;
    if (lane->warm_end_ns)
        end_warm_up(lane, now_ns);
    (void)issue_due(lane, now_ns);
    settle(lane);
    bench_results_stop(&lane->results,
                       lane->end_ns && lane->end_ns < now_ns ? lane->end_ns : now_ns);
    lane->is_ending = true;
    lane->kind->end(lane);
}

/* A schedule counts from the very end of the warm-up, a closed loop from when that is seen. */
static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    struct lane *lane = arg;
    uint64_t expirations, due_ns, now_ns = clock_now_ns();
    (void)what;
    (void)!read(fd, &expirations, sizeof(expirations));
    note_gap(lane, now_ns);
    if (lane->is_ending)
        return;
    if (lane->warm_end_ns && now_ns >= lane->warm_end_ns)
        end_warm_up(lane, is_open_loop(lane) ? lane->warm_end_ns : now_ns);
    due_ns = issue_due(lane, now_ns);
    if (lane->end_ns && now_ns >= lane->end_ns)
        begin_ending(lane);
    set_alarm(lane, due_ns);
}

/* ---- the thread ---- */

static void publish(struct lane *lane)
{
    settle(lane);
    pthread_mutex_lock(&lane->lock);
    *lane->snapshot = lane->results;
    pthread_mutex_unlock(&lane->lock);
}

static void on_wake(void *owner)
{
    struct lane *lane = owner;
    publish(lane);
    if (atomic_load(&lane->must_stop))
        begin_ending(lane);
}

void lane_finish(struct lane *lane)
{
    loop_stop(&lane->loop);
}

bool lane_gives_up(struct lane *lane, struct quota *quota, uint64_t now_ns, uint64_t patience_ns)
{
    bool is_hopeless = quota_fails(quota, now_ns, patience_ns);
    if (!is_hopeless || lane->end_ns || lane->warm_end_ns || lane->is_ending)
        return false;
    lane->results.unsent += quota_drop(quota);
    lane->results.given_up++;
    return true;
}

static void *thread_main(void *arg)
{
    struct lane *lane = arg;
    const struct lane_share *share = &lane->share;
    const struct client_options *options = share->options;
    uint64_t total_ms = options->warm_up_ms + options->duration_ms;
    lane->schedule = (struct schedule){.start_ns = lane->start_ns,
                                       .per_1000s = options->rate_per_1000s,
                                       .all = options->connections,
                                       .first = share->first_connection - 1,
                                       .count = share->connections,
                                       .ramp_ms = options->ramp_up_ms};
    lane->results.start_ns = lane->results.end_ns = lane->start_ns;
    lane->results.is_open_loop = is_open_loop(lane);
    if (options->warm_up_ms)
        lane->warm_end_ns = lane->start_ns + options->warm_up_ms * NS_PER_MS;
    if (options->duration_ms)
        lane->end_ns = lane->start_ns + total_ms * NS_PER_MS;
    run_queue_open(&lane->run_queue);
    set_alarm(lane, is_open_loop(lane) ? schedule_due_ns(&lane->schedule, 0) : 0);
    lane->kind->begin(lane);
    loop_run(&lane->loop);
    publish(lane);
    run_queue_close(&lane->run_queue);
    atomic_store(&lane->is_over, true);
    return NULL;
}

/* ---- from outside ---- */

static int open_quotas(struct lane *lane)
{
    lane->quotas = calloc(lane->share.connections, sizeof(*lane->quotas));
    for (uint64_t i = 0; lane->quotas && i < lane->share.connections; i++)
        lane->quotas[i].left = lane->share.options->warm_up_ms ? QUOTA_ENDLESS : quota_of(lane, i);
    return lane->quotas ? 0 : -1;
}

static int open_alarm(struct lane *lane)
{
    lane->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (lane->alarm_fd >= 0)
        lane->alarm =
            event_new(lane->loop.base, lane->alarm_fd, EV_READ | EV_PERSIST, on_alarm, lane);
    return lane->alarm ? event_add(lane->alarm, NULL) : -1;
}

static int open_lane(struct lane *lane, struct error *err)
{
    uint64_t count = lane->share.connections;
    if (loop_open(&lane->loop, lane->kind->on_due, err) < 0 ||
        waker_open(&lane->waker, &lane->loop, on_wake, lane, err) < 0)
        return -1;
    lane->snapshot = calloc(1, sizeof(*lane->snapshot));
    if (lane->snapshot && open_alarm(lane) == 0 && open_quotas(lane) == 0 &&
        lane->kind->open(lane) == 0)
        return 0;
    int failure = errno;
    error_system(err, failure, "no memory or descriptors for %llu %s%s", (unsigned long long)count,
                 lane->kind->unit, units_plural(count));
    return error_hint(err, dial_hint(&lane->share.plan->target, failure));
}

struct lane *lane_new(const struct lane_kind *kind, const struct lane_share *share,
                      struct error *err)
{
    struct lane *lane = calloc(1, kind->size);
    if (!lane) {
        error_start(err, "no memory for a thread");
        return NULL;
    }
    lane->kind = kind;
    lane->share = *share;
    lane->alarm_fd = lane->waker.fd = lane->run_queue.fd = -1;
    pthread_mutex_init(&lane->lock, NULL);
    if (open_lane(lane, err) < 0) {
        lane_free(lane);
        return NULL;
    }
    return lane;
}

int lane_start(struct lane *lane, uint64_t start_ns, struct error *err)
{
    lane->start_ns = start_ns;
    int failure = pthread_create(&lane->id, NULL, thread_main, lane);
    if (failure)
        return error_system(err, failure, "cannot start a thread");
    lane->has_thread = true;
    return 0;
}

void lane_stop(struct lane *lane)
{
    atomic_store(&lane->must_stop, true);
    waker_wake(&lane->waker);
}

bool lane_is_over(const struct lane *lane)
{
    return atomic_load(&lane->is_over);
}

void lane_ask(struct lane *lane)
{
    if (!lane_is_over(lane))
        waker_wake(&lane->waker);
}

void lane_peek(struct lane *lane, struct bench_results *sum)
{
    pthread_mutex_lock(&lane->lock);
    bench_results_merge(sum, lane->snapshot);
    pthread_mutex_unlock(&lane->lock);
}

void lane_free(struct lane *lane)
{
    if (lane->has_thread)
        pthread_join(lane->id, NULL);
    lane->kind->clear(lane);
    if (lane->alarm)
        event_free(lane->alarm);
    if (lane->alarm_fd >= 0)
        close(lane->alarm_fd);
    waker_close(&lane->waker);
    loop_close(&lane->loop);
    pthread_mutex_destroy(&lane->lock);
    free(lane->snapshot);
    free(lane->quotas);
    free(lane);
}

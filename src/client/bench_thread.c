/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/bench_thread.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/quota.h"
#include "net/loop.h"

#define SCRATCH_BYTES (256U * 1024U)
#define RECONNECT_PAUSE_MS 100 /* after a failure: an endpoint that is down is not hammered */
#define TICK_MIN_NS 100000     /* an open loop looks at its schedule at most so often */
#define NS_PER_S 1000000000U
#define NS_PER_MS 1000000U

/* A flow and its place in the schedule. */
struct runner {
    struct flow flow;
    struct bench_thread *thread;
    struct quota quota;
    uint64_t index;       /* among the thread's */
    uint64_t issued, due; /* open loop: the schedule's next message to be pushed, and to fall due */
    uint64_t on_this_connection; /* messages pushed */
    uint64_t attempts;           /* to connect */
    bool was_open, is_over;
};

struct bench_thread {
    struct bench_share share;
    struct loop loop;
    struct waker waker;
    struct flow_env env;
    struct runner *runners;
    uint64_t over_count;
    struct schedule schedule;
    uint64_t start_ns;
    uint64_t warm_end_ns; /* 0: no warm-up to come */
    uint64_t end_ns;      /* 0: by count alone */
    int timer_fd;
    struct event *tick, *warm_end, *end;
    struct bench_results results;
    uint64_t sent_before, received_before; /* bytes of the warm-up */
    bool is_ending;
    pthread_t id;
    bool has_thread;
    _Atomic bool must_stop, is_over;
    pthread_mutex_t lock; /* of the snapshot */
    struct bench_results *snapshot;
};

static struct runner *runner_of(struct flow *flow)
{
    return (struct runner *)flow;
}

/* ---- issuing ---- */

/* Open loop: when the runner's message of that number is due. */
static uint64_t due_of(const struct runner *runner, uint64_t number)
{
    const struct bench_thread *thread = runner->thread;
    return schedule_due_ns(&thread->schedule, number * thread->share.connections + runner->index);
}

/* True if it has more to send, on this connection or on another. */
static bool has_more(const struct runner *runner)
{
    return !runner->thread->is_ending && (runner->quota.left > 0 || runner->issued < runner->due);
}

/* True if this connection has nothing to send any more. */
static bool is_spent(const struct runner *runner)
{
    uint64_t most = runner->thread->share.options->per_connection;
    return !has_more(runner) || (most && runner->on_this_connection >= most);
}

/* A closed loop's message is due when there is room for it. */
static bool falls_due(struct runner *runner, uint64_t now_ns)
{
    const struct bench_thread *thread = runner->thread;
    if (schedule_is_open_loop(&thread->schedule))
        return runner->issued < runner->due;
    return quota_take(&runner->quota, now_ns, thread->results.start_ns);
}

static void issue(struct runner *runner, uint64_t now_ns)
{
    const struct bench_thread *thread = runner->thread;
    const struct options *options = thread->share.options;
    struct flow *flow = &runner->flow;
    while (!is_spent(runner) && flow_has_room(flow) && falls_due(runner, now_ns)) {
        bool is_open_loop = schedule_is_open_loop(&thread->schedule);
        uint64_t due_ns = is_open_loop ? due_of(runner, runner->issued++) : now_ns;
        flow_push(flow,
                  pattern_size(flow->seed, runner->on_this_connection++, options->size_min,
                               options->size_max),
                  due_ns);
    }
}

/* ---- one flow's life ---- */

static void finish_if_spent(struct runner *runner)
{
    if (runner->flow.count == 0 && runner->flow.state == FLOW_OPEN && is_spent(runner))
        flow_finish(&runner->flow);
}

static void go_on(struct runner *runner, uint64_t now_ns)
{
    issue(runner, now_ns);
    finish_if_spent(runner);
}

static void connect_now(struct runner *runner)
{
    const struct bench_share *share = &runner->thread->share;
    uint64_t number =
        share->first_connection + runner->index + share->options->connections * runner->attempts++;
    runner->on_this_connection = 0;
    flow_connect(&runner->flow, number);
}

static void on_connected(struct flow *flow)
{
    struct runner *runner = runner_of(flow);
    struct bench_results *results = &runner->thread->results;
    uint64_t now_ns = clock_now_ns();
    results->opened++;
    results->opened_meanwhile++;
    if (flow->link.ssl) {
        histogram_add(&results->handshake, flow->link.handshake_ns);
        results->resumed += flow->link.is_resumed;
    }
    if (!runner->was_open)
        results->established++;
    runner->was_open = true;
    go_on(runner, now_ns);
    flow_flush(flow, now_ns);
}

static void on_echo(struct flow *flow, const struct flow_message *message, uint64_t now_ns)
{
    struct runner *runner = runner_of(flow);
    quota_works(&runner->quota);
    bench_results_add_echo(&runner->thread->results, message->due_ns, message->sent_ns, now_ns);
    go_on(runner, now_ns);
}

static void on_unanswered(struct flow *flow, const struct flow_message *message, uint64_t now_ns)
{
    struct bench_results *results = &runner_of(flow)->thread->results;
    if (message->sent_ns)
        bench_results_add_unanswered(results, message->due_ns, now_ns);
    else
        bench_results_add_unsent(results, message->due_ns, now_ns);
}

static void end_runner(struct runner *runner)
{
    struct bench_thread *thread = runner->thread;
    runner->is_over = true;
    if (++thread->over_count == thread->share.connections)
        loop_stop(&thread->loop);
}

/* What was due and never left has waited until now, and for longer: so long counts. */
static void count_unsent(struct runner *runner, uint64_t now_ns)
{
    for (; runner->issued < runner->due; runner->issued++)
        bench_results_add_unsent(&runner->thread->results, due_of(runner, runner->issued), now_ns);
}

/* A run that only a count ends does not wait for ever for a connection that always fails. */
static void note_failure(struct runner *runner, uint64_t now_ns)
{
    struct bench_thread *thread = runner->thread;
    bool is_hopeless = quota_fails(&runner->quota, now_ns, thread->env.timeout_ms * NS_PER_MS);
    if (!is_hopeless || thread->end_ns || thread->warm_end_ns || thread->is_ending)
        return;
    count_unsent(runner, now_ns);
    thread->results.unsent += quota_drop(&runner->quota);
    thread->results.given_up++;
}

static void on_ended(struct flow *flow, const struct flow_failure *failure)
{
    struct runner *runner = runner_of(flow);
    struct bench_thread *thread = runner->thread;
    struct bench_results *results = &thread->results;
    bool is_failure = failure->how.outcome != OUTCOME_OK;
    results->errors[failure->how.outcome]++;
    if (is_failure && results->failures_kept < BENCH_FAILURES_KEPT)
        results->failures[results->failures_kept++] = *failure;
    if (is_failure)
        note_failure(runner, clock_now_ns());
    if (!has_more(runner))
        end_runner(runner);
    else if (!is_failure)
        connect_now(runner);
    else
        loop_set_deadline(&thread->loop, &flow->deadline, loop_now_ms() + RECONNECT_PAUSE_MS);
}

static void on_due(struct deadline *deadline)
{
    struct runner *runner = (struct runner *)(void *)deadline; /* its first member's first member */
    if (runner->flow.state != FLOW_CLOSED)
        flow_on_due(&runner->flow);
    else if (!runner->is_over)
        connect_now(runner); /* its turn in the ramp, or the pause after a failure is over */
}

/* ---- the thread's own events ---- */

static void set_alarm(struct bench_thread *thread, uint64_t at_ns)
{
    const struct itimerspec alarm = {
        .it_value = {(time_t)(at_ns / NS_PER_S), (long)(at_ns % NS_PER_S)}};
    (void)timerfd_settime(thread->timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
}

/* Forgets the warm-up: what counts is due from now on. */
static void end_warm_up(struct bench_thread *thread, uint64_t now_ns)
{
    thread->warm_end_ns = 0;
    bench_results_restart(&thread->results, now_ns);
    thread->sent_before = thread->env.sent_bytes;
    thread->received_before = thread->env.received_bytes;
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        struct runner *runner = &thread->runners[i];
        runner->quota.left = bench_quota(&thread->share, i);
        finish_if_spent(runner);
    }
}

/* One message of the schedule falls due, on the connection whose turn it is. */
static void fall_due(struct bench_thread *thread, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t count = thread->share.connections, number = thread->schedule.next++;
    struct runner *runner = &thread->runners[number % count];
    if (!quota_take(&runner->quota, due_ns, thread->results.start_ns))
        return;
    if (runner->due == 0) /* its first */
        runner->issued = number / count;
    runner->due = number / count + 1;
    if (runner->flow.state == FLOW_OPEN) {
        issue(runner, now_ns);
        flow_flush(&runner->flow, clock_now_ns());
    }
}

/* All that are due by then. */
static void issue_due(struct bench_thread *thread, uint64_t now_ns)
{
    uint64_t due_ns;
    if (thread->warm_end_ns && thread->warm_end_ns <= now_ns)
        end_warm_up(thread, thread->warm_end_ns);
    uint64_t by_ns = thread->end_ns && thread->end_ns <= now_ns ? thread->end_ns - 1 : now_ns;
    while (schedule_find(&thread->schedule, by_ns, &due_ns))
        fall_due(thread, due_ns, now_ns);
    set_alarm(thread, due_ns > now_ns + TICK_MIN_NS ? due_ns : now_ns + TICK_MIN_NS);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct bench_thread *thread = arg;
    uint64_t expirations;
    (void)what;
    (void)!read(fd, &expirations, sizeof(expirations));
    if (!thread->is_ending)
        issue_due(thread, clock_now_ns());
}

static void settle(struct bench_thread *thread)
{
    thread->results.sent_bytes = thread->env.sent_bytes - thread->sent_before;
    thread->results.received_bytes = thread->env.received_bytes - thread->received_before;
    thread->results.seen_ns = clock_now_ns();
    bench_results_settle(&thread->results);
}

/* An end before that of the warm-up leaves nothing measured. */
static void begin_ending(struct bench_thread *thread)
{
    uint64_t now_ns = clock_now_ns();
    if (thread->is_ending)
        return;
    if (thread->warm_end_ns)
        end_warm_up(thread, now_ns);
    if (schedule_is_open_loop(&thread->schedule))
        issue_due(thread, now_ns);
    settle(thread);
    bench_results_stop(&thread->results,
                       thread->end_ns && thread->end_ns < now_ns ? thread->end_ns : now_ns);
    thread->is_ending = true;
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        struct runner *runner = &thread->runners[i];
        count_unsent(runner, thread->results.end_ns);
        if (runner->is_over)
            continue;
        if (runner->flow.state == FLOW_CLOSED)
            end_runner(runner);
        else
            finish_if_spent(runner);
    }
}

static void set_timer(struct event *timer, uint64_t ms)
{
    const struct timeval wait = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    (void)event_add(timer, &wait);
}

/* The loop's clock is a coarse one, so a time may come a little early: then it is waited for. */
static bool has_come(struct event *timer, uint64_t at_ns)
{
    if (clock_now_ns() >= at_ns)
        return true;
    set_timer(timer, 1);
    return false;
}

/* A schedule counts from the very end of the warm-up, and may have met it before this does. */
static void on_warm_end(evutil_socket_t fd, short what, void *arg)
{
    struct bench_thread *thread = arg;
    (void)fd, (void)what;
    if (!thread->warm_end_ns || !has_come(thread->warm_end, thread->warm_end_ns))
        return;
    if (schedule_is_open_loop(&thread->schedule))
        issue_due(thread, clock_now_ns());
    else
        end_warm_up(thread, clock_now_ns());
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    struct bench_thread *thread = arg;
    (void)fd, (void)what;
    if (has_come(thread->end, thread->end_ns))
        begin_ending(thread);
}

static void publish(struct bench_thread *thread)
{
    settle(thread);
    pthread_mutex_lock(&thread->lock);
    *thread->snapshot = thread->results;
    pthread_mutex_unlock(&thread->lock);
}

static void on_wake(void *owner)
{
    struct bench_thread *thread = owner;
    publish(thread);
    if (atomic_load(&thread->must_stop))
        begin_ending(thread);
}

static void *thread_main(void *arg)
{
    struct bench_thread *thread = arg;
    const struct options *options = thread->share.options;
    uint64_t now_ms = loop_now_ms();
    thread->results.start_ns = thread->results.end_ns = thread->start_ns;
    thread->schedule = bench_schedule(&thread->share, thread->start_ns);
    thread->results.is_open_loop = schedule_is_open_loop(&thread->schedule);
    if (schedule_is_open_loop(&thread->schedule))
        set_alarm(thread, schedule_due_ns(&thread->schedule, 0));
    if (options->warm_up_ms) {
        set_timer(thread->warm_end, options->warm_up_ms);
        thread->warm_end_ns = thread->start_ns + options->warm_up_ms * NS_PER_MS;
    }
    if (options->duration_ms) {
        uint64_t total_ms = options->warm_up_ms + options->duration_ms;
        set_timer(thread->end, total_ms);
        thread->end_ns = thread->start_ns + total_ms * NS_PER_MS;
    }
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        uint64_t delay_ns = schedule_opens_ns(&thread->schedule, i) - thread->start_ns;
        loop_set_deadline(&thread->loop, &thread->runners[i].flow.deadline,
                          now_ms + delay_ns / NS_PER_MS);
    }
    loop_run(&thread->loop);
    publish(thread);
    atomic_store(&thread->is_over, true);
    return NULL;
}

/* ---- from outside ---- */

static int open_runners(struct bench_thread *thread)
{
    uint64_t count = thread->share.connections;
    thread->runners = calloc(count, sizeof(*thread->runners));
    if (!thread->runners || deadline_queue_reserve(&thread->loop.deadlines, count) < 0)
        return -1;
    for (uint64_t i = 0; i < count; i++) {
        thread->runners[i].thread = thread;
        thread->runners[i].index = i;
        thread->runners[i].quota.left =
            thread->share.options->warm_up_ms ? QUOTA_ENDLESS : bench_quota(&thread->share, i);
        if (flow_init(&thread->runners[i].flow, &thread->env) < 0)
            return -1;
    }
    return 0;
}

static int open_events(struct bench_thread *thread)
{
    struct event_base *base = thread->loop.base;
    thread->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    thread->warm_end = evtimer_new(base, on_warm_end, thread);
    thread->end = evtimer_new(base, on_end, thread);
    if (thread->timer_fd >= 0)
        thread->tick = event_new(base, thread->timer_fd, EV_READ | EV_PERSIST, on_tick, thread);
    return thread->tick && thread->warm_end && thread->end ? event_add(thread->tick, NULL) : -1;
}

static int open_thread(struct bench_thread *thread, struct error *err)
{
    const struct options *options = thread->share.options;
    if (loop_open(&thread->loop, on_due, err) < 0 ||
        waker_open(&thread->waker, &thread->loop, on_wake, thread, err) < 0)
        return -1;
    thread->snapshot = calloc(1, sizeof(*thread->snapshot));
    thread->env = (struct flow_env){.loop = &thread->loop,
                                    .callbacks = {on_connected, on_echo, on_unanswered, on_ended},
                                    .plan = thread->share.plan,
                                    .scratch = malloc(SCRATCH_BYTES),
                                    .scratch_bytes = SCRATCH_BYTES,
                                    .seed = options->seed,
                                    .timeout_ms = options->timeout_ms,
                                    .pipeline = (uint32_t)options->pipeline};
    if (!thread->snapshot || !thread->env.scratch || open_events(thread) < 0 ||
        open_runners(thread) < 0)
        return error_system(err, errno, "no memory or descriptors for %llu connection%s",
                            (unsigned long long)thread->share.connections,
                            units_plural(thread->share.connections));
    return 0;
}

struct bench_thread *bench_thread_new(const struct bench_share *share, struct error *err)
{
    struct bench_thread *thread = calloc(1, sizeof(*thread));
    if (!thread) {
        error_start(err, "no memory for a thread");
        return NULL;
    }
    thread->share = *share;
    thread->timer_fd = thread->waker.fd = -1;
    pthread_mutex_init(&thread->lock, NULL);
    if (open_thread(thread, err) < 0) {
        bench_thread_free(thread);
        return NULL;
    }
    return thread;
}

uint64_t bench_quota(const struct bench_share *share, uint64_t index)
{
    const struct options *options = share->options;
    return quota_part(options->requests, options->connections, share->first_connection - 1 + index);
}

struct schedule bench_schedule(const struct bench_share *share, uint64_t start_ns)
{
    return (struct schedule){.start_ns = start_ns,
                             .rate = share->options->rate,
                             .all = share->options->connections,
                             .first = share->first_connection - 1,
                             .count = share->connections,
                             .ramp_ms = share->options->ramp_up_ms};
}

int bench_thread_start(struct bench_thread *thread, uint64_t start_ns, struct error *err)
{
    thread->start_ns = start_ns;
    int failure = pthread_create(&thread->id, NULL, thread_main, thread);
    if (failure)
        return error_system(err, failure, "cannot start a thread");
    thread->has_thread = true;
    return 0;
}

void bench_thread_stop(struct bench_thread *thread)
{
    atomic_store(&thread->must_stop, true);
    waker_wake(&thread->waker);
}

bool bench_thread_is_over(const struct bench_thread *thread)
{
    return atomic_load(&thread->is_over);
}

void bench_thread_ask(struct bench_thread *thread)
{
    if (!bench_thread_is_over(thread))
        waker_wake(&thread->waker);
}

void bench_thread_peek(struct bench_thread *thread, struct bench_results *sum)
{
    pthread_mutex_lock(&thread->lock);
    bench_results_merge(sum, thread->snapshot);
    pthread_mutex_unlock(&thread->lock);
}

void bench_thread_free(struct bench_thread *thread)
{
    struct event *events[] = {thread->tick, thread->warm_end, thread->end};
    if (thread->has_thread)
        pthread_join(thread->id, NULL);
    for (uint64_t i = 0; thread->runners && i < thread->share.connections; i++)
        flow_clear(&thread->runners[i].flow);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i])
            event_free(events[i]);
    }
    if (thread->timer_fd >= 0)
        close(thread->timer_fd);
    waker_close(&thread->waker);
    loop_close(&thread->loop);
    pthread_mutex_destroy(&thread->lock);
    free(thread->snapshot);
    free(thread->env.scratch);
    free(thread->runners);
    free(thread);
}

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
#include "base/units.h"
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
    uint64_t index;  /* among the thread's */
    uint64_t issued; /* messages pushed */
    uint64_t due;    /* open loop: messages whose time has come */
    uint64_t on_this_connection;
    uint64_t attempts; /* to connect */
    bool was_open, is_over;
};

struct bench_thread {
    struct bench_share share;
    struct loop loop;
    struct waker waker;
    struct flow_env env;
    struct runner *runners;
    uint64_t over_count;
    uint64_t budget; /* messages that may still be pushed; UINT64_MAX: no end */
    uint64_t random; /* for sizes */
    struct schedule schedule;
    uint64_t start_ns, end_ns; /* end_ns 0: by count alone */
    uint64_t scheduled;        /* open loop: messages that have become due */
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

static uint64_t next_size(struct bench_thread *thread)
{
    const struct options *options = thread->share.options;
    uint64_t span = options->size_max - options->size_min + 1;
    if (span == 1)
        return options->size_min;
    thread->random = thread->random * 6364136223846793005U + 1442695040888963407U;
    return options->size_min + (thread->random >> 33) % span;
}

/* Open loop: when the runner's message of that number is due. */
static uint64_t due_of(const struct runner *runner, uint64_t number)
{
    const struct bench_thread *thread = runner->thread;
    return schedule_due_ns(&thread->schedule, number * thread->share.connections + runner->index);
}

static bool may_issue(const struct runner *runner)
{
    const struct bench_thread *thread = runner->thread;
    uint64_t most = thread->share.options->per_connection;
    return !thread->is_ending && thread->budget > 0 && flow_has_room(&runner->flow) &&
           (!schedule_is_open_loop(&thread->schedule) || runner->issued < runner->due) &&
           (!most || runner->on_this_connection < most);
}

/* True where this connection has nothing to send any more. */
static bool is_spent(const struct runner *runner)
{
    const struct bench_thread *thread = runner->thread;
    uint64_t most = thread->share.options->per_connection;
    return thread->is_ending || thread->budget == 0 || (most && runner->on_this_connection >= most);
}

static void set_budget(struct bench_thread *thread, uint64_t budget)
{
    thread->budget = budget;
    if (budget == 0)
        event_active(thread->end, 0, 0);
}

static void issue(struct runner *runner, uint64_t now_ns)
{
    struct bench_thread *thread = runner->thread;
    bool is_open_loop = schedule_is_open_loop(&thread->schedule);
    while (may_issue(runner)) {
        uint64_t due_ns = is_open_loop ? due_of(runner, runner->issued) : now_ns;
        flow_push(&runner->flow, next_size(thread), due_ns);
        runner->issued++;
        runner->on_this_connection++;
        /* What is still to be sent of the warm-up is none of those that count. */
        if (thread->budget != UINT64_MAX && due_ns >= thread->results.start_ns)
            set_budget(thread, thread->budget - 1);
    }
}

/* ---- one flow's life ---- */

static void go_on(struct runner *runner, uint64_t now_ns)
{
    issue(runner, now_ns);
    if (runner->flow.count == 0 && runner->flow.state == FLOW_OPEN && is_spent(runner))
        flow_finish(&runner->flow);
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
    struct bench_results *results = &runner->thread->results;
    if (message->due_ns >= results->start_ns) {
        histogram_add(&results->corrected, now_ns - message->due_ns);
        histogram_add(&results->uncorrected, now_ns - message->sent_ns);
        histogram_add(&results->late, message->sent_ns - message->due_ns);
        results->completed++;
        results->end_ns = now_ns;
    }
    go_on(runner, now_ns);
}

/* So long it has waited, and for longer. In a closed loop there is nothing to correct. */
static void on_timeout(struct flow *flow, const struct flow_message *message, uint64_t now_ns)
{
    struct bench_thread *thread = runner_of(flow)->thread;
    if (schedule_is_open_loop(&thread->schedule) && message->due_ns >= thread->results.start_ns)
        histogram_add(&thread->results.corrected, now_ns - message->due_ns);
}

static void end_runner(struct runner *runner)
{
    struct bench_thread *thread = runner->thread;
    runner->is_over = true;
    if (++thread->over_count == thread->share.connections)
        loop_stop(&thread->loop);
}

static void on_ended(struct flow *flow, const struct flow_failure *failure)
{
    struct runner *runner = runner_of(flow);
    struct bench_thread *thread = runner->thread;
    struct bench_results *results = &thread->results;
    results->errors[failure->how.outcome]++;
    if (failure->how.outcome != OUTCOME_OK && !thread->is_ending)
        results->end_ns = clock_now_ns();
    if (failure->how.outcome != OUTCOME_OK && results->failures_kept < BENCH_FAILURES_KEPT)
        results->failures[results->failures_kept++] = *failure;
    results->unanswered += failure->unanswered;
    if (thread->is_ending || thread->budget == 0)
        end_runner(runner);
    else if (failure->how.outcome == OUTCOME_OK)
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

/* Every message whose time has come by now is due on its connection. */
static void issue_due(struct bench_thread *thread, uint64_t now_ns)
{
    uint64_t due_ns;
    while ((due_ns = schedule_due_ns(&thread->schedule, thread->scheduled)) <= now_ns &&
           (thread->end_ns == 0 || due_ns < thread->end_ns)) {
        struct runner *runner = &thread->runners[thread->scheduled++ % thread->share.connections];
        runner->due++;
        if (runner->flow.state == FLOW_OPEN && may_issue(runner)) {
            issue(runner, now_ns);
            flow_flush(&runner->flow, clock_now_ns());
        }
    }
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

/* Forgets the warm-up: what counts is due from now on. */
static void end_warm_up(struct bench_thread *thread)
{
    bench_results_restart(&thread->results, clock_now_ns());
    thread->sent_before = thread->env.sent_bytes;
    thread->received_before = thread->env.received_bytes;
    set_budget(thread, thread->share.requests);
}

static void on_warm_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    end_warm_up(arg);
}

/* What was due and never left has waited until the end, and for longer: so long counts. */
static void count_unsent(struct runner *runner)
{
    struct bench_thread *thread = runner->thread;
    struct bench_results *results = &thread->results;
    for (uint64_t i = runner->issued; thread->budget > 0 && i < runner->due; i++)
        bench_results_add_unsent(results, due_of(runner, i), results->end_ns);
}

/* An end before that of the warm-up leaves nothing measured. */
static void begin_ending(struct bench_thread *thread)
{
    if (thread->is_ending)
        return;
    if (event_pending(thread->warm_end, EV_TIMEOUT, NULL))
        end_warm_up(thread);
    uint64_t now_ns = clock_now_ns();
    thread->is_ending = true;
    thread->results.end_ns = thread->end_ns && thread->end_ns < now_ns ? thread->end_ns : now_ns;
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        struct runner *runner = &thread->runners[i];
        count_unsent(runner);
        if (runner->is_over)
            continue;
        if (runner->flow.state == FLOW_CLOSED)
            end_runner(runner);
        else
            go_on(runner, clock_now_ns());
    }
}

static void set_timer(struct event *timer, uint64_t ms)
{
    const struct timeval wait = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    (void)event_add(timer, &wait);
}

/* The time is over, or the count (then it is no timeout). The loop's clock is a coarse one. */
static void on_end(evutil_socket_t fd, short what, void *arg)
{
    struct bench_thread *thread = arg;
    (void)fd;
    if ((what & EV_TIMEOUT) && clock_now_ns() < thread->end_ns) {
        set_timer(thread->end, 1);
        return;
    }
    if (schedule_is_open_loop(&thread->schedule) && (what & EV_TIMEOUT))
        issue_due(thread, thread->end_ns);
    begin_ending(thread);
}

static void publish(struct bench_thread *thread)
{
    thread->results.sent_bytes = thread->env.sent_bytes - thread->sent_before;
    thread->results.received_bytes = thread->env.received_bytes - thread->received_before;
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
    if (schedule_is_open_loop(&thread->schedule))
        set_alarm(thread, schedule_due_ns(&thread->schedule, 0));
    if (options->warm_up_ms)
        set_timer(thread->warm_end, options->warm_up_ms);
    if (options->duration_ms) {
        uint64_t total_ms = options->warm_up_ms + options->duration_ms;
        set_timer(thread->end, total_ms);
        thread->end_ns = thread->start_ns + total_ms * NS_PER_MS;
    }
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        uint64_t number = thread->share.first_connection - 1 + i;
        uint64_t delay_ms = options->ramp_up_ms * number / options->connections;
        loop_set_deadline(&thread->loop, &thread->runners[i].flow.deadline, now_ms + delay_ms);
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
                                    .callbacks = {on_connected, on_echo, on_timeout, on_ended},
                                    .plan = thread->share.plan,
                                    .scratch = malloc(SCRATCH_BYTES),
                                    .scratch_bytes = SCRATCH_BYTES,
                                    .seed = options->seed,
                                    .timeout_ms = options->timeout_ms,
                                    .pipeline = (uint32_t)options->pipeline};
    if (!thread->snapshot || !thread->env.scratch || open_events(thread) < 0 ||
        open_runners(thread) < 0)
        return error_start(err, "no memory or descriptors for %llu connection%s: %s",
                           (unsigned long long)thread->share.connections,
                           units_plural(thread->share.connections), strerror(errno));
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
    thread->budget = share->options->warm_up_ms ? UINT64_MAX : share->requests;
    thread->random = share->options->seed + share->first_connection;
    pthread_mutex_init(&thread->lock, NULL);
    if (open_thread(thread, err) < 0) {
        bench_thread_free(thread);
        return NULL;
    }
    return thread;
}

struct schedule bench_schedule(const struct bench_share *share, uint64_t start_ns)
{
    return (struct schedule){.start_ns = start_ns,
                             .rate = share->options->rate,
                             .all = share->options->connections,
                             .first = share->first_connection - 1,
                             .count = share->connections};
}

int bench_thread_start(struct bench_thread *thread, uint64_t start_ns, struct error *err)
{
    thread->start_ns = start_ns;
    int failure = pthread_create(&thread->id, NULL, thread_main, thread);
    if (failure)
        return error_start(err, "cannot start a thread: %s", strerror(failure));
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

void bench_results_restart(struct bench_results *results, uint64_t now_ns)
{
    const struct bench_results before = *results;
    memset(results, 0, sizeof(*results));
    results->opened = before.opened;
    results->established = before.established;
    results->warm_up_ns = now_ns - before.start_ns;
    results->start_ns = results->end_ns = now_ns;
    /* No warm-up excuses a wrong byte. */
    results->errors[OUTCOME_MISMATCH] = before.errors[OUTCOME_MISMATCH];
    for (uint32_t i = 0; i < before.failures_kept; i++) {
        if (before.failures[i].how.outcome == OUTCOME_MISMATCH)
            results->failures[results->failures_kept++] = before.failures[i];
    }
    memcpy(results->wrong, before.wrong, sizeof(before.wrong));
    results->wrong_kept = before.wrong_kept;
}

void bench_results_add_unsent(struct bench_results *results, uint64_t due_ns, uint64_t end_ns)
{
    if (due_ns < results->start_ns || due_ns > end_ns)
        return;
    results->unsent++;
    histogram_add(&results->corrected, end_ns - due_ns);
}

void bench_results_merge(struct bench_results *sum, const struct bench_results *one)
{
    histogram_merge(&sum->corrected, &one->corrected);
    histogram_merge(&sum->uncorrected, &one->uncorrected);
    histogram_merge(&sum->late, &one->late);
    histogram_merge(&sum->handshake, &one->handshake);
    sum->resumed += one->resumed;
    sum->completed += one->completed;
    sum->sent_bytes += one->sent_bytes;
    sum->received_bytes += one->received_bytes;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        sum->errors[i] += one->errors[i];
    sum->opened += one->opened;
    sum->opened_meanwhile += one->opened_meanwhile;
    sum->established += one->established;
    sum->unsent += one->unsent;
    sum->unanswered += one->unanswered;
    if (one->warm_up_ns > sum->warm_up_ns)
        sum->warm_up_ns = one->warm_up_ns;
    if (sum->start_ns == 0 || (one->start_ns && one->start_ns < sum->start_ns))
        sum->start_ns = one->start_ns;
    if (one->end_ns > sum->end_ns)
        sum->end_ns = one->end_ns;
    for (uint32_t i = 0; i < one->failures_kept && sum->failures_kept < BENCH_FAILURES_KEPT; i++)
        sum->failures[sum->failures_kept++] = one->failures[i];
    udp_counts_add(&sum->datagrams, &one->datagrams);
    for (uint32_t i = 0; i < one->wrong_kept && sum->wrong_kept < UDP_WRONG_KEPT; i++)
        sum->wrong[sum->wrong_kept++] = one->wrong[i];
}

void bench_thread_peek(struct bench_thread *thread, struct bench_results *sum)
{
    if (!bench_thread_is_over(thread))
        waker_wake(&thread->waker); /* a fresher picture for the next time */
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

/* SPDX-License-Identifier: BSD-2-Clause */
/* A lane's streams: connections that send messages, end, and connect again. */
#include <limits.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "client/flow.h"
#include "client/lane.h"

#define SCRATCH_BYTES (256U * 1024U)
#define RECONNECT_PAUSE_MS 100 /* after a failure: an endpoint that is down is not hammered */
#define LOOK_NS 100000         /* an open loop looks at its schedule at most so often */
#define NS_PER_MS 1000000U

/* A flow and its place in the schedule. */
struct stream_runner {
    struct flow flow;
    struct streams *streams;
    struct quota *quota;
    uint64_t index;       /* among the lane's */
    uint64_t issued, due; /* open loop: the schedule's next message to be pushed, and to fall due */
    uint64_t on_this_connection; /* messages pushed */
    uint64_t attempts;           /* to connect */
    uint64_t opened_ns;          /* when this connection was */
    bool was_open, is_over;
};

struct streams {
    struct lane lane;
    struct flow_env env;
    struct stream_runner *runners;
    uint64_t over_count;
    uint64_t sent_before, received_before; /* bytes of the warm-up */
};

static struct streams *streams_of(struct lane *lane)
{
    return (struct streams *)(void *)lane;
}

static struct stream_runner *runner_of(struct flow *flow)
{
    return (struct stream_runner *)flow;
}

/* ---- issuing ---- */

/* Open loop: when the runner's message of that number is due. */
static uint64_t due_of(const struct stream_runner *runner, uint64_t number)
{
    const struct lane *lane = &runner->streams->lane;
    return schedule_due_ns(&lane->schedule, number * lane->share.connections + runner->index);
}

/* True if it has more to send, on this connection or on another. */
static bool has_more(const struct stream_runner *runner)
{
    return !runner->streams->lane.is_ending &&
           (runner->quota->left > 0 || runner->issued < runner->due);
}

/* True if this connection has nothing to send any more. */
static bool is_spent(const struct stream_runner *runner)
{
    uint64_t most = runner->streams->lane.share.options->per_connection;
    return !has_more(runner) || (most && runner->on_this_connection >= most);
}

/* A closed loop's message is due when there is room for it. */
static bool falls_due(struct stream_runner *runner, uint64_t now_ns)
{
    const struct lane *lane = &runner->streams->lane;
    if (schedule_is_open_loop(&lane->schedule))
        return runner->issued < runner->due;
    return quota_take(runner->quota, now_ns, lane->results.start_ns);
}

/* How long a message has waited for each cause, if it left, or was given up, at that time. One that
 * is sent as soon as the lane notices it was late by that alone. */
static void explain_wait(const struct stream_runner *runner, uint64_t due_ns, bool is_prompt,
                         uint64_t until_ns, uint64_t wait_ns[WAIT_CAUSES])
{
    uint64_t all_ns = until_ns > due_ns ? until_ns - due_ns : 0;
    uint64_t opened_ns = runner->flow.state == FLOW_OPEN ? runner->opened_ns : until_ns;
    uint64_t late_ns = is_prompt ? all_ns : lane_late_ns(&runner->streams->lane, due_ns);
    late_ns = late_ns < all_ns ? late_ns : all_ns;
    uint64_t seen_ns = due_ns + late_ns;
    uint64_t ready_ns = opened_ns > seen_ns ? opened_ns : seen_ns;
    wait_ns[WAIT_CLIENT] = late_ns;
    wait_ns[WAIT_CONNECTION] = ready_ns - seen_ns;
    wait_ns[WAIT_PIPELINE] = until_ns > ready_ns ? until_ns - ready_ns : 0;
}

/* `is_prompt` if the first message to issue has only just fallen due. */
static void issue(struct stream_runner *runner, uint64_t now_ns, bool is_prompt)
{
    const struct lane *lane = &runner->streams->lane;
    const struct client_options *options = lane->share.options;
    struct flow *flow = &runner->flow;
    while (!is_spent(runner) && flow_has_room(flow) && falls_due(runner, now_ns)) {
        bool is_open_loop = schedule_is_open_loop(&lane->schedule);
        uint64_t due_ns = is_open_loop ? due_of(runner, runner->issued++) : now_ns;
        uint64_t wait_ns[WAIT_CAUSES] = {0};
        struct flow_message *message =
            flow_push(flow,
                      pattern_size(flow->seed, runner->on_this_connection++, options->size_min,
                                   options->size_max),
                      due_ns);
        if (is_open_loop)
            explain_wait(runner, due_ns, is_prompt, clock_now_ns(), wait_ns);
        message->late_ns = wait_ns[WAIT_CLIENT];
        message->connection_ns = wait_ns[WAIT_CONNECTION];
        is_prompt = false;
    }
}

/* The rest of its wait is caused by the pipeline or the socket. */
static void count_waits(struct stream_runner *runner, const struct flow_message *message,
                        uint64_t now_ns)
{
    uint64_t sent_ns = message->sent_ns ? message->sent_ns : now_ns;
    uint64_t pushed_ns = message->due_ns + message->late_ns + message->connection_ns;
    const uint64_t wait_ns[WAIT_CAUSES] = {[WAIT_CLIENT] = message->late_ns,
                                           [WAIT_CONNECTION] = message->connection_ns,
                                           [WAIT_PIPELINE] =
                                               sent_ns > pushed_ns ? sent_ns - pushed_ns : 0};
    bench_results_add_waits(&runner->streams->lane.results, message->due_ns, now_ns, wait_ns);
}

/* ---- one flow's life ---- */

static void finish_if_spent(struct stream_runner *runner)
{
    if (runner->flow.count == 0 && runner->flow.state == FLOW_OPEN && is_spent(runner))
        flow_finish(&runner->flow);
}

static void go_on(struct stream_runner *runner, uint64_t now_ns)
{
    issue(runner, now_ns, false);
    finish_if_spent(runner);
}

static void connect_now(struct stream_runner *runner)
{
    const struct lane_share *share = &runner->streams->lane.share;
    uint64_t number =
        share->first_connection + runner->index + share->options->connections * runner->attempts++;
    runner->on_this_connection = 0;
    flow_connect(&runner->flow, number);
}

static void on_connected(struct flow *flow)
{
    struct stream_runner *runner = runner_of(flow);
    struct bench_results *results = &runner->streams->lane.results;
    uint64_t now_ns = clock_now_ns();
    runner->opened_ns = now_ns;
    results->opened++;
    results->opened_meanwhile++;
    connect_times_note(&results->connects, &flow->link, OUTCOME_OK);
    results->resumed += flow->link.is_resumed;
    if (!runner->was_open)
        results->established++;
    runner->was_open = true;
    go_on(runner, now_ns);
    flow_flush(flow, now_ns);
}

static void on_echo(struct flow *flow, const struct flow_message *message, uint64_t now_ns)
{
    struct stream_runner *runner = runner_of(flow);
    quota_works(runner->quota);
    bench_results_add_echo(&runner->streams->lane.results, message->due_ns, message->sent_ns,
                           message->late_ns, now_ns);
    count_waits(runner, message, now_ns);
    go_on(runner, now_ns);
}

/* Whether the first byte of one left before its connection failed is a race, so it does not matter.
 */
static void on_unanswered(struct flow *flow, const struct flow_message *message, uint64_t now_ns)
{
    struct stream_runner *runner = runner_of(flow);
    bench_results_add_unanswered(&runner->streams->lane.results, message->due_ns, now_ns);
    count_waits(runner, message, now_ns);
}

static void end_runner(struct stream_runner *runner)
{
    struct streams *streams = runner->streams;
    runner->is_over = true;
    if (++streams->over_count == streams->lane.share.connections)
        lane_finish(&streams->lane);
}

/* A message that was due and never sent has waited at least until now: that time counts. */
static void count_unsent(struct stream_runner *runner, uint64_t now_ns)
{
    struct bench_results *results = &runner->streams->lane.results;
    for (; runner->issued < runner->due; runner->issued++) {
        uint64_t wait_ns[WAIT_CAUSES], due_ns = due_of(runner, runner->issued);
        bench_results_add_unsent(results, due_ns, now_ns);
        explain_wait(runner, due_ns, false, now_ns, wait_ns);
        bench_results_add_waits(results, due_ns, now_ns, wait_ns);
    }
}

static void on_ended(struct flow *flow, const struct failure *failure)
{
    struct stream_runner *runner = runner_of(flow);
    struct lane *lane = &runner->streams->lane;
    struct bench_results *results = &lane->results;
    bool is_failure = failure->how.outcome != OUTCOME_OK;
    uint64_t now_ns = clock_now_ns(), patience_ns = runner->streams->env.timeout_ms * NS_PER_MS;
    results->errors[failure->how.outcome]++;
    connect_times_note(&results->connects, &flow->link, failure->how.outcome);
    if (is_failure)
        bench_results_keep_failure(results, failure);
    if (is_failure && lane_gives_up(lane, runner->quota, now_ns, patience_ns))
        count_unsent(runner, now_ns);
    if (!has_more(runner))
        end_runner(runner);
    else if (!is_failure)
        connect_now(runner);
    else
        loop_set_deadline(&lane->loop, &flow->deadline, loop_now_ms() + RECONNECT_PAUSE_MS);
}

static void on_due(struct deadline *deadline)
{
    struct stream_runner *runner =
        (struct stream_runner *)(void *)deadline; /* its first member's first member */
    if (runner->flow.state != FLOW_CLOSED)
        flow_on_due(&runner->flow);
    else if (!runner->is_over)
        connect_now(runner); /* its turn in the ramp, or the pause after a failure is over */
}

/* ---- the lane's turns ---- */

static void begin(struct lane *lane)
{
    struct streams *streams = streams_of(lane);
    uint64_t now_ms = loop_now_ms();
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        uint64_t delay_ns = schedule_opens_ns(&lane->schedule, i) - lane->start_ns;
        loop_set_deadline(&lane->loop, &streams->runners[i].flow.deadline,
                          now_ms + delay_ns / NS_PER_MS);
    }
}

/* On the connection whose turn it is. */
static bool fall_due(struct lane *lane, uint64_t number, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t count = lane->share.connections;
    struct stream_runner *runner = &streams_of(lane)->runners[number % count];
    if (!quota_take(runner->quota, due_ns, lane->results.start_ns))
        return true;
    if (runner->due == 0) /* its first */
        runner->issued = number / count;
    bool is_prompt = runner->issued == number / count;
    runner->due = number / count + 1;
    if (runner->flow.state == FLOW_OPEN) {
        issue(runner, now_ns, is_prompt);
        flow_flush(&runner->flow, clock_now_ns());
    }
    return true;
}

static void restart(struct lane *lane, uint64_t now_ns)
{
    struct streams *streams = streams_of(lane);
    (void)now_ns;
    streams->sent_before = streams->env.sent_bytes;
    streams->received_before = streams->env.received_bytes;
    for (uint64_t i = 0; i < lane->share.connections; i++)
        finish_if_spent(&streams->runners[i]);
}

static void count(struct lane *lane)
{
    const struct streams *streams = streams_of(lane);
    lane->results.sent_bytes = streams->env.sent_bytes - streams->sent_before;
    lane->results.received_bytes = streams->env.received_bytes - streams->received_before;
}

static void end(struct lane *lane)
{
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        struct stream_runner *runner = &streams_of(lane)->runners[i];
        count_unsent(runner, lane->results.end_ns);
        if (runner->is_over)
            continue;
        if (runner->flow.state == FLOW_CLOSED)
            end_runner(runner);
        else
            finish_if_spent(runner);
    }
}

/* ---- opening ---- */

static int open_streams(struct lane *lane)
{
    struct streams *streams = streams_of(lane);
    const struct client_options *options = lane->share.options;
    uint64_t connections = lane->share.connections;
    streams->env = (struct flow_env){.loop = &lane->loop,
                                     .callbacks = {on_connected, on_echo, on_unanswered, on_ended},
                                     .plan = lane->share.plan,
                                     .scratch = malloc(SCRATCH_BYTES),
                                     .scratch_bytes = SCRATCH_BYTES,
                                     .seed = options->seed,
                                     .timeout_ms = options->timeout_ms,
                                     .pipeline = (uint32_t)options->pipeline};
    streams->runners = calloc(connections, sizeof(*streams->runners));
    if (!streams->env.scratch || !streams->runners ||
        deadline_queue_reserve(&lane->loop.deadlines, connections) < 0)
        return -1;
    for (uint64_t i = 0; i < connections; i++) {
        struct stream_runner *runner = &streams->runners[i];
        runner->streams = streams;
        runner->quota = &lane->quotas[i];
        runner->index = i;
        if (flow_init(&runner->flow, &streams->env) < 0)
            return -1;
    }
    return 0;
}

static void clear(struct lane *lane)
{
    struct streams *streams = streams_of(lane);
    for (uint64_t i = 0; streams->runners && i < lane->share.connections; i++)
        flow_clear(&streams->runners[i].flow);
    free(streams->env.scratch);
    free(streams->runners);
}

const struct lane_kind lane_of_streams = {.unit = "connection",
                                          .size = sizeof(struct streams),
                                          .look_ns = LOOK_NS,
                                          .most_a_look = UINT_MAX,
                                          .on_due = on_due,
                                          .open = open_streams,
                                          .begin = begin,
                                          .fall_due = fall_due,
                                          .restart = restart,
                                          .count = count,
                                          .end = end,
                                          .clear = clear};

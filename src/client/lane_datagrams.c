/* SPDX-License-Identifier: BSD-2-Clause */
/* A lane's datagrams: flows over udp://, each a socket of its own.
 *
 * Closed loop: a flow has --pipeline datagrams under way, and one that is lost makes room when its
 * timeout is over. Open loop: each leaves when it is due, whatever is lost.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/lane.h"
#include "client/require.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"
#include "client/udp_target.h"
#include "net/datagram.h"
#include "net/udp_stats.h"

#define NS_PER_MS UINT64_C(1000000)
#define TICK_MS 5                  /* how often timeouts are looked at */
#define PAUSE_NS (100 * NS_PER_MS) /* after a refusal: who is not there is not hammered */
#define LINGER_NS (50 * NS_PER_MS) /* at the end, for duplicates */
#define LOOK_NS 20000              /* an open loop looks at its schedule at most so often */
#define REMEMBERED_MAX 16777216    /* datagrams of all flows, 24 bytes each once it is used */
#define CLOSED_LOOP_RATE 100000    /* datagrams a second that a closed loop hardly exceeds */
#define DATAGRAMS_A_TURN 64 /* of one flow, then the others; of the schedule, then receiving */
#define SILENT_TIMEOUTS 10  /* with nothing back a flow is given up, in a run that a count ends */
#define WAITING_MAX 65536   /* that one socket may hold */

struct datagram_runner {
    struct udp_flow flow;
    struct datagrams *datagrams;
    struct quota *quota;
    int fd;
    uint64_t opened_ns;
    struct event *readable;
    uint64_t paused_until_ns;
    uint32_t drops_before; /* of its socket, in the warm-up */
    bool has_answered;
};

struct datagrams {
    struct lane lane;
    struct deadline tick;
    struct datagram_runner *runners;
    uint64_t timeout_ns;
    uint64_t
        held_ns; /* since when the kernel has no room for the next of the schedule; 0: it has */
    uint64_t quiet_ns; /* the end of the linger; 0: not begun */
    bool loss_is_error;
    struct udp_stats_source stats; /* of the system, for all lanes */
    struct udp_stats stats_before; /* in the warm-up */
    unsigned char scratch[UDP_BYTES_MAX + 1];
};

static struct datagrams *datagrams_of(struct lane *lane)
{
    return (struct datagrams *)(void *)lane;
}

/* ---- sending ---- */

static void on_failure(struct datagrams *datagrams, struct datagram_runner *runner, int error,
                       uint64_t now_ns);

/* False if nothing was sent. */
static bool send_one(struct datagrams *datagrams, struct datagram_runner *runner, uint64_t due_ns)
{
    size_t size = udp_flow_make(&runner->flow, datagrams->scratch);
    uint64_t now_ns = clock_now_ns(); /* the answer may be there before send(2) is back */
    ssize_t sent = send(runner->fd, datagrams->scratch, size, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            on_failure(datagrams, runner, errno, now_ns);
        return false;
    }
    udp_flow_sent(&runner->flow, due_ns ? due_ns : now_ns, now_ns);
    datagrams->lane.results.sent_bytes += size;
    (void)quota_take(runner->quota, due_ns ? due_ns : now_ns, datagrams->lane.results.start_ns);
    return true;
}

static void refill(struct datagrams *datagrams, struct datagram_runner *runner, uint64_t now_ns)
{
    if (schedule_is_open_loop(&datagrams->lane.schedule) || now_ns < runner->paused_until_ns)
        return;
    while (!datagrams->lane.is_ending && runner->quota->left > 0 &&
           runner->flow.awaited < datagrams->lane.share.options->pipeline &&
           udp_flow_has_room(&runner->flow)) {
        if (!send_one(datagrams, runner, 0))
            return;
    }
}

static void leave_unsent(struct datagrams *datagrams, struct datagram_runner *runner,
                         uint64_t due_ns, uint64_t now_ns, enum wait_cause cause)
{
    struct bench_results *results = &datagrams->lane.results;
    const uint64_t waited_ns = now_ns > due_ns ? now_ns - due_ns : 0;
    uint64_t wait_ns[WAIT_CAUSES] = {0};
    if (!quota_take(runner->quota, due_ns, results->start_ns))
        return;
    wait_ns[cause] = waited_ns;
    bench_results_add_unsent(results, due_ns, now_ns);
    bench_results_add_waits(results, due_ns, now_ns, wait_ns);
}

/* One that left as soon as it was noticed was late by that alone. */
static void count_waits(struct datagrams *datagrams, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t noticed_ns = datagrams->held_ns ? datagrams->held_ns : now_ns;
    const uint64_t wait_ns[WAIT_CAUSES] = {
        [WAIT_CLIENT] = noticed_ns - due_ns, [WAIT_PIPELINE] = now_ns - noticed_ns};
    bench_results_add_waits(&datagrams->lane.results, due_ns, now_ns, wait_ns);
}

/* A datagram without room in the kernel keeps its due time. */
static bool fall_due(struct lane *lane, uint64_t number, uint64_t due_ns, uint64_t now_ns)
{
    struct datagrams *datagrams = datagrams_of(lane);
    struct datagram_runner *runner = &datagrams->runners[number % lane->share.connections];
    if (runner->quota->left == 0)
        return true;
    bool may_send = now_ns >= runner->paused_until_ns && udp_flow_has_room(&runner->flow);
    bool is_sent = may_send && send_one(datagrams, runner, due_ns);
    bool is_paused = now_ns < runner->paused_until_ns; /* a failed send may have begun that */
    if (may_send && !is_sent && !is_paused) {
        datagrams->held_ns = datagrams->held_ns ? datagrams->held_ns : now_ns;
        return false;
    }
    if (is_sent)
        count_waits(datagrams, due_ns, now_ns);
    else
        leave_unsent(datagrams, runner, due_ns, now_ns,
                     is_paused ? WAIT_CONNECTION : WAIT_PIPELINE);
    datagrams->held_ns = 0;
    return true;
}

/* ---- receiving ---- */

static struct moment moment_of(const struct datagram_runner *runner)
{
    return moment_now(runner->fd, runner->opened_ns, MOMENT_EXCHANGE);
}

static void keep_wrong(struct bench_results *results, struct failure *wrong,
                       const struct datagram_runner *runner)
{
    wrong->when = moment_of(runner);
    results->errors[OUTCOME_MISMATCH]++;
    if (results->wrong_kept < UDP_WRONG_KEPT)
        results->wrong[results->wrong_kept++] = *wrong;
}

static void count_slice(struct datagrams *datagrams, uint64_t due_ns)
{
    const struct client_options *options = datagrams->lane.share.options;
    if (!options->rate_per_1000s || !options->duration_ms ||
        due_ns < datagrams->lane.results.start_ns)
        return;
    uint64_t slice = (due_ns - datagrams->lane.results.start_ns) * BENCH_SLICES /
                     (options->duration_ms * NS_PER_MS);
    if (slice < BENCH_SLICES)
        datagrams->lane.results.slices[slice]++;
}

static void on_datagram(struct datagrams *datagrams, struct datagram_runner *runner, size_t length)
{
    struct bench_results *results = &datagrams->lane.results;
    struct udp_news news = udp_flow_take(&runner->flow, datagrams->scratch, length);
    uint64_t now_ns = clock_now_ns();
    if (news.arrival == UDP_WRONG)
        keep_wrong(results, &news.wrong, runner);
    results->established += !runner->has_answered;
    runner->has_answered = true;
    if (news.arrival != UDP_RIGHT)
        return;
    quota_works(runner->quota);
    results->received_bytes += length;
    bench_results_add_echo(results, news.due_ns, news.sent_ns, news.sent_ns - news.due_ns, now_ns);
    count_slice(datagrams, news.due_ns);
}

/* Expires datagrams sent before that. Each is an error, and counts in the latency, unless a share
 * of losses is permitted. */
static void expire_before(struct datagrams *datagrams, struct datagram_runner *runner,
                          uint64_t before_ns, uint64_t now_ns)
{
    uint64_t lost = 0, due_ns;
    bool is_failure = false;
    while (udp_flow_expire_one(&runner->flow, before_ns, &due_ns, &lost)) {
        is_failure = true;
        if (datagrams->loss_is_error)
            bench_results_add_wait(&datagrams->lane.results, due_ns, now_ns);
    }
    if (datagrams->loss_is_error)
        datagrams->lane.results.errors[OUTCOME_TIMEOUT] += lost;
    if (is_failure)
        (void)lane_gives_up(&datagrams->lane, runner->quota, now_ns,
                            SILENT_TIMEOUTS * datagrams->timeout_ns);
}

static void expire(struct datagrams *datagrams, struct datagram_runner *runner, uint64_t now_ns)
{
    uint64_t before_ns = now_ns > datagrams->timeout_ns ? now_ns - datagrams->timeout_ns : 0;
    expire_before(datagrams, runner, before_ns, now_ns);
}

/* Receives one datagram. 0, or errno. */
static int receive_one(struct datagrams *datagrams, struct datagram_runner *runner)
{
    ssize_t length = recv(runner->fd, datagrams->scratch, sizeof(datagrams->scratch), 0);
    if (length < 0)
        return errno;
    on_datagram(datagrams, runner, (size_t)length);
    return 0;
}

/* The kernel reports a refusal before the answers queued in the socket: so those are received
 * first, and datagrams still in flight are lost. */
static void on_failure(struct datagrams *datagrams, struct datagram_runner *runner, int error,
                       uint64_t now_ns)
{
    struct udp_error failure = udp_error_take(runner->fd, error);
    failure.when = moment_of(runner);
    int next = 0;
    for (int i = 0; i < WAITING_MAX && next == 0; i++)
        next = receive_one(datagrams, runner);
    if (next && next != EAGAIN && next != EINTR)
        (void)udp_error_take(runner->fd, next); /* or poll would go on telling of it */
    uint64_t lost = udp_flow_give_up(&runner->flow);
    datagrams->lane.results.errors[outcome_of_errno(failure.error)] += lost ? lost : 1;
    bench_results_keep_network(&datagrams->lane.results, &failure);
    runner->paused_until_ns = now_ns + PAUSE_NS;
    (void)lane_gives_up(&datagrams->lane, runner->quota, now_ns, datagrams->timeout_ns);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct datagram_runner *runner = arg;
    struct datagrams *datagrams = runner->datagrams;
    (void)fd, (void)what;
    expire(datagrams, runner, clock_now_ns()); /* answers to those are late from now on */
    int error = 0;
    for (int i = 0; i < DATAGRAMS_A_TURN && error == 0; i++)
        error = receive_one(datagrams, runner);
    if (error && error != EAGAIN && error != EINTR)
        on_failure(datagrams, runner, error, clock_now_ns());
    refill(datagrams, runner, clock_now_ns());
}

/* ---- the lane's turns ---- */

static void restart(struct lane *lane, uint64_t now_ns)
{
    struct datagrams *datagrams = datagrams_of(lane);
    datagrams->stats_before = udp_stats_read(&datagrams->stats);
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        struct datagram_runner *runner = &datagrams->runners[i];
        udp_flow_restart_counts(&runner->flow, now_ns);
        runner->drops_before = datagram_drops(runner->fd);
    }
}

static void count(struct lane *lane)
{
    struct datagrams *datagrams = datagrams_of(lane);
    struct bench_results *results = &lane->results;
    struct udp_counts *counts = &results->datagrams;
    const struct udp_stats stats = udp_stats_read(&datagrams->stats);
    *counts = (struct udp_counts){0};
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        const struct datagram_runner *runner = &datagrams->runners[i];
        struct udp_counts one = runner->flow.counts;
        one.own_drops = datagram_drops(runner->fd) - runner->drops_before;
        udp_counts_add(counts, &one);
    }
    counts->own_drops -=
        udp_stats_bad_checksum(&datagrams->stats_before, &stats, counts->own_drops);
    if (lane->share.first_connection == 1) /* they are every lane's */
        counts->bad_checksums = stats.bad_checksum - datagrams->stats_before.bad_checksum;
    results->unanswered = counts->lost;
    results->opened = lane->share.connections;
    results->opened_meanwhile = results->warm_up_ns ? 0 : lane->share.connections;
}

/* Counts messages that were due and not sent by the end. */
static void end(struct lane *lane)
{
    struct datagrams *datagrams = datagrams_of(lane);
    struct schedule *schedule = &lane->schedule;
    uint64_t due_ns, end_ns = lane->results.end_ns;
    uint64_t by_ns = lane->end_ns && end_ns >= lane->end_ns ? lane->end_ns - 1 : end_ns;
    for (; schedule_is_open_loop(schedule) && schedule_find(schedule, by_ns, &due_ns);
         schedule->next++)
        leave_unsent(datagrams, &datagrams->runners[schedule->next % lane->share.connections],
                     due_ns, end_ns, datagrams->held_ns ? WAIT_PIPELINE : WAIT_CLIENT);
}

/* True once nothing is to be sent, nothing is awaited, and nothing came behind it. */
static bool is_done(struct datagrams *datagrams, uint64_t now_ns)
{
    for (uint64_t i = 0; i < datagrams->lane.share.connections; i++) {
        const struct datagram_runner *runner = &datagrams->runners[i];
        if (runner->flow.awaited > 0 || (runner->quota->left > 0 && !datagrams->lane.is_ending))
            return false;
    }
    if (datagrams->quiet_ns == 0)
        datagrams->quiet_ns = now_ns + LINGER_NS;
    return now_ns >= datagrams->quiet_ns;
}

static void on_tick(struct datagrams *datagrams)
{
    struct lane *lane = &datagrams->lane;
    uint64_t now_ns = clock_now_ns();
    bool is_over = is_done(datagrams, now_ns);
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        struct datagram_runner *runner = &datagrams->runners[i];
        if (is_over)
            expire_before(datagrams, runner, UINT64_MAX, now_ns);
        else
            expire(datagrams, runner, now_ns);
        refill(datagrams, runner, now_ns);
    }
    if (is_over)
        lane_finish(lane);
    else
        loop_set_deadline(&lane->loop, &datagrams->tick, loop_now_ms() + TICK_MS);
}

static void begin(struct lane *lane)
{
    on_tick(datagrams_of(lane));
}

static void on_due(struct deadline *deadline)
{
    on_tick((struct datagrams *)(void *)((char *)deadline - offsetof(struct datagrams, tick)));
}

/* ---- opening ---- */

/* How many datagrams a flow must remember: all that can be sent while one is awaited in vain, for
 * the next would take its place, and as many again, to know those that come late. */
static uint64_t remembered_of(const struct lane *lane)
{
    const struct client_options *options = lane->share.options;
    double flows = (double)options->connections;
    double rate =
        options->rate_per_1000s ? (double)options->rate_per_1000s / 1000 : CLOSED_LOOP_RATE;
    double remembered = 2 * rate / flows * (double)options->timeout_ms / 1000;
    double most = REMEMBERED_MAX / flows;
    remembered = remembered < most ? remembered : most;
    return remembered > (double)options->pipeline ? (uint64_t)remembered : options->pipeline;
}

static int open_runner(struct datagrams *datagrams, uint64_t index)
{
    struct lane *lane = &datagrams->lane;
    struct datagram_runner *runner = &datagrams->runners[index];
    runner->datagrams = datagrams;
    runner->quota = &lane->quotas[index];
    runner->opened_ns = clock_now_ns();
    runner->fd = udp_connect(&lane->share.plan->target);
    if (runner->fd < 0) {
        errno = -runner->fd;
        return -1;
    }
    if (udp_flow_init(&runner->flow, lane->share.options, lane->share.first_connection + index,
                      remembered_of(lane)) < 0)
        return -1;
    runner->readable =
        event_new(lane->loop.base, runner->fd, EV_READ | EV_PERSIST, on_readable, runner);
    return runner->readable ? event_add(runner->readable, NULL) : -1;
}

static int open_datagrams(struct lane *lane)
{
    struct datagrams *datagrams = datagrams_of(lane);
    const struct client_options *options = lane->share.options;
    datagrams->timeout_ns = options->timeout_ms * NS_PER_MS;
    datagrams->loss_is_error = !require_names(options->require, "loss");
    datagrams->runners = calloc(lane->share.connections, sizeof(*datagrams->runners));
    if (!datagrams->runners)
        return -1;
    udp_stats_open(&datagrams->stats);
    datagrams->stats_before = udp_stats_read(&datagrams->stats);
    for (uint64_t i = 0; i < lane->share.connections; i++)
        datagrams->runners[i].fd = -1;
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        if (open_runner(datagrams, i) < 0)
            return -1;
    }
    return deadline_queue_reserve(&lane->loop.deadlines, 1);
}

static void clear(struct lane *lane)
{
    struct datagrams *datagrams = datagrams_of(lane);
    if (!datagrams->runners)
        return;
    for (uint64_t i = 0; i < lane->share.connections; i++) {
        struct datagram_runner *runner = &datagrams->runners[i];
        udp_flow_clear(&runner->flow);
        if (runner->readable)
            event_free(runner->readable);
        if (runner->fd >= 0)
            close(runner->fd);
    }
    udp_stats_close(&datagrams->stats);
    free(datagrams->runners);
}

const struct lane_kind lane_of_datagrams = {.unit = "flow",
                                            .size = sizeof(struct datagrams),
                                            .look_ns = LOOK_NS,
                                            .most_a_look = DATAGRAMS_A_TURN,
                                            .on_due = on_due,
                                            .open = open_datagrams,
                                            .begin = begin,
                                            .fall_due = fall_due,
                                            .restart = restart,
                                            .count = count,
                                            .end = end,
                                            .clear = clear};

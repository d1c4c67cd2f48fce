/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/udp_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "client/quota.h"
#include "client/require.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"
#include "client/udp_target.h"
#include "net/datagram.h"
#include "net/udp_stats.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)
#define TICK_NS (5 * NS_PER_MS)    /* how often timeouts are looked at */
#define PAUSE_NS (100 * NS_PER_MS) /* after a refusal: who is not there is not hammered */
#define LINGER_NS (50 * NS_PER_MS) /* at the end, for what comes twice */
#define REMEMBERED_MAX 16777216    /* datagrams of all flows, 24 bytes each once it is used */
#define CLOSED_LOOP_RATE 100000    /* datagrams a second that a closed loop hardly exceeds */
#define EVENTS 64
#define DATAGRAMS_A_TURN 64 /* of one flow, then the others */
#define SILENT_TIMEOUTS 10  /* with nothing back a flow is given up, in a run that a count ends */
#define WAITING_MAX 65536   /* that one socket may hold */

struct runner {
    struct udp_flow flow;
    struct quota quota;
    int fd;
    uint64_t paused_until_ns;
    uint32_t drops_before; /* of its socket, in the warm-up */
    bool has_answered;
};

struct udp_thread {
    struct bench_share share;
    struct runner *runners;
    int epoll_fd;
    struct schedule schedule;
    uint64_t start_ns;
    uint64_t timeout_ns, warm_end_ns, end_ns; /* 0: none to come */
    uint64_t tick_ns, quiet_ns;               /* the last tick; the end of the linger */
    bool is_ending;
    bool loss_is_error;
    struct udp_stats_source stats; /* of the system, for all threads */
    struct udp_stats stats_before; /* in the warm-up */
    struct bench_results results;
    unsigned char scratch[UDP_BYTES_MAX + 1];
    pthread_t id;
    bool has_thread;
    _Atomic bool must_stop, is_over, is_picture_wanted;
    pthread_mutex_t lock; /* of the snapshot */
    struct bench_results *snapshot;
};

/* ---- sending ---- */

/* A run that only a count ends does not wait for ever for a flow that nobody answers. */
static void note_failure(struct udp_thread *thread, struct runner *runner, uint64_t now_ns,
                         uint64_t patience_ns)
{
    bool is_hopeless = quota_fails(&runner->quota, now_ns, patience_ns);
    if (!is_hopeless || thread->end_ns || thread->warm_end_ns || thread->is_ending)
        return;
    thread->results.unsent += quota_drop(&runner->quota);
    thread->results.given_up++;
}

static void on_failure(struct udp_thread *thread, struct runner *runner, int error,
                       uint64_t now_ns);

/* False where nothing went now. */
static bool send_one(struct udp_thread *thread, struct runner *runner, uint64_t due_ns)
{
    size_t size = udp_flow_make(&runner->flow, thread->scratch);
    uint64_t now_ns = clock_now_ns(); /* the answer may be there before send(2) is back */
    ssize_t sent = send(runner->fd, thread->scratch, size, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            on_failure(thread, runner, errno, now_ns);
        return false;
    }
    udp_flow_sent(&runner->flow, due_ns ? due_ns : now_ns, now_ns);
    thread->results.sent_bytes += size;
    (void)quota_take(&runner->quota, due_ns ? due_ns : now_ns, thread->results.start_ns);
    return true;
}

static void refill(struct udp_thread *thread, struct runner *runner, uint64_t now_ns)
{
    if (schedule_is_open_loop(&thread->schedule) || now_ns < runner->paused_until_ns)
        return;
    while (!thread->is_ending && runner->quota.left > 0 &&
           runner->flow.awaited < thread->share.options->pipeline &&
           udp_flow_has_room(&runner->flow)) {
        if (!send_one(thread, runner, 0))
            return;
    }
}

/* The flow whose message of the schedule is due by then, with *due_ns when; NULL: none is. */
static struct runner *find_due(struct udp_thread *thread, uint64_t by_ns, uint64_t *due_ns)
{
    if (thread->end_ns && by_ns >= thread->end_ns)
        by_ns = thread->end_ns - 1;
    while (schedule_find(&thread->schedule, by_ns, due_ns)) {
        struct runner *runner = &thread->runners[thread->schedule.next % thread->share.connections];
        if (runner->quota.left > 0)
            return runner;
        thread->schedule.next++; /* it has sent its part */
    }
    return NULL;
}

static void leave_unsent(struct udp_thread *thread, struct runner *runner, uint64_t due_ns,
                         uint64_t now_ns)
{
    if (quota_take(&runner->quota, due_ns, thread->results.start_ns))
        bench_results_add_unsent(&thread->results, due_ns, now_ns);
}

/* Open loop: what is due leaves, some at a time: who is behind its schedule must receive, too. What
 * the kernel has no room for keeps its due time. */
static void send_due(struct udp_thread *thread, uint64_t now_ns)
{
    struct runner *runner;
    uint64_t due_ns;
    if (!schedule_is_open_loop(&thread->schedule) || thread->is_ending)
        return;
    for (int i = 0; i < DATAGRAMS_A_TURN && (runner = find_due(thread, now_ns, &due_ns)); i++) {
        bool may_send = now_ns >= runner->paused_until_ns && udp_flow_has_room(&runner->flow);
        bool is_sent = may_send && send_one(thread, runner, due_ns);
        if (may_send && !is_sent && now_ns >= runner->paused_until_ns)
            return;
        if (!is_sent)
            leave_unsent(thread, runner, due_ns, now_ns);
        thread->schedule.next++;
    }
}

/* What was due and has not left by the end. */
static void count_unsent(struct udp_thread *thread, uint64_t end_ns)
{
    struct runner *runner;
    uint64_t due_ns;
    if (!schedule_is_open_loop(&thread->schedule))
        return;
    for (; (runner = find_due(thread, end_ns, &due_ns)); thread->schedule.next++)
        leave_unsent(thread, runner, due_ns, end_ns);
}

/* ---- receiving ---- */

static void keep_wrong(struct bench_results *results, const struct udp_wrong *wrong)
{
    results->errors[OUTCOME_MISMATCH]++;
    if (results->wrong_kept < UDP_WRONG_KEPT)
        results->wrong[results->wrong_kept++] = *wrong;
}

static void count_slice(struct udp_thread *thread, uint64_t due_ns)
{
    const struct options *options = thread->share.options;
    if (!options->rate || !options->duration_ms || due_ns < thread->results.start_ns)
        return;
    uint64_t slice =
        (due_ns - thread->results.start_ns) * BENCH_SLICES / (options->duration_ms * NS_PER_MS);
    if (slice < BENCH_SLICES)
        thread->results.slices[slice]++;
}

static void on_datagram(struct udp_thread *thread, struct runner *runner, size_t length)
{
    struct bench_results *results = &thread->results;
    struct udp_news news = udp_flow_take(&runner->flow, thread->scratch, length);
    uint64_t now_ns = clock_now_ns();
    if (news.arrival == UDP_WRONG)
        keep_wrong(results, &news.wrong);
    results->established += !runner->has_answered;
    runner->has_answered = true;
    if (news.arrival != UDP_RIGHT)
        return;
    quota_works(&runner->quota);
    results->received_bytes += length;
    bench_results_add_echo(results, news.due_ns, news.sent_ns, now_ns);
    count_slice(thread, news.due_ns);
}

/* The time of what was sent before that is over. It is an error, and in the latency, unless a share
 * of it is allowed. */
static void expire_before(struct udp_thread *thread, struct runner *runner, uint64_t before_ns,
                          uint64_t now_ns)
{
    uint64_t lost = 0, due_ns;
    bool is_failure = false;
    while (udp_flow_expire_one(&runner->flow, before_ns, &due_ns, &lost)) {
        is_failure = true;
        if (thread->loss_is_error)
            bench_results_add_wait(&thread->results, due_ns, now_ns);
    }
    if (thread->loss_is_error)
        thread->results.errors[OUTCOME_TIMEOUT] += lost;
    if (is_failure)
        note_failure(thread, runner, now_ns, SILENT_TIMEOUTS * thread->timeout_ns);
}

static void expire(struct udp_thread *thread, struct runner *runner, uint64_t now_ns)
{
    uint64_t before_ns = now_ns > thread->timeout_ns ? now_ns - thread->timeout_ns : 0;
    expire_before(thread, runner, before_ns, now_ns);
}

/* Receives one datagram. 0, or errno. */
static int receive_one(struct udp_thread *thread, struct runner *runner)
{
    ssize_t length = recv(runner->fd, thread->scratch, sizeof(thread->scratch), 0);
    if (length < 0)
        return errno;
    on_datagram(thread, runner, (size_t)length);
    return 0;
}

/* The kernel reports that nobody is there, before the answers that wait in the socket: those are
 * received first, and what is still under way is lost. */
static void on_failure(struct udp_thread *thread, struct runner *runner, int error, uint64_t now_ns)
{
    const struct udp_error failure = udp_error_take(runner->fd, error);
    int next = 0;
    for (int i = 0; i < WAITING_MAX && next == 0; i++)
        next = receive_one(thread, runner);
    if (next && next != EAGAIN && next != EINTR)
        (void)udp_error_take(runner->fd, next); /* or poll would go on telling of it */
    uint64_t lost = udp_flow_give_up(&runner->flow);
    thread->results.errors[outcome_of_errno(failure.error)] += lost ? lost : 1;
    if (thread->results.network.error == 0)
        thread->results.network = failure;
    runner->paused_until_ns = now_ns + PAUSE_NS;
    note_failure(thread, runner, now_ns, thread->timeout_ns);
}

static void on_readable(struct udp_thread *thread, struct runner *runner)
{
    expire(thread, runner, clock_now_ns()); /* what comes now for those is late */
    int error = 0;
    for (int i = 0; i < DATAGRAMS_A_TURN && error == 0; i++)
        error = receive_one(thread, runner);
    if (error && error != EAGAIN && error != EINTR)
        on_failure(thread, runner, error, clock_now_ns());
    refill(thread, runner, clock_now_ns());
}

/* ---- time ---- */

/* Forgets the warm-up: what counts is sent from now on. */
static void end_warm_up(struct udp_thread *thread, uint64_t now_ns)
{
    bench_results_restart(&thread->results, now_ns);
    thread->stats_before = udp_stats_read(&thread->stats);
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        struct runner *runner = &thread->runners[i];
        udp_flow_restart_counts(&runner->flow, now_ns);
        runner->drops_before = datagram_drops(runner->fd);
        runner->quota.left = bench_quota(&thread->share, i);
    }
    thread->warm_end_ns = 0;
}

/* An end before that of the warm-up leaves nothing measured. */
static void begin_ending(struct udp_thread *thread, uint64_t now_ns)
{
    if (thread->is_ending)
        return;
    if (thread->warm_end_ns)
        end_warm_up(thread, now_ns);
    if (thread->end_ns && thread->end_ns < now_ns)
        now_ns = thread->end_ns;
    count_unsent(thread, now_ns);
    thread->is_ending = true;
    bench_results_stop(&thread->results, now_ns);
}

/* What is due by now is sent, in its part of the run. A schedule counts from the very end of the
 * warm-up on. */
static void keep_time(struct udp_thread *thread, uint64_t now_ns)
{
    bool is_open_loop = schedule_is_open_loop(&thread->schedule);
    if (thread->warm_end_ns && now_ns >= thread->warm_end_ns)
        end_warm_up(thread, is_open_loop ? thread->warm_end_ns : now_ns);
    send_due(thread, now_ns);
    if ((thread->end_ns && now_ns >= thread->end_ns) || atomic_load(&thread->must_stop))
        begin_ending(thread, now_ns);
}

static void publish(struct udp_thread *thread)
{
    struct udp_counts *counts = &thread->results.datagrams;
    const struct udp_stats stats = udp_stats_read(&thread->stats);
    *counts = (struct udp_counts){0};
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        struct udp_counts one = thread->runners[i].flow.counts;
        one.own_drops = datagram_drops(thread->runners[i].fd) - thread->runners[i].drops_before;
        udp_counts_add(counts, &one);
    }
    counts->own_drops -= udp_stats_bad_checksum(&thread->stats_before, &stats, counts->own_drops);
    if (thread->share.first_connection == 1) /* they are every thread's */
        counts->bad_checksums = stats.bad_checksum - thread->stats_before.bad_checksum;
    thread->results.unanswered = counts->lost;
    thread->results.opened = thread->share.connections;
    thread->results.opened_meanwhile = thread->results.warm_up_ns ? 0 : thread->share.connections;
    thread->results.seen_ns = clock_now_ns();
    bench_results_settle(&thread->results);
    pthread_mutex_lock(&thread->lock);
    *thread->snapshot = thread->results;
    pthread_mutex_unlock(&thread->lock);
}

static void tick(struct udp_thread *thread, uint64_t now_ns)
{
    if (now_ns - thread->tick_ns < TICK_NS)
        return;
    thread->tick_ns = now_ns;
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        expire(thread, &thread->runners[i], now_ns);
        refill(thread, &thread->runners[i], now_ns);
    }
    if (atomic_exchange(&thread->is_picture_wanted, false))
        publish(thread);
}

/* True once nothing is to be sent, nothing is awaited, and nothing came behind it. */
static bool is_done(struct udp_thread *thread, uint64_t now_ns)
{
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        const struct runner *runner = &thread->runners[i];
        if (runner->flow.awaited > 0 || (runner->quota.left > 0 && !thread->is_ending))
            return false;
    }
    if (thread->quiet_ns == 0)
        thread->quiet_ns = now_ns + LINGER_NS;
    return now_ns >= thread->quiet_ns;
}

static void wait_and_receive(struct udp_thread *thread, uint64_t now_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t wait_ns = TICK_NS;
    if (schedule_is_open_loop(&thread->schedule) && !thread->is_ending) {
        uint64_t due_ns = schedule_due_ns(&thread->schedule, thread->schedule.next);
        uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        wait_ns = left_ns < wait_ns ? left_ns : wait_ns;
    }
    int count = wait_events(thread->epoll_fd, events, EVENTS, wait_ns);
    for (int i = 0; i < count; i++)
        on_readable(thread, events[i].data.ptr);
}

static void *thread_main(void *arg)
{
    struct udp_thread *thread = arg;
    const struct options *options = thread->share.options;
    uint64_t now_ns = thread->start_ns;
    thread->results.start_ns = thread->results.end_ns = now_ns;
    thread->schedule = bench_schedule(&thread->share, now_ns);
    thread->results.is_open_loop = schedule_is_open_loop(&thread->schedule);
    thread->warm_end_ns = options->warm_up_ms ? now_ns + options->warm_up_ms * NS_PER_MS : 0;
    if (options->duration_ms)
        thread->end_ns = now_ns + (options->warm_up_ms + options->duration_ms) * NS_PER_MS;
    for (; !is_done(thread, now_ns); now_ns = clock_now_ns()) {
        keep_time(thread, now_ns);
        tick(thread, now_ns);
        wait_and_receive(thread, clock_now_ns());
    }
    for (uint64_t i = 0; i < thread->share.connections; i++)
        expire_before(thread, &thread->runners[i], UINT64_MAX, now_ns);
    publish(thread);
    atomic_store(&thread->is_over, true);
    return NULL;
}

/* ---- from outside ---- */

/* How many datagrams a flow must remember: all that can be sent while one is awaited in vain, for
 * the next would take its place, and as many again, to know those that come late. */
static uint64_t remembered_of(const struct udp_thread *thread)
{
    const struct options *options = thread->share.options;
    double flows = (double)options->connections;
    double rate = options->rate ? (double)options->rate : CLOSED_LOOP_RATE;
    double remembered = 2 * rate / flows * (double)options->timeout_ms / 1000;
    double most = REMEMBERED_MAX / flows;
    remembered = remembered < most ? remembered : most;
    return remembered > (double)options->pipeline ? (uint64_t)remembered : options->pipeline;
}

static int open_runner(struct udp_thread *thread, struct runner *runner, uint64_t number)
{
    const struct bench_share *share = &thread->share;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = runner};
    runner->fd = udp_connect(&share->plan->target);
    if (runner->fd < 0) {
        errno = -runner->fd;
        return -1;
    }
    runner->quota.left = share->options->warm_up_ms
                             ? QUOTA_ENDLESS
                             : bench_quota(share, number - share->first_connection);
    if (udp_flow_init(&runner->flow, share->options, number, remembered_of(thread)) < 0)
        return -1;
    return epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, runner->fd, &event);
}

static int open_runners(struct udp_thread *thread)
{
    thread->runners = calloc(thread->share.connections, sizeof(*thread->runners));
    if (!thread->runners)
        return -1;
    for (uint64_t i = 0; i < thread->share.connections; i++)
        thread->runners[i].fd = -1;
    for (uint64_t i = 0; i < thread->share.connections; i++) {
        if (open_runner(thread, &thread->runners[i], thread->share.first_connection + i) < 0)
            return -1;
    }
    return 0;
}

struct udp_thread *udp_thread_new(const struct bench_share *share, struct error *err)
{
    struct udp_thread *thread = calloc(1, sizeof(*thread));
    if (!thread) {
        error_start(err, "no memory for a thread");
        return NULL;
    }
    thread->share = *share;
    thread->timeout_ns = share->options->timeout_ms * NS_PER_MS;
    thread->loss_is_error = !require_names(share->options->require, "loss");
    pthread_mutex_init(&thread->lock, NULL);
    udp_stats_open(&thread->stats);
    thread->stats_before = udp_stats_read(&thread->stats);
    thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    thread->snapshot = calloc(1, sizeof(*thread->snapshot));
    if (thread->epoll_fd < 0 || !thread->snapshot || open_runners(thread) < 0) {
        error_system(err, errno, "no memory or descriptors for %llu flow%s",
                     (unsigned long long)share->connections, units_plural(share->connections));
        udp_thread_free(thread);
        return NULL;
    }
    return thread;
}

int udp_thread_start(struct udp_thread *thread, uint64_t start_ns, struct error *err)
{
    thread->start_ns = start_ns;
    int failure = pthread_create(&thread->id, NULL, thread_main, thread);
    if (failure)
        return error_system(err, failure, "cannot start a thread");
    thread->has_thread = true;
    return 0;
}

void udp_thread_stop(struct udp_thread *thread)
{
    atomic_store(&thread->must_stop, true);
}

bool udp_thread_is_over(const struct udp_thread *thread)
{
    return atomic_load(&thread->is_over);
}

void udp_thread_ask(struct udp_thread *thread)
{
    atomic_store(&thread->is_picture_wanted, true);
}

void udp_thread_peek(struct udp_thread *thread, struct bench_results *sum)
{
    pthread_mutex_lock(&thread->lock);
    bench_results_merge(sum, thread->snapshot);
    pthread_mutex_unlock(&thread->lock);
}

void udp_thread_free(struct udp_thread *thread)
{
    if (!thread)
        return;
    if (thread->has_thread)
        pthread_join(thread->id, NULL);
    for (uint64_t i = 0; thread->runners && i < thread->share.connections; i++) {
        udp_flow_clear(&thread->runners[i].flow);
        if (thread->runners[i].fd >= 0)
            close(thread->runners[i].fd);
    }
    if (thread->epoll_fd >= 0)
        close(thread->epoll_fd);
    udp_stats_close(&thread->stats);
    pthread_mutex_destroy(&thread->lock);
    free(thread->snapshot);
    free(thread->runners);
    free(thread);
}

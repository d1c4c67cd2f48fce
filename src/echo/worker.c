/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "echo/conn_report.h"
#include "echo/proxy_reader.h"
#include "stream/pipe.h"
#include "tls/tls.h"
#include "tls/tls_codec.h"

#define INBOX_FIRST 64 /* arrivals */
#define CACHE_LINE_BYTES 64

LIST_HEAD(conn_head, conn);

/* Messages to the worker. */
struct inbox {
    struct conn_arrival *arrivals;
    size_t count, room;
    bool is_draining, is_aborting, is_ending,
        is_asking; /* is_asking: a request for a sign of life */
    enum reason abort_reason;
    struct waker *list_waker; /* NULL: no list is requested */
};

struct worker {
    struct conn_env env;
    struct loop own_loop;
    struct loop *loop; /* its own, or the caller's */
    struct waker waker;
    struct pipe pipe;     /* for bulk streams */
    struct event *reaper; /* frees closed connections, outside their callbacks */
    struct proxy_reader proxy_reader;
    struct conn_head open, closed;
    uint64_t open_count;
    struct counters *counters; /* a set for each listener */
    struct worker_config config;
    _Atomic uint64_t load;
    _Atomic bool has_answered;
    pthread_mutex_t lock; /* protects the inbox and the list */
    struct inbox inbox;
    struct conn_list list; /* written and not taken yet */
    bool has_list;
    pthread_t thread; /* the thread that runs the loop: the main one until worker_start() */
};

/* ---- in the worker's thread ---- */

static void release(struct worker *worker, uint64_t count)
{
    atomic_fetch_sub(&worker->load, count);
    worker->config.on_released(worker->config.owner, count);
}

static void on_closed(struct conn *conn, void *owner)
{
    struct worker *worker = owner;
    LIST_REMOVE(conn, link);
    worker->open_count--;
    LIST_INSERT_HEAD(&worker->closed, conn, link);
    event_active(worker->reaper, 0, 0);
}

/* A connection may be closed in its own callbacks, so it is freed after them. */
static void on_reap(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct conn *conn;
    uint64_t count = 0;
    (void)fd;
    (void)what;
    while ((conn = LIST_FIRST(&worker->closed))) {
        LIST_REMOVE(conn, link);
        conn_free(conn);
        count++;
    }
    if (count > 0)
        release(worker, count);
}

static void on_due(struct deadline *deadline)
{
    conn_on_due(conn_of_deadline(deadline));
}

static void let_in(struct worker *worker, const struct conn_arrival *arrival)
{
    struct conn *conn = NULL;
    if (deadline_queue_reserve(&worker->loop->deadlines, worker->open_count + 1) < 0)
        conn_refuse(&worker->env, arrival);
    else
        conn = conn_open(&worker->env, arrival);
    if (!conn) {
        release(worker, 1);
        return;
    }
    LIST_INSERT_HEAD(&worker->open, conn, link);
    worker->open_count++;
    conn_start(conn);
}

static void on_header(void *owner, const struct conn_arrival *arrival)
{
    if (arrival)
        let_in(owner, arrival);
    else
        release(owner, 1);
}

static void take(struct worker *worker, const struct conn_arrival *arrival)
{
    if (!arrival->policy->values.is_proxy)
        let_in(worker, arrival);
    else if (proxy_reader_open(&worker->proxy_reader, arrival) < 0)
        release(worker, 1);
}

static void drain(struct worker *worker)
{
    struct conn *conn;
    worker->env.drain_start_ms = loop_now_ms();
    proxy_reader_drain_all(&worker->proxy_reader);
    LIST_FOREACH(conn, &worker->open, link)
    conn_drain(conn);
}

static void abort_all(struct worker *worker, enum reason reason)
{
    struct conn *conn;
    proxy_reader_abort_all(&worker->proxy_reader, reason);
    while ((conn = LIST_FIRST(&worker->open)))
        conn_abort(conn, reason); /* this removes it from the list */
}

static void write_list(struct worker *worker, struct waker *waker)
{
    struct conn_list list;
    struct conn *conn;
    conn_list_begin(&list, worker->open_count);
    LIST_FOREACH(conn, &worker->open, link)
    conn_list_add(&list, conn);
    pthread_mutex_lock(&worker->lock);
    conn_list_clear(&worker->list);
    worker->list = list;
    worker->has_list = true;
    pthread_mutex_unlock(&worker->lock);
    waker_wake(waker);
}

static void obey(struct worker *worker, const struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->count; i++)
        take(worker, &inbox->arrivals[i]);
    if (inbox->is_draining)
        drain(worker);
    if (inbox->is_aborting)
        abort_all(worker, inbox->abort_reason);
    if (inbox->list_waker)
        write_list(worker, inbox->list_waker);
    if (inbox->is_asking)
        atomic_store(&worker->has_answered, true);
    if (inbox->is_ending)
        loop_stop(worker->loop);
}

static void on_wake(void *owner)
{
    struct worker *worker = owner;
    pthread_mutex_lock(&worker->lock);
    struct inbox taken = worker->inbox;
    worker->inbox = (struct inbox){0};
    pthread_mutex_unlock(&worker->lock);
    obey(worker, &taken);
    free(taken.arrivals);
}

static void *thread_main(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

/* ---- in the main thread ---- */

const struct counters *worker_counters(const struct worker *worker, size_t listener)
{
    return &worker->counters[listener];
}

uint64_t worker_load(const struct worker *worker)
{
    return atomic_load_explicit(&worker->load, memory_order_relaxed);
}

/* Allocated on cache lines that no other thread writes. */
static struct counters *new_counters(size_t count)
{
    size_t size = (count * sizeof(struct counters) + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES *
                  CACHE_LINE_BYTES;
    struct counters *counters = aligned_alloc(CACHE_LINE_BYTES, size);
    if (counters)
        memset(counters, 0, size);
    return counters;
}

static int open_parts(struct worker *worker, struct error *err)
{
    struct stream_env *stream = &worker->env.stream;
    if (!worker->config.loop && loop_open(&worker->own_loop, NULL, err) < 0)
        return -1;
    worker->loop->on_due = on_due;
    if (waker_open(&worker->waker, worker->loop, on_wake, worker, err) < 0)
        return -1;
    worker->counters = worker->env.counters = new_counters(worker->config.listeners);
    worker->reaper = event_new(worker->loop->base, -1, 0, on_reap, worker);
    int failure = pipe_open(&worker->pipe);
    if (failure)
        return error_system(err, -failure, "no pipe for a worker");
    stream->pipe = &worker->pipe;
    stream->scratch = aligned_alloc(4096, STREAM_SCRATCH_BYTES);
    stream->tls = tls_room_new();
    if (!worker->counters || !worker->reaper || !stream->scratch || (tls_library() && !stream->tls))
        return error_start(err, "no memory for a worker");
    return 0;
}

struct worker *worker_new(const struct worker_config *config, struct error *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker) {
        error_start(err, "no memory for a worker");
        return NULL;
    }
    worker->config = *config;
    worker->loop = config->loop ? config->loop : &worker->own_loop;
    worker->thread = pthread_self();
    worker->waker.fd = -1;
    worker->pipe = (struct pipe){-1, -1};
    worker->has_answered = true;
    pthread_mutex_init(&worker->lock, NULL);
    worker->env = (struct conn_env){
        .stream = {.loop = worker->loop,
                   .callbacks = CONN_STREAM_CALLBACKS,
                   .path = config->path,
                   .read_max = SIZE_MAX},
        .loop = worker->loop,
        .limit = config->limit,
        .reporter = &CONN_REPORTER,
        .log = config->log,
        .name = config->name,
        .on_closed = on_closed,
        .owner = worker,
    };
    worker->proxy_reader =
        (struct proxy_reader){.env = &worker->env, .on_header = on_header, .owner = worker};
    if (open_parts(worker, err) < 0) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

int worker_start(struct worker *worker, struct error *err)
{
    pthread_t thread;
    sigset_t all, before;
    if (worker->config.loop)
        return 0; /* the loop's owner runs it */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&thread, NULL, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure) {
        error_system(err, failure, "cannot start a worker's thread");
        return failure == EAGAIN ? error_hint(err, "see ulimit -u, or ask for fewer workers") : -1;
    }
    worker->thread = thread;
    return 0;
}

/* True if the calling thread runs the worker's loop. */
static bool is_own_thread(const struct worker *worker)
{
    return pthread_equal(worker->thread, pthread_self());
}

static int append(struct inbox *inbox, const struct conn_arrival *arrival)
{
    if (inbox->count == inbox->room) {
        size_t room = inbox->room ? 2 * inbox->room : INBOX_FIRST;
        struct conn_arrival *arrivals = realloc(inbox->arrivals, room * sizeof(*arrivals));
        if (!arrivals)
            return -1;
        inbox->arrivals = arrivals;
        inbox->room = room;
    }
    inbox->arrivals[inbox->count++] = *arrival;
    return 0;
}

/* Merges a message, which holds at most one arrival, into the inbox. Returns 0, or -1 if memory is
 * short. */
static int merge(struct inbox *inbox, const struct inbox *news)
{
    if (news->count > 0 && append(inbox, news->arrivals) < 0)
        return -1;
    inbox->is_draining |= news->is_draining;
    inbox->is_ending |= news->is_ending;
    inbox->is_asking |= news->is_asking;
    if (news->list_waker)
        inbox->list_waker = news->list_waker;
    if (news->is_aborting) {
        inbox->is_aborting = true;
        inbox->abort_reason = news->abort_reason;
    }
    return 0;
}

/* Sends a message to a worker: obeyed at once in the worker's own thread, through inbox and waker
 * from another. Returns 0, or -1 if memory for an arrival is short. */
static int post(struct worker *worker, const struct inbox *news)
{
    if (is_own_thread(worker)) {
        obey(worker, news);
        return 0;
    }
    pthread_mutex_lock(&worker->lock);
    int result = merge(&worker->inbox, news);
    pthread_mutex_unlock(&worker->lock);
    if (result == 0)
        waker_wake(&worker->waker);
    return result;
}

int worker_give(struct worker *worker, const struct conn_arrival *arrival)
{
    struct conn_arrival copy = *arrival;
    atomic_fetch_add(&worker->load, 1);
    int result = post(worker, &(struct inbox){.arrivals = &copy, .count = 1});
    if (result < 0)
        atomic_fetch_sub(&worker->load, 1);
    return result;
}

bool worker_is_alive(struct worker *worker)
{
    bool has_answered = atomic_exchange(&worker->has_answered, false);
    (void)post(worker, &(struct inbox){.is_asking = true});
    return has_answered;
}

void worker_drain(struct worker *worker)
{
    (void)post(worker, &(struct inbox){.is_draining = true});
}

void worker_abort_all(struct worker *worker, enum reason reason)
{
    (void)post(worker, &(struct inbox){.is_aborting = true, .abort_reason = reason});
}

void worker_request_list(struct worker *worker, struct waker *waker)
{
    (void)post(worker, &(struct inbox){.list_waker = waker});
}

bool worker_take_list(struct worker *worker, struct conn_list *list)
{
    pthread_mutex_lock(&worker->lock);
    bool has_list = worker->has_list;
    if (has_list) {
        *list = worker->list;
        worker->list = (struct conn_list){0};
        worker->has_list = false;
    }
    pthread_mutex_unlock(&worker->lock);
    return has_list;
}

void worker_stop(struct worker *worker)
{
    if (!worker || is_own_thread(worker))
        return;
    (void)post(worker, &(struct inbox){.is_ending = true});
    pthread_join(worker->thread, NULL);
    worker->thread = pthread_self(); /* no other thread runs the loop any more */
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker_stop(worker);
    conn_list_clear(&worker->list);
    if (worker->reaper)
        event_free(worker->reaper);
    waker_close(&worker->waker);
    loop_close(&worker->own_loop);
    pthread_mutex_destroy(&worker->lock);
    free(worker->inbox.arrivals);
    free(worker->counters);
    pipe_close(&worker->pipe);
    free(worker->env.stream.scratch);
    tls_room_free(worker->env.stream.tls);
    free(worker);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/evecho.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "echo/acceptor.h"
#include "echo/udp.h"
#include "echo/udp_rule.h"
#include "echo/worker.h"

struct evecho {
    struct log *log;
    struct evecho_config config;
    struct acceptor *acceptor;
    struct limit *limit;
    struct udp *udp;
    struct worker **workers;
    struct waker waker; /* woken by workers that have freed connections */
    _Atomic bool is_draining;
    bool is_drained;
};

/* ---- events ---- */

/* In the thread of a worker. */
static void on_released(void *owner, uint64_t count)
{
    struct evecho *echo = owner;
    (void)count;
    if (atomic_load(&echo->is_draining) || acceptor_is_paused(echo->acceptor))
        waker_wake(&echo->waker);
}

static void end_drain_if_empty(struct evecho *echo)
{
    if (!atomic_load(&echo->is_draining) || echo->is_drained ||
        !acceptor_is_stopped(echo->acceptor) || limit_open(echo->limit) > 0)
        return;
    echo->is_drained = true;
    echo->config.on_drained(echo->config.owner);
}

static void on_wake(void *owner)
{
    struct evecho *echo = owner;
    acceptor_on_released(echo->acceptor);
    end_drain_if_empty(echo);
}

static void on_accepting_over(void *owner)
{
    end_drain_if_empty(owner);
}

/* ---- start and stop ---- */

struct evecho *evecho_open(const struct evecho_listener *listeners, size_t count, struct log *log,
                           struct error *err)
{
    struct evecho *echo = calloc(1, sizeof(*echo));
    if (!echo) {
        error_start(err, "no memory for the listeners");
        return NULL;
    }
    echo->log = log;
    echo->waker.fd = -1;
    echo->acceptor = acceptor_new(listeners, count, log, err);
    if (!echo->acceptor) {
        free(echo);
        return NULL;
    }
    return echo;
}

int evecho_check(const struct evecho_listener *listeners, size_t count, struct error *notice,
                 struct error *err)
{
    return acceptor_check(listeners, count, notice, err);
}

static int open_workers(struct evecho *echo, struct loop *loop, struct error *err)
{
    const struct evecho_config *config = &echo->config;
    const struct worker_config worker = {.loop = config->workers == 1 ? loop : NULL,
                                         .path = config->path,
                                         .listeners = acceptor_count(echo->acceptor),
                                         .limit = echo->limit,
                                         .log = echo->log,
                                         .name = config->name,
                                         .on_released = on_released,
                                         .owner = echo};
    echo->workers = calloc(config->workers, sizeof(struct worker *));
    if (!echo->workers)
        return error_start(err, "no memory for the workers");
    for (size_t i = 0; i < config->workers; i++) {
        echo->workers[i] = worker_new(&worker, err);
        if (!echo->workers[i])
            return error_prefix(err, "worker %zu of %zu: ", i + 1, config->workers);
        for (size_t j = 0; j < worker.listeners; j++) {
            if (limit_watch(echo->limit, worker_counters(echo->workers[i], j)) < 0)
                return error_start(err, "no memory for the workers");
        }
    }
    return 0;
}

int evecho_start(struct evecho *echo, struct loop *loop, const struct evecho_config *config,
                 struct error *err)
{
    echo->config = *config;
    echo->limit = limit_new(&config->limits);
    if (!echo->limit)
        return error_start(err, "no memory for the limits");
    echo->udp = udp_new(config->udp_rate, (unsigned)config->limits.source_prefix, config->name,
                        acceptor_has_datagrams(echo->acceptor), echo->log);
    if (!echo->udp)
        return error_start(err, "no memory for datagrams");
    if (waker_open(&echo->waker, loop, on_wake, echo, err) < 0 || open_workers(echo, loop, err) < 0)
        return -1;
    return acceptor_start(echo->acceptor, loop, echo->limit, echo->workers, config->workers,
                          echo->udp, err);
}

int evecho_start_threads(struct evecho *echo, struct error *err)
{
    for (size_t i = 0; i < echo->config.workers; i++) {
        if (worker_start(echo->workers[i], err) < 0)
            return error_prefix(err, "worker %zu of %zu: ", i + 1, echo->config.workers);
    }
    return 0;
}

void evecho_stop_threads(struct evecho *echo)
{
    for (size_t i = 0; echo->workers && i < echo->config.workers; i++)
        worker_stop(echo->workers[i]);
}

void evecho_stop(struct evecho *echo)
{
    evecho_stop_threads(echo);
    acceptor_close(echo->acceptor);
    for (size_t i = 0; echo->workers && i < echo->config.workers; i++)
        worker_free(echo->workers[i]);
    free(echo->workers);
    echo->workers = NULL;
    waker_close(&echo->waker);
    udp_free(echo->udp);
    echo->udp = NULL;
    limit_free(echo->limit);
    echo->limit = NULL;
}

void evecho_free(struct evecho *echo)
{
    if (!echo)
        return;
    acceptor_free(echo->acceptor);
    free(echo);
}

/* ---- while it runs ---- */

void evecho_drain(struct evecho *echo)
{
    acceptor_stop(echo->acceptor, on_accepting_over, echo);
    atomic_store(&echo->is_draining, true);
    for (size_t i = 0; i < echo->config.workers; i++)
        worker_drain(echo->workers[i]);
    end_drain_if_empty(echo);
}

void evecho_abort(struct evecho *echo, enum reason reason)
{
    acceptor_finish(echo->acceptor);
    for (size_t i = 0; i < echo->config.workers; i++)
        worker_abort_all(echo->workers[i], reason);
}

int evecho_reload(struct evecho *echo, const struct evecho_listener *listeners, size_t count,
                  const struct limit_values *limits, uint64_t udp_rate, struct error *err)
{
    struct policy **plan = acceptor_plan(echo->acceptor, listeners, count, err);
    if (!plan)
        return -1;
    acceptor_adopt(echo->acceptor, plan);
    limit_change(echo->limit, limits);
    udp_set_rate(echo->udp, udp_rate);
    acceptor_on_released(echo->acceptor);
    return 0;
}

bool evecho_has_endpoints(const struct evecho *echo, const struct evecho_listener *listeners,
                          size_t count)
{
    return acceptor_has_endpoints(echo->acceptor, listeners, count);
}

/* ---- queries ---- */

size_t evecho_sockets(const struct evecho *echo)
{
    return acceptor_count(echo->acceptor);
}

const char *evecho_socket_name(const struct evecho *echo, size_t socket)
{
    return acceptor_name(echo->acceptor, socket);
}

bool evecho_is_inherited(const struct evecho *echo, size_t socket, enum endpoint_kind *kind,
                         size_t *listener)
{
    return acceptor_is_inherited(echo->acceptor, socket, kind, listener);
}

static void add_socket(const struct evecho *echo, size_t socket, struct counters *sum)
{
    for (size_t i = 0; echo->workers && i < echo->config.workers; i++)
        counters_sum(sum, worker_counters(echo->workers[i], socket));
    counters_sum(sum, acceptor_datagram_counters(echo->acceptor, socket));
}

void evecho_sum_socket(const struct evecho *echo, size_t socket, struct counters *sum)
{
    *sum = (struct counters){0};
    add_socket(echo, socket, sum);
}

static bool is_balanced(const struct counters *sum)
{
    return udp_is_balanced(sum) &&
           counter_get(sum, COUNTER_BYTES_IN) + counter_get(sum, COUNTER_MADE) ==
               counter_get(sum, COUNTER_BYTES_OUT) + counter_get(sum, COUNTER_OWED) +
                   counter_get(sum, COUNTER_LOST) + counter_get(sum, COUNTER_SUNK);
}

bool evecho_sum(const struct evecho *echo, struct counters *sum)
{
    *sum = (struct counters){0};
    for (size_t i = 0; i < acceptor_count(echo->acceptor); i++)
        add_socket(echo, i, sum);
    counters_sum(sum, acceptor_counters(echo->acceptor));
    counter_add(sum, COUNTER_LOG_DROPPED, log_dropped(echo->log));
    return is_balanced(sum);
}

uint64_t evecho_connections(const struct evecho *echo)
{
    return limit_open(echo->limit);
}

uint64_t evecho_connections_max(const struct evecho *echo)
{
    return limit_connections(echo->limit);
}

bool evecho_is_alive(struct evecho *echo)
{
    bool is_alive = true;
    for (size_t i = 0; i < echo->config.workers; i++)
        is_alive = worker_is_alive(echo->workers[i]) && is_alive;
    return is_alive;
}

size_t evecho_workers(const struct evecho *echo)
{
    return echo->config.workers;
}

void evecho_request_lists(struct evecho *echo, struct waker *waker)
{
    for (size_t i = 0; i < echo->config.workers; i++)
        worker_request_list(echo->workers[i], waker);
}

bool evecho_take_list(struct evecho *echo, size_t worker, struct conn_list *list)
{
    return worker_take_list(echo->workers[worker], list);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/drain.h"

#include <event2/event.h>

#include "base/log.h"
#include "daemon/report.h"
#include "daemon/server_parts.h"

#define STOP_EXTRA_MS 5000 /* from the last reset to the end of the process, at most */

void drain_end_if_empty(struct server *server)
{
    if (atomic_load(&server->is_draining) && acceptor_is_stopped(server->acceptor) &&
        limit_open(server->limit) == 0)
        loop_stop(&server->loop);
}

static void on_accepting_over(void *owner)
{
    drain_end_if_empty(owner);
}

static void abort_all(struct server *server, enum reason reason)
{
    acceptor_finish(server->acceptor);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_abort_all(server->workers[i], reason);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    abort_all(arg, REASON_DEADLINE);
}

static void begin(struct server *server)
{
    uint64_t timeout_ms = server->options->drain_timeout_ms;
    if (server->status)
        status_set_draining(server->status);
    /* The manager must not cut short a drain that was allowed more than its own time for stopping.
     */
    notify_stopping(&server->notify, timeout_ms ? timeout_ms + STOP_EXTRA_MS : 0);
    acceptor_stop(server->acceptor, on_accepting_over, server);
    log_event(LOG_LEVEL_NOTICE, "draining: no new connections",
              LOG_NUMBER("open", limit_open(server->limit)));
    server->drain_start_ms = loop_now_ms();
    atomic_store(&server->is_draining, true);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i]);
    const struct timeval wait = {(time_t)(timeout_ms / 1000), (long)(timeout_ms % 1000 * 1000)};
    if (timeout_ms && event_add(server->drain_timer, &wait) < 0)
        abort_all(server, REASON_DEADLINE);
    drain_end_if_empty(server);
}

void drain_on_signal(struct server *server)
{
    if (!atomic_load(&server->is_draining)) {
        begin(server);
        return;
    }
    log_event(LOG_LEVEL_NOTICE, "second signal: ending at once",
              LOG_NUMBER("open", limit_open(server->limit)));
    abort_all(server, REASON_FORCED);
}

enum exit_code drain_result(const struct server *server)
{
    struct counters sum;
    bool adds_up = report_sum(server, &sum);
    uint64_t owed = counter_get(&sum, COUNTER_ABANDONED);
    log_event(LOG_LEVEL_NOTICE, "drained", LOG_NUMBER("owed", owed),
              LOG_MS("seconds", loop_now_ms() - server->drain_start_ms));
    if (!adds_up)
        log_event(LOG_LEVEL_ERROR, "bytes do not add up: please report this");
    return owed ? EXIT_CODE_OWED : EXIT_CODE_OK;
}

int drain_start(struct server *server, struct error *err)
{
    server->drain_timer = evtimer_new(server->loop.base, on_timeout, server);
    return server->drain_timer ? 0 : error_start(err, "no memory for the drain's timer");
}

void drain_stop(struct server *server)
{
    if (server->drain_timer)
        event_free(server->drain_timer);
}

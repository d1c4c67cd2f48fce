/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/drain.h"

#include <event2/event.h>

#include "base/log.h"
#include "daemon/report.h"
#include "daemon/server_parts.h"

#define STOP_EXTRA_MS 5000 /* at most, from the last reset to the end of the process */

void drain_on_drained(void *owner)
{
    struct server *server = owner;
    loop_stop(&server->loop);
}

static bool wait_for(const struct server *server, uint64_t wait_ms)
{
    const struct timeval wait = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000 * 1000)};
    return event_add(server->drain_timer, &wait) == 0;
}

static void drain(struct server *server)
{
    uint64_t timeout_ms = server->options->drain_timeout_ms;
    log_event(server->log, LOG_LEVEL_NOTICE, "draining: no new connections",
              LOG_NUMBER("open", evecho_connections(server->echo)));
    server->drain_start_ms = loop_now_ms();
    server->is_draining = true;
    evecho_drain(server->echo);
    if (timeout_ms && !wait_for(server, timeout_ms))
        evecho_abort(server->echo, REASON_DEADLINE);
}

/* The delay is over, or the drain's timeout. */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    (void)fd;
    (void)what;
    if (server->is_draining)
        evecho_abort(server->echo, REASON_DEADLINE);
    else
        drain(server);
}

static void begin(struct server *server)
{
    uint64_t delay_ms = server->options->drain_delay_ms;
    uint64_t all_ms = delay_ms + server->options->drain_timeout_ms;
    server->is_stopping = true;
    if (server->status)
        status_set_draining(server->status);
    /* Extends the manager's time for stopping, so that it ends neither the delay nor the drain. */
    notify_stopping(&server->notify, all_ms ? all_ms + STOP_EXTRA_MS : 0);
    if (delay_ms && wait_for(server, delay_ms))
        log_event(server->log, LOG_LEVEL_NOTICE, "not ready: still accepting",
                  LOG_MS("seconds", delay_ms),
                  LOG_NUMBER("open", evecho_connections(server->echo)));
    else
        drain(server);
}

void drain_on_signal(struct server *server)
{
    if (!server->is_stopping) {
        begin(server);
        return;
    }
    log_event(server->log, LOG_LEVEL_NOTICE, "second signal: ending at once",
              LOG_NUMBER("open", evecho_connections(server->echo)));
    if (!server->is_draining)
        drain(server);
    evecho_abort(server->echo, REASON_FORCED);
}

enum exit_code drain_result(const struct server *server)
{
    struct counters sum;
    bool adds_up = evecho_sum(server->echo, &sum);
    uint64_t owed = counter_get(&sum, COUNTER_ABANDONED);
    log_event(server->log, LOG_LEVEL_NOTICE, "drained", LOG_NUMBER("owed", owed),
              LOG_MS("seconds", loop_now_ms() - server->drain_start_ms));
    if (!adds_up)
        log_event(server->log, LOG_LEVEL_ERROR, "bytes do not add up: please report this");
    return owed ? EXIT_CODE_OWED : EXIT_CODE_OK;
}

int drain_start(struct server *server, struct error *err)
{
    server->drain_timer = evtimer_new(server->loop.base, on_time, server);
    return server->drain_timer ? 0 : error_start(err, "no memory for the drain's timer");
}

void drain_stop(struct server *server)
{
    if (server->drain_timer)
        event_free(server->drain_timer);
}

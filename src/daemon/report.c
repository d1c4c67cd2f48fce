/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/report.h"

#include <event2/event.h>

#include "base/log.h"
#include "daemon/server_parts.h"

#define INTERVAL_MS 1000

void report_write(struct server *server)
{
    struct counters sum;
    struct log_field fields[COUNTER_COUNT + 2];
    size_t count = 0;
    bool adds_up = evecho_sum(server->echo, &sum);
    fields[count++] = LOG_NUMBER("open", evecho_connections(server->echo));
    for (int i = 0; i < COUNTER_COUNT; i++)
        fields[count++] =
            LOG_NUMBER(counter_about((enum counter)i)->name, counter_get(&sum, (enum counter)i));
    fields[count++] = LOG_TEXT("balanced", adds_up ? "yes" : "no");
    log_write(server->log, 0, LOG_LEVEL_NOTICE, "counters", fields, count);
    server->reported_ms = loop_now_ms();
}

void report_on_signal(struct server *server)
{
    uint64_t since_ms = loop_now_ms() - server->reported_ms;
    const struct timeval wait = {
        .tv_usec = since_ms < INTERVAL_MS ? (INTERVAL_MS - (long)since_ms) * 1000 : 0};
    if (wait.tv_usec == 0)
        report_write(server);
    else if (!event_pending(server->report_timer, EV_TIMEOUT, NULL))
        (void)event_add(server->report_timer, &wait);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    report_write(arg);
}

int report_start(struct server *server, struct error *err)
{
    server->report_timer = evtimer_new(server->loop.base, on_due, server);
    return server->report_timer ? 0 : error_start(err, "no memory for reporting counters");
}

void report_stop(struct server *server)
{
    if (server->report_timer)
        event_free(server->report_timer);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/server_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/descriptors.h"

/* Descriptors reserved for other uses than connections: standard ones, log, notify, epoll, signals,
 * pid file, a reload's file; and for each worker its loop, waker and pipe. */
#define RESERVE_DESCRIPTORS 24
#define RESERVE_A_WORKER 6

static uint64_t descriptors_reserved(const struct server *server)
{
    return RESERVE_DESCRIPTORS + RESERVE_A_WORKER * server->worker_count +
           evecho_sockets(server->echo) + (server->status ? status_descriptors(server->status) : 0);
}

/* The descriptor limit, raised as far as permitted, minus the reserve. */
static uint64_t connections_allowed(uint64_t reserve)
{
    uint64_t limit = descriptors_raise();
    return limit > reserve ? limit - reserve : 0;
}

int server_find_limits(const struct server *server, const struct daemon_options *options,
                       struct limit_values *values, struct error *err)
{
    uint64_t allowed = connections_allowed(descriptors_reserved(server));
    if (allowed == 0)
        return error_start(err,
                           "the descriptor limit (ulimit -n) leaves none for connections: at "
                           "least %" PRIu64 " are expected",
                           descriptors_reserved(server) + 1);
    *values = (struct limit_values){.connections = options->max_connections,
                                    .per_source = options->max_per_source,
                                    .owed_bytes = options->max_owed_bytes,
                                    .source_prefix = options->source_prefix};
    if (values->connections != OPTION_AUTO && values->connections > allowed)
        log_event(server->log, LOG_LEVEL_WARN,
                  "max-connections is lowered to what the descriptor limit allows",
                  LOG_NUMBER("asked", values->connections), LOG_NUMBER("used", allowed),
                  LOG_TEXT("hint", "raise ulimit -n"));
    if (values->connections > allowed)
        values->connections = allowed;
    return 0;
}

int server_check_inherited(const struct server *server, const struct daemon_options *options,
                           struct error *err)
{
    enum endpoint_kind kind;
    size_t listener;
    for (size_t i = 0; i < evecho_sockets(server->echo); i++) {
        if (evecho_is_inherited(server->echo, i, &kind, &listener) &&
            options_check_inherited(&options->listeners[listener], kind, err) < 0)
            return -1;
    }
    return 0;
}

struct log_config server_log_config(const struct daemon_options *options)
{
    return (struct log_config){.level = (enum log_level)options->log_level,
                               .format = (enum log_format)options->log_format,
                               .target = options->log_target,
                               .program = OPTIONS_PROGRAM};
}

void server_tell_serving(struct server *server, const char *besides)
{
    char status[NOTIFY_TEXT_MAX / 2];
    size_t count = evecho_sockets(server->echo);
    snprintf(status, sizeof(status), "Serving on %zu socket%s%s", count, count == 1 ? "" : "s",
             besides);
    notify_ready(&server->notify, status);
}

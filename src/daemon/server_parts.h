/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's state, and functions shared by its files: server.c (start, run, stop), drain.c,
 * reload.c and report.c. Only the main thread uses it. */
#ifndef DAEMON_SERVER_PARTS_H
#define DAEMON_SERVER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/log.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/pidfile.h"
#include "daemon/privilege.h"
#include "daemon/sandbox.h"
#include "daemon/status.h"
#include "daemon/watchdog.h"
#include "echo/evecho.h"
#include "stream/loop.h"

struct event;

#define SERVER_SIGNALS 4

struct server {
    struct daemon_options *options; /* as of the last reload */
    int argc;
    char **argv;
    struct privilege privilege; /* to drop to at the start */
    char *name;                 /* for whoami: a copy, since a reload replaces the options */
    struct log *log;
    struct loop loop; /* the main thread's; a single worker shares it */
    struct evecho *echo;
    struct limit_values limits;
    size_t worker_count;
    struct status *status; /* NULL: not configured */
    struct event *signals[SERVER_SIGNALS];
    struct event *drain_timer;
    struct event *report_timer;
    uint64_t reported_ms, drain_start_ms;
    bool is_stopping; /* from the signal on */
    bool is_draining; /* after the delay: no new connections */
    struct pidfile pidfile;
    struct sandbox sandbox;
    struct notify notify;
    struct watchdog watchdog;
};

/* Raises the descriptor limit as far as possible, and computes the limits for these options. Logs a
 * warning if max-connections must be lowered. Returns 0 or -1. */
int server_find_limits(const struct server *server, const struct daemon_options *options,
                       struct limit_values *values, struct error *err) MUST_CHECK;

/* Checks each inherited socket, whose kind is known only once it is open. Returns 0, or -1 if its
 * listener has an attribute that does not apply to that kind. */
int server_check_inherited(const struct server *server, const struct daemon_options *options,
                           struct error *err) MUST_CHECK;

/* The log's configuration for these options; it points into them. */
struct log_config server_log_config(const struct daemon_options *options);

/* Reports to the service manager that we serve, the number of sockets, and `besides`, which may be
 * empty. */
void server_tell_serving(struct server *server, const char *besides);

#endif

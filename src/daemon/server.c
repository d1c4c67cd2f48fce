/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/log.h"
#include "base/standard.h"
#include "daemon/drain.h"
#include "daemon/reload.h"
#include "daemon/report.h"
#include "daemon/server_parts.h"

/* ---- events ---- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct server *server = arg;
    (void)what;
    if (number == SIGHUP)
        reload_on_signal(server);
    else if (number == SIGUSR1)
        report_on_signal(server);
    else
        drain_on_signal(server);
}

/* In the thread of whichever worker has freed connections. */
static void on_released(void *owner, uint64_t count)
{
    struct server *server = owner;
    (void)count;
    if (atomic_load(&server->is_draining) || acceptor_is_paused(server->acceptor))
        waker_wake(&server->waker);
}

static void on_wake(void *owner)
{
    struct server *server = owner;
    acceptor_on_released(server->acceptor);
    drain_end_if_empty(server);
}

/* ---- the parts: how each starts and stops ---- */

static int check_ready_fd(const struct daemon_options *options, struct error *err)
{
    int fd = (int)options->ready_fd;
    if (options->ready_fd == OPTIONS_NO_FD)
        return 0;
    if (fcntl(fd, F_GETFD) < 0) {
        error_system(err, errno, "%d", fd);
        return error_blame(err, "ready-fd", NULL);
    }
    if (options_serve_fd(options, fd))
        return error_option(err, "ready-fd", "%d is a socket to serve; another is expected", fd);
    return 0;
}

static int check_options(struct server *server, struct error *err)
{
    const struct daemon_options *options = server->options;
    if (check_ready_fd(options, err) < 0)
        return -1;
    return privilege_find(&server->privilege, options->user, options->group, err);
}

static int start_library(struct server *server, struct error *err)
{
    (void)server;
    (void)err;
    loop_library_init();
    return 0;
}

static void stop_library(struct server *server)
{
    (void)server;
    loop_library_end();
}

static int open_log(struct server *server, struct error *err)
{
    const struct log_config config = server_log_config(server->options);
    return log_open(&config, err);
}

static void close_log(struct server *server)
{
    (void)server;
    log_close();
}

static int open_listeners(struct server *server, struct error *err)
{
    if (status_check(server->options, err) < 0)
        return -1; /* refused before any socket is opened */
    server->acceptor = acceptor_new(server->options, err);
    return server->acceptor ? 0 : -1;
}

static void free_listeners(struct server *server)
{
    acceptor_free(server->acceptor);
    server->acceptor = NULL;
}

static int open_status(struct server *server, struct error *err)
{
    if (!server->options->status)
        return 0;
    server->status = status_new(server->options, err);
    return server->status ? 0 : -1;
}

static void free_status(struct server *server)
{
    status_free(server->status);
    server->status = NULL;
}

static int make_limits(struct server *server, struct error *err)
{
    struct limit_values values;
    if (server_find_limits(server, server->options, &values, err) < 0)
        return -1;
    options_tell_unserved(server->options);
    server->limit = limit_new(&values);
    return server->limit ? 0 : error_start(err, "no memory for the limits");
}

static void free_limits(struct server *server)
{
    limit_free(server->limit);
}

static int write_pid_file(struct server *server, struct error *err)
{
    const char *path = server->options->pid_file;
    return path ? pidfile_write(&server->pidfile, path, err) : 0;
}

static void remove_pid_file(struct server *server)
{
    pidfile_remove(&server->pidfile);
}

/* NULL without memory. */
static char *name_of(const struct daemon_options *options)
{
    char host[HOST_NAME_MAX + 1] = "";
    if (!options->name)
        (void)gethostname(host, sizeof(host) - 1);
    return strdup(options->name ? options->name : host);
}

static int make_udp(struct server *server, struct error *err)
{
    const struct daemon_options *options = server->options;
    server->name = name_of(options);
    server->udp = udp_new(options->udp_rate, (unsigned)options->source_prefix, server->name,
                          acceptor_has_datagrams(server->acceptor));
    return server->name && server->udp ? 0 : error_start(err, "no memory for datagrams");
}

static void free_udp(struct server *server)
{
    udp_free(server->udp);
    free(server->name);
}

static int open_loop(struct server *server, struct error *err)
{
    return loop_open(&server->loop, NULL, err);
}

static void close_loop(struct server *server)
{
    loop_close(&server->loop);
}

static int open_waker(struct server *server, struct error *err)
{
    return waker_open(&server->waker, &server->loop, on_wake, server, err);
}

static void close_waker(struct server *server)
{
    waker_close(&server->waker);
}

static int take_signals(struct server *server, struct error *err)
{
    static const int NUMBERS[SERVER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        server->signals[i] = evsignal_new(server->loop.base, NUMBERS[i], on_signal, server);
        if (!server->signals[i] || event_add(server->signals[i], NULL) < 0)
            return error_system(err, errno, "cannot take signals");
    }
    return 0;
}

static void free_signals(struct server *server)
{
    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        if (server->signals[i])
            event_free(server->signals[i]);
    }
}

static int start_notify(struct server *server, struct error *err)
{
    notify_open(&server->notify);
    return notify_start(&server->notify, &server->loop, err);
}

static void stop_notify(struct server *server)
{
    notify_close(&server->notify);
}

static int open_workers(struct server *server, struct error *err)
{
    struct loop *shared = server->worker_count == 1 ? &server->loop : NULL;
    const struct worker_config config = {.loop = shared,
                                         .path = (enum stream_path)server->options->read_path,
                                         .listeners = acceptor_count(server->acceptor),
                                         .limit = server->limit,
                                         .name = server->name,
                                         .on_released = on_released,
                                         .owner = server};
    server->workers = calloc(server->worker_count, sizeof(*server->workers));
    if (!server->workers)
        return error_start(err, "no memory for the workers");
    for (size_t i = 0; i < server->worker_count; i++) {
        server->workers[i] = worker_new(&config, err);
        if (!server->workers[i])
            return error_prefix(err, "worker %zu of %zu: ", i + 1, server->worker_count);
        for (size_t j = 0; j < config.listeners; j++) {
            if (limit_watch(server->limit, worker_counters(server->workers[i], j)) < 0)
                return error_start(err, "no memory for the workers");
        }
    }
    return 0;
}

static void free_workers(struct server *server)
{
    for (size_t i = 0; server->workers && i < server->worker_count; i++)
        worker_free(server->workers[i]);
    free(server->workers);
}

static int confine(struct server *server, struct error *err)
{
    const struct privilege *privilege = &server->privilege;
    if (privilege->has_user)
        log_give_to(privilege->user, privilege->group);
    if (sandbox_choose(&server->sandbox, server->options, err) < 0)
        return -1;
    return sandbox_confine(&server->sandbox, server->options, privilege, err);
}

static int start_log_thread(struct server *server, struct error *err)
{
    (void)server;
    return log_start(err); /* log_close() ends it */
}

static int start_watchdog(struct server *server, struct error *err)
{
    return watchdog_start(&server->watchdog, &server->loop, &server->notify, server->workers,
                          server->worker_count, err);
}

static void stop_watchdog(struct server *server)
{
    watchdog_stop(&server->watchdog);
}

static int start_accepting(struct server *server, struct error *err)
{
    return acceptor_start(server->acceptor, &server->loop, server->limit, server->workers,
                          server->worker_count, server->udp, err);
}

static int start_status(struct server *server, struct error *err)
{
    const struct status_facts facts = {.totals = server_totals(server), .limit = server->limit};
    return server->status ? status_start(server->status, &server->loop, &facts, err) : 0;
}

static int start_threads(struct server *server, struct error *err)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        if (worker_start(server->workers[i], err) < 0)
            return error_prefix(err, "worker %zu of %zu: ", i + 1, server->worker_count);
    }
    return 0;
}

static void stop_threads(struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_stop(server->workers[i]);
}

static int filter_calls(struct server *server, struct error *err)
{
    return sandbox_filter(&server->sandbox, err);
}

/* The start runs this table forwards and the stop runs it backwards, so each part may use all those
 * above it as long as it lives. A start that fails may leave its own part half made: the stop of
 * each part that was tried is run. What must be opened as root and can only be started later has
 * two rows; whichever stop comes first frees it, and the other finds nothing. */
static const struct part {
    int (*start)(struct server *server, struct error *err);
    void (*stop)(struct server *server); /* NULL: nothing to undo */
} PARTS[] = {
    {check_options, NULL},
    {start_library, stop_library}, /* it may log to the end */
    {open_log, close_log},
    {open_listeners, free_listeners},
    {open_status, free_status},
    {make_limits, free_limits},        /* counts the descriptors of both */
    {write_pid_file, remove_pid_file}, /* as long as anybody is served */
    {make_udp, free_udp},
    {open_loop, close_loop},
    {open_waker, close_waker},
    {take_signals, free_signals},
    {drain_start, drain_stop},
    {report_start, report_stop},
    {start_notify, stop_notify}, /* may wait for a second, when nobody is served any more */
    {open_workers, free_workers},
    {confine, NULL}, /* while there is only this thread: each has its own */
    {start_log_thread, NULL},
    {start_watchdog, stop_watchdog},
    {start_accepting, free_listeners},
    {start_status, free_status},
    {start_threads, stop_threads}, /* they call and wake the parts above */
    {filter_calls, NULL},          /* for all threads at once; none can start after it */
};
#define PART_COUNT (sizeof(PARTS) / sizeof(PARTS[0]))

static void stop_parts(struct server *server, size_t count)
{
    while (count-- > 0) {
        if (PARTS[count].stop)
            PARTS[count].stop(server);
    }
}

static int start_parts(struct server *server, struct error *err)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        if (PARTS[i].start(server, err) < 0) {
            stop_parts(server, i + 1);
            return -1;
        }
    }
    return 0;
}

/* ---- life ---- */

static size_t worker_count_of(const struct daemon_options *options)
{
    cpu_set_t processors;
    if (options->workers != OPTION_AUTO)
        return (size_t)options->workers;
    if (sched_getaffinity(0, sizeof(processors), &processors) < 0)
        return 1;
    return (size_t)CPU_COUNT(&processors);
}

static void free_server(struct server *server)
{
    options_clear(server->options);
    free(server->options);
    free(server);
}

struct server *server_new(struct daemon_options *options, int argc, char **argv, struct error *err)
{
    struct server *server = calloc(1, sizeof(*server));
    if (!server) {
        error_start(err, "no memory for the server");
        options_clear(options);
        free(options);
        return NULL;
    }
    server->options = options;
    server->argc = argc;
    server->argv = argv;
    server->worker_count = worker_count_of(options);
    if (start_parts(server, err) < 0) {
        options_locate(options, err);
        free_server(server);
        return NULL;
    }
    return server;
}

/* A closed standard output is no error, and neither is one that takes nothing. */
static void say_ready(struct server *server)
{
    for (size_t i = 0; i < acceptor_count(server->acceptor); i++) {
        const char *name = acceptor_name(server->acceptor, i);
        char line[4 * SOCK_NAME_MAX]; /* a path may hold anything */
        escape_line(line, sizeof(line), name, strlen(name));
        standard_write("listening ");
        standard_write(line);
        standard_write("\n");
        log_event(LOG_LEVEL_NOTICE, "listening", LOG_TEXT("listener", name));
    }
    standard_write("ready\n");
    if (server->options->ready_fd != OPTIONS_NO_FD)
        notify_newline((int)server->options->ready_fd);
    server_tell_serving(server, "");
}

enum exit_code server_run(struct server *server)
{
    sigset_t none, all;
    say_ready(server);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    loop_run(&server->loop);
    /* The end is decided. A signal while the log is finished must not end us with its own status.
     */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    report_write(server);
    return drain_result(server);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    stop_parts(server, PART_COUNT);
    free_server(server);
}

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
#include "stream/library.h"

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

static int open_log(struct server *server, struct error *err)
{
    const struct log_config config = server_log_config(server->options);
    server->log = log_open(&config, err);
    return server->log ? 0 : -1;
}

static void close_log(struct server *server)
{
    log_close(server->log);
}

static int start_library(struct server *server, struct error *err)
{
    (void)err;
    library_start(server->log);
    return 0;
}

static void stop_library(struct server *server)
{
    (void)server;
    library_stop();
}

static int open_echo(struct server *server, struct error *err)
{
    const struct daemon_options *options = server->options;
    if (status_check(options, err) < 0)
        return -1; /* fails before any socket is opened */
    server->echo = evecho_open(options->listeners, options->listener_count, server->log, err);
    return server->echo ? server_check_inherited(server, options, err)
                        : options_explain_busy(options, err);
}

static void free_echo(struct server *server)
{
    evecho_free(server->echo);
}

static int open_status(struct server *server, struct error *err)
{
    if (!server->options->status)
        return 0;
    server->status = status_new(server->options, server->log, err);
    return server->status ? 0 : options_explain_busy(server->options, err);
}

static void free_status(struct server *server)
{
    status_free(server->status);
    server->status = NULL;
}

static int find_limits(struct server *server, struct error *err)
{
    options_tell_unserved(server->options, server->log);
    return server_find_limits(server, server->options, &server->limits, err);
}

static int write_pid_file(struct server *server, struct error *err)
{
    const char *path = server->options->pid_file;
    return path ? pidfile_write(&server->pidfile, path, err) : 0;
}

static void remove_pid_file(struct server *server)
{
    pidfile_remove(&server->pidfile, server->log);
}

/* NULL if memory is short. */
static char *name_of(const struct daemon_options *options)
{
    char host[HOST_NAME_MAX + 1] = "";
    if (!options->name)
        (void)gethostname(host, sizeof(host) - 1);
    return strdup(options->name ? options->name : host);
}

static int find_name(struct server *server, struct error *err)
{
    server->name = name_of(server->options);
    return server->name ? 0 : error_start(err, "no memory for the name");
}

static void free_name(struct server *server)
{
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

static int handle_signals(struct server *server, struct error *err)
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
    notify_open(&server->notify, server->log);
    return notify_start(&server->notify, &server->loop, err);
}

static void stop_notify(struct server *server)
{
    notify_close(&server->notify);
}

static int start_echo(struct server *server, struct error *err)
{
    const struct daemon_options *options = server->options;
    const struct evecho_config config = {.name = server->name,
                                         .workers = server->worker_count,
                                         .path = (enum stream_path)options->read_path,
                                         .limits = server->limits,
                                         .udp_rate = options->udp_rate,
                                         .on_drained = drain_on_drained,
                                         .owner = server};
    return evecho_start(server->echo, &server->loop, &config, err);
}

static void stop_echo(struct server *server)
{
    evecho_stop(server->echo);
}

static int confine(struct server *server, struct error *err)
{
    const struct privilege *privilege = &server->privilege;
    if (privilege->has_user)
        log_give_to(server->log, privilege->user, privilege->group);
    if (sandbox_choose(&server->sandbox, server->options, server->log, err) < 0)
        return -1;
    return sandbox_confine(&server->sandbox, server->options, privilege, err);
}

static int start_log_thread(struct server *server, struct error *err)
{
    return log_start(server->log, err); /* log_close() ends it */
}

static int start_watchdog(struct server *server, struct error *err)
{
    return watchdog_start(&server->watchdog, &server->loop, &server->notify, server->echo, err);
}

static void stop_watchdog(struct server *server)
{
    watchdog_stop(&server->watchdog);
}

static int start_status(struct server *server, struct error *err)
{
    const struct status_facts facts = {.echo = server->echo};
    return server->status ? status_start(server->status, &server->loop, &facts, err) : 0;
}

static int start_threads(struct server *server, struct error *err)
{
    return evecho_start_threads(server->echo, err);
}

static void stop_threads(struct server *server)
{
    evecho_stop_threads(server->echo);
}

static int filter_calls(struct server *server, struct error *err)
{
    return sandbox_filter(&server->sandbox, err);
}

/* The start runs this table forwards and the stop runs it backwards, so each part can use all those
 * above it. A failed start may leave its own part incomplete: the stop of each part that was tried
 * is run. A part that must be opened as root and can only be started later has two rows; the first
 * stop to run frees it, and the other does nothing. */
static const struct part {
    int (*start)(struct server *server, struct error *err);
    void (*stop)(struct server *server); /* NULL: nothing to undo */
} PARTS[] = {
    {check_options, NULL},
    {open_log, close_log},
    {start_library, stop_library}, /* it logs */
    {open_echo, free_echo},        /* opens its sockets */
    {open_status, free_status},
    {find_limits, NULL},               /* counts the descriptors of both */
    {write_pid_file, remove_pid_file}, /* exists while peers are served */
    {find_name, free_name},
    {open_loop, close_loop},
    {handle_signals, free_signals},
    {drain_start, drain_stop},
    {report_start, report_stop},
    {start_notify, stop_notify}, /* may wait for a second, after serving has ended */
    {start_echo, stop_echo},
    {confine, NULL}, /* while this is the only thread: each has its own privileges */
    {start_log_thread, NULL},
    {start_watchdog, stop_watchdog},
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

/* A closed standard output is not an error, and neither is one that cannot be written. */
static void report_ready(struct server *server)
{
    for (size_t i = 0; i < evecho_sockets(server->echo); i++) {
        const char *name = evecho_socket_name(server->echo, i);
        char line[4 * SOCK_NAME_MAX]; /* a path may contain any byte */
        escape_line(line, sizeof(line), name, strlen(name));
        standard_write("listening ");
        standard_write(line);
        standard_write("\n");
        log_event(server->log, LOG_LEVEL_NOTICE, "listening", LOG_TEXT("listener", name));
    }
    standard_write("ready\n");
    if (server->options->ready_fd != OPTIONS_NO_FD)
        notify_newline((int)server->options->ready_fd, server->log);
    server_tell_serving(server, "");
}

enum exit_code server_run(struct server *server)
{
    sigset_t none, all;
    report_ready(server);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    loop_run(&server->loop);
    /* The process is ending. A signal while the log is closed must not change the exit status. */
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

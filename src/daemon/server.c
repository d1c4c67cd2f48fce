/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/server.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/standard.h"
#include "daemon/acceptor.h"
#include "daemon/limit.h"
#include "daemon/notify.h"
#include "daemon/pidfile.h"
#include "daemon/privilege.h"
#include "daemon/sandbox.h"
#include "daemon/status.h"
#include "daemon/totals.h"
#include "daemon/udp.h"
#include "daemon/udp_rule.h"
#include "daemon/watchdog.h"
#include "daemon/worker.h"
#include "net/loop.h"

/* Descriptors that are no connections: standard ones, log, notify, epoll, signals, pid file, a
 * reload's file;
 * and for each worker its loop, waker and pipe. */
#define RESERVE_DESCRIPTORS 24
#define RESERVE_A_WORKER 6

#define REPORT_INTERVAL_MS \
    1000 /* counters to the log at most so often, however many signals come */

#define STOP_EXTRA_MS 5000 /* from the last reset to the end of the process, at most */

static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
#define SIGNAL_COUNT (sizeof(SIGNALS) / sizeof(SIGNALS[0]))

struct server {
    struct options *options;
    int argc;
    char **argv;
    char *name; /* for whoami: a copy, since a reload replaces the options */
    struct limit *limit;
    struct worker **workers;
    size_t worker_count;
    struct loop loop; /* the main thread's; a single worker shares it */
    struct waker waker;
    struct acceptor *acceptor;
    struct udp *udp;
    struct status *status; /* NULL: nobody asked for it */
    struct event *signals[SIGNAL_COUNT];
    struct event *drain_timer;
    struct event *report_timer;
    uint64_t reported_ms, drain_start_ms;
    _Atomic uint64_t released; /* connections freed that the acceptor has not heard of */
    _Atomic bool is_draining;
    struct pidfile pidfile;
    struct sandbox sandbox;
    struct notify notify;
    struct watchdog watchdog;
};

/* ---- numbers ---- */

static size_t worker_count_of(const struct options *options)
{
    cpu_set_t processors;
    if (options->workers != OPTION_AUTO)
        return (size_t)options->workers;
    if (sched_getaffinity(0, sizeof(processors), &processors) < 0)
        return 1;
    return (size_t)CPU_COUNT(&processors);
}

static uint64_t descriptors_reserved(const struct server *server)
{
    return RESERVE_DESCRIPTORS + RESERVE_A_WORKER * server->worker_count +
           acceptor_count(server->acceptor) +
           (server->status ? status_descriptors(server->status) : 0);
}

/* The descriptor limit, raised as far as it may be; less what connections cannot have. */
static uint64_t connections_allowed(uint64_t reserve)
{
    uint64_t limit = descriptors_raise();
    return limit > reserve ? limit - reserve : 0;
}

static int find_limits(const struct server *server, const struct options *options,
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
        log_event(LOG_LEVEL_WARN, "max-connections is lowered to what the descriptor limit allows",
                  LOG_NUMBER("asked", values->connections), LOG_NUMBER("used", allowed),
                  LOG_TEXT("hint", "raise ulimit -n"));
    if (values->connections > allowed)
        values->connections = allowed;
    return 0;
}

static struct totals totals_of(const struct server *server)
{
    return (struct totals){.workers = server->workers,
                           .worker_count = server->worker_count,
                           .acceptor = server->acceptor};
}

/* While connections are open the sums of several workers are moments apart; at the end they must
 * add up to the byte, and to the datagram. */
static bool is_balanced(const struct counters *sum)
{
    return udp_is_balanced(sum) &&
           counter_get(sum, COUNTER_BYTES_IN) + counter_get(sum, COUNTER_MADE) ==
               counter_get(sum, COUNTER_BYTES_OUT) + counter_get(sum, COUNTER_OWED) +
                   counter_get(sum, COUNTER_LOST) + counter_get(sum, COUNTER_SUNK);
}

static void report(struct server *server)
{
    struct counters sum;
    struct log_field fields[COUNTER_COUNT + 2];
    size_t count = 0;
    const struct totals totals = totals_of(server);
    totals_sum(&totals, &sum);
    fields[count++] = LOG_NUMBER("open", limit_open(server->limit));
    for (int i = 0; i < COUNTER_COUNT; i++)
        fields[count++] =
            LOG_NUMBER(counter_about((enum counter)i)->name, counter_get(&sum, (enum counter)i));
    fields[count++] = LOG_TEXT("balanced", is_balanced(&sum) ? "yes" : "no");
    log_write(false, LOG_LEVEL_NOTICE, "counters", fields, count);
    server->reported_ms = loop_now_ms();
}

/* ---- stopping ---- */

static void stop_if_empty(struct server *server)
{
    if (atomic_load(&server->is_draining) && acceptor_is_stopped(server->acceptor) &&
        limit_open(server->limit) == 0)
        loop_stop(&server->loop);
}

static void on_accepting_over(void *owner)
{
    stop_if_empty(owner);
}

static void abort_all(struct server *server, enum reason reason)
{
    acceptor_finish(server->acceptor);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_abort_all(server->workers[i], reason);
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    abort_all(arg, REASON_DEADLINE);
}

static void begin_drain(struct server *server)
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
    stop_if_empty(server);
}

static void on_stop(struct server *server)
{
    if (!atomic_load(&server->is_draining)) {
        begin_drain(server);
        return;
    }
    log_event(LOG_LEVEL_NOTICE, "second signal: ending at once",
              LOG_NUMBER("open", limit_open(server->limit)));
    abort_all(server, REASON_FORCED);
}

/* ---- reloading ---- */

static struct log_config log_config_of(const struct options *options)
{
    return (struct log_config){.level = (enum log_level)options->log_level,
                               .format = (enum log_format)options->log_format,
                               .target = options->log_target,
                               .program = OPTIONS_PROGRAM};
}

/* Applies new options; what fails before anything has changed leaves the old ones in force. */
static int apply_options(struct server *server, const struct options *new, struct error *err)
{
    struct limit_values values;
    if (!acceptor_has_endpoints(server->acceptor, new))
        return error_usage(err, "listen: endpoints change only at a restart");
    if (find_limits(server, new, &values, err) < 0)
        return -1;
    struct policy **plan = acceptor_plan(server->acceptor, new, err);
    if (!plan)
        return -1;
    acceptor_adopt(server->acceptor, plan);
    limit_change(server->limit, &values);
    udp_set_rate(server->udp, new->udp_rate);
    acceptor_on_released(server->acceptor, 0);
    options_tell_unchangeable(server->options, new);
    return 0;
}

static void tell_serving(struct server *server, const char *besides)
{
    char status[NOTIFY_TEXT_MAX / 2];
    size_t count = acceptor_count(server->acceptor);
    snprintf(status, sizeof(status), "Serving on %zu socket%s%s", count, count == 1 ? "" : "s",
             besides);
    notify_ready(&server->notify, status);
}

/* Opening a FIFO would hold up the main loop. */
static int check_config_file(const struct options *options, struct error *err)
{
    struct stat status;
    if (!options->config || stat(options->config, &status) < 0 || S_ISREG(status.st_mode))
        return 0;
    return error_usage(err, "--config: '%s' is not a file, and is read only at the start",
                       options->config);
}

/* Whoever has rotated the log waits for that, whatever else is wrong; and where it cannot be opened
 * again, that is no reason to refuse new certificates. */
static bool reopen_log(const struct server *server)
{
    struct error err = {0};
    const struct log_config log = log_config_of(server->options);
    if (log_reopen(&log, &err) == 0)
        return true;
    sandbox_explain(&server->sandbox, &err);
    log_event(LOG_LEVEL_ERROR, "the old log stays", LOG_TEXT("why", err.text));
    return false;
}

static void reload(struct server *server)
{
    struct error err = {0};
    struct options *new = calloc(1, sizeof(*new));
    notify_reloading(&server->notify);
    bool is_read =
        new &&sandbox_check_reload(&server->sandbox, server->options, &err) == 0 &&
        check_config_file(server->options, &err) == 0 &&
        options_read(new, server->options->activation, server->argc, server->argv, &err) == 0;
    if (is_read && apply_options(server, new, &err) == 0) {
        options_clear(server->options);
        free(server->options);
        server->options = new;
        bool is_log_open = reopen_log(server);
        log_event(LOG_LEVEL_NOTICE, "reloaded");
        tell_serving(server, is_log_open ? "" : "; the log file could not be opened again");
        return;
    }
    sandbox_explain(&server->sandbox, &err);
    if (is_read)
        options_locate(new, &err);
    (void)reopen_log(server);
    log_event(LOG_LEVEL_ERROR, "reload refused: the old configuration stays",
              LOG_TEXT("why", new ? err.text : "no memory"));
    tell_serving(server, "; the last reload was refused, see the log");
    if (is_read)
        options_clear(new);
    free(new);
}

static void reload_draining(struct server *server)
{
    (void)reopen_log(server);
    log_event(LOG_LEVEL_NOTICE, "draining: nothing but the log is opened again");
}

/* ---- events ---- */

static void on_report_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    report(arg);
}

static void on_report_wanted(struct server *server)
{
    uint64_t since_ms = loop_now_ms() - server->reported_ms;
    const struct timeval wait = {.tv_usec = since_ms < REPORT_INTERVAL_MS
                                                ? (REPORT_INTERVAL_MS - (long)since_ms) * 1000
                                                : 0};
    if (wait.tv_usec == 0)
        report(server);
    else if (!event_pending(server->report_timer, EV_TIMEOUT, NULL))
        (void)event_add(server->report_timer, &wait);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct server *server = arg;
    (void)what;
    switch (number) {
    case SIGHUP:
        if (atomic_load(&server->is_draining))
            reload_draining(server);
        else
            reload(server);
        break;
    case SIGUSR1:
        on_report_wanted(server);
        break;
    default:
        on_stop(server);
    }
}

/* In the thread of whichever worker has freed connections. */
static void on_released(void *owner, uint64_t count)
{
    struct server *server = owner;
    atomic_fetch_add(&server->released, count);
    if (atomic_load(&server->is_draining) || acceptor_is_paused(server->acceptor))
        waker_wake(&server->waker);
}

static void on_wake(void *owner)
{
    struct server *server = owner;
    acceptor_on_released(server->acceptor, atomic_exchange(&server->released, 0));
    stop_if_empty(server);
}

/* ---- starting ---- */

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

static int open_main_loop(struct server *server, struct error *err)
{
    if (loop_open(&server->loop, NULL, err) < 0)
        return -1;
    server->drain_timer = evtimer_new(server->loop.base, on_drain_timeout, server);
    server->report_timer = evtimer_new(server->loop.base, on_report_due, server);
    if (!server->drain_timer || !server->report_timer)
        return error_start(err, "no memory for the main loop");
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        server->signals[i] = evsignal_new(server->loop.base, SIGNALS[i], on_signal, server);
        if (!server->signals[i] || event_add(server->signals[i], NULL) < 0)
            return error_start(err, "cannot take signals: %s", strerror(errno));
    }
    return waker_open(&server->waker, &server->loop, on_wake, server, err);
}

static int start_threads(struct server *server, struct error *err)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        if (worker_start(server->workers[i], err) < 0)
            return error_prefix(err, "worker %zu of %zu: ", i + 1, server->worker_count);
    }
    if (notify_start(&server->notify, &server->loop, err) < 0 ||
        watchdog_start(&server->watchdog, &server->loop, &server->notify, server->workers,
                       server->worker_count, err) < 0)
        return -1;
    if (acceptor_start(server->acceptor, &server->loop, server->limit, server->workers,
                       server->worker_count, server->udp, err) < 0)
        return -1;
    const struct status_facts facts = {.totals = totals_of(server), .limit = server->limit};
    return server->status ? status_start(server->status, &server->loop, &facts, err) : 0;
}

static int check_ready_fd(const struct options *options, struct error *err)
{
    int fd = (int)options->ready_fd;
    if (options->ready_fd == OPTIONS_NO_FD)
        return 0;
    if (fcntl(fd, F_GETFD) < 0)
        return error_start(err, "--ready-fd: %d: %s", fd, strerror(errno));
    if (options_serve_fd(options, fd))
        return error_usage(err, "--ready-fd: %d is a socket to serve; another is expected", fd);
    return 0;
}

static int open_log(const struct options *options, struct error *err)
{
    const struct log_config config = log_config_of(options);
    return log_open(&config, err);
}

/* NULL without memory. */
static char *name_of(const struct options *options)
{
    char host[HOST_NAME_MAX + 1] = "";
    if (!options->name)
        (void)gethostname(host, sizeof(host) - 1);
    return strdup(options->name ? options->name : host);
}

static int open_server(struct server *server, struct error *err)
{
    const struct options *options = server->options;
    struct privilege privilege;
    struct limit_values values;
    if (check_ready_fd(options, err) < 0 ||
        privilege_find(&privilege, options->user, options->group, err) < 0 ||
        open_log(options, err) < 0)
        return -1;
    loop_library_init();
    if (status_check(options, err) < 0)
        return -1;
    server->acceptor = acceptor_new(options, err);
    if (!server->acceptor)
        return -1;
    if (options->status && !(server->status = status_new(options, err)))
        return -1;
    if (find_limits(server, options, &values, err) < 0)
        return -1;
    options_tell_unserved(options);
    if (options->pid_file && pidfile_write(&server->pidfile, options->pid_file, err) < 0)
        return -1;
    server->limit = limit_new(&values);
    server->name = name_of(options);
    server->udp = udp_new(options->udp_rate, (unsigned)options->source_prefix, server->name,
                          acceptor_has_datagrams(server->acceptor));
    if (!server->limit || !server->name || !server->udp)
        return error_start(err, "no memory for the limits");
    notify_open(&server->notify);
    if (privilege.has_user)
        log_give_to(privilege.user, privilege.group);
    if (open_main_loop(server, err) < 0 || open_workers(server, err) < 0 ||
        sandbox_choose(&server->sandbox, options, err) < 0 ||
        sandbox_confine(&server->sandbox, options, &privilege, err) < 0 || log_start(err) < 0 ||
        start_threads(server, err) < 0)
        return -1;
    return sandbox_filter(&server->sandbox, err);
}

struct server *server_new(struct options *options, int argc, char **argv, struct error *err)
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
    server->notify.fd = -1;
    server->waker.fd = -1;
    server->worker_count = worker_count_of(options);
    if (open_server(server, err) < 0) {
        options_locate(options, err);
        server_free(server);
        return NULL;
    }
    return server;
}

/* ---- running ---- */

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
    tell_serving(server, "");
}

static enum exit_code say_drained(const struct server *server)
{
    struct counters sum;
    const struct totals totals = totals_of(server);
    totals_sum(&totals, &sum);
    uint64_t owed = counter_get(&sum, COUNTER_ABANDONED);
    log_event(LOG_LEVEL_NOTICE, "drained", LOG_NUMBER("owed", owed),
              LOG_MS("seconds", loop_now_ms() - server->drain_start_ms));
    if (!is_balanced(&sum))
        log_event(LOG_LEVEL_ERROR, "bytes do not add up: please report this");
    return owed ? EXIT_CODE_OWED : EXIT_CODE_OK;
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
    report(server);
    return say_drained(server);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    /* Their threads first: they wake others. */
    for (size_t i = 0; server->workers && i < server->worker_count; i++)
        worker_stop(server->workers[i]);
    status_free(server->status);
    acceptor_free(server->acceptor);
    watchdog_stop(&server->watchdog);
    notify_close(&server->notify);
    waker_close(&server->waker);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        if (server->signals[i])
            event_free(server->signals[i]);
    }
    if (server->drain_timer)
        event_free(server->drain_timer);
    if (server->report_timer)
        event_free(server->report_timer);
    for (size_t i = 0; server->workers && i < server->worker_count; i++)
        worker_free(server->workers[i]);
    free(server->workers);
    loop_close(&server->loop);
    limit_free(server->limit);
    free(server->name);
    udp_free(server->udp);
    pidfile_remove(&server->pidfile);
    log_close();
    loop_library_end();
    options_clear(server->options);
    free(server->options);
    free(server);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "echo/service.h"
#include "net/sock.h"
#include "stream/stream.h"

#define DEFAULT_LISTENER "localhost:7007"
#define WORKERS_MAX 256
#define LISTENERS_MAX 64
#define MS_MAX (1000ULL * 3600 * 24 * 365) /* a year, so that sums of times never overflow */
#define BUFFER_MAX (1ULL << 30)
#define UDP_RATE_MAX 1000000
#define NAME_BYTES_MAX 128

static const char *const AUTO[] = {"auto", NULL};
static const char *const OFF[] = {"off", NULL};
static const char *const OFF_ON[] = {"off", "on", NULL};
static const char *const NONE[] = {"none", NULL};
static const char *const CLIENT_CERTS[] = {"none", "optional", "require", NULL};
static const char *const TLS_PROFILES[] = {"intermediate", "modern", NULL};
static const char *const SANDBOX_MODES[] = {"off", "log", "on", "require", NULL};
static const char *const LOG_LEVELS[] = {"error", "warn", "notice", "info", "debug", NULL};
static const char *const LOG_FORMATS[] = {"text", "json", NULL};

#define AT(field) offsetof(struct daemon_options, field)
#define IN_FILE OPTION_IN_FILE
#define FOR(kinds) OPTION_FOR(ENDPOINTS_##kinds)
#define LIVE (OPTION_IN_FILE | OPTION_AT_RELOAD)
#define BOTH (OPTION_IN_FILE | OPTION_AT_RELOAD | OPTION_AS_ATTRIBUTE)

/* In the order of --help and the man page. */
static const struct option_row ROWS[] = {
    {"listen", 'l', OPTION_LIST, LIVE, "ENDPOINT", NULL, 0, 0, NULL, AT(listen),
     "listen there; repeat it for more. tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, "
     "unix:PATH, "
     "unix:@NAME, fd:N, "
     "fd:NAME, "
     "HOST:PORT, PORT or a path, with attributes after commas; without it the sockets that a "
     "service "
     "manager passed, or the default [" DEFAULT_LISTENER "]"},
    {"workers", 'w', OPTION_COUNT, IN_FILE, "N|auto", "auto", 1, WORKERS_MAX, AUTO, AT(workers),
     "event loops, each in a thread; auto: one for each processor"},
    {"max-connections", 0, OPTION_COUNT, LIVE, "N|auto", "auto", 0, 0, AUTO, AT(max_connections),
     "open at once; further peers wait in the backlog; 0: no limit; auto: as many as the "
     "descriptor "
     "limit allows"},
    {"max-connections-per-source", 0, OPTION_COUNT, LIVE, "N", "0", 0, 0, NULL, AT(max_per_source),
     "open at once from one source; further peers are reset; 0: no limit"},
    {"source-prefix", 0, OPTION_COUNT, IN_FILE, "BITS", "64", 1, 128, NULL, AT(source_prefix),
     "the leading bits of an IPv6 address that identify one source"},
    {"buffer", 0, OPTION_SIZE, BOTH | FOR(STREAMS), "SIZE", "256k", 0, BUFFER_MAX, NULL,
     AT(policy.buffer_bytes),
     "bytes owed to one slow reader before its sender is held; 0: no limit"},
    {"max-owed", 0, OPTION_SIZE, LIVE, "SIZE", "256M", 0, 0, NULL, AT(max_owed_bytes),
     "bytes owed in all before the senders of slow readers are held; 0: no limit"},
    {"idle-timeout", 0, OPTION_TIME, BOTH | FOR(STREAMS), "TIME", "0", 0, MS_MAX, NULL,
     AT(policy.idle_ms),
     "end a connection if for this time nothing is owed and nothing arrives; 0: never"},
    {"stall-timeout", 0, OPTION_TIME, BOTH | FOR(STREAMS), "TIME", "60s", 0, MS_MAX, NULL,
     AT(policy.stall_ms),
     "reset a connection if for this time its peer accepts none of the owed bytes; 0: never"},
    {"flush-timeout", 0, OPTION_TIME, BOTH | FOR(STREAMS), "TIME", "0", 0, MS_MAX, NULL,
     AT(policy.flush_ms),
     "reset a connection that is ending if its peer does not accept the owed bytes in this time; "
     "0: "
     "never"},
    {"linger-timeout", 0, OPTION_TIME, BOTH | FOR(STREAMS), "TIME", "2s", 0, MS_MAX, NULL,
     AT(policy.linger_ms), "wait this long for the peer's end after ours"},
    {"keepalive", 0, OPTION_TIME, BOTH | FOR(ANY_TCP), "off|TIME", "2h", 0, SOCK_KEEPALIVE_MAX_MS,
     OFF, AT(policy.keepalive_ms),
     "probe a TCP peer that was silent for this time; reset the connection if it does not answer "
     "for a minute"},
    {"udp-rate", 0, OPTION_COUNT, LIVE, "N", "1000", 0, UDP_RATE_MAX, NULL, AT(udp_rate),
     "datagrams a second that one source gets answered; 0: no limit"},
    {"backlog", 0, OPTION_COUNT, IN_FILE | OPTION_AS_ATTRIBUTE | FOR(STREAMS_HERE), "N", "4096", 1,
     INT_MAX, NULL, AT(policy.backlog), "connections that may wait to be accepted"},
    {"mode", 0, OPTION_MODE, IN_FILE | OPTION_AS_ATTRIBUTE | FOR(UNIX_PATH), "MODE", "0660", 0, 0,
     NULL, AT(policy.mode), "permissions of Unix sockets"},
    {"service", 0, OPTION_WORD, OPTION_AS_ATTRIBUTE | OPTION_NOT_GLOBAL, "WORD", "echo", 0, 0,
     SERVICE_WORDS, AT(policy.service),
     "the service there: echo, discard, chargen, daytime, time or whoami"},
    {"cert", 0, OPTION_TEXT, BOTH | FOR(TLS), "FILE", NULL, 0, 0, NULL, AT(tls.cert),
     "certificate of tls:// listeners, in PEM, followed by the intermediate ones"},
    {"key", 0, OPTION_TEXT, BOTH | FOR(TLS), "FILE", NULL, 0, 0, NULL, AT(tls.key),
     "its private key; in the certificate's file unless given"},
    {"client-ca", 0, OPTION_TEXT, BOTH | FOR(TLS), "FILE", NULL, 0, 0, NULL, AT(tls.client_ca),
     "certificates of the authorities that may sign a client's"},
    {"client-cert", 0, OPTION_WORD, BOTH | FOR(TLS), "none|optional|require", "none", 0, 0,
     CLIENT_CERTS, AT(tls.client_cert),
     "whether a client sends a certificate; if it does, it must be valid"},
    {"tls-profile", 0, OPTION_WORD, BOTH | FOR(TLS), "intermediate|modern", "intermediate", 0, 0,
     TLS_PROFILES, AT(tls.profile), "intermediate: TLS 1.2 and 1.3; modern: TLS 1.3 only"},
    {"alpn", 0, OPTION_TEXT, BOTH | FOR(TLS), "LIST", NULL, 0, 0, NULL, AT(tls.alpn),
     "accepted application protocols, the best first, like h2:http/1.1"},
    {"handshake-timeout", 0, OPTION_TIME, BOTH | FOR(TLS), "TIME", "10s", 0, MS_MAX, NULL,
     AT(policy.handshake_ms),
     "reset a connection if its TLS handshake takes longer in all; 0: never"},
    {"proxy", 0, OPTION_WORD, OPTION_AS_ATTRIBUTE | OPTION_NOT_GLOBAL | FOR(STREAMS), "off|on",
     "off", 0, 0, OFF_ON, AT(policy.is_proxy),
     "require a PROXY header, version 1 or 2, before the first byte"},
    {"proxy-from", 0, OPTION_LIST, OPTION_AS_ATTRIBUTE | OPTION_NOT_GLOBAL | FOR(STREAMS), "CIDR",
     NULL, 0, 0, NULL, AT(proxy_from),
     "the addresses that may send such headers, like 10.0.0.0/8, 2001:db8::/32 or unix; repeat it "
     "for more; other peers are reset"},
    {"proxy-timeout", 0, OPTION_TIME, BOTH | FOR(STREAMS), "TIME", "3s", 0, MS_MAX, NULL,
     AT(policy.proxy_ms),
     "reset a connection if its PROXY header takes longer; 0: never, for balancers that send it "
     "only with the client's first bytes"},
    {"drain-delay", 0, OPTION_TIME, LIVE, "TIME", "0", 0, MS_MAX, NULL, AT(drain_delay_ms),
     "on a stop, accept for this time before the drain begins, while /readyz is 503"},
    {"drain-quiet", 0, OPTION_TIME, BOTH | FOR(STREAMS), "TIME", "1s", 0, MS_MAX, NULL,
     AT(policy.quiet_ms),
     "on a stop, end a connection if nothing is owed and it was quiet for this time"},
    {"drain-timeout", 0, OPTION_TIME, LIVE, "TIME", "10s", 0, MS_MAX, NULL, AT(drain_timeout_ms),
     "on a stop, reset the connections that are still open after this time; 0: never"},
    {"status", 0, OPTION_TEXT, IN_FILE, "ENDPOINT", NULL, 0, 0, NULL, AT(status),
     "serve /metrics, /healthz, /readyz and /connections there, over HTTP"},
    {"status-public", 0, OPTION_FLAG, IN_FILE, NULL, NULL, 0, 0, NULL, AT(status_public),
     "allow --status on an endpoint that other hosts can reach"},
    {"log-level", 0, OPTION_WORD, LIVE, "LEVEL", "info", 0, 0, LOG_LEVELS, AT(log_level),
     "the least important lines to log: error, warn, notice, info or debug"},
    {"log-format", 0, OPTION_WORD, LIVE, "text|json", "text", 0, 0, LOG_FORMATS, AT(log_format),
     "one line for each event, in either format"},
    {"log-target", 0, OPTION_TEXT, IN_FILE, "stderr|syslog|FILE", "stderr", 0, 0, NULL,
     AT(log_target), "the destination of the log; a file is opened again on SIGHUP"},
    {"name", 0, OPTION_TEXT, IN_FILE, "NAME", NULL, 0, NAME_BYTES_MAX, NULL, AT(name),
     "the name of this instance in whoami's answers; the host name unless given"},
    {"config", 0, OPTION_TEXT, 0, "FILE", NULL, 0, 0, NULL, AT(config),
     "read options from this file, one `name = value` a line; the command line overrides it"},
    {"check-config", 0, OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(check_config),
     "read all options, report whether they are right, and exit"},
    {"pid-file", 0, OPTION_TEXT, IN_FILE, "FILE", NULL, 0, 0, NULL, AT(pid_file),
     "write the process id there"},
    {"user", 0, OPTION_TEXT, IN_FILE, "NAME", NULL, 0, 0, NULL, AT(user),
     "run as that user once every socket is open"},
    {"group", 0, OPTION_TEXT, IN_FILE, "NAME", NULL, 0, 0, NULL, AT(group),
     "run as that group; the user's own unless given"},
    {"sandbox", 0, OPTION_WORD, IN_FILE, "MODE", "on", 0, 0, SANDBOX_MODES, AT(sandbox),
     "on: give up every right that serving does not need, as far as the system supports it; "
     "require: refuse to start without the filter of system calls; log: only log the calls that "
     "would be forbidden; off"},
    {"ready-fd", 0, OPTION_COUNT, IN_FILE, "N", "none", 3, INT_MAX, NONE, AT(ready_fd),
     "write a newline to that descriptor when ready"},
    {"help", 'h', OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(help), "print this and exit"},
    {"version", 'V', OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(version),
     "print the version and exit"},
};

#define OPTION_SET(options)                                                             \
    {                                                                                   \
        .rows = ROWS, .count = sizeof(ROWS) / sizeof(ROWS[0]), .kinds = ENDPOINT_KINDS, \
        .target = (options),                                                            \
    }

/* Returns a copy that is valid as long as the options. */
static char *keep_attributes(struct daemon_options *options, const char *text)
{
    size_t count = options->attributes_count + 1;
    char **kept = realloc(options->attributes, count * sizeof(*kept));
    if (!kept)
        return NULL;
    options->attributes = kept;
    kept[options->attributes_count++] = strdup(text);
    return kept[count - 1];
}

static bool has_attribute(const struct option_set *set, uint64_t attributes, const char *name)
{
    size_t row = 0;
    while (row < set->count && strcmp(set->rows[row].name, name) != 0)
        row++;
    return row < set->count && (attributes >> row & 1);
}

/* The receiver of a PROXY header must not guess, so the senders must be configured. */
static int understand_proxy(struct daemon_options *options, uint64_t attributes, struct error *err)
{
    struct policy_values *policy = &options->policy;
    for (size_t i = 0; i < options->proxy_from.count; i++) {
        if (cidr_list_add(&policy->proxy_from, options->proxy_from.items[i], err) < 0)
            return error_prefix(err, "proxy-from: ");
    }
    if (policy->is_proxy && policy->proxy_from.count == 0)
        return error_usage(err, "proxy=on: who sends the headers is expected too, as "
                                "proxy-from=10.0.0.0/8 or the like");
    if (!policy->is_proxy && policy->proxy_from.count > 0)
        return error_usage(err, "proxy-from: expected only with proxy=on");
    if (!policy->is_proxy && has_attribute(&options->set, attributes, "proxy-timeout"))
        return error_usage(err, "proxy-timeout: expected only with proxy=on");
    return 0;
}

/* ---- listeners ---- */

/* Applies a listener's attributes, "name=value,name=value", to a copy of the options. */
static int apply_attributes(struct daemon_options *options, const char *attributes,
                            struct evecho_listener *listener, struct error *err)
{
    struct daemon_options beside = *options;
    char *rest = keep_attributes(options, attributes), *one;
    if (!rest)
        return error_start(err, "no memory for the listeners");
    int result = 0;
    while (result == 0 && (one = strsep(&rest, ",")))
        result = option_set_attribute(&options->set, &beside, one, &listener->attributes, err);
    /* An attribute that does not apply to its endpoint is an error; an option may be for other
     * listeners. */
    if (result == 0)
        result = option_set_check(&options->set, listener->attributes,
                                  endpoint_kinds(&listener->endpoint), err);
    if (result == 0)
        result = understand_proxy(&beside, listener->attributes, err);
    option_list_clear(&beside.proxy_from);
    listener->policy = beside.policy;
    listener->tls = beside.tls;
    return result;
}

bool options_serve_fd(const struct daemon_options *options, int fd)
{
    for (size_t i = 0; i < options->listener_count; i++) {
        const struct endpoint *endpoint = &options->listeners[i].endpoint;
        if (endpoint->kind == ENDPOINT_FD && endpoint->fd == fd)
            return true;
    }
    return false;
}

static int append(struct daemon_options *options, const struct evecho_listener *listener,
                  struct error *err)
{
    bool is_fd = listener->endpoint.kind == ENDPOINT_FD;
    if (options->listener_count == LISTENERS_MAX)
        return error_usage(err, "at most %d endpoints are expected", LISTENERS_MAX);
    if (is_fd && listener->endpoint.fd >= 0 && options_serve_fd(options, listener->endpoint.fd))
        return error_usage(err, "descriptor %d is served already", listener->endpoint.fd);
    options->listeners[options->listener_count++] = *listener;
    return 0;
}

/* Several sockets may have one name: by default systemd gives all those of a unit the same name.
 * Only a start by the service manager knows if there are any; --check-config does not. */
static int append_named(struct daemon_options *options, struct evecho_listener *listener,
                        struct error *err)
{
    const char *name = listener->endpoint.host;
    int fd = activation_find(options->activation, name, ACTIVATION_FIRST_FD);
    if (fd < 0 && options->check_config)
        return append(options, listener, err);
    if (fd < 0)
        return error_usage(err, "no socket named '%s' was passed; %zu were (LISTEN_FDNAMES)", name,
                           options->activation->count);
    for (; fd >= 0; fd = activation_find(options->activation, name, fd + 1)) {
        listener->endpoint.fd = fd;
        if (append(options, listener, err) < 0)
            return -1;
    }
    return 0;
}

static int blame(const struct evecho_listener *listener, struct error *err)
{
    if (err->option)
        error_prefix(err, "%s: ", err->option); /* an error in an attribute */
    if (listener->file)
        error_place(err, listener->file, listener->line);
    return error_blame(err, "listen", listener->text);
}

int options_check_inherited(const struct evecho_listener *listener, enum endpoint_kind kind,
                            struct error *err)
{
    const struct option_set set = OPTION_SET(NULL);
    if (option_set_check(&set, listener->attributes, endpoint_kinds_inherited(kind), err) < 0)
        return blame(listener, err);
    return 0;
}

void options_locate(const struct daemon_options *options, struct error *err)
{
    option_set_locate(&options->set, options->config, err);
}

static int understand_listener(struct daemon_options *options, const char *text, unsigned line,
                               struct error *err)
{
    struct evecho_listener listener = {.text = text,
                                       .file = line ? options->config : NULL,
                                       .line = line,
                                       .policy = options->policy,
                                       .tls = options->tls};
    const char *attributes;
    int result = endpoint_parse(text, &listener.endpoint, &attributes, err);
    if (result == 0 && attributes)
        result = apply_attributes(options, attributes, &listener, err);
    if (result == 0 && listener.endpoint.kind == ENDPOINT_FD && listener.endpoint.fd < 0)
        result = append_named(options, &listener, err);
    else if (result == 0)
        result = append(options, &listener, err);
    return result == 0 ? 0 : blame(&listener, err);
}

/* Without a `listen` option: serves exactly the passed sockets, in their order. */
static int listen_as_started(struct daemon_options *options, struct error *err)
{
    if (options->activation->count == 0)
        return understand_listener(options, DEFAULT_LISTENER, 0, err);
    for (size_t i = 0; i < options->activation->count; i++) {
        const struct evecho_listener listener = {
            .text = "LISTEN_FDS",
            .endpoint = {.kind = ENDPOINT_FD, .fd = ACTIVATION_FIRST_FD + (int)i},
            .policy = options->policy};
        if (append(options, &listener, err) < 0)
            return -1;
    }
    return 0;
}

static int understand_listeners(struct daemon_options *options, struct error *err)
{
    const struct option_list *texts = &options->listen;
    options->listeners = calloc(LISTENERS_MAX, sizeof(*options->listeners));
    if (!options->listeners)
        return error_start(err, "no memory for the listeners");
    if (texts->count == 0)
        return listen_as_started(options, err);
    for (size_t i = 0; i < texts->count; i++) {
        if (understand_listener(options, texts->items[i], texts->lines[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Refuses TLS options without a tls:// listener: a user who mistyped the scheme would serve without
 * encryption. */
static int check_tls(const struct daemon_options *options, struct error *err)
{
    for (size_t i = 0; i < options->listener_count; i++) {
        if (options->listeners[i].endpoint.kind == ENDPOINT_TLS)
            return 0;
    }
    const char *unused = options->tls.cert        ? "cert"
                         : options->tls.key       ? "key"
                         : options->tls.client_ca ? "client-ca"
                                                  : NULL;
    return unused ? error_option(err, unused, "no endpoint is a tls:// one") : 0;
}

/* Refuses two options with one file: the one would overwrite the other, and remove it at the
 * end. */
static int check_files(const struct daemon_options *options, struct error *err)
{
    if (!options->pid_file || strcmp(options->pid_file, options->log_target) != 0)
        return 0;
    return error_option(err, "pid-file", "'%s' is --log-target's; another is expected",
                        options->pid_file);
}

/* A diagnostic for tests and measurements, so not an option. */
static int read_environment(struct daemon_options *options, struct error *err)
{
    const char *path = getenv("EVECHOD_READ_PATH");
    options->read_path = path && strcmp(path, "buffered") == 0 ? STREAM_BUFFERED : STREAM_DIRECT;
    if (!path || options->read_path == STREAM_BUFFERED || strcmp(path, "direct") == 0)
        return 0;
    return error_usage(err, "EVECHOD_READ_PATH: '%s' is neither direct nor buffered", path);
}

int options_read(struct daemon_options *options, const struct activation *activation, int argc,
                 char **argv, struct error *err)
{
    *options = (struct daemon_options){.activation = activation, .set = OPTION_SET(options)};
    int result = option_set_defaults(&options->set, err);
    if (result == 0)
        result = read_environment(options, err);
    if (result == 0)
        result = option_set_command(&options->set, argc, argv, err);
    if (result == 0 && options->config && !options->help && !options->version)
        result = option_set_file(&options->set, options->config, err);
    if (result == 0)
        result = understand_listeners(options, err);
    if (result == 0 && (check_tls(options, err) < 0 || check_files(options, err) < 0)) {
        options_locate(options, err);
        result = -1;
    }
    if (result < 0)
        options_clear(options);
    return result;
}

/* The endpoint that could not be opened because its address is in use; false: another error. */
static bool is_busy(const struct error *err, struct endpoint *endpoint)
{
    struct error unused;
    const char *attributes;
    if (!err->option || err->number != EADDRINUSE)
        return false;
    return (strcmp(err->option, "listen") == 0 || strcmp(err->option, "status") == 0) &&
           endpoint_parse(err->value, endpoint, &attributes, &unused) == 0;
}

int options_explain_busy(const struct daemon_options *options, struct error *err)
{
    struct endpoint endpoint;
    size_t length;
    int fd =
        is_busy(err, &endpoint) ? activation_find_endpoint(options->activation, &endpoint) : -1;
    if (fd < 0)
        return -1;
    const char *name = activation_name(options->activation, fd, &length);
    const char *what = endpoint_has_port(&endpoint) ? "port" : "path";
    char served[48] = ", and is served";
    if (!options_serve_fd(options, fd))
        snprintf(served, sizeof(served), "; --listen fd:%d serves it", fd);
    return error_prefix(err, "descriptor %d ('%.*s') was passed for that %s%s: ", fd, (int)length,
                        name, what, served);
}

void options_tell_unserved(const struct daemon_options *options, struct log *log)
{
    for (int i = 0; i < (int)options->activation->count; i++) {
        int fd = ACTIVATION_FIRST_FD + i;
        size_t length;
        const char *name = activation_name(options->activation, fd, &length);
        if (!options_serve_fd(options, fd))
            log_event(log, LOG_LEVEL_WARN, "a socket that was passed is not served",
                      LOG_NUMBER("fd", (uint64_t)fd), LOG_BYTES("name", name, length),
                      LOG_TEXT("hint", "--listen fd:N or fd:NAME"));
    }
}

/* True if a row has the same value globally and for each listener. */
static bool is_same(const struct option_row *row, const struct daemon_options *old,
                    const struct daemon_options *new)
{
    bool result = option_is_same(row, old, new);
    if (!(row->use & OPTION_AS_ATTRIBUTE))
        return result;
    for (size_t i = 0; result && i < old->listener_count && i < new->listener_count; i++) {
        const struct daemon_options one = {.policy = old->listeners[i].policy};
        const struct daemon_options other = {.policy = new->listeners[i].policy};
        result = option_is_same(row, &one, &other);
    }
    return result;
}

void options_tell_unchangeable(const struct daemon_options *old, const struct daemon_options *new,
                               struct log *log)
{
    for (size_t i = 0; i < old->set.count; i++) {
        const struct option_row *row = &old->set.rows[i];
        if (!(row->use & (OPTION_AT_RELOAD | OPTION_NOT_GLOBAL)) && !is_same(row, old, new))
            log_event(log, LOG_LEVEL_WARN, "a changed option takes effect only at a restart",
                      LOG_TEXT("option", row->name));
    }
}

void options_clear(struct daemon_options *options)
{
    option_set_clear(&options->set);
    free(options->listeners);
    for (size_t i = 0; i < options->attributes_count; i++)
        free(options->attributes[i]);
    free(options->attributes);
    *options = (struct daemon_options){0};
}

void options_print_help(const struct daemon_options *options, FILE *out)
{
    fprintf(out, "Usage: " OPTIONS_PROGRAM " [OPTION]...\n"
                 "Returns every byte, in order, or reports that it could not.\n\n");
    option_print_help(&options->set, out);
    fprintf(out, "\nSizes: 64, 64k, 1M, 1.5G (powers of 1024). Times: 250ms, 1.5s, 5m, 1h.\n"
                 "Try:   " OPTIONS_PROGRAM " -l localhost:7007    then: printf hello | nc -N "
                 "localhost 7007\n");
}

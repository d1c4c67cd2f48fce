/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/acceptor.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "echo/listener.h"
#include "net/handshake.h"
#include "net/sock.h"
#include "tls/tls.h"

/* How long the listeners pause after a failed accept. */
#define FAILURE_PAUSE_MS 100

/* A stop still accepts connections whose handshake is in progress. The first check is this soon
 * because most paths are short. Two checks in a row must find none: while a handshake completes it
 * may be between the kernel's two lists. */
#define LOOK_FIRST_MS 5
#define LOOKS_WITHOUT 2
/* For each check the kernel walks all its sockets: at most this part of the time is used for
 * checks. */
#define LOOK_PART 10
/* The longest wait for handshakes: a lost SYN-ACK is retransmitted after a second (RFC 6298), and
 * the path takes time too. */
#define HANDSHAKE_MS 3000
/* The same if the kernel cannot report handshakes. */
#define HANDSHAKE_BLIND_MS 1000

struct acceptor {
    struct log *log;
    struct listener *listeners;
    size_t *specs;                   /* the index of each listener's spec */
    struct endpoint *spec_endpoints; /* a reload cannot change these */
    size_t count, spec_count;
    struct limit *limit;
    struct worker *const *workers;
    size_t worker_count;
    struct counters counters;
    struct event *pause_timer;
    bool has_failed; /* an accept failed, and the pause after it lasts */
    uint64_t last_id;
    size_t next_worker;     /* the next of those with equally few connections */
    _Atomic bool is_paused; /* read by workers, written by the acceptor */
    int handshake_fd;       /* for sock_diag(7), or -1 */
    struct event *look_timer;
    uint64_t stop_ms;  /* when new connections were stopped */
    int looks_without; /* consecutive checks without a handshake */
    bool is_stopping, is_stopped;
    void (*on_stopped)(void *owner);
    void *owner;
};

/* ---- opening ---- */

static struct policy *make_policy(const struct policy_values *values, struct tls_context *tls,
                                  const char *name, size_t listener)
{
    struct policy *policy = policy_new(values, name, listener);
    if (policy)
        policy->tls = tls_context_ref(tls);
    return policy;
}

static int append(struct acceptor *acceptor, const struct sock_listening *sock, size_t spec,
                  const struct policy_values *values, struct tls_context *tls, struct error *err)
{
    size_t count = acceptor->count + 1;
    struct listener *listeners = realloc(acceptor->listeners, count * sizeof(*listeners));
    if (listeners)
        acceptor->listeners = listeners;
    size_t *specs = realloc(acceptor->specs, count * sizeof(*specs));
    if (specs)
        acceptor->specs = specs;
    struct policy *policy = make_policy(values, tls, sock->name, acceptor->count);
    if (!listeners || !specs || !policy) {
        policy_unref(policy);
        return error_start(err, "no memory for a listener");
    }
    listeners[acceptor->count] =
        (struct listener){.sock = *sock, .policy = policy, .log = acceptor->log};
    specs[acceptor->count++] = spec;
    return 0;
}

/* Adds the listener at fault, and its file and line, to the error. Returns -1. */
static int blame(const struct evecho_listener *spec, struct error *err)
{
    if (err->option)
        error_prefix(err, "%s: ", err->option); /* an error in an attribute */
    if (spec->file)
        error_place(err, spec->file, spec->line);
    return error_blame(err, "listen", spec->text);
}

/* The certificates of a listener; *tls stays NULL if it has none. */
static int open_tls(const struct evecho_listener *spec, struct tls_context **tls,
                    struct error *notice, struct error *err)
{
    *tls = NULL;
    *notice = (struct error){0};
    if (spec->endpoint.kind != ENDPOINT_TLS)
        return 0;
    *tls = tls_context_new(&spec->tls, notice, err);
    return *tls ? 0 : blame(spec, err);
}

/* The same, but logs the notice. */
static int open_tls_logged(const struct acceptor *acceptor, const struct evecho_listener *spec,
                           struct tls_context **tls, struct error *err)
{
    struct error notice;
    char text[ERROR_TEXT_MAX];
    int result = open_tls(spec, tls, &notice, err);
    if (result == 0 && error_is_set(&notice))
        log_event(acceptor->log, LOG_LEVEL_WARN, "a certificate is no use",
                  LOG_TEXT("listener", spec->text),
                  LOG_TEXT("why", error_text(&notice, text, sizeof(text))));
    return result;
}

int acceptor_check(const struct evecho_listener *specs, size_t count, struct error *notice,
                   struct error *err)
{
    *notice = (struct error){0};
    for (size_t i = 0; i < count; i++) {
        struct tls_context *tls;
        struct error one;
        if (open_tls(&specs[i], &tls, &one, err) < 0)
            return -1;
        tls_context_unref(tls);
        if (error_is_set(&one))
            *notice = one;
    }
    return 0;
}

static int open_spec(struct acceptor *acceptor, const struct evecho_listener *spec, size_t index,
                     struct error *err)
{
    struct sock_listening socks[SOCK_LISTENING_MAX];
    struct error notice;
    char text[ERROR_TEXT_MAX];
    struct tls_context *tls;
    const struct sock_options how = {(int)spec->policy.backlog, (mode_t)spec->policy.mode,
                                     spec->policy.keepalive_ms};
    if (how.backlog > sock_backlog_max())
        log_event(acceptor->log, LOG_LEVEL_NOTICE, "backlog is lowered to what the system allows",
                  LOG_TEXT("listener", spec->text), LOG_NUMBER("asked", spec->policy.backlog),
                  LOG_NUMBER("used", (uint64_t)sock_backlog_max()),
                  LOG_TEXT("hint", "raise net.core.somaxconn"));
    if (open_tls_logged(acceptor, spec, &tls, err) < 0)
        return -1;
    int count = sock_listen(&spec->endpoint, &how, socks, &notice, err);
    if (count < 0) {
        tls_context_unref(tls);
        return blame(spec, err);
    }
    if (error_is_set(&notice))
        log_event(acceptor->log, LOG_LEVEL_NOTICE, "an address is not served",
                  LOG_TEXT("why", error_text(&notice, text, sizeof(text))));
    int used = 0;
    while (used < count && append(acceptor, &socks[used], index, &spec->policy, tls, err) == 0)
        used++;
    tls_context_unref(tls); /* the policies hold references of their own */
    if (used == count)
        return 0;
    while (used < count)
        (void)sock_close(&socks[used++]);
    return -1;
}

struct acceptor *acceptor_new(const struct evecho_listener *specs, size_t count, struct log *log,
                              struct error *err)
{
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (acceptor)
        acceptor->spec_endpoints = calloc(count, sizeof(struct endpoint));
    if (acceptor) {
        acceptor->log = log;
        acceptor->handshake_fd =
            -1; /* opened later: descriptors from 3 on may have been passed to us */
    }
    if (!acceptor || !acceptor->spec_endpoints) {
        error_start(err, "no memory for the listeners");
        acceptor_free(acceptor);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        acceptor->spec_endpoints[acceptor->spec_count++] = specs[i].endpoint;
        if (open_spec(acceptor, &specs[i], i, err) < 0) {
            acceptor_free(acceptor);
            return NULL;
        }
    }
    return acceptor;
}

/* ---- pausing ---- */

static void pause_all(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        listener_pause(&acceptor->listeners[i]);
    acceptor->is_paused = true;
    counter_add(&acceptor->counters, COUNTER_ACCEPT_PAUSES, 1);
}

static void pause_after_failure(struct acceptor *acceptor)
{
    const struct timeval pause = {.tv_usec = FAILURE_PAUSE_MS * 1000};
    acceptor->has_failed = true;
    pause_all(acceptor);
    (void)event_add(acceptor->pause_timer, &pause);
}

static void resume_all(struct acceptor *acceptor)
{
    bool is_resumed = true;
    if (!acceptor->is_paused || limit_is_full(acceptor->limit))
        return;
    acceptor->is_paused = false;
    for (size_t i = 0; i < acceptor->count; i++)
        is_resumed = listener_resume(&acceptor->listeners[i]) == 0 && is_resumed;
    if (!is_resumed)
        pause_after_failure(acceptor); /* memory is short */
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor *acceptor = arg;
    (void)fd;
    (void)what;
    acceptor->has_failed = false;
    resume_all(acceptor);
}

static void pause_if_full(struct acceptor *acceptor)
{
    if (acceptor->is_paused || !limit_is_full(acceptor->limit))
        return;
    log_limited(acceptor->log, LOG_LEVEL_WARN, "max-connections is reached: new connections wait",
                LOG_NUMBER("open", limit_open(acceptor->limit)));
    pause_all(acceptor);
    resume_all(acceptor); /* in case a connection ended just before its worker saw the pause */
}

void acceptor_on_released(struct acceptor *acceptor)
{
    if (!acceptor->has_failed)
        resume_all(acceptor);
    pause_if_full(acceptor); /* a reload may have lowered the limit */
}

static void on_error(void *owner, struct listener *listener, int error)
{
    struct acceptor *acceptor = owner;
    counter_add(&acceptor->counters, COUNTER_ACCEPT_ERRORS, 1);
    log_limited(
        acceptor->log, LOG_LEVEL_WARN, "cannot accept: new connections wait",
        LOG_TEXT("listener", listener->sock.name), LOG_TEXT("error", strerror(error)),
        LOG_NUMBER("open", limit_open(acceptor->limit)),
        LOG_TEXT("hint", error == EMFILE ? "raise ulimit -n or lower max-connections" : ""));
    pause_after_failure(acceptor);
}

/* ---- accepting ---- */

/* Workers with equally few connections take turns: otherwise the first one would serve all short
 * connections. */
static struct worker *least_loaded(struct acceptor *acceptor)
{
    size_t count = acceptor->worker_count, least = acceptor->next_worker;
    for (size_t i = 1; i < count; i++) {
        size_t candidate = (acceptor->next_worker + i) % count;
        if (worker_load(acceptor->workers[candidate]) < worker_load(acceptor->workers[least]))
            least = candidate;
    }
    acceptor->next_worker = (least + 1) % count;
    return acceptor->workers[least];
}

static void refuse(struct acceptor *acceptor, int fd, const struct address *peer,
                   enum counter counter, const char *message)
{
    char text[ADDRESS_TEXT_MAX];
    sock_reset(fd);
    counter_add(&acceptor->counters, counter, 1);
    log_limited(acceptor->log, LOG_LEVEL_WARN, message,
                LOG_TEXT("peer", address_format(text, sizeof(text), peer)));
}

static void on_accept(void *owner, struct listener *listener, int fd, const struct address *peer)
{
    static const struct address NOBODY = {.family = AF_UNIX};
    struct acceptor *acceptor = owner;
    const struct policy_values *values = &listener->policy->values;
    if (values->is_proxy && !cidr_list_contains(&values->proxy_from, peer)) {
        refuse(acceptor, fd, peer, COUNTER_REFUSED_PROXY,
               "connection reset: its source is not in proxy-from");
        return;
    }
    /* A proxy has no limit of its own; its clients are limited by the addresses in their
     * headers. */
    const struct address *source = values->is_proxy ? &NOBODY : peer;
    switch (limit_admit(acceptor->limit, source)) {
    case LIMIT_ADMITTED:
        break;
    case LIMIT_SOURCE:
        refuse(acceptor, fd, peer, COUNTER_REFUSED_SOURCE,
               "connection reset: max-connections-per-source is reached");
        return;
    case LIMIT_ALL: /* cannot happen: at this limit the listeners pause */
        refuse(acceptor, fd, peer, COUNTER_REFUSED_ERROR,
               "connection reset: max-connections is reached");
        return;
    case LIMIT_MEMORY:
        refuse(acceptor, fd, peer, COUNTER_REFUSED_ERROR, "connection reset: no memory for it");
        return;
    }
    pause_if_full(acceptor);
    const struct conn_arrival arrival = {.fd = fd,
                                         .peer = *source,
                                         .proxy = values->is_proxy ? *peer : (struct address){0},
                                         .id = ++acceptor->last_id,
                                         .policy = policy_ref(listener->policy)};
    if (worker_give(least_loaded(acceptor), &arrival) < 0) {
        limit_release(acceptor->limit, source);
        policy_unref(arrival.policy);
        refuse(acceptor, fd, peer, COUNTER_REFUSED_ERROR, "connection reset: no memory for it");
    }
}

bool acceptor_has_endpoints(const struct acceptor *acceptor, const struct evecho_listener *specs,
                            size_t count)
{
    bool is_same = count == acceptor->spec_count;
    for (size_t i = 0; is_same && i < acceptor->spec_count; i++)
        is_same = endpoint_is_same(&specs[i].endpoint, &acceptor->spec_endpoints[i]);
    return is_same;
}

void acceptor_drop_plan(const struct acceptor *acceptor, struct policy **plan)
{
    for (size_t i = 0; i < acceptor->count; i++)
        policy_unref(plan[i]);
    free(plan);
}

/* Listeners of one spec are adjacent, and share its certificates. */
static int fill_plan(const struct acceptor *acceptor, const struct evecho_listener *specs,
                     struct policy **plan, struct error *err)
{
    struct tls_context *tls = NULL;
    int result = 0;
    for (size_t i = 0; result == 0 && i < acceptor->count; i++) {
        const struct evecho_listener *spec = &specs[acceptor->specs[i]];
        if (i == 0 || acceptor->specs[i] != acceptor->specs[i - 1]) {
            tls_context_unref(tls);
            result = open_tls_logged(acceptor, spec, &tls, err);
        }
        if (result == 0)
            plan[i] = make_policy(&spec->policy, tls, acceptor->listeners[i].sock.name, i);
        if (result == 0 && !plan[i])
            result = error_start(err, "no memory for new settings");
    }
    tls_context_unref(tls);
    return result;
}

struct policy **acceptor_plan(const struct acceptor *acceptor, const struct evecho_listener *specs,
                              size_t count, struct error *err)
{
    struct policy **plan = calloc(acceptor->count, sizeof(struct policy *));
    (void)count; /* equals the number of open ones: acceptor_has_endpoints() */
    if (!plan)
        error_start(err, "no memory for new settings");
    if (plan && fill_plan(acceptor, specs, plan, err) < 0) {
        acceptor_drop_plan(acceptor, plan);
        plan = NULL;
    }
    return plan;
}

void acceptor_adopt(struct acceptor *acceptor, struct policy **plan)
{
    for (size_t i = 0; i < acceptor->count; i++) {
        struct policy *old = acceptor->listeners[i].policy;
        acceptor->listeners[i].policy = plan[i];
        plan[i] = old;
    }
    acceptor_drop_plan(acceptor, plan);
}

/* ---- stopping ---- */

/* The peers of queued connections are connected and may have sent data: closing the listener would
 * reset them. */
static void accept_and_close(struct acceptor *acceptor, struct listener *listener)
{
    bool is_open = listener->accepting || listener->answering;
    int error = is_open ? listener_accept_queued(listener) : 0;
    listener_close(listener);
    if (error == 0)
        return;
    counter_add(&acceptor->counters, COUNTER_ACCEPT_ERRORS, 1);
    log_event(acceptor->log, LOG_LEVEL_WARN, "cannot accept what is queued: it is reset",
              LOG_TEXT("listener", listener->sock.name), LOG_TEXT("error", strerror(error)),
              LOG_NUMBER("open", limit_open(acceptor->limit)));
}

static bool has_handshakes(const struct acceptor *acceptor)
{
    bool result = false;
    for (size_t i = 0; i < acceptor->count; i++)
        result = result || sock_has_handshakes(&acceptor->listeners[i].sock);
    return result;
}

/* So are the peers whose ACK, the last packet of the handshake, has not arrived yet. */
static enum handshakes check_handshakes(const struct acceptor *acceptor)
{
    enum handshakes found = HANDSHAKES_NONE;
    for (size_t i = 0; i < acceptor->count && found == HANDSHAKES_NONE; i++) {
        const struct sock_listening *sock = &acceptor->listeners[i].sock;
        if (sock->fd >= 0 && sock_has_handshakes(sock))
            found = handshake_look(acceptor->handshake_fd, sock_family(sock), sock->port);
    }
    return found;
}

void acceptor_finish(struct acceptor *acceptor)
{
    if (!acceptor->is_stopping || acceptor->is_stopped)
        return;
    for (size_t i = 0; i < acceptor->count; i++)
        accept_and_close(acceptor, &acceptor->listeners[i]);
    (void)event_del(acceptor->look_timer);
    acceptor->is_stopped = true;
    acceptor->on_stopped(acceptor->owner);
}

static void check_later(struct acceptor *acceptor, uint64_t wait_ms)
{
    const struct timeval wait = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000 * 1000)};
    if (event_add(acceptor->look_timer, &wait) < 0)
        acceptor_finish(acceptor); /* memory is short, so do not wait */
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor *acceptor = arg;
    uint64_t from_ms = loop_now_ms();
    (void)fd;
    (void)what;
    enum handshakes found = check_handshakes(acceptor);
    uint64_t now_ms = loop_now_ms();
    uint64_t most_ms = found == HANDSHAKES_UNKNOWN ? HANDSHAKE_BLIND_MS : HANDSHAKE_MS;
    uint64_t until_ms = acceptor->stop_ms + most_ms;
    acceptor->looks_without = found == HANDSHAKES_NONE ? acceptor->looks_without + 1 : 0;
    if (acceptor->looks_without == LOOKS_WITHOUT || now_ms >= until_ms)
        acceptor_finish(acceptor);
    else if (found == HANDSHAKES_UNKNOWN)
        check_later(acceptor, until_ms - now_ms);
    else
        check_later(acceptor, LOOK_FIRST_MS + LOOK_PART * (now_ms - from_ms));
}

void acceptor_stop(struct acceptor *acceptor, void (*on_stopped)(void *owner), void *owner)
{
    bool is_waiting = false;
    if (acceptor->is_stopping)
        return;
    acceptor->is_stopping = true;
    acceptor->on_stopped = on_stopped;
    acceptor->owner = owner;
    acceptor->stop_ms = loop_now_ms();
    limit_lift_connections(acceptor->limit);
    for (size_t i = 0; i < acceptor->count; i++) {
        struct listener *listener = &acceptor->listeners[i];
        if (listener->accepting && sock_has_handshakes(&listener->sock)) {
            sock_stop_new(&listener->sock);
            is_waiting = true;
        } else {
            accept_and_close(acceptor, listener);
        }
    }
    resume_all(acceptor); /* the limit is lifted, so the loop accepts what is queued */
    if (is_waiting)
        check_later(acceptor, LOOK_FIRST_MS);
    else
        acceptor_finish(acceptor);
}

bool acceptor_is_stopped(const struct acceptor *acceptor)
{
    return acceptor->is_stopped;
}

/* ---- life ---- */

int acceptor_start(struct acceptor *acceptor, struct loop *loop, struct limit *limit,
                   struct worker *const *workers, size_t worker_count, struct udp *udp,
                   struct error *err)
{
    static const struct listener_callbacks CALLBACKS = {on_accept, on_error};
    if (has_handshakes(acceptor))
        acceptor->handshake_fd = handshake_open();
    acceptor->limit = limit;
    acceptor->workers = workers;
    acceptor->worker_count = worker_count;
    acceptor->pause_timer = evtimer_new(loop->base, on_pause_over, acceptor);
    acceptor->look_timer = evtimer_new(loop->base, on_look, acceptor);
    if (!acceptor->pause_timer || !acceptor->look_timer)
        return error_start(err, "no memory for the acceptor");
    for (size_t i = 0; i < acceptor->count; i++) {
        if (listener_open(&acceptor->listeners[i], loop, udp, &CALLBACKS, acceptor, err) < 0)
            return -1;
    }
    return 0;
}

void acceptor_close(struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor->count; i++)
        listener_close(&acceptor->listeners[i]);
    if (acceptor->pause_timer)
        event_free(acceptor->pause_timer);
    if (acceptor->look_timer)
        event_free(acceptor->look_timer);
    if (acceptor->handshake_fd >= 0)
        close(acceptor->handshake_fd);
    acceptor->pause_timer = acceptor->look_timer = NULL;
    acceptor->handshake_fd = -1;
}

void acceptor_free(struct acceptor *acceptor)
{
    if (!acceptor)
        return;
    acceptor_close(acceptor);
    free(acceptor->spec_endpoints);
    free(acceptor->listeners);
    free(acceptor->specs);
    free(acceptor);
}

bool acceptor_is_paused(const struct acceptor *acceptor)
{
    return atomic_load(&acceptor->is_paused);
}

size_t acceptor_count(const struct acceptor *acceptor)
{
    return acceptor->count;
}

const char *acceptor_name(const struct acceptor *acceptor, size_t index)
{
    return acceptor->listeners[index].sock.name;
}

bool acceptor_is_inherited(const struct acceptor *acceptor, size_t index, enum endpoint_kind *kind,
                           size_t *spec)
{
    const struct sock_listening *sock = &acceptor->listeners[index].sock;
    if (!sock->is_inherited)
        return false;
    *kind = sock_kind(sock);
    *spec = acceptor->specs[index];
    return true;
}

bool acceptor_has_datagrams(const struct acceptor *acceptor)
{
    for (size_t i = 0; i < acceptor_count(acceptor); i++) {
        if (acceptor->listeners[i].sock.is_datagram)
            return true;
    }
    return false;
}

const struct counters *acceptor_datagram_counters(const struct acceptor *acceptor, size_t index)
{
    struct listener *listener = &acceptor->listeners[index];
    if (listener->answering)
        udp_look(listener->answering);
    return &listener->counters;
}

const struct counters *acceptor_counters(const struct acceptor *acceptor)
{
    return &acceptor->counters;
}

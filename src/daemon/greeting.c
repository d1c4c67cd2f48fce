/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/greeting.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"

/* The protocol's own advice is at least 3 seconds, so that one lost packet is no failure. */
#define HEADER_MS 3000
#define NAME_MAX_BYTES 128

struct greeting {
    LIST_ENTRY(greeting) link;
    struct greeting_host *host;
    struct event *event; /* readable, or late */
    struct conn_arrival arrival;
    uint64_t opened_ms, due_ms;
    enum reason late; /* what it is to be late */
    size_t used;
    struct proxy_header header;
    unsigned char bytes[PROXY_HEADER_MAX];
};

/* How one ended, if not with a header. */
struct outcome {
    enum reason reason;
    bool is_reset;
    const char *error; /* what was wrong, or NULL */
};

static void leave(struct greeting *greeting)
{
    LIST_REMOVE(greeting, link);
    event_free(greeting->event);
    free(greeting);
}

/* ---- the end without a header ---- */

/* The line that every connection ends with: here no byte was the service's yet. */
static void tell_closed(const struct greeting *greeting, const struct outcome *outcome)
{
    const struct conn_arrival *arrival = &greeting->arrival;
    const char *error = outcome->error ? outcome->error : "";
    char proxy[NAME_MAX_BYTES];
    size_t length = arrival->proxy.family == AF_UNIX
                        ? sock_unix_peer(arrival->fd, proxy, sizeof(proxy))
                        : strlen(address_format(proxy, sizeof(proxy), &arrival->proxy));
    const struct log_field fields[] = {
        LOG_NUMBER("id", arrival->id),
        LOG_BYTES("peer", proxy, length),
        LOG_TEXT("listener", arrival->policy->listener_name),
        LOG_NUMBER("in", 0),
        LOG_NUMBER("out", 0),
        LOG_NUMBER("lost", 0),
        LOG_NUMBER("discarded", 0),
        LOG_MS("seconds", loop_now_ms() - greeting->opened_ms),
        LOG_TEXT("end", outcome->is_reset ? "reset" : "fin"),
        LOG_TEXT("reason", reason_word(outcome->reason)),
        LOG_TEXT("error", error), /* last, and only where there is one */
    };
    log_write(false, LOG_LEVEL_INFO, "connection closed", fields,
              sizeof(fields) / sizeof(fields[0]) - (outcome->error ? 0 : 1));
}

/* Gives back all that the arrival holds, after its descriptor. */
static void give_up(struct greeting *greeting, bool is_reset)
{
    struct greeting_host *host = greeting->host;
    struct conn_arrival *arrival = &greeting->arrival;
    if (is_reset)
        sock_reset(arrival->fd);
    else
        close(arrival->fd);
    limit_release(host->env->limit, &arrival->peer);
    policy_unref(arrival->policy);
    leave(greeting);
    host->on_greeted(host->owner, NULL);
}

static struct counters *counters_of(const struct greeting *greeting)
{
    return &greeting->host->env->counters[greeting->arrival.policy->listener];
}

static void end(struct greeting *greeting, const struct outcome *outcome)
{
    struct counters *counters = counters_of(greeting);
    counter_add(counters, COUNTER_ACCEPTED, 1);
    counter_add(counters, COUNTER_CLOSED, 1);
    counter_add(counters, counter_of_reason(outcome->reason), 1);
    counter_add_lifetime(counters, loop_now_ms() - greeting->opened_ms);
    tell_closed(greeting, outcome);
    give_up(greeting, outcome->is_reset);
}

static void end_as_wrong(struct greeting *greeting, const char *why)
{
    end(greeting, &(struct outcome){REASON_PROXY, true, why});
}

static void end_as_failed(struct greeting *greeting, int error)
{
    bool is_peer = error == ECONNRESET || error == EPIPE || error == ETIMEDOUT;
    end(greeting, &(struct outcome){is_peer ? REASON_RESET : REASON_ERROR, true, strerror(error)});
}

/* A peer that only looks whether the port is open, as balancers do, has done nothing wrong. */
static void end_as_finished(struct greeting *greeting)
{
    if (greeting->used > 0)
        end_as_wrong(greeting, "the peer finished within its PROXY header");
    else
        end(greeting, &(struct outcome){REASON_EOF, false, NULL});
}

/* ---- the header ---- */

/* Whom the header names, or who has connected. */
static const struct address *source_of(const struct greeting *greeting)
{
    return proxy_has_source(&greeting->header) ? &greeting->header.source
                                               : &greeting->arrival.proxy;
}

static void refuse(struct greeting *greeting, enum counter counter, const char *message)
{
    const struct conn_arrival *arrival = &greeting->arrival;
    const char *proxy_key = proxy_has_source(&greeting->header) ? "proxy" : NULL;
    char peer[ADDRESS_TEXT_MAX], proxy[ADDRESS_TEXT_MAX];
    counter_add(counters_of(greeting), counter, 1);
    log_limited(LOG_LEVEL_WARN, message, LOG_NUMBER("id", arrival->id),
                LOG_TEXT("peer", address_format(peer, sizeof(peer), source_of(greeting))),
                LOG_TEXT(proxy_key, address_format(proxy, sizeof(proxy), &arrival->proxy)));
    give_up(greeting, true);
}

/* Until now it was nobody's; from now on it is its source's, which may have too many. */
static enum limit_verdict name_source(struct greeting *greeting)
{
    struct conn_arrival *arrival = &greeting->arrival;
    const struct address *source = source_of(greeting);
    enum limit_verdict verdict = limit_name_source(greeting->host->env->limit, source);
    if (verdict == LIMIT_ADMITTED)
        arrival->peer = *source;
    return verdict;
}

static void pass_on(struct greeting *greeting)
{
    struct greeting_host *host = greeting->host;
    size_t length = greeting->header.length;
    struct conn_proxied *proxied = malloc(sizeof(*proxied) + length);
    enum limit_verdict verdict = proxied ? name_source(greeting) : LIMIT_MEMORY;
    if (verdict != LIMIT_ADMITTED) {
        free(proxied);
        if (verdict == LIMIT_SOURCE)
            refuse(greeting, COUNTER_REFUSED_SOURCE,
                   "connection reset: max-connections-per-source is reached");
        else
            refuse(greeting, COUNTER_REFUSED_ERROR, "connection reset: no memory for it");
        return;
    }
    counter_add(counters_of(greeting), COUNTER_PROXIED, 1);
    proxied->proxy = greeting->arrival.proxy;
    proxied->header = greeting->header;
    memcpy(proxied->bytes, greeting->bytes, length);
    struct conn_arrival arrival = greeting->arrival;
    arrival.proxied = proxied;
    leave(greeting);
    host->on_greeted(host->owner, &arrival);
}

static bool wait_on(struct greeting *greeting)
{
    uint64_t now_ms = loop_now_ms();
    uint64_t left_ms = greeting->due_ms > now_ms ? greeting->due_ms - now_ms : 0;
    const struct timeval wait = {(time_t)(left_ms / 1000), (long)(left_ms % 1000 * 1000)};
    return event_add(greeting->event, &wait) == 0;
}

static void go_on_waiting(struct greeting *greeting)
{
    if (loop_now_ms() < greeting->due_ms) {
        if (!wait_on(greeting))
            end(greeting, &(struct outcome){REASON_MEMORY, true, NULL});
    } else if (greeting->late == REASON_PROXY) {
        end_as_wrong(greeting, "no whole PROXY header within 3 seconds");
    } else {
        end(greeting, &(struct outcome){greeting->late, true, NULL});
    }
}

/* Looks at what has come, and takes of it only what is the header's. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct greeting *greeting = arg;
    size_t used = greeting->used;
    const char *why;
    (void)what; /* one that is late may have come with the deadline all the same */
    ssize_t seen = recv(fd, greeting->bytes + used, sizeof(greeting->bytes) - used, MSG_PEEK);
    if (seen == 0) {
        end_as_finished(greeting);
    } else if (seen < 0) {
        if (errno == EAGAIN || errno == EINTR)
            go_on_waiting(greeting);
        else
            end_as_failed(greeting, errno);
    } else {
        size_t known = used + (size_t)seen;
        ssize_t whole = proxy_parse(greeting->bytes, known, &greeting->header, &why);
        size_t its = whole > 0 ? (size_t)whole : known;
        int failure = whole < 0 ? 0 : sock_consume(fd, greeting->bytes + used, its - used);
        greeting->used = its;
        if (whole < 0)
            end_as_wrong(greeting, why);
        else if (failure)
            end_as_failed(greeting, -failure);
        else if (whole > 0)
            pass_on(greeting);
        else
            go_on_waiting(greeting);
    }
}

/* ---- life ---- */

int greeting_open(struct greeting_host *host, const struct conn_arrival *arrival)
{
    struct greeting *greeting = malloc(sizeof(*greeting));
    if (greeting) {
        greeting->event =
            event_new(host->env->loop->base, arrival->fd, EV_READ, on_ready, greeting);
        greeting->host = host;
        greeting->arrival = *arrival;
        greeting->opened_ms = loop_now_ms();
        greeting->due_ms = greeting->opened_ms + HEADER_MS;
        greeting->late = REASON_PROXY;
        greeting->used = 0;
    }
    if (!greeting || !greeting->event || !wait_on(greeting)) {
        if (greeting && greeting->event)
            event_free(greeting->event);
        free(greeting);
        conn_refuse(host->env, arrival);
        return -1;
    }
    LIST_INSERT_HEAD(&host->list, greeting, link);
    return 0;
}

void greeting_drain_all(struct greeting_host *host)
{
    struct greeting *greeting;
    LIST_FOREACH(greeting, &host->list, link)
    {
        uint64_t due_ms = loop_now_ms() + greeting->arrival.policy->values.quiet_ms;
        if (due_ms >= greeting->due_ms)
            continue;
        greeting->due_ms = due_ms;
        greeting->late = REASON_DRAIN;
        (void)wait_on(greeting); /* at worst the old deadline stays */
    }
}

void greeting_abort_all(struct greeting_host *host, enum reason reason)
{
    struct greeting *greeting;
    while ((greeting = LIST_FIRST(&host->list)))
        end(greeting, &(struct outcome){reason, true, NULL});
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/proxy_reader.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"

#define NEVER_MS UINT64_MAX
#define NAME_MAX_BYTES 128

struct proxy_reading {
    LIST_ENTRY(proxy_reading) link;
    struct proxy_reader *reader;
    struct event *event; /* the descriptor is readable, or the deadline is due */
    struct conn_arrival arrival;
    uint64_t opened_ms, due_ms;
    enum reason late; /* the reason if the deadline is due */
    size_t used;
    struct proxy_header header;
    unsigned char bytes[PROXY_HEADER_MAX];
};

/* How a connection ended without a header. */
struct outcome {
    enum reason reason;
    bool is_reset;
    const char *error; /* the error, or NULL */
};

static void leave(struct proxy_reading *reading)
{
    LIST_REMOVE(reading, link);
    event_free(reading->event);
    free(reading);
}

/* ---- the end without a header ---- */

/* Logs the line at a connection's end, with zero bytes, since none was the service's yet. */
static void log_closed(const struct proxy_reading *reading, const struct outcome *outcome)
{
    const struct conn_arrival *arrival = &reading->arrival;
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
        LOG_MS("seconds", loop_now_ms() - reading->opened_ms),
        LOG_TEXT("end", outcome->is_reset ? "reset" : "fin"),
        LOG_TEXT("reason", reason_word(outcome->reason)),
        LOG_TEXT("error", error), /* last, and only if there is one */
    };
    log_write(reading->reader->env->log, 0, LOG_LEVEL_INFO, "connection closed", fields,
              sizeof(fields) / sizeof(fields[0]) - (outcome->error ? 0 : 1));
}

/* Closes the descriptor and releases all that the arrival holds. */
static void release(struct proxy_reading *reading, bool is_reset)
{
    struct proxy_reader *reader = reading->reader;
    struct conn_arrival *arrival = &reading->arrival;
    if (is_reset)
        sock_reset(arrival->fd);
    else
        close(arrival->fd);
    limit_release(reader->env->limit, &arrival->peer);
    policy_unref(arrival->policy);
    leave(reading);
    reader->on_header(reader->owner, NULL);
}

static struct counters *counters_of(const struct proxy_reading *reading)
{
    return &reading->reader->env->counters[reading->arrival.policy->listener];
}

static void end(struct proxy_reading *reading, const struct outcome *outcome)
{
    struct counters *counters = counters_of(reading);
    counter_add(counters, COUNTER_ACCEPTED, 1);
    counter_add(counters, COUNTER_CLOSED, 1);
    counter_add(counters, counter_of_reason(outcome->reason), 1);
    counter_add_lifetime(counters, loop_now_ms() - reading->opened_ms);
    log_closed(reading, outcome);
    release(reading, outcome->is_reset);
}

static void end_as_wrong(struct proxy_reading *reading, const char *why)
{
    end(reading, &(struct outcome){REASON_PROXY, true, why});
}

static void end_as_failed(struct proxy_reading *reading, int error)
{
    bool is_peer = error == ECONNRESET || error == EPIPE || error == ETIMEDOUT;
    end(reading, &(struct outcome){is_peer ? REASON_RESET : REASON_ERROR, true, strerror(error)});
}

/* A peer that only checks if the port is open, like load balancers do, is not an error. */
static void end_as_finished(struct proxy_reading *reading)
{
    if (reading->used > 0)
        end_as_wrong(reading, "the peer finished within its PROXY header");
    else
        end(reading, &(struct outcome){REASON_EOF, false, NULL});
}

/* ---- the header ---- */

/* The source that the header names, or else the peer of the socket. */
static const struct address *source_of(const struct proxy_reading *reading)
{
    return proxy_has_source(&reading->header) ? &reading->header.source : &reading->arrival.proxy;
}

static void refuse(struct proxy_reading *reading, enum counter counter, const char *message)
{
    const struct conn_arrival *arrival = &reading->arrival;
    const char *proxy_key = proxy_has_source(&reading->header) ? "proxy" : NULL;
    char peer[ADDRESS_TEXT_MAX], proxy[ADDRESS_TEXT_MAX];
    counter_add(counters_of(reading), counter, 1);
    log_limited(reading->reader->env->log, LOG_LEVEL_WARN, message, LOG_NUMBER("id", arrival->id),
                LOG_TEXT("peer", address_format(peer, sizeof(peer), source_of(reading))),
                LOG_TEXT(proxy_key, address_format(proxy, sizeof(proxy), &arrival->proxy)));
    release(reading, true);
}

/* Counts the connection for its source, which may have reached its limit. */
static enum limit_verdict name_source(struct proxy_reading *reading)
{
    struct conn_arrival *arrival = &reading->arrival;
    const struct address *source = source_of(reading);
    enum limit_verdict verdict = limit_name_source(reading->reader->env->limit, source);
    if (verdict == LIMIT_ADMITTED)
        arrival->peer = *source;
    return verdict;
}

static void pass_on(struct proxy_reading *reading)
{
    struct proxy_reader *reader = reading->reader;
    size_t length = reading->header.length;
    struct conn_proxied *proxied = malloc(sizeof(*proxied) + length);
    enum limit_verdict verdict = proxied ? name_source(reading) : LIMIT_MEMORY;
    if (verdict != LIMIT_ADMITTED) {
        free(proxied);
        if (verdict == LIMIT_SOURCE)
            refuse(reading, COUNTER_REFUSED_SOURCE,
                   "connection reset: max-connections-per-source is reached");
        else
            refuse(reading, COUNTER_REFUSED_ERROR, "connection reset: no memory for it");
        return;
    }
    counter_add(counters_of(reading), COUNTER_PROXIED, 1);
    proxied->proxy = reading->arrival.proxy;
    proxied->header = reading->header;
    memcpy(proxied->bytes, reading->bytes, length);
    struct conn_arrival arrival = reading->arrival;
    arrival.proxied = proxied;
    leave(reading);
    reader->on_header(reader->owner, &arrival);
}

static bool wait_on(struct proxy_reading *reading)
{
    uint64_t now_ms = loop_now_ms();
    uint64_t left_ms = reading->due_ms > now_ms ? reading->due_ms - now_ms : 0;
    const struct timeval wait = {(time_t)(left_ms / 1000), (long)(left_ms % 1000 * 1000)};
    return event_add(reading->event, reading->due_ms == NEVER_MS ? NULL : &wait) == 0;
}

static void end_as_late(struct proxy_reading *reading)
{
    char why[80];
    if (reading->late == REASON_PROXY) {
        snprintf(why, sizeof(why), "no whole PROXY header within %g s (proxy-timeout)",
                 (double)reading->arrival.policy->values.proxy_ms / 1000);
        end_as_wrong(reading, why);
    } else {
        end(reading, &(struct outcome){reading->late, true, NULL});
    }
}

static void go_on_waiting(struct proxy_reading *reading)
{
    if (loop_now_ms() >= reading->due_ms)
        end_as_late(reading);
    else if (!wait_on(reading))
        end(reading, &(struct outcome){REASON_MEMORY, true, NULL});
}

/* Peeks at the received bytes, and reads only those of the header. */
static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct proxy_reading *reading = arg;
    size_t used = reading->used;
    const char *why;
    (void)what; /* bytes may have arrived together with the deadline */
    ssize_t seen = recv(fd, reading->bytes + used, sizeof(reading->bytes) - used, MSG_PEEK);
    if (seen == 0) {
        end_as_finished(reading);
    } else if (seen < 0) {
        if (errno == EAGAIN || errno == EINTR)
            go_on_waiting(reading);
        else
            end_as_failed(reading, errno);
    } else {
        size_t known = used + (size_t)seen;
        ssize_t whole = proxy_parse(reading->bytes, known, &reading->header, &why);
        size_t its = whole > 0 ? (size_t)whole : known;
        int failure = whole < 0 ? 0 : sock_consume(fd, reading->bytes + used, its - used);
        reading->used = its;
        if (whole < 0)
            end_as_wrong(reading, why);
        else if (failure)
            end_as_failed(reading, -failure);
        else if (whole > 0)
            pass_on(reading);
        else
            go_on_waiting(reading);
    }
}

/* ---- life ---- */

int proxy_reader_open(struct proxy_reader *reader, const struct conn_arrival *arrival)
{
    uint64_t proxy_ms = arrival->policy->values.proxy_ms;
    struct proxy_reading *reading = malloc(sizeof(*reading));
    if (reading) {
        reading->event =
            event_new(reader->env->loop->base, arrival->fd, EV_READ, on_ready, reading);
        reading->reader = reader;
        reading->arrival = *arrival;
        reading->opened_ms = loop_now_ms();
        reading->due_ms = proxy_ms ? reading->opened_ms + proxy_ms : NEVER_MS;
        reading->late = REASON_PROXY;
        reading->used = 0;
    }
    if (!reading || !reading->event || !wait_on(reading)) {
        if (reading && reading->event)
            event_free(reading->event);
        free(reading);
        conn_refuse(reader->env, arrival);
        return -1;
    }
    LIST_INSERT_HEAD(&reader->list, reading, link);
    return 0;
}

void proxy_reader_drain_all(struct proxy_reader *reader)
{
    struct proxy_reading *reading;
    LIST_FOREACH(reading, &reader->list, link)
    {
        uint64_t due_ms = loop_now_ms() + reading->arrival.policy->values.quiet_ms;
        if (due_ms >= reading->due_ms)
            continue;
        reading->due_ms = due_ms;
        reading->late = REASON_DRAIN;
        (void)wait_on(reading); /* if it fails, the old deadline stays */
    }
}

void proxy_reader_abort_all(struct proxy_reader *reader, enum reason reason)
{
    struct proxy_reading *reading;
    while ((reading = LIST_FIRST(&reader->list)))
        end(reading, &(struct outcome){reason, true, NULL});
}

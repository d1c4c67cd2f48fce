/* SPDX-License-Identifier: BSD-2-Clause */
/* A ping's messages on a stream: one connection, and another if that ends. */
#include <inttypes.h>
#include <poll.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/failure.h"
#include "client/ping.h"
#include "client/target.h"

#define NS_PER_MS UINT64_C(1000000)
#define END_WAIT_MS 1000 /* for the endpoint's end, after ours */

struct stream_ping {
    struct ping base;
    struct link_plan plan;
    struct link link;          /* closed between connections */
    struct failure ended;      /* the connection has, between two messages */
    uint64_t connection, seed; /* this connection's */
    uint64_t offset;           /* bytes of the stream so far, sent and back */
    uint64_t random;           /* for sizes */
};

/* One message on its way. */
struct message {
    uint64_t bytes, sent, back;
    uint64_t due_ns; /* when we give up */
    struct failure failure;
};

static struct stream_ping *stream_of(struct ping *ping)
{
    return (struct stream_ping *)(void *)ping;
}

static uint64_t timeout_ns(const struct stream_ping *ping)
{
    return ping->base.options->timeout_ms * NS_PER_MS;
}

/* Waits until the link may continue, the time is over, or an interrupt: a message in flight may
 * still be echoed then. Returns the ready operations, or 0. */
static short wait_for(struct stream_ping *ping, short events, uint64_t until_ns)
{
    const struct link *link = &ping->link;
    if ((events & POLLIN) && link_has_more(link))
        return POLLIN;
    short got = ping_wait(&ping->base, events ? link->fd : -1, link_waits(link, events), until_ns);
    return got < 0 ? events : got ? link_ready(link, got) : 0;
}

/* ---- one message ---- */

static void send_some(struct stream_ping *ping, struct message *message)
{
    uint64_t left = message->bytes - message->sent;
    size_t length = left < sizeof(ping->base.scratch) ? (size_t)left : sizeof(ping->base.scratch);
    pattern_fill(ping->seed, ping->offset + message->sent, ping->base.scratch, length);
    ssize_t bytes = link_send(&ping->link, ping->base.scratch, length);
    if (bytes < 0)
        message->failure = failure_of(&ping->link);
    else
        message->sent += (uint64_t)bytes;
}

static void receive_some(struct stream_ping *ping, struct message *message)
{
    ssize_t bytes = link_recv(&ping->link, ping->base.scratch, sizeof(ping->base.scratch));
    if (bytes < 0) {
        message->failure = failure_of(&ping->link);
        return;
    }
    size_t length = (size_t)bytes;
    uint64_t awaited = message->sent - message->back;
    uint64_t offset = ping->offset + message->back;
    size_t right = pattern_match(ping->seed, offset, ping->base.scratch,
                                 length < awaited ? length : (size_t)awaited);
    message->back += right;
    if (right < length)
        message->failure = failure_explain(
            &ping->link,
            &(struct evidence_place){.run_seed = ping->base.options->seed,
                                     .connection = ping->connection,
                                     .offset = offset + right,
                                     .sent = ping->offset + message->sent,
                                     .has_sent_proxy = ping->plan.proxy != PROXY_NONE},
            ping->base.scratch + right, length - right);
}

/* Reports bytes that belong to no message, and closes. */
static void tell_stray(struct stream_ping *ping, struct failure *failure)
{
    failure->connection = ping->connection;
    failure->offset = ping->offset;
    ping->base.errors[failure->how.outcome]++;
    failure_print(failure, ping->base.target, "wrong: ", "  ", ping->base.out);
    ping_keep_failure(&ping->base, failure->how.outcome, failure_json(failure, ping->base.target));
    link_close(&ping->link);
}

/* The message that was sent last is. */
static void tell_lost(struct stream_ping *ping, const struct failure *failure)
{
    char first[48];
    snprintf(first, sizeof(first), "seq=%" PRIu64 " lost: ", ping->base.results.sent);
    failure_print(failure, ping->base.target, first, "  ", ping->base.out);
    ping_keep_failure(&ping->base, failure->how.outcome, failure_json(failure, ping->base.target));
}

/* Receives until that time, or a failure, while nothing is under way. */
static struct failure receive_unasked(struct stream_ping *ping, uint64_t until_ns)
{
    struct message none = {0};
    while (none.failure.how.outcome == OUTCOME_OK && wait_for(ping, POLLIN, until_ns)) {
        receive_some(ping, &none);
        if (ping->base.interrupt.has_come && !ping->base.is_finishing)
            break;
    }
    return none.failure;
}

/* Waits for the time of the next message. Bytes that come now were not asked for. An end is the
 * failure of the next message, if there is one. */
static void watch(struct ping *base, uint64_t until_ns)
{
    struct stream_ping *ping = stream_of(base);
    if (ping->link.state == LINK_OPEN && ping->ended.how.outcome == OUTCOME_OK)
        ping->ended = receive_unasked(ping, until_ns);
    if (ping->ended.how.outcome == OUTCOME_MISMATCH) {
        tell_stray(ping, &ping->ended);
        ping->ended = (struct failure){0};
    }
    if (!ping->base.interrupt.has_come)
        (void)wait_for(ping, 0, until_ns);
}

/* Half-closes and reads to the endpoint's end, as nothing more may come. One that leaves its side
 * open is not waited for any longer than an answer took. */
static void finish(struct ping *base)
{
    struct stream_ping *ping = stream_of(base);
    if (ping->link.state != LINK_OPEN)
        return;
    uint64_t wait_ns = END_WAIT_MS * NS_PER_MS + ping->base.times.max;
    uint64_t until_ns = clock_now_ns() + wait_ns;
    enum link_step step = LINK_WAIT;
    while ((step = link_half_close(&ping->link)) == LINK_WAIT && wait_for(ping, POLLOUT, until_ns))
        continue;
    if (step == LINK_DONE && ping->ended.how.outcome == OUTCOME_OK)
        ping->ended = receive_unasked(ping, until_ns);
    if (ping->ended.how.outcome != OUTCOME_OK && ping->ended.how.outcome != OUTCOME_FIN)
        tell_stray(ping, &ping->ended);
}

/* Sends one message and awaits it; returns its outcome. */
static enum outcome send_and_await(struct stream_ping *ping, struct message *message)
{
    while (message->back < message->bytes && message->failure.how.outcome == OUTCOME_OK) {
        short events = (short)(POLLIN | (message->sent < message->bytes ? POLLOUT : 0));
        if (wait_for(ping, events, message->due_ns) == 0)
            message->failure = failure_timeout(&ping->link, timeout_ns(ping));
        else if (message->sent < message->bytes)
            send_some(ping, message);
        if (message->failure.how.outcome == OUTCOME_OK)
            receive_some(ping, message);
    }
    message->failure.connection = ping->connection;
    message->failure.offset = ping->offset + message->back;
    message->failure.awaited = message->sent - message->back;
    return message->failure.how.outcome;
}

static uint64_t next_size(struct stream_ping *ping)
{
    uint64_t span = ping->base.options->size_max - ping->base.options->size_min + 1;
    ping->random = ping->random * 6364136223846793005U + 1442695040888963407U;
    return ping->base.options->size_min + (span > 1 ? (ping->random >> 33) % span : 0);
}

static void ping_once(struct stream_ping *ping)
{
    uint64_t start_ns = clock_now_ns();
    struct message message = {
        .bytes = next_size(ping), .due_ns = start_ns + timeout_ns(ping), .failure = ping->ended};
    ping->base.results.sent++;
    ping->base.is_under_way = true;
    enum outcome outcome = send_and_await(ping, &message);
    ping->base.is_under_way = false;
    uint64_t time_ns = clock_now_ns() - start_ns;
    ping->base.results.sent_bytes += message.sent;
    ping->base.results.received_bytes += message.back;
    ping->offset += message.back;
    if (message.back == message.bytes) {
        ping->base.results.received++;
        histogram_add(&ping->base.times, time_ns);
        if (!ping->base.options->quiet)
            fprintf(ping->base.out, "%" PRIu64 " byte%s from %s: seq=%" PRIu64 " time=%.3f ms\n",
                    message.bytes, units_plural(message.bytes), ping->base.target,
                    ping->base.results.sent, (double)time_ns / 1e6);
        if (outcome != OUTCOME_OK) /* more came right behind it */
            tell_stray(ping, &message.failure);
        return;
    }
    ping->base.errors[outcome]++;
    tell_lost(ping, &message.failure);
    link_close(&ping->link);
}

static void start_connection(struct stream_ping *ping)
{
    ping->connection++;
    ping->seed = pattern_seed(ping->base.options->seed, ping->connection);
    ping->offset = 0;
    ping->ended = (struct failure){0};
}

/* As link_connect(), but an interrupt ends it. */
static enum link_step connect_link(struct stream_ping *ping)
{
    struct link *link = &ping->link;
    uint64_t until_ns = clock_now_ns() + timeout_ns(ping);
    enum link_step step = link_start(link, &ping->plan);
    while (step == LINK_WAIT && !ping->base.interrupt.has_come) {
        if (wait_for(ping, POLLOUT, until_ns) == 0)
            step = link_end(link, link_timeout(link, timeout_ns(ping)));
        else if (!ping->base.interrupt.has_come)
            step = link_advance(link);
    }
    connect_times_note(&ping->base.connects, link, link->ending.outcome);
    return step;
}

/* Connects again to the address that answered before. */
static void reconnect(struct stream_ping *ping)
{
    enum link_step step = connect_link(ping);
    if (step == LINK_WAIT) {
        link_close(&ping->link);
        return;
    }
    if (step == LINK_DONE) {
        start_connection(ping);
        fprintf(ping->base.out, "connected again to %s\n", ping->base.target);
        return;
    }
    struct failure failure = failure_of(&ping->link);
    failure.connection = ping->connection + 1;
    link_close(&ping->link);
    ping->base.errors[failure.how.outcome]++;
    ping->base.results.sent++;
    tell_lost(ping, &failure);
}

static void exchange(struct ping *base)
{
    struct stream_ping *ping = stream_of(base);
    watch(base, clock_now_ns());
    if (ping->link.state != LINK_OPEN)
        reconnect(ping);
    if (ping->link.state == LINK_OPEN)
        ping_once(ping);
}

static int open_stream(struct ping *base, struct error *err)
{
    struct stream_ping *ping = stream_of(base);
    if (target_connect(base->options, &ping->plan, &ping->link, err) < 0)
        return -1;
    base->target = ping->plan.target.name;
    connect_times_note(&base->connects, &ping->link, OUTCOME_OK);
    ping->random = base->options->seed;
    start_connection(ping);
    (void)link_describe(&ping->link, base->detail, sizeof(base->detail));
    return 0;
}

/* They are up to date. */
static void count(struct ping *base)
{
    (void)base;
}

static void close_stream(struct ping *base)
{
    struct stream_ping *ping = stream_of(base);
    link_clear(&ping->link);
    target_close(&ping->plan);
}

const struct ping_kind ping_of_streams = {.messages = "messages",
                                          .size = sizeof(struct stream_ping),
                                          .open = open_stream,
                                          .exchange = exchange,
                                          .watch = watch,
                                          .finish = finish,
                                          .count = count,
                                          .close = close_stream};

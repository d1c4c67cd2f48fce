/* SPDX-License-Identifier: BSD-2-Clause */
/* A ping's datagrams over udp://: one at a time, with the result of each. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/ping.h"
#include "client/symptom.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"
#include "client/udp_target.h"
#include "net/datagram.h"
#include "net/udp_stats.h"

#define NS_PER_MS UINT64_C(1000000)
#define LINGER_NS (200 * NS_PER_MS) /* at the end, for duplicates */
#define REMEMBERED 65536            /* so long a late one can be told from one that came twice */

struct datagram_ping {
    struct ping base;
    uint64_t timeout_ns;
    struct dial_target target;
    struct udp_flow flow;
    int fd;
    uint64_t opened_ns;
    struct udp_stats_source stats;
    struct udp_stats stats_before;
};

_Static_assert(sizeof(((struct ping *)0)->scratch) > UDP_BYTES_MAX, "room for any datagram");

static struct datagram_ping *datagram_of(struct ping *ping)
{
    return (struct datagram_ping *)(void *)ping;
}

static struct moment moment_of(const struct datagram_ping *ping)
{
    return moment_now(ping->fd, ping->opened_ns, MOMENT_EXCHANGE);
}

/* The second line of a failure. */
static void tell_moment(const struct datagram_ping *ping)
{
    char text[MOMENT_TEXT_MAX];
    const struct moment now = moment_of(ping);
    fprintf(ping->base.out, "  %s\n", moment_text(&now, text, sizeof(text)));
}

/* ---- answers ---- */

static void tell_arrival(struct datagram_ping *ping, struct udp_news *news)
{
    uint64_t time_ns = clock_now_ns() - news->sent_ns, number = news->sequence + 1;
    switch (news->arrival) {
    case UDP_RIGHT:
        histogram_add(&ping->base.times, time_ns);
        ping->base.results.received_bytes += news->bytes;
        if (!ping->base.options->quiet)
            fprintf(ping->base.out, "%zu bytes from %s: seq=%" PRIu64 " time=%.3f ms%s\n",
                    news->bytes, ping->base.target, number, (double)time_ns / 1e6,
                    news->is_reordered ? " (reordered)" : "");
        break;
    case UDP_LATE:
        fprintf(ping->base.out, "seq=%" PRIu64 " late: after %.3f ms\n", number,
                (double)time_ns / 1e6);
        break;
    case UDP_TWICE:
        fprintf(ping->base.out, "seq=%" PRIu64 " came once more\n", number);
        break;
    case UDP_WRONG:
        ping->base.errors[OUTCOME_MISMATCH]++;
        news->wrong.when = moment_of(ping);
        failure_print(&news->wrong, ping->base.target, "wrong: ", "  ", ping->base.out);
        ping_keep_failure(&ping->base, OUTCOME_MISMATCH,
                          failure_json(&news->wrong, ping->base.target));
        break;
    }
}

/* A refusal answers the datagram under way. */
static void fail(struct datagram_ping *ping, int error)
{
    char text[UDP_ERROR_TEXT_MAX];
    struct udp_error failure = udp_error_take(ping->fd, error);
    failure.when = moment_of(ping);
    uint64_t lost = udp_flow_give_up(&ping->flow);
    ping->base.errors[outcome_of_errno(failure.error)] += lost ? lost : 1;
    fprintf(ping->base.out, "seq=%" PRIu64 " lost: %s: %s\n", ping->flow.next, ping->base.target,
            udp_error_text(&failure, text, sizeof(text)));
    tell_moment(ping);
    symptom_print_reference(udp_error_symptom(&failure), "  ", ping->base.out);
    ping_keep_failure(&ping->base, outcome_of_errno(failure.error),
                      udp_error_json(&failure, ping->base.target));
}

/* The kernel reports a refusal before the answers that wait: they are received first. */
static void receive(struct datagram_ping *ping)
{
    int error = 0;
    for (;;) {
        ssize_t length = recv(ping->fd, ping->base.scratch, sizeof(ping->base.scratch), 0);
        if (length < 0 && (error || errno == EAGAIN || errno == EINTR))
            break;
        if (length < 0) {
            error = errno;
            continue;
        }
        if (ping->flow.awaited == 0) /* one with a wrong copy is late after its time, too */
            (void)udp_flow_expire(&ping->flow, clock_now_ns() - ping->timeout_ns + 1);
        struct udp_news news = udp_flow_take(&ping->flow, ping->base.scratch, (size_t)length);
        tell_arrival(ping, &news);
    }
    if (error)
        fail(ping, error);
}

/* ---- the run ---- */

/* Receives until that time; with `for_answer` no longer than a datagram is awaited, and an
 * interrupt does not end that. */
static void receive_until(struct datagram_ping *ping, uint64_t until_ns, bool for_answer)
{
    const struct ping *base = &ping->base;
    while (
        clock_now_ns() < until_ns &&
        (for_answer ? ping->flow.awaited > 0 : !base->interrupt.has_come || base->is_finishing)) {
        if (ping_wait(&ping->base, ping->fd, POLLIN, until_ns) > 0)
            receive(ping);
    }
}

static void watch(struct ping *base, uint64_t until_ns)
{
    receive_until(datagram_of(base), until_ns, false);
}

static void finish(struct ping *base)
{
    watch(base, clock_now_ns() + LINGER_NS + base->times.max);
}

static void exchange(struct ping *base)
{
    struct datagram_ping *ping = datagram_of(base);
    receive(ping); /* a datagram before the message is sent is not an answer */
    uint64_t now_ns = clock_now_ns();
    size_t size = udp_flow_make(&ping->flow, ping->base.scratch);
    ssize_t sent = send(ping->fd, ping->base.scratch, size, MSG_NOSIGNAL);
    int error = sent < 0 ? errno : 0;
    udp_flow_sent(&ping->flow, now_ns, now_ns);
    base->results.sent++;
    if (error) {
        fail(ping, error);
        return;
    }
    ping->base.results.sent_bytes += size;
    receive_until(ping, now_ns + ping->timeout_ns, true);
    if (udp_flow_expire(&ping->flow, clock_now_ns() - ping->timeout_ns + 1) > 0) {
        ping->base.errors[OUTCOME_TIMEOUT]++;
        fprintf(ping->base.out, "seq=%" PRIu64 " lost: no answer in time\n", ping->flow.next);
        tell_moment(ping);
        const struct failure failure = {.how = {.outcome = OUTCOME_TIMEOUT},
                                        .when = moment_of(ping),
                                        .connection = ping->flow.number,
                                        .is_datagram = true,
                                        .has_sequence = true,
                                        .sequence = ping->flow.next - 1,
                                        .sent_bytes = size};
        ping_keep_failure(base, OUTCOME_TIMEOUT, failure_json(&failure, base->target));
    }
}

/* Includes datagrams that this machine received and dropped. */
static void count(struct ping *base)
{
    struct datagram_ping *ping = datagram_of(base);
    struct udp_counts *counts = &ping->flow.counts;
    const struct udp_stats stats = udp_stats_read(&ping->stats);
    uint64_t drops = datagram_drops(ping->fd);
    counts->own_drops = drops - udp_stats_bad_checksum(&ping->stats_before, &stats, drops);
    counts->bad_checksums = stats.bad_checksum - ping->stats_before.bad_checksum;
    base->results.sent = counts->sent;
    base->results.received = counts->right;
}

static int open_datagrams(struct ping *base, struct error *err)
{
    struct datagram_ping *ping = datagram_of(base);
    const struct client_options *options = base->options;
    ping->timeout_ns = options->timeout_ms * NS_PER_MS;
    ping->fd = -1;
    udp_stats_open(&ping->stats);
    if (udp_check_options(options, err) < 0 ||
        udp_target_find(options, &ping->target, NULL, err) < 0)
        return -1;
    base->target = ping->target.name;
    ping->opened_ns = clock_now_ns();
    ping->fd = udp_connect(&ping->target);
    if (ping->fd < 0)
        return error_start(err, "cannot reach %s: %s", base->target, strerror(-ping->fd));
    if (udp_flow_init(&ping->flow, options, 1, REMEMBERED) < 0)
        return error_start(err, "no memory for a flow");
    base->results.datagrams = &ping->flow.counts;
    ping->stats_before = udp_stats_read(&ping->stats);
    return 0;
}

static void close_datagrams(struct ping *base)
{
    struct datagram_ping *ping = datagram_of(base);
    udp_flow_clear(&ping->flow);
    udp_stats_close(&ping->stats);
    if (ping->fd >= 0)
        close(ping->fd);
}

const struct ping_kind ping_of_datagrams = {.messages = "datagrams",
                                            .size = sizeof(struct datagram_ping),
                                            .open = open_datagrams,
                                            .exchange = exchange,
                                            .watch = watch,
                                            .finish = finish,
                                            .count = count,
                                            .close = close_datagrams};

/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho ping over udp://: one datagram at a time, and what came of each. */
#include "client/udp_ping.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/standard.h"
#include "client/interrupt.h"
#include "client/ping_report.h"
#include "client/report.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"
#include "client/udp_target.h"
#include "net/datagram.h"
#include "net/udp_stats.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)
#define LINGER_NS (200 * NS_PER_MS) /* at the end, for what comes twice */
#define REMEMBERED 65536            /* so long a late one can be told from one that came twice */

struct ping {
    const struct options *options;
    uint64_t timeout_ns;
    struct dial_target target;
    struct udp_flow flow;
    int fd;
    FILE *out;
    struct interrupt interrupt;
    bool is_lingering;
    uint64_t errors[OUTCOME_COUNT];
    uint64_t sent_bytes, received_bytes;
    struct udp_stats_source stats;
    struct udp_stats stats_before;
    struct histogram times; /* ns */
    unsigned char scratch[UDP_BYTES_MAX + 1];
};

/* ---- what came ---- */

static void tell_arrival(struct ping *ping, const struct udp_news *news)
{
    uint64_t time_ns = clock_now_ns() - news->sent_ns, number = news->sequence + 1;
    switch (news->arrival) {
    case UDP_RIGHT:
        histogram_add(&ping->times, time_ns);
        ping->received_bytes += news->bytes;
        if (!ping->options->quiet)
            fprintf(ping->out, "%zu bytes from %s: seq=%" PRIu64 " time=%.3f ms%s\n", news->bytes,
                    ping->target.name, number, (double)time_ns / 1e6,
                    news->is_reordered ? " (reordered)" : "");
        break;
    case UDP_LATE:
        fprintf(ping->out, "seq=%" PRIu64 " late: after %.3f ms\n", number, (double)time_ns / 1e6);
        break;
    case UDP_TWICE:
        fprintf(ping->out, "seq=%" PRIu64 " came once more\n", number);
        break;
    case UDP_WRONG:
        ping->errors[OUTCOME_MISMATCH]++;
        fprintf(ping->out, "wrong: ");
        udp_wrong_print(&news->wrong, ping->target.name, ping->out);
        break;
    }
}

/* A refusal answers the datagram under way. */
static void fail(struct ping *ping, int error)
{
    char text[UDP_ERROR_TEXT_MAX];
    const struct udp_error failure = udp_error_take(ping->fd, error);
    uint64_t lost = udp_flow_give_up(&ping->flow);
    ping->errors[outcome_of_errno(failure.error)] += lost ? lost : 1;
    fprintf(ping->out, "seq=%" PRIu64 " lost: %s: %s\n", ping->flow.next, ping->target.name,
            udp_error_text(&failure, text, sizeof(text)));
}

/* The kernel reports a refusal before the answers that wait: they are received first. */
static void receive(struct ping *ping)
{
    int error = 0;
    for (;;) {
        ssize_t length = recv(ping->fd, ping->scratch, sizeof(ping->scratch), 0);
        if (length < 0 && (error || errno == EAGAIN || errno == EINTR))
            break;
        if (length < 0) {
            error = errno;
            continue;
        }
        if (ping->flow.awaited == 0) /* what a wrong copy came for is late after its time, too */
            (void)udp_flow_expire(&ping->flow, clock_now_ns() - ping->timeout_ns + 1);
        const struct udp_news news = udp_flow_take(&ping->flow, ping->scratch, (size_t)length);
        tell_arrival(ping, &news);
    }
    if (error)
        fail(ping, error);
}

/* ---- waiting ---- */

static void on_interrupt(struct ping *ping)
{
    if (interrupt_read(&ping->interrupt) == SIGQUIT)
        report_datagrams(&ping->flow.counts, stderr);
}

/* Takes what comes until that time; with `for_answer` no longer than something is awaited, and an
 * interrupt does not end that. */
static void take_until(struct ping *ping, uint64_t until_ns, bool for_answer)
{
    while (clock_now_ns() < until_ns) {
        struct pollfd polled[] = {{.fd = ping->fd, .events = POLLIN},
                                  {.fd = ping->interrupt.fd, .events = POLLIN}};
        if (for_answer ? ping->flow.awaited == 0 : ping->interrupt.has_come && !ping->is_lingering)
            return;
        if (wait_until(polled, 2, until_ns) <= 0)
            continue;
        if (polled[1].revents)
            on_interrupt(ping);
        if (polled[0].revents)
            receive(ping);
    }
}

/* ---- the run ---- */

static void ping_once(struct ping *ping)
{
    receive(ping); /* what comes before its question is no answer */
    uint64_t now_ns = clock_now_ns();
    size_t size = udp_flow_make(&ping->flow, ping->scratch);
    ssize_t sent = send(ping->fd, ping->scratch, size, MSG_NOSIGNAL);
    int error = sent < 0 ? errno : 0;
    udp_flow_sent(&ping->flow, now_ns, now_ns);
    if (error) {
        fail(ping, error);
        return;
    }
    ping->sent_bytes += size;
    take_until(ping, now_ns + ping->timeout_ns, true);
    if (udp_flow_expire(&ping->flow, clock_now_ns() - ping->timeout_ns + 1) > 0) {
        ping->errors[OUTCOME_TIMEOUT]++;
        fprintf(ping->out, "seq=%" PRIu64 " lost: no answer in time\n", ping->flow.next);
    }
}

static bool is_over(const struct ping *ping)
{
    uint64_t count = ping->options->count;
    return ping->interrupt.has_come || ferror(ping->out) || (count && ping->flow.next >= count);
}

static void run(struct ping *ping)
{
    uint64_t due_ns = clock_now_ns();
    while (!is_over(ping)) {
        ping_once(ping);
        standard_flush(ping->out);
        due_ns += ping->options->interval_ms * NS_PER_MS;
        if (due_ns < clock_now_ns())
            due_ns = clock_now_ns(); /* a late answer does not make a burst of the next ones */
        if (!is_over(ping))
            take_until(ping, due_ns, false);
    }
    ping->is_lingering = true;
    take_until(ping, clock_now_ns() + LINGER_NS + ping->times.max, false);
}

/* What came to this machine and was dropped there. */
static void count_drops(struct ping *ping, struct udp_counts *counts)
{
    const struct udp_stats stats = udp_stats_read(&ping->stats);
    uint64_t drops = datagram_drops(ping->fd);
    counts->own_drops = drops - udp_stats_bad_checksum(&ping->stats_before, &stats, drops);
    counts->bad_checksums = stats.bad_checksum - ping->stats_before.bad_checksum;
}

static int conclude(struct ping *ping)
{
    struct error err;
    struct udp_counts *counts = &ping->flow.counts;
    count_drops(ping, counts);
    const struct ping_results results = {.sent = counts->sent,
                                         .received = counts->right,
                                         .sent_bytes = ping->sent_bytes,
                                         .received_bytes = ping->received_bytes,
                                         .errors = ping->errors,
                                         .times = &ping->times,
                                         .datagrams = counts};
    interrupt_while_reporting();
    ping_report_text(&results, ping->target.name, ping->out);
    standard_flush(ping->out);
    if (ping->options->json &&
        ping_report_json(&results, ping->options, ping->target.name, &err) < 0) {
        (void)error_report(&err, OPTIONS_PROGRAM);
        return (int)err.exit_code;
    }
    return counts->right == counts->sent && counts->wrong == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int open_and_run(struct ping *ping, struct error *err)
{
    const struct options *options = ping->options;
    if (udp_check_options(options, err) < 0 ||
        udp_target_find(options, &ping->target, NULL, err) < 0)
        return -1;
    ping->fd = udp_connect(&ping->target);
    if (ping->fd < 0)
        return error_system(err, -ping->fd, "cannot reach %s", ping->target.name);
    if (udp_flow_init(&ping->flow, options, 1, REMEMBERED) < 0)
        return error_start(err, "no memory for a flow");
    ping->stats_before = udp_stats_read(&ping->stats);
    interrupt_open(&ping->interrupt, true);
    fprintf(ping->out, "PING %s, seed %" PRIu64 ": datagrams of %s bytes\n", ping->target.name,
            options->seed, options->size);
    run(ping);
    return 0;
}

int udp_ping_run(const struct options *options)
{
    struct error err;
    struct ping *ping = calloc(1, sizeof(*ping));
    if (!ping)
        return EXIT_CODE_START;
    ping->options = options;
    ping->timeout_ns = options->timeout_ms * NS_PER_MS;
    ping->fd = -1;
    udp_stats_open(&ping->stats);
    ping->out = report_is_output(options->json) ? stderr : stdout;
    int code;
    if (open_and_run(ping, &err) < 0) {
        (void)error_report(&err, OPTIONS_PROGRAM);
        report_json_failure("ping", options, &err);
        code = (int)err.exit_code;
    } else {
        code = conclude(ping);
    }
    udp_flow_clear(&ping->flow);
    udp_stats_close(&ping->stats);
    if (ping->fd >= 0)
        close(ping->fd);
    free(ping);
    return code;
}

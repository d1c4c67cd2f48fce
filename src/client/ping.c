/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho ping: one message at a time on one connection, each byte checked, as ping(8) prints. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/pattern.h"
#include "base/standard.h"
#include "base/units.h"
#include "client/commands.h"
#include "client/flow.h"
#include "client/interrupt.h"
#include "client/ping_report.h"
#include "client/report.h"
#include "client/target.h"
#include "client/udp_ping.h"
#include "net/wait.h"

#define SCRATCH_BYTES 65536
#define NS_PER_MS UINT64_C(1000000)
#define END_WAIT_MS 1000 /* for the endpoint's end, after ours */

struct ping {
    const struct options *options;
    struct link_plan plan;
    struct link link; /* closed between connections */
    struct interrupt interrupt;
    FILE *out;         /* standard output, unless the JSON goes there */
    bool is_under_way; /* the last message sent is */
    bool is_finishing;
    struct flow_failure ended; /* the connection has, between two messages */
    uint64_t connection, seed; /* this connection's */
    uint64_t offset;           /* bytes of the stream so far, sent and back */
    uint64_t random;           /* for sizes */
    uint64_t sent, received;   /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t errors[OUTCOME_COUNT];
    struct histogram times; /* ns */
    unsigned char scratch[SCRATCH_BYTES];
};

/* One message on its way. */
struct message {
    uint64_t bytes, sent, back;
    uint64_t due_ns; /* when we give up */
    struct flow_failure failure;
};

/* ---- what is told ---- */

static struct ping_results results_of(const struct ping *ping)
{
    return (struct ping_results){.sent = ping->sent,
                                 .received = ping->received,
                                 .sent_bytes = ping->sent_bytes,
                                 .received_bytes = ping->received_bytes,
                                 .errors = ping->errors,
                                 .times = &ping->times};
}

/* On SIGQUIT, as ping(8) has it. */
static void print_midway(const struct ping *ping)
{
    char mean[REPORT_MS_MAX], p99[REPORT_MS_MAX];
    struct ping_results results = results_of(ping);
    results.sent -= ping->is_under_way; /* that one is not lost */
    fprintf(
        stderr, "%" PRIu64 "/%" PRIu64 " message%s, %.4g%% lost, avg %s ms, p99 %s ms\n",
        results.received, results.sent, units_plural(results.sent), ping_report_loss(&results),
        report_ms(mean, sizeof(mean), &ping->times, histogram_mean(&ping->times)),
        report_ms(p99, sizeof(p99), &ping->times, (double)histogram_percentile(&ping->times, 99)));
}

/* ---- waiting ---- */

/* Waits until the link may go on, the time has come, or we are interrupted. What may go on, or 0.
 */
static short wait_for(struct ping *ping, short events, uint64_t until_ns)
{
    const struct link *link = &ping->link;
    if ((events & POLLIN) && link_has_more(link))
        return POLLIN;
    for (;;) {
        struct pollfd polled[] = {
            {.fd = events ? link->fd : -1, .events = link_waits(link, events)},
            {.fd = ping->interrupt.fd, .events = POLLIN}};
        int ready = wait_until(polled, 2, until_ns);
        if (ready == 0)
            return 0;
        if (polled[1].revents) {
            int number = interrupt_read(&ping->interrupt);
            if (number == SIGQUIT)
                print_midway(ping);
            if (number == SIGINT)
                return events; /* a message on its way may still come back */
        } else if (polled[0].revents) {
            return link_ready(link, polled[0].revents);
        }
    }
}

/* ---- one message ---- */

static void send_some(struct ping *ping, struct message *message)
{
    uint64_t left = message->bytes - message->sent;
    size_t length = left < SCRATCH_BYTES ? (size_t)left : SCRATCH_BYTES;
    pattern_fill(ping->seed, ping->offset + message->sent, ping->scratch, length);
    ssize_t bytes = link_send(&ping->link, ping->scratch, length);
    if (bytes < 0)
        message->failure = flow_failure_of(&ping->link);
    else
        message->sent += (uint64_t)bytes;
}

static void receive_some(struct ping *ping, struct message *message)
{
    ssize_t bytes = link_recv(&ping->link, ping->scratch, SCRATCH_BYTES);
    if (bytes < 0) {
        message->failure = flow_failure_of(&ping->link);
        return;
    }
    size_t length = (size_t)bytes;
    uint64_t awaited = message->sent - message->back;
    uint64_t offset = ping->offset + message->back;
    size_t right = pattern_match(ping->seed, offset, ping->scratch,
                                 length < awaited ? length : (size_t)awaited);
    message->back += right;
    if (right < length)
        flow_explain(&message->failure, ping->seed, offset + right, ping->offset + message->sent,
                     ping->scratch + right, length - right);
}

/* Tells of what is wrong, but no message's fault, and closes. */
static void tell_stray(struct ping *ping, struct flow_failure *failure)
{
    failure->connection = ping->connection;
    failure->offset = ping->offset;
    ping->errors[failure->how.outcome]++;
    fprintf(ping->out, "wrong: ");
    report_failure(failure, ping->plan.target.name, ping->out);
    link_close(&ping->link);
}

/* Receives until that time, or a failure, while nothing is under way. */
static struct flow_failure receive_unasked(struct ping *ping, uint64_t until_ns)
{
    struct message none = {0};
    while (none.failure.how.outcome == OUTCOME_OK && wait_for(ping, POLLIN, until_ns)) {
        receive_some(ping, &none);
        if (ping->interrupt.has_come && !ping->is_finishing)
            break;
    }
    return none.failure;
}

/* Waits for the time of the next message. Bytes that come now were not asked for. An end is the
 * failure of the next message, if there is one. */
static void watch_until(struct ping *ping, uint64_t until_ns)
{
    if (ping->link.state == LINK_OPEN && ping->ended.how.outcome == OUTCOME_OK)
        ping->ended = receive_unasked(ping, until_ns);
    if (ping->ended.how.outcome == OUTCOME_MISMATCH) {
        tell_stray(ping, &ping->ended);
        ping->ended = (struct flow_failure){0};
    }
    if (!ping->interrupt.has_come)
        (void)wait_for(ping, 0, until_ns);
}

/* Half-closes and reads to the endpoint's end, as nothing more may come. One that leaves its side
 * open is not waited for any longer than an answer took. */
static void finish(struct ping *ping)
{
    if (ping->link.state != LINK_OPEN)
        return;
    uint64_t wait_ns = END_WAIT_MS * NS_PER_MS + ping->times.max;
    uint64_t until_ns = clock_now_ns() + wait_ns;
    enum link_step step = LINK_WAIT;
    ping->is_finishing = true;
    while ((step = link_half_close(&ping->link)) == LINK_WAIT && wait_for(ping, POLLOUT, until_ns))
        continue;
    if (step == LINK_DONE && ping->ended.how.outcome == OUTCOME_OK)
        ping->ended = receive_unasked(ping, until_ns);
    if (ping->ended.how.outcome != OUTCOME_OK && ping->ended.how.outcome != OUTCOME_FIN)
        tell_stray(ping, &ping->ended);
}

/* Sends one message and awaits it; returns its outcome. */
static enum outcome exchange(struct ping *ping, struct message *message)
{
    while (message->back < message->bytes && message->failure.how.outcome == OUTCOME_OK) {
        short events = (short)(POLLIN | (message->sent < message->bytes ? POLLOUT : 0));
        if (wait_for(ping, events, message->due_ns) == 0)
            message->failure = (struct flow_failure){.how = link_timeout(&ping->link)};
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

static uint64_t next_size(struct ping *ping)
{
    uint64_t span = ping->options->size_max - ping->options->size_min + 1;
    ping->random = ping->random * 6364136223846793005U + 1442695040888963407U;
    return ping->options->size_min + (span > 1 ? (ping->random >> 33) % span : 0);
}

static void ping_once(struct ping *ping)
{
    uint64_t start_ns = clock_now_ns();
    struct message message = {.bytes = next_size(ping),
                              .due_ns = start_ns + ping->options->timeout_ms * NS_PER_MS,
                              .failure = ping->ended};
    ping->sent++;
    ping->is_under_way = true;
    enum outcome outcome = exchange(ping, &message);
    ping->is_under_way = false;
    uint64_t time_ns = clock_now_ns() - start_ns;
    ping->sent_bytes += message.sent;
    ping->received_bytes += message.back;
    ping->offset += message.back;
    if (message.back == message.bytes) {
        ping->received++;
        histogram_add(&ping->times, time_ns);
        if (!ping->options->quiet)
            fprintf(ping->out, "%" PRIu64 " byte%s from %s: seq=%" PRIu64 " time=%.3f ms\n",
                    message.bytes, units_plural(message.bytes), ping->plan.target.name, ping->sent,
                    (double)time_ns / 1e6);
        if (outcome != OUTCOME_OK) /* more came right behind it */
            tell_stray(ping, &message.failure);
        return;
    }
    ping->errors[outcome]++;
    fprintf(ping->out, "seq=%" PRIu64 " lost: ", ping->sent);
    report_failure(&message.failure, ping->plan.target.name, ping->out);
    link_close(&ping->link);
}

/* ---- the run ---- */

static void start_connection(struct ping *ping)
{
    ping->connection++;
    ping->seed = pattern_seed(ping->options->seed, ping->connection);
    ping->offset = 0;
    ping->ended = (struct flow_failure){0};
}

/* As link_connect(), but an interrupt ends it. */
static enum link_step connect_link(struct ping *ping)
{
    struct link *link = &ping->link;
    uint64_t until_ns = clock_now_ns() + ping->options->timeout_ms * NS_PER_MS;
    enum link_step step = link_start(link, &ping->plan);
    while (step == LINK_WAIT && !ping->interrupt.has_come) {
        if (wait_for(ping, POLLOUT, until_ns) == 0)
            step = link_end(link, link_timeout(link));
        else if (!ping->interrupt.has_come)
            step = link_advance(link);
    }
    return step;
}

/* Connects again to the address that answered before. */
static void reconnect(struct ping *ping)
{
    char reason[256];
    enum link_step step = connect_link(ping);
    if (step == LINK_WAIT) {
        link_close(&ping->link);
        return;
    }
    if (step == LINK_DONE) {
        start_connection(ping);
        fprintf(ping->out, "connected again to %s\n", ping->plan.target.name);
        return;
    }
    const struct ending *ending = &ping->link.ending;
    link_close(&ping->link);
    ping->errors[ending->outcome]++;
    ping->sent++;
    fprintf(ping->out, "seq=%" PRIu64 " lost: %s: %s\n", ping->sent, ping->plan.target.name,
            ending_text(ending, reason, sizeof(reason)));
}

static void run(struct ping *ping)
{
    const struct options *options = ping->options;
    uint64_t due_ns = clock_now_ns();
    while (!ping->interrupt.has_come && !ferror(ping->out) &&
           (options->count == 0 || ping->sent < options->count)) {
        watch_until(ping, clock_now_ns());
        if (ping->link.state != LINK_OPEN)
            reconnect(ping);
        if (ping->link.state == LINK_OPEN)
            ping_once(ping);
        standard_flush(ping->out);
        due_ns += options->interval_ms * NS_PER_MS;
        if (due_ns < clock_now_ns())
            due_ns = clock_now_ns(); /* a late answer does not make a burst of the next ones */
        if (options->count == 0 || ping->sent < options->count)
            watch_until(ping, due_ns);
    }
}

static int conclude(struct ping *ping)
{
    struct error err;
    const char *target = ping->plan.target.name;
    const struct ping_results results = results_of(ping);
    interrupt_while_reporting();
    ping_report_text(&results, target, ping->out);
    standard_flush(ping->out);
    if (ping->options->json && ping_report_json(&results, ping->options, target, &err) < 0) {
        (void)error_report(&err, OPTIONS_PROGRAM);
        return (int)err.exit_code;
    }
    uint64_t errors = 0;
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        errors += ping->errors[i];
    return ping->received == ping->sent && errors == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int open_and_run(struct ping *ping)
{
    struct error err;
    char tls[160];
    if (target_connect(ping->options, &ping->plan, &ping->link, &err) < 0) {
        (void)error_report(&err, OPTIONS_PROGRAM);
        report_json_failure("ping", ping->options, &err);
        return (int)err.exit_code;
    }
    interrupt_open(&ping->interrupt, true);
    start_connection(ping);
    link_describe(&ping->link, tls, sizeof(tls));
    fprintf(ping->out, "PING %s, seed %" PRIu64 ": messages of %s byte%s%s%s\n",
            ping->plan.target.name, ping->options->seed, ping->options->size,
            units_plural(ping->options->size_max), *tls ? "; " : "", tls);
    run(ping);
    finish(ping);
    link_clear(&ping->link);
    int code = conclude(ping);
    target_close(&ping->plan);
    return code;
}

int ping_run(const struct options *options)
{
    if (options->endpoint.kind == ENDPOINT_UDP)
        return udp_ping_run(options);
    struct ping *ping = calloc(1, sizeof(*ping));
    if (!ping)
        return EXIT_CODE_START;
    ping->options = options;
    ping->random = options->seed;
    ping->out = report_is_output(options->json) ? stderr : stdout;
    int code = open_and_run(ping);
    free(ping);
    return code;
}

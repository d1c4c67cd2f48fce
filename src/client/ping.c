/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/ping.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/standard.h"
#include "base/units.h"
#include "client/commands.h"
#include "client/report.h"
#include "client/stamped.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)

/* On SIGQUIT, as ping(8) has it. */
static void print_midway(struct ping *ping)
{
    char mean[REPORT_MS_MAX], p99[REPORT_MS_MAX];
    ping->kind->count(ping);
    struct ping_results results = ping->results;
    if (results.datagrams) {
        report_datagrams(results.datagrams, stderr);
        return;
    }
    results.sent -= ping->is_under_way; /* that one is not lost */
    fprintf(
        stderr, "%" PRIu64 "/%" PRIu64 " message%s, %.4g%% lost, avg %s ms, p99 %s ms\n",
        results.received, results.sent, units_plural(results.sent), ping_report_loss(&results),
        report_ms(mean, sizeof(mean), &ping->times, histogram_mean(&ping->times)),
        report_ms(p99, sizeof(p99), &ping->times, (double)histogram_percentile(&ping->times, 99)));
}

short ping_wait(struct ping *ping, int fd, short events, uint64_t until_ns)
{
    for (;;) {
        struct pollfd polled[] = {{.fd = fd, .events = events},
                                  {.fd = ping->interrupt.fd, .events = POLLIN}};
        if (wait_until(polled, 2, until_ns) <= 0)
            return 0;
        int number = polled[1].revents ? interrupt_read(&ping->interrupt) : 0;
        if (number == SIGQUIT)
            print_midway(ping);
        if (number == SIGINT)
            return -1;
        if (polled[0].revents)
            return polled[0].revents;
    }
}

static bool is_over(const struct ping *ping)
{
    uint64_t count = ping->options->count;
    return ping->interrupt.has_come || ferror(ping->out) || (count && ping->results.sent >= count);
}

/* One message, and how much of its time the client waited for a processor. */
static void exchange(struct ping *ping)
{
    struct ping_results *results = &ping->results;
    uint64_t begun_ns = clock_now_ns(), starved_ns = 0;
    run_queue_restart(&ping->run_queue);
    ping->kind->exchange(ping);
    results->is_starvation_known = run_queue_read(&ping->run_queue, &starved_ns);
    results->starved_ns += starved_ns;
    results->exchanges_ns += clock_now_ns() - begun_ns;
}

static void run(struct ping *ping)
{
    uint64_t due_ns = clock_now_ns();
    while (!is_over(ping)) {
        exchange(ping);
        standard_flush(ping->out);
        due_ns += ping->options->interval_ms * NS_PER_MS;
        if (due_ns < clock_now_ns())
            due_ns = clock_now_ns(); /* a late answer does not make a burst of the next ones */
        if (!is_over(ping))
            ping->kind->watch(ping, due_ns);
    }
    ping->is_finishing = true;
    ping->kind->finish(ping);
}

void ping_keep_failure(struct ping *ping, enum outcome outcome, json_t *failure)
{
    bool is_kept =
        json_array_size(ping->results.failures) < PING_FAILURES_KEPT || ping->errors[outcome] == 1;
    if (is_kept)
        (void)json_array_append_new(ping->results.failures, failure);
    else
        json_decref(failure);
}

static int conclude(struct ping *ping)
{
    struct error err;
    const struct ping_results *results = &ping->results;
    ping->kind->count(ping);
    interrupt_while_reporting();
    ping_report_text(results, ping->options, ping->target, ping->out);
    standard_flush(ping->out);
    if (ping->options->json && ping_report_json(results, ping->options, ping->target, &err) < 0)
        return error_report(&err, OPTIONS_PROGRAM);
    /* A refusal that comes behind an answer makes no datagram wrong. */
    uint64_t errors = results->datagrams ? results->datagrams->wrong : 0;
    for (int i = OUTCOME_OK + 1; !results->datagrams && i < OUTCOME_COUNT; i++)
        errors += ping->errors[i];
    return results->received == results->sent && errors == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static int open_and_run(struct ping *ping)
{
    struct error err;
    const struct client_options *options = ping->options;
    if (ping->kind->open(ping, &err) < 0) {
        int code = error_report(&err, OPTIONS_PROGRAM);
        report_json_failure("ping", options, &err);
        return code;
    }
    interrupt_open(&ping->interrupt, true);
    fprintf(ping->out, "PING %s, seed %" PRIu64 ": %s of %s byte%s%s%s\n", ping->target,
            options->seed, ping->kind->messages, options->size, units_plural(options->size_max),
            *ping->detail ? "; " : "", ping->detail);
    run_queue_open(&ping->run_queue);
    run(ping);
    run_queue_close(&ping->run_queue);
    int code = conclude(ping);
    interrupt_close(&ping->interrupt);
    return code;
}

int ping_run(const struct client_options *options)
{
    const struct ping_kind *kind =
        options->endpoint.kind == ENDPOINT_UDP ? &ping_of_datagrams : &ping_of_streams;
    struct ping *ping = calloc(1, kind->size);
    if (!ping)
        return EXIT_CODE_START;
    ping->kind = kind;
    ping->options = options;
    ping->results.errors = ping->errors;
    ping->results.times = &ping->times;
    ping->results.failures = json_array();
    ping->results.connects = &ping->connects;
    FILE *plain = report_is_output(options->json) ? stderr : stdout;
    FILE *stamped = options->timestamps ? stamped_open(plain) : NULL;
    ping->out = stamped ? stamped : plain;
    int code = open_and_run(ping);
    kind->close(ping);
    if (stamped)
        fclose(stamped);
    json_decref(ping->results.failures);
    free(ping);
    return code;
}

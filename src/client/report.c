/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "client/symptom.h"

#define NS_PER_S 1e9
#define NS_PER_MS 1e6
#define SEE_SLOW_CONNECT "see: " OPTIONS_PROGRAM " explain slow-connect"
#define BITS_PER_BYTE 8
#define STARVED_SHARE 0.01 /* of the time: that decides a p99 */

static const double PERCENTILES[] = {50, 75, 90, 99, 99.9, 99.99, 100};

static void print_errors(const struct bench_results *results, FILE *out)
{
    fprintf(out, "  errors       %" PRIu64 "  (", bench_results_errors(results));
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        fprintf(out, "%s%s %" PRIu64, i > 1 ? ", " : "", outcome_name((enum outcome)i),
                results->errors[i]);
    fprintf(out, ")\n");
}

const char *report_ms(char *out, size_t size, const struct histogram *histogram, double ns)
{
    if (histogram->count)
        snprintf(out, size, "%.3f", ns / NS_PER_MS);
    else
        snprintf(out, size, "-");
    return out;
}

/* One line: the same number of each column. */
static void print_latency_row(const char *name, const struct histogram *const *columns,
                              const double *ns, FILE *out)
{
    static const int WIDTHS[] = {15, 17, 14};
    char text[REPORT_MS_MAX];
    fprintf(out, "    %-9s", name);
    for (int i = 0; i < 3; i++)
        fprintf(out, "%*s", WIDTHS[i], report_ms(text, sizeof(text), columns[i], ns[i]));
    fputc('\n', out);
}

static void print_latency(const struct bench_results *results, FILE *out)
{
    const struct histogram *const columns[] = {&results->corrected, &results->uncorrected,
                                               &results->late};
    double ns[3];
    fprintf(out, "\n  latency      from when due   from when sent   client late   (ms)\n");
    for (size_t row = 0; row < sizeof(PERCENTILES) / sizeof(PERCENTILES[0]); row++) {
        char name[16];
        snprintf(name, sizeof(name), PERCENTILES[row] < 100 ? "p%g" : "max", PERCENTILES[row]);
        for (int i = 0; i < 3; i++)
            ns[i] = (double)histogram_percentile(columns[i], PERCENTILES[row]);
        print_latency_row(name, columns, ns, out);
    }
    for (int i = 0; i < 3; i++)
        ns[i] = histogram_mean(columns[i]);
    print_latency_row("mean", columns, ns, out);
    for (int i = 0; i < 3; i++)
        ns[i] = histogram_stddev(columns[i]);
    print_latency_row("stddev", columns, ns, out);
}

static void print_wait(const char *name, const struct bench_wait *wait, FILE *out)
{
    fprintf(out, "    %-20s%10" PRIu64 " message%s, %.3f s in all, %.3f ms at most\n", name,
            wait->count, units_plural(wait->count), (double)wait->total_ns / NS_PER_S,
            (double)wait->max_ns / NS_PER_MS);
}

static void print_waits(const struct bench_results *results, FILE *out)
{
    static const char *const NAMES[] = {"client late", "connection not open", "pipeline full"};
    if (!results->is_open_loop)
        return;
    fprintf(out,
            "\n  waits        messages that left more than 1 ms after they were due, or never\n");
    for (int i = 0; i < WAIT_CAUSES; i++)
        print_wait(NAMES[i], &results->waits[i], out);
}

void report_starved(uint64_t starved_ns, double share, const char *of, const char *before,
                    FILE *out)
{
    fprintf(out,
            "%sthis client had to wait for a processor (%.3f s, %.1f %% of %s):\n"
            "               part of the times above is its own\n",
            before, (double)starved_ns / NS_PER_S, 100 * share, of);
    symptom_print_reference("client-starved", "               ", out);
}

static void print_starved(const struct bench_results *results, FILE *out)
{
    double share = bench_results_starved_share(results);
    if (results->is_starvation_known && share >= STARVED_SHARE)
        report_starved(results->starved_ns, share, "the time in one thread", "\n  warning      ",
                       out);
}

static void print_head(const struct client_options *options, const char *target,
                       const struct bench_results *results, FILE *out)
{
    fprintf(out, "evecho bench %s\n", target);
    report_origin(options, "  ", out);
    fprintf(out,
            "  %" PRIu64 " connection%s, %" PRIu64
            " thread%s, messages of %s byte%s, pipeline of %" PRIu64 ", %s loop, seed %" PRIu64
            "\n",
            options->connections, units_plural(options->connections), options->threads,
            units_plural(options->threads), options->size, units_plural(options->size_max),
            options->pipeline, options->rate_per_1000s ? "open" : "closed", options->seed);
    fprintf(out, "  %.2f s measured, after %.2f s of warm-up\n\n", bench_results_seconds(results),
            (double)results->warm_up_ns / NS_PER_S);
}

/* "0.101 ms" of one, "p50 0.1, p90 0.2, p99 0.3, max 0.4 ms" of several. */
static void print_spread(const struct histogram *times, FILE *out)
{
    static const double SHOWN[] = {50, 90, 99, 100};
    char text[4][REPORT_MS_MAX];
    for (size_t i = 0; i < 4; i++)
        report_ms(text[i], sizeof(text[i]), times, (double)histogram_percentile(times, SHOWN[i]));
    if (times->count == 1)
        fprintf(out, "%s ms", text[3]);
    else
        fprintf(out, "p50 %s, p90 %s, p99 %s, max %s ms", text[0], text[1], text[2], text[3]);
}

/* The rest of a line. */
static void print_connects(const struct connect_times *times, FILE *out)
{
    print_spread(&times->connect, out);
    if (times->slow)
        fprintf(out,
                "; %" PRIu64 " of %" PRIu64
                " connect%s took over 0.9 s: %s probably dropped; " SEE_SLOW_CONNECT,
                times->slow, times->connect.count, units_plural(times->connect.count),
                times->slow == 1 ? "a SYN was" : "SYNs were");
    fputc('\n', out);
}

void report_connect_times(const struct connect_times *times, const char *before, FILE *out)
{
    if (times->connect.count) {
        fprintf(out, "%sconnect time: ", before);
        print_connects(times, out);
    }
    if (times->handshake.count) {
        fprintf(out, "%shandshake time: ", before);
        print_spread(&times->handshake, out);
        fputc('\n', out);
    }
}

void report_slow_connect(uint64_t connect_ns)
{
    if (connect_ns > CONNECT_SLOW_NS)
        fprintf(stderr,
                OPTIONS_PROGRAM
                ": connecting took %.3f s: a SYN was probably dropped; " SEE_SLOW_CONNECT "\n",
                (double)connect_ns / NS_PER_S);
}

static void print_handshakes(const struct bench_results *results, double seconds, FILE *out)
{
    const struct histogram *times = &results->connects.handshake;
    fprintf(out, "  handshakes   %" PRIu64 " (%.1f/s), %" PRIu64 " resumed, ", times->count,
            seconds > 0 ? (double)times->count / seconds : 0, results->resumed);
    print_spread(times, out);
    fputc('\n', out);
}

static void print_connections(const struct bench_results *results,
                              const struct client_options *options, double seconds, FILE *out)
{
    fprintf(out,
            "  connections  %" PRIu64 " requested, %" PRIu64 " established, %" PRIu64
            " opened in all (%.1f/s)\n",
            options->connections, results->established, results->opened,
            seconds > 0 ? (double)results->opened_meanwhile / seconds : 0);
    fprintf(out, "  connects     ");
    print_connects(&results->connects, out);
}

void report_datagrams(const struct udp_counts *counts, FILE *out)
{
    fprintf(out,
            "%" PRIu64 " sent, %" PRIu64 " right, %" PRIu64 " lost, %" PRIu64
            " late (%.4g%%), %" PRIu64 " duplicated, %" PRIu64 " reordered, %" PRIu64 " wrong",
            counts->sent, counts->right, counts->lost, counts->late,
            (double)udp_loss_ppm(counts) / 1e4, counts->duplicates, counts->reordered,
            counts->wrong);
    if (counts->own_drops)
        fprintf(out, "; %" PRIu64 " came and were dropped here: this machine is too slow",
                counts->own_drops);
    if (counts->bad_checksums)
        fprintf(out,
                "; %" PRIu64 " came to this machine with a wrong checksum and were dropped by the "
                "system (all of its network namespace's are counted)",
                counts->bad_checksums);
    fputc('\n', out);
}

/* A bucket of tokens may be full at first, so the second half is looked at. Of n sent in each slice
 * chance lets n * p through, with a variance of n * p * (1 - p). */
static void print_flows(const struct bench_results *results, const struct client_options *options,
                        FILE *out)
{
    fprintf(out, "  datagrams    ");
    report_datagrams(&results->datagrams, out);
    fprintf(out, "  flows        %" PRIu64 " requested, %" PRIu64 " answered\n",
            options->connections, results->established);
    double limit = bench_results_limit(results, options->rate_per_1000s, options->duration_ms);
    if (limit > 0)
        fprintf(out,
                "  limit        %.0f/s came back, evenly: a limit on the rate does that (evechod: "
                "--udp-rate), a path's losses do not\n",
                limit);
}

static void print_rate(const struct client_options *options, double achieved, FILE *out)
{
    char requested[UNITS_TEXT_MAX];
    (void)units_format_rate(requested, sizeof(requested), options->rate_per_1000s);
    fprintf(out, "  rate         %s%s requested, %.*f/s achieved\n",
            options->rate_per_1000s ? requested : "none", options->rate_per_1000s ? "/s" : "",
            achieved < 10 ? 3 : 1, achieved);
}

void report_text(const struct client_options *options, const char *target,
                 const struct bench_results *results, FILE *out)
{
    double seconds = bench_results_seconds(results);
    double bits = seconds > 0 ? (double)results->rated_bytes * BITS_PER_BYTE / seconds : 0;
    print_head(options, target, results, out);
    fprintf(out,
            "  echoes       %" PRIu64 " verified, %" PRIu64 " unanswered, %" PRIu64 " never sent\n",
            results->completed, results->unanswered, results->unsent);
    print_rate(options, bench_results_rate(results), out);
    fprintf(out,
            "  bytes        %" PRIu64 " sent, %" PRIu64
            " received and right, %.1f Mbit/s each way\n",
            results->sent_bytes, results->received_bytes, bits / 1e6);
    if (options->endpoint.kind == ENDPOINT_UDP)
        print_flows(results, options, out);
    else
        print_connections(results, options, seconds, out);
    if (options->endpoint.kind == ENDPOINT_TLS)
        print_handshakes(results, seconds, out);
    if (results->given_up)
        fprintf(out, "  given up     %" PRIu64 " of them: they failed for too long\n",
                results->given_up);
    print_errors(results, out);
    for (uint32_t i = 0; i < results->failures_kept; i++) {
        failure_print(&results->failures[i], target, "    ", "      ", out);
    }
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        char text[UDP_ERROR_TEXT_MAX];
        const struct udp_error *network = &results->network[i];
        if (network->error == 0)
            continue;
        fprintf(out, "    %s: %s\n", target, udp_error_text(network, text, sizeof(text)));
        failure_print_details(&(struct failure){.when = network->when}, "      ", out);
        symptom_print_reference(udp_error_symptom(network), "      ", out);
    }
    for (uint32_t i = 0; i < results->wrong_kept; i++) {
        failure_print(&results->wrong[i], target, "    ", "      ", out);
    }
    print_latency(results, out);
    print_waits(results, out);
    print_starved(results, out);
}

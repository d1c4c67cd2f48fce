/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/ping_report.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/units.h"
#include "client/outcome.h"
#include "client/report.h"

#define STARVED_SHARE 0.1 /* each message wakes the client once at least, which takes a moment */

static double starved_share(const struct ping_results *results)
{
    double share =
        results->exchanges_ns ? (double)results->starved_ns / (double)results->exchanges_ns : 0;
    return share < 1 ? share : 1;
}

double ping_report_loss(const struct ping_results *results)
{
    return results->sent
               ? 100.0 * (double)(results->sent - results->received) / (double)results->sent
               : 0;
}

static void print_times(const struct histogram *times, FILE *out)
{
    if (times->count == 0)
        return;
    fprintf(out, "rtt min/avg/max/stddev = %.3f/%.3f/%.3f/%.3f ms\n", (double)times->min / 1e6,
            histogram_mean(times) / 1e6, (double)times->max / 1e6, histogram_stddev(times) / 1e6);
    fprintf(out, "rtt p50/p90/p99/p99.9 = %.3f/%.3f/%.3f/%.3f ms\n",
            (double)histogram_percentile(times, 50) / 1e6,
            (double)histogram_percentile(times, 90) / 1e6,
            (double)histogram_percentile(times, 99) / 1e6,
            (double)histogram_percentile(times, 99.9) / 1e6);
}

void ping_report_text(const struct ping_results *results, const struct client_options *options,
                      const char *target, FILE *out)
{
    fprintf(out, "\n--- %s ping statistics ---\n", target);
    report_origin(options, "", out);
    fprintf(out, "%" PRIu64 " message%s sent, %" PRIu64 " received, %.4g%% lost; errors",
            results->sent, units_plural(results->sent), results->received,
            ping_report_loss(results));
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        fprintf(out, " %s %" PRIu64, outcome_name((enum outcome)i), results->errors[i]);
    fputc('\n', out);
    if (results->datagrams) {
        fprintf(out, "datagrams: ");
        report_datagrams(results->datagrams, out);
    }
    print_times(results->times, out);
    report_connect_times(results->connects, "", out);
    if (results->is_starvation_known && starved_share(results) >= STARVED_SHARE)
        report_starved(results->starved_ns, starved_share(results), "the time of its messages",
                       "warning: ", out);
}

int ping_report_json(const struct ping_results *results, const struct client_options *options,
                     const char *target, struct error *err)
{
    const struct histogram *times = results->times;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"sent", results->sent},
        {"received", results->received},
        {"lost", results->sent - results->received},
        {"completed", results->received},
        {"sent_bytes", results->sent_bytes},
        {"received_bytes", results->received_bytes},
    };
    const struct {
        const char *name;
        uint64_t ns;
    } latencies[] = {
        {"min_ns", times->min},
        {"mean_ns", (uint64_t)histogram_mean(times)},
        {"max_ns", times->max},
        {"stddev_ns", (uint64_t)histogram_stddev(times)},
        {"p50_ns", histogram_percentile(times, 50)},
        {"p90_ns", histogram_percentile(times, 90)},
        {"p99_ns", histogram_percentile(times, 99)},
        {"p999_ns", histogram_percentile(times, 99.9)},
    };
    json_t *root = report_json_head("ping", options, target);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)json_object_set_new(root, numbers[i].name,
                                  json_integer((json_int_t)numbers[i].value));
    for (size_t i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++)
        report_json_time(root, latencies[i].name, times, latencies[i].ns);
    report_json_connects(root, results->connects);
    report_json_starved(root, results->is_starvation_known, results->starved_ns,
                        starved_share(results));
    if (results->datagrams)
        report_json_datagrams(root, results->datagrams);
    (void)json_object_set_new(root, "errors", report_json_errors(results->errors));
    (void)json_object_set(root, "failures", results->failures);
    return report_json_write(root, options->json, err);
}

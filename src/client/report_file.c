/* SPDX-License-Identifier: BSD-2-Clause */
/* The results for programs: JSON by jansson, and the percentile file that plotters read. */
#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/standard.h"
#include "client/attempts.h"
#include "client/moment.h"
#include "client/report.h"
#include "config.h"

#define SCHEMA 1
#define NS_PER_MS 1e6
#define TICKS_PER_HALF \
    5 /* lines for each halving of the rest above the percentile, like HdrHistogram */

/* `failure` is the errno of a write that failed already, which stdio does not remember, or 0. */
static int close_file(FILE *file, int failure, const char *path, struct error *err)
{
    int unknown = ferror(file) ? EIO : 0;
    int last = file == stdout ? standard_output_flush() : fclose(file) != 0 ? errno : 0;
    failure = failure ? failure : last ? last : unknown;
    return failure ? error_system(err, failure, "cannot write '%s'", path) : 0;
}

bool report_is_output(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

static FILE *open_file(const char *path, struct error *err)
{
    FILE *file = report_is_output(path) ? stdout : fopen(path, "we");
    if (!file)
        error_system(err, errno, "cannot write '%s'", path);
    return file;
}

/* Nothing is opened here: a FIFO's reader would take it for the end. */
int report_file_check(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    struct stat status;
    if (!path || report_is_output(path))
        return 0;
    snprintf(folder, sizeof(folder), "%s", path);
    bool is_there = stat(path, &status) == 0;
    if (!is_there && errno != ENOENT)
        return error_system(err, errno, "cannot write '%s'", path);
    if (is_there && S_ISDIR(status.st_mode))
        return error_system(err, EISDIR, "cannot write '%s'", path);
    if (access(is_there ? path : dirname(folder), W_OK) < 0)
        return error_system(err, errno, "cannot write '%s'", path);
    return 0;
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
    (void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

/* An integer if it is one. */
static void set_rate(json_t *object, const char *name, uint64_t per_1000s)
{
    if (per_1000s % 1000 == 0)
        set_number(object, name, per_1000s / 1000);
    else
        (void)json_object_set_new(object, name, json_real((double)per_1000s / 1000));
}

/* Every option of the command, as it is in force; a text that was not given is left out. */
static json_t *config_of(const struct client_options *options, const char *target)
{
    json_t *config = json_object();
    (void)json_object_set_new(config, "endpoint", json_string(options->endpoint_text));
    (void)json_object_set_new(config, "target", json_string(target));
    for (size_t i = 0; i < options->set.count; i++) {
        const struct option_row *row = &options->set.rows[i];
        const char *field = (const char *)options + row->offset;
        char name[64];
        snprintf(name, sizeof(name), "%s%s", row->name, row->kind == OPTION_TIME ? "_ms" : "");
        for (char *at = name; *at; at++)
            *at = *at == '-' ? '_' : *at;
        if (row->kind == OPTION_COUNT || row->kind == OPTION_TIME)
            set_number(config, name, *(const uint64_t *)(const void *)field);
        else if (row->kind == OPTION_RATE)
            set_rate(config, name, *(const uint64_t *)(const void *)field);
        else if (row->kind == OPTION_FLAG && strcmp(row->name, "help") != 0)
            (void)json_object_set_new(config, name, json_boolean(*(const bool *)field));
        else if (row->kind == OPTION_WORD)
            (void)json_object_set_new(
                config, name, json_string(row->words[*(const uint64_t *)(const void *)field]));
        else if (row->kind == OPTION_TEXT && *(char *const *)(const void *)field)
            (void)json_object_set_new(config, name,
                                      json_string(*(char *const *)(const void *)field));
    }
    return config;
}

/* `out` has room for HOST_NAME_MAX + 1 bytes. */
static const char *host_name(char *out)
{
    if (gethostname(out, HOST_NAME_MAX + 1) < 0)
        *out = '\0';
    out[HOST_NAME_MAX] = '\0';
    return out;
}

void report_origin(const struct client_options *options, const char *before, FILE *out)
{
    char host[HOST_NAME_MAX + 1], started[MOMENT_STAMP_MAX];
    fprintf(out, "%s" OPTIONS_PROGRAM " " PACKAGE_VERSION " on %s, started %s\n", before,
            host_name(host), moment_stamp(options->started_ns, started));
}

json_t *report_json_head(const char *command, const struct client_options *options,
                         const char *target)
{
    char host[HOST_NAME_MAX + 1], started[MOMENT_STAMP_MAX];
    json_t *root = json_object();
    set_number(root, "schema", SCHEMA);
    (void)json_object_set_new(root, "command", json_string(command));
    (void)json_object_set_new(root, "version", json_string(PACKAGE_VERSION));
    (void)json_object_set_new(root, "host", json_string(host_name(host)));
    (void)json_object_set_new(root, "started_at",
                              json_string(moment_stamp(options->started_ns, started)));
    (void)json_object_set_new(root, "config", config_of(options, target));
    if (options->attempts)
        (void)json_object_set_new(root, "addresses", attempts_json(options->attempts));
    return root;
}

void report_json_time(json_t *root, const char *name, const struct histogram *histogram,
                      uint64_t ns)
{
    (void)json_object_set_new(root, name,
                              histogram->count ? json_integer((json_int_t)ns) : json_null());
}

static void set_latency(json_t *root, const char *prefix, const struct histogram *histogram)
{
    static const struct {
        const char *name;
        double percent;
    } ROWS[] = {{"p50", 50},    {"p75", 75},      {"p90", 90}, {"p99", 99},
                {"p999", 99.9}, {"p9999", 99.99}, {"max", 100}};
    char name[64];
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        snprintf(name, sizeof(name), "%s%s_ns", prefix, ROWS[i].name);
        report_json_time(root, name, histogram, histogram_percentile(histogram, ROWS[i].percent));
    }
    snprintf(name, sizeof(name), "%smin_ns", prefix);
    report_json_time(root, name, histogram, histogram->min);
    snprintf(name, sizeof(name), "%smean_ns", prefix);
    report_json_time(root, name, histogram, (uint64_t)histogram_mean(histogram));
    snprintf(name, sizeof(name), "%sstddev_ns", prefix);
    report_json_time(root, name, histogram, (uint64_t)histogram_stddev(histogram));
}

void report_json_connects(json_t *root, const struct connect_times *times)
{
    set_number(root, "connects", times->connect.count);
    set_number(root, "connects_slow", times->slow);
    set_number(root, "handshakes", times->handshake.count);
    set_latency(root, "connect_", &times->connect);
    set_latency(root, "handshake_", &times->handshake);
}

json_t *report_json_errors(const uint64_t *errors)
{
    json_t *object = json_object();
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        set_number(object, outcome_word((enum outcome)i), errors[i]);
    return object;
}

void report_json_datagrams(json_t *root, const struct udp_counts *counts)
{
    set_number(root, "datagrams_sent", counts->sent);
    set_number(root, "datagrams_right", counts->right);
    set_number(root, "datagrams_lost", counts->lost);
    set_number(root, "datagrams_late", counts->late);
    set_number(root, "datagrams_duplicated", counts->duplicates);
    set_number(root, "datagrams_reordered", counts->reordered);
    set_number(root, "datagrams_wrong", counts->wrong);
    set_number(root, "datagrams_dropped_here", counts->own_drops);
    set_number(root, "datagrams_bad_checksum", counts->bad_checksums);
    set_number(root, "loss_ppm", udp_loss_ppm(counts));
}

static void set_datagrams(json_t *root, const struct client_options *options,
                          const struct bench_results *results)
{
    double limit = bench_results_limit(results, options->rate_per_1000s, options->duration_ms);
    report_json_datagrams(root, &results->datagrams);
    (void)json_object_set_new(root, "rate_limit_per_s", limit > 0 ? json_real(limit) : json_null());
}

static json_t *failures_of(const struct bench_results *results, const char *target)
{
    json_t *failures = json_array();
    for (uint32_t i = 0; i < results->failures_kept; i++)
        (void)json_array_append_new(failures, failure_json(&results->failures[i], target));
    for (uint32_t i = 0; i < results->wrong_kept; i++)
        (void)json_array_append_new(failures, failure_json(&results->wrong[i], target));
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        if (results->network[i].error)
            (void)json_array_append_new(failures, udp_error_json(&results->network[i], target));
    }
    return failures;
}

static json_t **kept_document;

void report_json_keep(json_t **document)
{
    kept_document = document;
}

int report_json_write(json_t *root, const char *path, struct error *err)
{
    if (kept_document) {
        *kept_document = root;
        return 0;
    }
    FILE *file = open_file(path, err);
    int failure = 0;
    if (file && (json_dumpf(root, file, JSON_INDENT(2) | JSON_PRESERVE_ORDER) < 0 ||
                 fputc('\n', file) == EOF))
        failure = errno;
    json_decref(root);
    return file ? close_file(file, failure, path, err) : -1;
}

void report_json_failure(const char *command, const struct client_options *options,
                         const struct error *failure)
{
    struct error error;
    char text[ERROR_TEXT_MAX];
    if (!options->json)
        return;
    json_t *root = report_json_head(command, options, options->endpoint_text);
    (void)json_object_set_new(root, "error", json_string(error_text(failure, text, sizeof(text))));
    if (report_json_write(root, options->json, &error) < 0)
        (void)error_report(&error, OPTIONS_PROGRAM);
}

void report_json_starved(json_t *root, bool is_known, uint64_t starved_ns, double share)
{
    (void)json_object_set_new(root, "client_starved_ms",
                              is_known ? json_real((double)starved_ns / NS_PER_MS) : json_null());
    (void)json_object_set_new(root, "client_starved_share",
                              is_known ? json_real(share) : json_null());
}

/* Why messages left late: for each cause how many, and how long, in all and at most. */
static void set_waits(json_t *root, const struct bench_results *results)
{
    static const char *const NAMES[] = {"client_late", "no_connection", "pipeline_full"};
    char name[64];
    for (int i = 0; i < WAIT_CAUSES; i++) {
        const struct bench_wait *wait = &results->waits[i];
        snprintf(name, sizeof(name), "%s_count", NAMES[i]);
        set_number(root, name, wait->count);
        snprintf(name, sizeof(name), "%s_total_ns", NAMES[i]);
        set_number(root, name, wait->total_ns);
        snprintf(name, sizeof(name), "%s_max_ns", NAMES[i]);
        set_number(root, name, wait->max_ns);
    }
    report_json_starved(root, results->is_starvation_known, results->starved_ns,
                        bench_results_starved_share(results));
}

int report_json(const struct client_options *options, const char *target,
                const struct bench_results *results, const struct requirements *requirements,
                const char *path, struct error *err)
{
    json_t *root = report_json_head("bench", options, target);
    set_number(root, "completed", results->completed);
    set_number(root, "unanswered", results->unanswered);
    set_number(root, "unsent", results->unsent);
    set_number(root, "sent_bytes", results->sent_bytes);
    set_number(root, "received_bytes", results->received_bytes);
    set_number(root, "elapsed_ns",
               results->end_ns > results->start_ns ? results->end_ns - results->start_ns : 0);
    set_number(root, "warm_up_ns", results->warm_up_ns);
    (void)json_object_set_new(root, "interrupted", json_boolean(results->is_interrupted));
    (void)json_object_set_new(root, "rate_per_s", json_real(bench_results_rate(results)));
    set_rate(root, "rate_requested_per_s", options->rate_per_1000s);
    set_number(root, "connections_requested", options->connections);
    set_number(root, "connections_established", results->established);
    set_number(root, "connections_opened", results->opened);
    set_number(root, "connections_opened_after_warm_up", results->opened_meanwhile);
    set_number(root, "connections_given_up", results->given_up);
    set_number(root, "errors_total", bench_results_errors(results));
    (void)json_object_set_new(root, "errors", report_json_errors(results->errors));
    (void)json_object_set_new(root, "failures", failures_of(results, target));
    if (options->endpoint.kind == ENDPOINT_UDP)
        set_datagrams(root, options, results);
    double seconds = bench_results_seconds(results);
    report_json_connects(root, &results->connects);
    set_number(root, "handshakes_resumed", results->resumed);
    (void)json_object_set_new(
        root, "handshakes_per_s",
        json_real(seconds > 0 ? (double)results->connects.handshake.count / seconds : 0));
    set_latency(root, "", &results->corrected);
    set_latency(root, "uncorrected_", &results->uncorrected);
    set_latency(root, "late_", &results->late);
    set_waits(root, results);
    (void)json_object_set_new(root, "requirements", require_json(requirements));
    return report_json_write(root, path, err);
}

static void print_tick(const struct histogram *histogram, double percent, uint64_t total,
                       FILE *file)
{
    double value_ms = (double)histogram_percentile(histogram, percent) / NS_PER_MS;
    if (percent < 100)
        fprintf(file, "%12.6f %14.12f %10llu %14.2f\n", value_ms, percent / 100,
                (unsigned long long)total, 1 / (1 - percent / 100));
    else
        fprintf(file, "%12.6f %14.12f %10llu\n", value_ms, 1.0, (unsigned long long)total);
}

int report_hgrm(const struct bench_results *results, const char *path, struct error *err)
{
    const struct histogram *histogram = &results->corrected;
    FILE *file = open_file(path, err);
    if (!file)
        return -1;
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    double percent = 0;
    int failure = 0;
    while (histogram->count > 0 && (100 - percent) / 100 * (double)histogram->count >= 1) {
        /* At 0 stands the smallest value, which was counted as well. */
        uint64_t total = (uint64_t)ceil(percent / 100 * (double)histogram->count);
        print_tick(histogram, percent, total > 0 ? total : 1, file);
        if (failure == 0 && ferror(file))
            failure = errno;
        percent += (100 - percent) / (2 * TICKS_PER_HALF);
    }
    print_tick(histogram, 100, histogram->count, file);
    fprintf(file, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
            histogram_mean(histogram) / NS_PER_MS, histogram_stddev(histogram) / NS_PER_MS);
    fprintf(file, "#[Max     = %12.6f, Total count    = %12llu]\n",
            (double)(histogram->count ? histogram->max : 0) / NS_PER_MS,
            (unsigned long long)histogram->count);
    fprintf(file, "#[Buckets = %12d, SubBuckets     = %12d]\n", 64 - HISTOGRAM_PART_BITS + 1,
            HISTOGRAM_PARTS);
    return close_file(file, failure, path, err);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A bench's results as text, JSON and a percentile file. Errors and the settings are always
 * included, with units. */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/histogram.h"
#include "client/bench_results.h"
#include "client/connect_times.h"
#include "client/options.h"
#include "client/require.h"

/* A warning with `before` in front: the client could run and waited for a processor, for this share
 * of a time that is called `of`. */
void report_starved(uint64_t starved_ns, double share, const char *of, const char *before,
                    FILE *out);

/* The same as "client_starved_ms" and "client_starved_share"; null if it is not known. */
void report_json_starved(json_t *root, bool is_known, uint64_t starved_ns, double share);

void report_text(const struct client_options *options, const char *target,
                 const struct bench_results *results, FILE *out);

/* The outcomes of datagrams: the rest of a line. */
void report_datagrams(const struct udp_counts *counts, FILE *out);

/* The same as numbers of an object. */
void report_json_datagrams(json_t *root, const struct udp_counts *counts);

/* The times to connect, and those of TLS handshakes, if there are any: a line each with `before` in
 * front, "connect time: p50 0.1, p90 0.2, p99 0.2, max 1003.1 ms; 1 of 20 connects took ...". */
void report_connect_times(const struct connect_times *times, const char *before, FILE *out);

/* The same as "connects", "connects_slow", "handshakes", and connect_*_ns and handshake_*_ns. */
void report_json_connects(json_t *root, const struct connect_times *times);

/* A line on standard error if a connection of that time was slow. */
void report_slow_connect(uint64_t connect_ns);

/* A time from a histogram, null if nothing was counted. */
void report_json_time(json_t *root, const char *name, const struct histogram *histogram,
                      uint64_t ns);

/* Such a time in ms for people, "-" if nothing was counted; returns `out`. */
#define REPORT_MS_MAX 32
const char *report_ms(char *out, size_t size, const struct histogram *histogram, double ns);

/* Writes the JSON to the path ("-": standard output). 0 or -1. */
int report_json(const struct client_options *options, const char *target,
                const struct bench_results *results, const struct requirements *requirements,
                const char *path, struct error *err) MUST_CHECK;

/* True if a path for results means standard output; NULL does not. */
bool report_is_output(const char *path);

/* If nothing could be tried: writes JSON with only the reason, if --json is given, so that an older
 * file is not taken for this run's. */
void report_json_failure(const char *command, const struct client_options *options,
                         const struct error *failure);

/* One line with `before` in front: our version, this host's name, and when the command began. */
void report_origin(const struct client_options *options, const char *before, FILE *out);

/* The first members of every command's JSON: schema, command, version, host, started_at, config.
 * The caller owns the reference. */
json_t *report_json_head(const char *command, const struct client_options *options,
                         const char *target);

/* An object with a number for each class. */
json_t *report_json_errors(const uint64_t *errors);

/* Before a run: whether its results could be written there; NULL and "-" always. 0 or -1. */
int report_file_check(const char *path, struct error *err) MUST_CHECK;

/* From now on report_json_write() writes nothing, and hands the object to *document, which must be
 * NULL and is then the caller's reference. NULL: it writes again. */
void report_json_keep(json_t **document);

/* Writes an object to the path ("-": standard output) and lets it go. 0 or -1. */
int report_json_write(json_t *root, const char *path, struct error *err) MUST_CHECK;

/* Writes the corrected latencies in the percentile form of HdrHistogram's plotters, values in
 * milliseconds. 0 or -1. */
int report_hgrm(const struct bench_results *results, const char *path,
                struct error *err) MUST_CHECK;

#endif

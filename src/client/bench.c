/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho bench: shares the work out over threads, shows how it goes, and reports. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/standard.h"
#include "client/bench_results.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/lane.h"
#include "client/report.h"
#include "client/require.h"
#include "client/target.h"
#include "client/udp_target.h"
#include "net/wait.h"
#include "stream/library.h"

#define POLL_MS 50       /* how soon an end is seen */
#define PROGRESS_MS 1000 /* how often a terminal is told */
#define RESERVE_DESCRIPTORS 16
#define RESERVE_A_THREAD 8

struct bench {
    const struct client_options *options;
    struct link_plan plan;
    bool is_udp;
    struct requirements requirements;
    struct lane **lanes;
    uint64_t lane_count;
    struct bench_results *sum;
    struct bench_results *shown; /* the results last shown on the terminal */
    struct histogram recent;     /* latencies since then */
    struct interrupt interrupt;
};

static int check_options(const struct client_options *options, struct requirements *requirements,
                         struct error *err)
{
    if (options->duration_ms == 0 && options->requests == 0)
        return error_option(err, "duration", "0 needs --requests, or the run has no end");
    bool is_udp = options->endpoint.kind == ENDPOINT_UDP;
    if (is_udp && udp_check_options(options, err) < 0)
        return -1;
    if (options->size_max * options->pipeline > (UINT64_C(1) << 40))
        return error_option(err, "pipeline", "that many messages of --size bytes are over 1T");
    if (options->json && options->hdr_out && strcmp(options->json, options->hdr_out) == 0)
        return error_option(err, "hdr-out", "%s is --json's",
                            report_is_output(options->json) ? "standard output" : "that file");
    if (options->duration_ms && options->ramp_up_ms > options->warm_up_ms + options->duration_ms)
        return error_option(err, "ramp-up", "longer than --warm-up and --duration together");
    return require_parse(options->require, endpoint_kinds(&options->endpoint), requirements, err);
}

static int check_descriptors(const struct client_options *options, struct error *err)
{
    uint64_t limit = descriptors_raise();
    uint64_t need =
        options->connections + RESERVE_DESCRIPTORS + RESERVE_A_THREAD * options->threads;
    if (limit == 0 || need <= limit)
        return 0;
    error_start(err, "%" PRIu64 " need%s %" PRIu64 " descriptors, and ulimit -n allows %" PRIu64,
                options->connections, options->connections == 1 ? "s" : "", need, limit);
    return error_blame(err, "connections", NULL);
}

/* ---- lanes ---- */

/* Part `index` of `parts` of a whole; if it does not divide evenly, the first parts are larger by
 * one. */
static uint64_t part_of(uint64_t whole, uint64_t parts, uint64_t index)
{
    return whole / parts + (index < whole % parts ? 1 : 0);
}

static int open_lanes(struct bench *bench, struct error *err)
{
    const struct client_options *options = bench->options;
    uint64_t count =
        options->threads < options->connections ? options->threads : options->connections;
    const struct lane_kind *kind = bench->is_udp ? &lane_of_datagrams : &lane_of_streams;
    uint64_t first = 1;
    bench->lanes = calloc(count, sizeof(*bench->lanes));
    if (!bench->lanes)
        return error_start(err, "no memory for threads");
    for (uint64_t i = 0; i < count; i++) {
        struct lane_share share = {.options = options,
                                   .plan = &bench->plan,
                                   .connections = part_of(options->connections, count, i),
                                   .first_connection = first};
        bench->lanes[i] = lane_new(kind, &share, err);
        if (!bench->lanes[i])
            return -1;
        bench->lane_count++;
        first += share.connections;
    }
    return 0;
}

static int start_lanes(struct bench *bench, struct error *err)
{
    uint64_t start_ns = clock_now_ns();
    for (uint64_t i = 0; i < bench->lane_count; i++) {
        if (lane_start(bench->lanes[i], start_ns, err) < 0)
            return -1;
    }
    return 0;
}

static void stop_lanes(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->lane_count; i++)
        lane_stop(bench->lanes[i]);
}

static void ask_lanes(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->lane_count; i++)
        lane_ask(bench->lanes[i]);
}

static void collect(struct bench *bench)
{
    memset(bench->sum, 0, sizeof(*bench->sum));
    for (uint64_t i = 0; i < bench->lane_count; i++)
        lane_peek(bench->lanes[i], bench->sum);
    bench->sum->is_interrupted = bench->interrupt.has_come;
}

static bool is_over(const struct bench *bench)
{
    for (uint64_t i = 0; i < bench->lane_count; i++) {
        if (!lane_is_over(bench->lanes[i]))
            return false;
    }
    return true;
}

/* ---- the run ---- */

/* The rate and the latency since the line before, so that a stall shows as it happens. */
static void show_progress(struct bench *bench, uint64_t start_ns)
{
    const struct bench_results *sum = bench->sum;
    struct bench_results *shown = bench->shown;
    collect(bench);
    if (shown->start_ns != sum->start_ns ||
        shown->completed > sum->completed) { /* a warm-up ended */
        memset(shown, 0, sizeof(*shown));
        shown->seen_ns = sum->start_ns;
    }
    double seconds =
        sum->seen_ns > shown->seen_ns ? (double)(sum->seen_ns - shown->seen_ns) / 1e9 : 0;
    double rate = seconds > 0 ? (double)(sum->completed - shown->completed) / seconds : 0;
    struct histogram *times = &bench->recent;
    *times = sum->corrected;
    histogram_subtract(times, &shown->corrected);
    char p50[REPORT_MS_MAX], p99[REPORT_MS_MAX];
    fprintf(stderr, "\r\033[K%.0f s  %.0f/s  p50 %s ms  p99 %s ms  errors %" PRIu64,
            (double)(clock_now_ns() - start_ns) / 1e9, rate,
            report_ms(p50, sizeof(p50), times, (double)histogram_percentile(times, 50)),
            report_ms(p99, sizeof(p99), times, (double)histogram_percentile(times, 99)),
            bench_results_errors(sum));
    *shown = *sum;
}

/* Waits for the lanes, which a first interrupt makes stop. */
static void wait_for_end(struct bench *bench)
{
    struct interrupt *interrupt = &bench->interrupt;
    struct pollfd polled = {.fd = interrupt->fd, .events = POLLIN};
    bool shows = !bench->options->quiet && isatty(STDERR_FILENO);
    uint64_t start_ns = clock_now_ns(), shown_ns = start_ns;
    bool is_asked = false;
    while (!is_over(bench)) {
        if (wait_until(&polled, 1, clock_now_ns() + POLL_MS * 1000000U) > 0 &&
            interrupt_read(interrupt) == SIGINT)
            stop_lanes(bench);
        uint64_t since_ms = (clock_now_ns() - shown_ns) / 1000000;
        if (shows && !is_asked && since_ms >= PROGRESS_MS - POLL_MS) {
            ask_lanes(bench); /* the pictures are there at the next turn */
            is_asked = true;
        } else if (shows && since_ms >= PROGRESS_MS) {
            show_progress(bench, start_ns);
            shown_ns = clock_now_ns();
            is_asked = false;
        }
    }
    if (shows)
        fprintf(stderr, "\r\033[K");
}

/* The exit code for the results. */
static int judge(const struct bench *bench)
{
    bool missed = bench->requirements.missed > 0;
    const struct client_options *options = bench->options;
    const struct bench_results *sum = bench->sum;
    uint64_t errors = bench_results_errors(sum);
    if (sum->established == 0 && errors > 0)
        return EXIT_CODE_START;
    if (sum->completed == 0 && sum->is_interrupted) {
        fprintf(stderr, OPTIONS_PROGRAM ": interrupted before anything was measured\n");
        return EXIT_CODE_FAILED;
    }
    if (sum->established == 0) {
        fprintf(stderr, OPTIONS_PROGRAM ": the time was over before a connection was open; a "
                                        "longer --duration is expected\n");
        return EXIT_CODE_START;
    }
    if (sum->completed == 0 && errors == 0 && !missed) {
        fprintf(stderr, OPTIONS_PROGRAM ": no echo was counted, so nothing is known; a longer "
                                        "--duration or a higher --rate is expected\n");
        return EXIT_CODE_FAILED;
    }
    /* An error that --require judges is not a failure by itself. A wrong byte always is, and so is
     * a run that could not continue. */
    if (require_names(options->require, "errors"))
        errors = sum->errors[OUTCOME_MISMATCH];
    bool is_unanswered = !options->require && sum->unanswered > 0;
    bool is_failed = missed || errors || is_unanswered || sum->given_up > 0;
    return is_failed ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static int report(struct bench *bench, struct error *err)
{
    const struct client_options *options = bench->options;
    const struct bench_results *sum = bench->sum;
    bool json_is_output = report_is_output(options->json);
    bool is_brief = json_is_output && options->quiet;
    FILE *text = json_is_output ? stderr : stdout;
    require_judge(&bench->requirements, sum);
    if (!is_brief)
        report_text(options, bench->plan.target.name, sum, text);
    if (!is_brief && bench->requirements.count > 0)
        fputc('\n', text);
    require_print(&bench->requirements, is_brief, text);
    standard_flush(text);
    if ((options->json && report_json(options, bench->plan.target.name, sum, &bench->requirements,
                                      options->json, err) < 0) ||
        (options->hdr_out && report_hgrm(sum, options->hdr_out, err) < 0))
        return error_report(err, OPTIONS_PROGRAM);
    return judge(bench);
}

static int run(struct bench *bench, struct error *err)
{
    interrupt_open(&bench->interrupt, false); /* before the threads, which inherit the mask */
    if (open_lanes(bench, err) < 0 || start_lanes(bench, err) < 0) {
        stop_lanes(bench);
        report_json_failure("bench", bench->options, err);
        return error_report(err, OPTIONS_PROGRAM);
    }
    wait_for_end(bench);
    interrupt_while_reporting();
    interrupt_close(&bench->interrupt);
    collect(bench);
    return report(bench, err);
}

/* The one address that answers. */
static int find_target(struct bench *bench, struct error *err)
{
    struct link link;
    if (bench->is_udp)
        return udp_target_find(bench->options, &bench->plan.target, NULL, err);
    if (target_connect(bench->options, &bench->plan, &link, err) < 0)
        return -1;
    (void)link_leave(&link, LINK_LEAVE_MS);
    link_clear(&link);
    return 0;
}

int bench_run(const struct client_options *options)
{
    struct error err;
    struct bench bench = {.options = options,
                          .is_udp = options->endpoint.kind == ENDPOINT_UDP,
                          .sum = calloc(2, sizeof(*bench.sum))};
    if (!bench.sum)
        return EXIT_CODE_START;
    bench.shown = bench.sum + 1; /* freed with it */
    int code;
    library_start(NULL);
    if (check_options(options, &bench.requirements, &err) < 0) {
        code = error_report(&err, OPTIONS_PROGRAM);
    } else if (check_descriptors(options, &err) < 0 || find_target(&bench, &err) < 0) {
        code = error_report(&err, OPTIONS_PROGRAM);
        report_json_failure("bench", options, &err);
    } else {
        code = run(&bench, &err);
    }
    for (uint64_t i = 0; i < bench.lane_count; i++)
        lane_free(bench.lanes[i]);
    target_close(&bench.plan);
    free(bench.lanes);
    free(bench.sum);
    library_stop();
    return code;
}

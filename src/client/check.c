/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho check: runs the properties, and tells each in one line of TAP. */
#include "client/check.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/pattern.h"
#include "base/standard.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/report.h"
#include "client/target.h"
#include "client/udp_target.h"

/* All properties together, where every one of them hangs (evecho(1): within 40 s). */
#define BUDGET_MS 38000
#define NS_PER_MS UINT64_C(1000000)

/* ---- for the properties ---- */

struct probe check_probe(struct check *check)
{
    uint64_t connection = ++check->connections;
    return (struct probe){.plan = &check->plan,
                          .run = &check->run,
                          .link = {.fd = -1},
                          .connection = connection,
                          .seed = pattern_seed(check->options->seed, connection),
                          .wake_fd = check->interrupt.fd,
                          .until_ns = check->until_ns,
                          .timeout_ms = check->options->timeout_ms,
                          .scratch = check->scratch};
}

enum verdict check_verdict(struct check *check, enum verdict verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(check->diagnosis, sizeof(check->diagnosis), format, args);
    va_end(args);
    return verdict;
}

bool check_is_interrupted(const struct check *check)
{
    return check->interrupt.has_come;
}

bool check_is_our_limit(struct check *check, int error)
{
    if (error == EMFILE)
        (void)check_verdict(check, VERDICT_CHOICE,
                            "cannot be tried: our own descriptor limit (ulimit -n) of %" PRIu64
                            " leaves none for another connection",
                            descriptors_limit());
    else if (error == ENFILE)
        (void)check_verdict(check, VERDICT_CHOICE, "cannot be tried here: %s", strerror(error));
    return error == EMFILE || error == ENFILE;
}

enum verdict check_fault(struct check *check, struct probe *probe)
{
    probe_close(probe);
    if (probe->failure.how.outcome == OUTCOME_OK)
        return VERDICT_OK;
    if (check_is_our_limit(check, probe->failure.how.error))
        return VERDICT_CHOICE;
    if (probe->is_out_of_time && probe->sent == 0)
        return check_verdict(check, VERDICT_CHOICE,
                             "its share of our time was over while it still connected: alone, with "
                             "--only, it has all of it");
    if (probe->is_out_of_time)
        return check_verdict(check, VERDICT_CHOICE,
                             "its share of our time was over before it was done, with %" PRIu64
                             " of %" PRIu64 " bytes back and right: alone, with --only, it has all "
                             "of it",
                             probe->checked, probe->sent);
    FILE *text = fmemopen(check->diagnosis, sizeof(check->diagnosis), "w");
    if (text) {
        report_failure(&probe->failure, check->plan.target.name, text);
        fclose(text);
    }
    check->diagnosis[strcspn(check->diagnosis, "\n")] = '\0';
    return VERDICT_FAULT;
}

/* ---- which ones ---- */

/* Streams have one table, datagrams another. */
static const struct property *properties_of(const struct options *options)
{
    return options->endpoint.kind == ENDPOINT_UDP ? CHECK_UDP_PROPERTIES : CHECK_PROPERTIES;
}

/* True where a list "a,b,c" has the name. */
static bool has_name(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strcspn(at, ",") == length && strncmp(at, name, length) == 0)
            return true;
    }
    return false;
}

/* True where there is what it needs. */
static bool can_be_tried(const struct options *options, const struct property *property)
{
    return property->when == ALWAYS || (property->when == WITH_IDLE && options->idle_ms > 0) ||
           (property->when == WITH_TLS && options->endpoint.kind == ENDPOINT_TLS);
}

static bool is_chosen(const struct options *options, const struct property *property)
{
    if (options->only && !has_name(options->only, property->name))
        return false;
    if (options->skip && has_name(options->skip, property->name))
        return false;
    return can_be_tried(options, property);
}

static const struct property *find_property(const struct property *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0)
        table++;
    return table->name ? table : NULL;
}

/* Names that were asked for and would not be tried make a run that passes and has shown nothing. */
static int check_name(const struct options *options, const char *option, const char *name,
                      struct error *err)
{
    bool is_udp = options->endpoint.kind == ENDPOINT_UDP, is_only = strcmp(option, "only") == 0;
    const struct property *property = find_property(properties_of(options), name);
    if (!property && find_property(is_udp ? CHECK_PROPERTIES : CHECK_UDP_PROPERTIES, name))
        return error_usage(err, "--%s: '%s' is a property of %s", option, name,
                           is_udp ? "streams, and udp:// is none" : "udp:// endpoints");
    if (!property)
        return error_usage(err, "--%s: '%s' is not a property; --list names them all", option,
                           name);
    if (is_only && !can_be_tried(options, property))
        return error_usage(err, "--only: '%s' is %s", name,
                           property->when == WITH_IDLE ? "tried with --idle TIME"
                                                       : "a property of tls:// endpoints");
    return 0;
}

static int check_names(const struct options *options, const char *option, const char *list,
                       struct error *err)
{
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, ","), at);
        if (check_name(options, option, name, err) < 0)
            return -1;
    }
    return 0;
}

static int count_chosen(const struct options *options)
{
    int count = 0;
    for (const struct property *property = properties_of(options); property->name; property++)
        count += is_chosen(options, property);
    return count;
}

/* ---- telling ---- */

static void print_verdict(const struct check *check, const struct property *property, int number,
                          enum verdict verdict, FILE *out)
{
    bool has_more = check->diagnosis[0] != '\0';
    if (verdict == VERDICT_CHOICE)
        fprintf(out, "ok %d %s # SKIP %s\n", number, property->name, check->diagnosis);
    else
        fprintf(out, "%s %d %s\n", verdict == VERDICT_OK ? "ok" : "not ok", number, property->name);
    if (verdict != VERDICT_CHOICE && has_more)
        fprintf(out, "# %s\n", check->diagnosis);
    standard_flush(out);
}

static json_t *json_of(const struct check *check, const struct property *property,
                       enum verdict verdict, uint64_t elapsed_ns)
{
    static const char *const WORDS[] = {"ok", "not ok", "choice"};
    json_t *object = json_object();
    (void)json_object_set_new(object, "name", json_string(property->name));
    (void)json_object_set_new(object, "verdict", json_string(WORDS[verdict]));
    (void)json_object_set_new(object, "diagnosis", json_string(check->diagnosis));
    (void)json_object_set_new(object, "elapsed_ns", json_integer((json_int_t)elapsed_ns));
    return object;
}

static void show_progress(const struct options *options, const char *name)
{
    if (!options->quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s%s", name, *name ? "..." : "");
}

/* ---- the run ---- */

struct tally {
    int done;
    int verdicts[3];
    bool is_interrupted; /* before all were done */
    json_t *properties;
};

/* Each property may take its share of what is left, so that one that hangs leaves the others
 * theirs, and what the quick ones do not use goes to the heavy ones at the end. What one comes to
 * that is interrupted is no verdict. */
static void run_one(struct check *check, const struct property *property, uint64_t budget_end_ns,
                    int left, struct tally *tally, FILE *out)
{
    uint64_t start_ns = clock_now_ns();
    uint64_t budget_ns = budget_end_ns > start_ns ? budget_end_ns - start_ns : 0;
    check->until_ns = start_ns + budget_ns / (uint64_t)left;
    check->run.progress_ns = start_ns;
    check->diagnosis[0] = '\0';
    show_progress(check->options, property->name);
    enum verdict verdict = property->run(check);
    show_progress(check->options, "");
    if (check_is_interrupted(check))
        return;
    print_verdict(check, property, ++tally->done, verdict, out);
    tally->verdicts[verdict]++;
    (void)json_array_append_new(tally->properties,
                                json_of(check, property, verdict, clock_now_ns() - start_ns));
}

/* A first interrupt ends the property that runs; a second one ends the program at once. */
static void run_all(struct check *check, struct tally *tally, FILE *out)
{
    int chosen = count_chosen(check->options);
    uint64_t budget_end_ns = clock_now_ns() + BUDGET_MS * NS_PER_MS;
    fprintf(out, "1..%d\n", chosen);
    for (const struct property *property = properties_of(check->options);
         property->name && !check_is_interrupted(check); property++) {
        if (is_chosen(check->options, property))
            run_one(check, property, budget_end_ns, chosen - tally->done, tally, out);
    }
    if (tally->verdicts[VERDICT_OK] < tally->done)
        fprintf(out, "# seed %" PRIu64 "\n",
                check->options->seed); /* to try it with the same bytes */
    tally->is_interrupted = tally->done < chosen;
    if (tally->is_interrupted)
        fprintf(out, "Bail out! interrupted after %d of %d %s\n", tally->done, chosen,
                chosen == 1 ? "property" : "properties");
    standard_flush(out);
}

static int write_json(const struct check *check, const struct tally *tally, struct error *err)
{
    static const char *const NAMES[] = {"passed", "failed", "choices"};
    json_t *root = report_json_head("check", check->options, check->plan.target.name);
    for (int i = 0; i < 3; i++)
        (void)json_object_set_new(root, NAMES[i], json_integer(tally->verdicts[i]));
    (void)json_object_set_new(root, "interrupted", json_boolean(tally->is_interrupted));
    (void)json_object_set(root, "properties", tally->properties);
    return report_json_write(root, check->options->json, err);
}

static int complain(const struct error *err)
{
    fprintf(stderr, OPTIONS_PROGRAM ": %s\n", err->text);
    return (int)err->exit_code;
}

/* The one address that answers. */
static int find_target(struct check *check, struct error *err)
{
    struct link link;
    if (check->options->endpoint.kind == ENDPOINT_UDP)
        return udp_check_options(check->options, err) < 0
                   ? -1
                   : udp_target_find(check->options, &check->plan.target, NULL, err);
    if (target_connect(check->options, &check->plan, &link, err) < 0)
        return -1;
    (void)link_leave(&link, LINK_LEAVE_MS);
    link_clear(&link);
    return 0;
}

static void list_properties(void)
{
    static const struct property *const TABLES[] = {CHECK_PROPERTIES, CHECK_UDP_PROPERTIES};
    for (size_t i = 0; i < sizeof(TABLES) / sizeof(TABLES[0]); i++) {
        for (const struct property *property = TABLES[i]; property->name; property++)
            printf("%-24s%s%s\n", property->name, i ? "udp: " : "", property->summary);
    }
}

static int run(struct check *check, struct error *err)
{
    const struct options *options = check->options;
    struct tally tally = {0};
    if (find_target(check, err) < 0) {
        report_json_failure("check", options, err);
        return complain(err);
    }
    tally.properties = json_array();
    check->is_unix = check->plan.target.address.ss_family == AF_UNIX;
    if (interrupt_watch_start(&check->interrupt) < 0) {
        error_start(err, "no thread to wait for signals");
        json_decref(tally.properties);
        return complain(err);
    }
    run_all(check, &tally, report_is_output(options->json) ? stderr : stdout);
    interrupt_watch_stop(&check->interrupt);
    interrupt_while_reporting();
    bool is_verified = tally.verdicts[VERDICT_FAULT] == 0 && !tally.is_interrupted;
    int code = is_verified ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    if (options->json && write_json(check, &tally, err) < 0)
        code = complain(err);
    json_decref(tally.properties);
    target_close(&check->plan);
    return code;
}

int check_run(const struct options *options)
{
    struct error err;
    struct check check = {.options = options};
    if (check_names(options, "only", options->only, &err) < 0 ||
        check_names(options, "skip", options->skip, &err) < 0)
        return complain(&err);
    if (options->list) {
        list_properties();
        return EXIT_CODE_OK;
    }
    if (count_chosen(options) == 0) {
        error_usage(&err, "--skip: no property is left");
        return complain(&err);
    }
    (void)descriptors_raise(); /* what cannot be had shows where it is wanted */
    check.scratch = malloc(PROBE_SCRATCH_BYTES);
    if (!check.scratch)
        return EXIT_CODE_START;
    int code = run(&check, &err);
    free(check.scratch);
    return code;
}

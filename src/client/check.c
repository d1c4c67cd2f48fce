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
#include "base/units.h"
#include "client/commands.h"
#include "client/interrupt.h"
#include "client/report.h"
#include "client/symptom.h"
#include "client/target.h"
#include "client/udp_target.h"
#include "client/wrap.h"

#define NS_PER_MS UINT64_C(1000000)
/* The part of --budget reserved for the end if every property hangs. */
#define BUDGET_RESERVE 20
/* For a property of streams to be tried at all: to connect, a few rounds, the end. */
#define SHARE_ROUND_TRIPS 8
#define LATELY_ROUND_TRIPS 4
#define LATELY_MS 1000
/* For measuring the round trip: echoes, and the share of --budget that they may take. */
#define MEASURED_ECHOES 3
#define MEASURED_SHARE 8

/* ---- for the properties ---- */

static struct probe probe_of(struct check *check, uint64_t connection)
{
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

struct probe check_probe(struct check *check)
{
    return probe_of(check, ++check->connections);
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

static uint64_t left_ns(uint64_t until_ns)
{
    uint64_t now_ns = clock_now_ns();
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

uint64_t check_rounds(struct check *check, uint64_t most, uint64_t least, uint64_t round_trips)
{
    uint64_t round_ns = check->round_trip_ns * round_trips + 1;
    uint64_t rounds = left_ns(check->until_ns) / 2 / round_ns;
    rounds = rounds < least ? least : rounds;
    check->is_shortened |= rounds < most;
    return rounds < most ? rounds : most;
}

uint64_t check_still_ms(const struct check *check, uint64_t still_ms)
{
    return still_ms + LATELY_ROUND_TRIPS * check->round_trip_ns / NS_PER_MS;
}

bool check_is_our_limit(struct check *check, int error)
{
    const char *no_port = dial_hint(&check->plan.target, error);
    if (error == EMFILE)
        (void)check_verdict(check, VERDICT_UNTRIED,
                            "our own descriptor limit (ulimit -n) of %" PRIu64
                            " leaves none for another connection",
                            descriptors_limit());
    else if (error == ENFILE)
        (void)check_verdict(check, VERDICT_UNTRIED, "%s", strerror(error));
    else if (no_port)
        (void)check_verdict(check, VERDICT_UNTRIED, "our own limit: %s", no_port);
    return error == EMFILE || error == ENFILE || no_port;
}

enum verdict check_fault(struct check *check, struct probe *probe)
{
    probe_close(probe);
    if (probe->failure.how.outcome == OUTCOME_OK)
        return VERDICT_OK;
    if (check_is_our_limit(check, probe->failure.how.error))
        return VERDICT_UNTRIED;
    if (probe->is_out_of_time && probe->sent == 0)
        return check_verdict(
            check, VERDICT_UNTRIED,
            "its share of our time was over while it still connected" CHECK_MORE_TIME);
    if (probe->is_out_of_time)
        return check_verdict(check, VERDICT_UNTRIED,
                             "its share of our time was over before it was done, with %" PRIu64
                             " of %" PRIu64 " bytes back and right" CHECK_MORE_TIME,
                             probe->checked, probe->sent);
    check->failure = probe->failure;
    (void)failure_text(&probe->failure, check->plan.target.name, check->diagnosis,
                       sizeof(check->diagnosis));
    return VERDICT_FAULT;
}

enum verdict check_blame(struct check *check, const struct probe *probe)
{
    check->failure = probe->failure;
    check->failure.connection = probe->connection;
    check->failure.offset = probe->checked;
    if (!check->failure.when.time_ns)
        check->failure.when = link_moment(&probe->link);
    return VERDICT_FAULT;
}

/* ---- which ones ---- */

/* Streams have one table, datagrams another. */
static const struct property *properties_of(const struct client_options *options)
{
    return options->endpoint.kind == ENDPOINT_UDP ? CHECK_UDP_PROPERTIES : CHECK_PROPERTIES;
}

/* True if a list "a,b,c" contains the name. */
static bool has_name(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strcspn(at, ",") == length && strncmp(at, name, length) == 0)
            return true;
    }
    return false;
}

/* True if its requirements are met. */
static bool can_be_tried(const struct client_options *options, const struct property *property)
{
    return property->when == ALWAYS || (property->when == WITH_IDLE && options->idle_ms > 0) ||
           (property->when == WITH_TLS && options->endpoint.kind == ENDPOINT_TLS);
}

static bool is_chosen(const struct client_options *options, const struct property *property)
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
static int check_name(const struct client_options *options, const char *option, const char *name,
                      struct error *err)
{
    bool is_udp = options->endpoint.kind == ENDPOINT_UDP, is_only = strcmp(option, "only") == 0;
    const struct property *property = find_property(properties_of(options), name);
    if (!property && find_property(is_udp ? CHECK_PROPERTIES : CHECK_UDP_PROPERTIES, name))
        return error_option(err, option, "'%s' is a property of %s", name,
                            is_udp ? "streams, and udp:// is none" : "udp:// endpoints");
    if (!property)
        return error_option(err, option, "'%s' is not a property; --list names them all", name);
    if (is_only && !can_be_tried(options, property))
        return error_option(err, "only", "'%s' is %s", name,
                            property->when == WITH_IDLE ? "tried with --idle TIME"
                                                        : "a property of tls:// endpoints");
    return 0;
}

static int check_names(const struct client_options *options, const char *option, const char *list,
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

static int count_chosen(const struct client_options *options)
{
    int count = 0;
    for (const struct property *property = properties_of(options); property->name; property++)
        count += is_chosen(options, property);
    return count;
}

/* ---- one property ---- */

/* The result of a property: how many of --repeat tries held before the last. */
struct result {
    enum verdict verdict;
    uint64_t held;
    uint64_t elapsed_ns;
};

/* A fault that the failure of no connection tells has its property's own entry. */
static enum verdict name_symptom(struct check *check, const struct property *property,
                                 enum verdict verdict)
{
    bool is_udp = check->options->endpoint.kind == ENDPOINT_UDP;
    const char *own = is_udp && property->when == WITH_IDLE ? "udp-idle" : property->name;
    const char *fits = symptom_for(&check->failure);
    if (verdict == VERDICT_FAULT)
        check->failure.symptom = fits ? fits : own;
    return verdict;
}

/* With --strict a choice is a fault. A limit of our own or of this path never is. */
static enum verdict judge(const struct check *check, enum verdict verdict)
{
    return check->options->strict && verdict == VERDICT_CHOICE ? VERDICT_FAULT : verdict;
}

/* Tries it --repeat times, each within its share of the remaining time, until it fails. */
static struct result try_property(struct check *check, const struct property *property,
                                  uint64_t end_ns)
{
    struct result result = {.verdict = VERDICT_OK};
    uint64_t repeat = check->options->repeat, begin_ns = clock_now_ns();
    uint64_t silence_ns =
        property->when == WITH_IDLE ? check->options->idle_ms * NS_PER_MS : 0; /* besides */
    for (; result.held < repeat && !check_is_interrupted(check); result.held++) {
        uint64_t start_ns = clock_now_ns(), share_ns = left_ns(end_ns) / (repeat - result.held);
        enum verdict verdict = VERDICT_UNTRIED;
        check->until_ns = start_ns + share_ns + silence_ns;
        end_ns += silence_ns;
        check->run.progress_ns = start_ns;
        check->diagnosis[0] = '\0';
        check->failure = (struct failure){0};
        if (share_ns >= NS_PER_MS)
            verdict = name_symptom(check, property, judge(check, property->run(check)));
        else
            (void)check_verdict(check, verdict, "our time was over" CHECK_MORE_TIME);
        if (verdict > result.verdict || verdict == VERDICT_FAULT)
            result.verdict = verdict;
        if (verdict == VERDICT_FAULT || verdict == VERDICT_UNTRIED)
            break;
    }
    result.elapsed_ns = clock_now_ns() - begin_ns;
    return result;
}

/* ---- telling ---- */

static void print_verdict(const struct check *check, const struct property *property, int number,
                          const struct result *result, FILE *out)
{
    enum verdict verdict = result->verdict;
    bool is_skip = verdict != VERDICT_OK && verdict != VERDICT_FAULT;
    fprintf(out, "%s %d %s", verdict == VERDICT_FAULT ? "not ok" : "ok", number, property->name);
    if (is_skip)
        fprintf(out, " # SKIP %s%s", verdict == VERDICT_UNTRIED ? "not tried: " : "",
                check->diagnosis);
    fputc('\n', out);
    if (check->options->repeat > 1)
        fprintf(out, "# held %" PRIu64 " of %" PRIu64 " times\n", result->held,
                check->options->repeat);
    if (!is_skip && check->diagnosis[0])
        wrap_print("# ", "#   ", check->diagnosis, wrap_width(out), out);
    if (verdict == VERDICT_FAULT)
        failure_print_details(&check->failure, "#   ", out);
    standard_flush(out);
}

static json_t *json_of(const struct check *check, const struct property *property,
                       const struct result *result)
{
    static const char *const WORDS[VERDICT_COUNT] = {"ok", "not ok", "choice", "choice",
                                                     "not tried"};
    json_t *object = json_object();
    (void)json_object_set_new(object, "name", json_string(property->name));
    (void)json_object_set_new(object, "verdict", json_string(WORDS[result->verdict]));
    (void)json_object_set_new(object, "diagnosis", json_string(check->diagnosis));
    json_t *failure = json_null();
    if (result->verdict == VERDICT_FAULT)
        failure = failure_json(&check->failure, check->plan.target.name);
    (void)json_object_set_new(failure, "text", json_string(check->diagnosis));
    (void)json_object_set_new(object, "failure", failure);
    (void)json_object_set_new(object, "held", json_integer((json_int_t)result->held));
    (void)json_object_set_new(object, "elapsed_ns", json_integer((json_int_t)result->elapsed_ns));
    return object;
}

static void show_progress(const struct client_options *options, const char *name)
{
    if (!options->quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s%s", name, *name ? "..." : "");
}

/* ---- the run ---- */

struct tally {
    int done;
    int verdicts[VERDICT_COUNT];
    bool is_interrupted; /* before all were done */
    bool is_dead;        /* not a byte has come back, and a property has failed */
    bool is_stopped;     /* before all were done, for that */
    json_t *properties;
};

/* Each property may use its share of the remaining time. So one that hangs leaves time for the
 * others, and the time that quick ones do not use is left to the slow ones at the end. On a slow
 * path a share is at least a few round trips, since nothing could be tried otherwise. An
 * interrupted property has no verdict. */
static void run_one(struct check *check, const struct property *property, uint64_t budget_end_ns,
                    int left, struct tally *tally, FILE *out)
{
    uint64_t start_ns = clock_now_ns(), budget_ns = left_ns(budget_end_ns);
    uint64_t share_ns = budget_ns / (uint64_t)left;
    uint64_t least_ns = SHARE_ROUND_TRIPS * check->round_trip_ns;
    share_ns = share_ns > least_ns ? share_ns : least_ns;
    share_ns = share_ns < budget_ns ? share_ns : budget_ns;
    show_progress(check->options, property->name);
    struct result result = try_property(check, property, start_ns + share_ns);
    show_progress(check->options, "");
    if (check_is_interrupted(check))
        return;
    print_verdict(check, property, ++tally->done, &result, out);
    tally->verdicts[result.verdict]++;
    (void)json_array_append_new(tally->properties, json_of(check, property, &result));
}

/* An echo of one byte, on the connection that is open already: whether it is right is not judged
 * here. The shortest of a few, since on a bad path one may have been sent twice. */
static void measure_round_trip(struct check *check, uint64_t budget_ns)
{
    uint64_t wait_ns = budget_ns / MEASURED_SHARE,
             timeout_ns = check->options->timeout_ms * NS_PER_MS;
    struct probe probe = probe_of(check, 0); /* none of the properties' has its bytes */
    probe.link = check->first;
    probe.until_ns = clock_now_ns() + (wait_ns < timeout_ns ? wait_ns : timeout_ns);
    for (int i = 0; i < MEASURED_ECHOES; i++) {
        uint64_t start_ns = clock_now_ns();
        if (!probe_exchange(&probe, 1))
            break;
        uint64_t took_ns = clock_now_ns() - start_ns;
        if (i == 0 || took_ns < check->round_trip_ns)
            check->round_trip_ns = took_ns;
    }
    probe_close(&probe);
}

static int choices_of(const struct tally *tally)
{
    return tally->verdicts[VERDICT_CHOICE] + tally->verdicts[VERDICT_MOOT];
}

static enum exit_code exit_code_of(const struct tally *tally)
{
    if (tally->verdicts[VERDICT_FAULT] > 0 || tally->is_interrupted)
        return EXIT_CODE_FAILED;
    return tally->verdicts[VERDICT_UNTRIED] > 0 ? EXIT_CODE_UNTRIED : EXIT_CODE_OK;
}

/* Whatever the other properties ask would fail as well. */
static void tell_dead(const struct check *check, FILE *out)
{
    enum outcome_end end = check->failure.how.end;
    const char *endpoint = check->options->endpoint_text;
    bool is_ended = end == STREAM_END_FIN || end == STREAM_END_RST || end == STREAM_END_TRUNCATED;
    fprintf(out,
            "# not one byte came back%s. What to try next:\n"
            "#   evecho ping %s\n"
            "#     does it ever answer?\n",
            is_ended ? ": a proxy without a backend ends so" : "", endpoint);
    if (check->options->endpoint.kind == ENDPOINT_TCP)
        fprintf(out,
                "#   evecho ping tls://%s\n"
                "#     does it speak TLS? It waits for a handshake then\n",
                strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint);
    fprintf(out, "#   another port or address: is an echo there, and does a proxy lead to it?\n");
}

/* Reports facts about all of them. */
static void tell_end(const struct check *check, const struct tally *tally, int chosen, FILE *out)
{
    const char *properties = chosen == 1 ? "property" : "properties";
    const struct property *idle = find_property(properties_of(check->options), "idle");
    report_connect_times(&check->run.connects, "# ", out);
    if (check->is_shortened)
        fprintf(
            out,
            "# a round trip takes %.1f ms: some properties had fewer rounds, or less data, than "
            "on a faster path\n",
            (double)check->round_trip_ns / 1e6);
    if (!can_be_tried(check->options, idle) && !check->options->only && !tally->is_dead)
        fprintf(out, "# idle was not tried: --idle TIME shows what ends a silent connection\n");
    if (tally->is_interrupted)
        fprintf(out, "Bail out! interrupted after %d of %d %s\n", tally->done, chosen, properties);
    if (tally->is_stopped)
        fprintf(out, "Bail out! nothing comes back: stopped after %d of %d %s\n", tally->done,
                chosen, properties);
    int choices = choices_of(tally);
    fprintf(out, "# %d held, %d failed, %d choice%s, %d not tried: exit status %d\n",
            tally->verdicts[VERDICT_OK], tally->verdicts[VERDICT_FAULT], choices,
            units_plural((uint64_t)choices),
            tally->verdicts[VERDICT_UNTRIED] + chosen - tally->done, (int)exit_code_of(tally));
}

/* A first interrupt ends the property that runs; a second one ends the program at once. If not a
 * byte came back from the endpoint, one failure says all. */
static void run_all(struct check *check, struct tally *tally, FILE *out)
{
    int chosen = count_chosen(check->options);
    bool is_stream = check->options->endpoint.kind != ENDPOINT_UDP; /* else it has answered */
    uint64_t budget_ms = check->options->budget_ms - check->options->budget_ms / BUDGET_RESERVE;
    uint64_t budget_ns = budget_ms * NS_PER_MS, budget_end_ns = check->start_ns + budget_ns;
    check->run.seed = check->options->seed;
    check->run.lately_ns = LATELY_MS * NS_PER_MS;
    if (check->first.fd >= 0)
        measure_round_trip(check, budget_ns);
    check->run.lately_ns = check_still_ms(check, LATELY_MS) * NS_PER_MS;
    fprintf(out, "1..%d\n", chosen);
    for (const struct property *property = properties_of(check->options);
         property->name && !check_is_interrupted(check) && !tally->is_dead; property++) {
        if (is_chosen(check->options, property))
            run_one(check, property, budget_end_ns, chosen - tally->done, tally, out);
        tally->is_dead =
            is_stream && tally->verdicts[VERDICT_FAULT] > 0 && check->run.came_bytes == 0;
    }
    if (tally->verdicts[VERDICT_OK] < tally->done)
        fprintf(out, "# seed %" PRIu64 "\n",
                check->options->seed); /* to try it with the same bytes */
    tally->is_stopped = tally->done < chosen && tally->is_dead;
    tally->is_interrupted = tally->done < chosen && !tally->is_dead;
    if (tally->is_dead)
        tell_dead(check, out);
    tell_end(check, tally, chosen, out);
    standard_flush(out);
}

static int write_json(const struct check *check, const struct tally *tally, struct error *err)
{
    json_t *root = report_json_head("check", check->options, check->plan.target.name);
    const struct {
        const char *name;
        int count;
    } counts[] = {
        {"passed", tally->verdicts[VERDICT_OK]},
        {"failed", tally->verdicts[VERDICT_FAULT]},
        {"choices", choices_of(tally)},
        {"not_tried", tally->verdicts[VERDICT_UNTRIED] +
                          (tally->is_stopped ? count_chosen(check->options) - tally->done : 0)}};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        (void)json_object_set_new(root, counts[i].name, json_integer(counts[i].count));
    (void)json_object_set_new(root, "round_trip_ns",
                              json_integer((json_int_t)check->round_trip_ns));
    report_json_connects(root, &check->run.connects);
    (void)json_object_set_new(root, "interrupted", json_boolean(tally->is_interrupted));
    (void)json_object_set_new(root, "stopped", json_boolean(tally->is_stopped));
    (void)json_object_set(root, "properties", tally->properties);
    return report_json_write(root, check->options->json, err);
}

/* The one address that answers. How long that took stands for a round trip until one is measured.
 */
static int find_target(struct check *check, struct error *err)
{
    link_init(&check->first);
    if (check->options->endpoint.kind == ENDPOINT_UDP)
        return udp_check_options(check->options, err) < 0
                   ? -1
                   : udp_target_find(check->options, &check->plan.target, &check->round_trip_ns,
                                     err);
    uint64_t start_ns = clock_now_ns();
    if (target_connect(check->options, &check->plan, &check->first, err) < 0)
        return -1;
    check->round_trip_ns = clock_now_ns() - start_ns;
    connect_times_note(&check->run.connects, &check->first, OUTCOME_OK);
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
    const struct client_options *options = check->options;
    struct tally tally = {0};
    check->start_ns = clock_now_ns();
    if (find_target(check, err) < 0) {
        report_json_failure("check", options, err);
        return error_report(err, OPTIONS_PROGRAM);
    }
    tally.properties = json_array();
    check->is_unix = check->plan.target.address.ss_family == AF_UNIX;
    if (interrupt_watch_start(&check->interrupt) < 0) {
        error_start(err, "no thread to wait for signals");
        json_decref(tally.properties);
        link_clear(&check->first);
        target_close(&check->plan);
        return error_report(err, OPTIONS_PROGRAM);
    }
    run_all(check, &tally, report_is_output(options->json) ? stderr : stdout);
    interrupt_watch_stop(&check->interrupt);
    interrupt_while_reporting();
    int code = (int)exit_code_of(&tally);
    if (options->json && write_json(check, &tally, err) < 0)
        code = error_report(err, OPTIONS_PROGRAM);
    json_decref(tally.properties);
    target_close(&check->plan);
    return code;
}

int check_run(const struct client_options *options)
{
    struct error err;
    struct check check = {.options = options};
    if (check_names(options, "only", options->only, &err) < 0 ||
        check_names(options, "skip", options->skip, &err) < 0)
        return error_report(&err, OPTIONS_PROGRAM);
    if (options->list) {
        list_properties();
        return EXIT_CODE_OK;
    }
    if (count_chosen(options) == 0) {
        error_option(&err, "skip", "no property is left");
        return error_report(&err, OPTIONS_PROGRAM);
    }
    (void)descriptors_raise(); /* a limit that is too low is reported when it is reached */
    check.scratch = malloc(PROBE_SCRATCH_BYTES);
    if (!check.scratch)
        return EXIT_CODE_START;
    int code = run(&check, &err);
    free(check.scratch);
    return code;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/require.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "base/units.h"
#include "client/report.h"

#define NS_PER_MS 1e6
/* A schedule ends between two messages, and a run a moment after its time. */
#define RATE_GRACE 0.01
#define PPM_PER_PERCENT 10000
#define PPM_MAX (100 * PPM_PER_PERCENT)
#define NUMBER_MAX INT64_MAX /* as JSON holds it */
#define ANYWHERE (ENDPOINTS_STREAMS_HERE | ENDPOINTS_UDP)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- measures ---- */

static double rate_of(const struct bench_results *results)
{
    return bench_results_rate(results);
}

static double errors_of(const struct bench_results *results)
{
    return (double)bench_results_errors(results);
}

static double established_of(const struct bench_results *results)
{
    return (double)results->established;
}

static double unanswered_of(const struct bench_results *results)
{
    return (double)results->unanswered;
}

static double unsent_of(const struct bench_results *results)
{
    return (double)results->unsent;
}

static double loss_of(const struct bench_results *results)
{
    return (double)udp_loss_ppm(&results->datagrams);
}

static double slow_of(const struct bench_results *results)
{
    return (double)results->connects.slow;
}

static const struct measure MEASURES[] = {
    {"errors", REQUIRE_COUNT, false, ANYWHERE, errors_of},
    {"loss", REQUIRE_PPM, false, ENDPOINTS_UDP, loss_of},
    {"unanswered", REQUIRE_COUNT, false, ANYWHERE, unanswered_of},
    {"unsent", REQUIRE_COUNT, false, ANYWHERE, unsent_of},
    {"connect-slow", REQUIRE_COUNT, false, ENDPOINTS_STREAMS_HERE, slow_of},
    {"rate", REQUIRE_PER_S, true, ANYWHERE, rate_of},
    {"connections", REQUIRE_COUNT, true, ANYWHERE, established_of},
};

/* Times: each has p50, p99, any other percentile, max and mean. */
static const struct {
    const char *prefix;
    unsigned kinds;
    size_t at;
} TIMES[] = {
    {"", ANYWHERE, offsetof(struct bench_results, corrected)},
    {"connect-", ENDPOINTS_STREAMS_HERE, offsetof(struct bench_results, connects.connect)},
    {"handshake-", ENDPOINTS_TLS, offsetof(struct bench_results, connects.handshake)},
};

/* "max", "mean", or a percentile: "p50" is 50, "p999" is 99.9, "p9999" is 99.99. More than two
 * digits begin with a 9, because "p100" would be 10.0. */
static bool read_statistic(const char *text, double *percentile)
{
    const char *digits = text + 1;
    size_t count = strspn(digits, "0123456789");
    if (strcmp(text, "max") == 0 || strcmp(text, "mean") == 0) {
        *percentile = text[1] == 'a' ? 100 : -1;
        return true;
    }
    if (*text != 'p' || count < 2 || digits[count] || (count > 2 && *digits != '9'))
        return false;
    *percentile = strtod(digits, NULL) / pow(10, (double)count - 2);
    return true;
}

static bool find_time(const char *name, struct requirement *out)
{
    for (size_t i = COUNT(TIMES); i-- > 0;) {
        size_t length = strlen(TIMES[i].prefix);
        if (strncmp(name, TIMES[i].prefix, length) != 0)
            continue;
        out->measure = (struct measure){.unit = REQUIRE_NS, .kinds = TIMES[i].kinds};
        out->times = TIMES[i].at;
        return read_statistic(name + length, &out->percentile);
    }
    return false;
}

static bool find_measure(const char *name, struct requirement *out)
{
    for (size_t i = 0; i < COUNT(MEASURES); i++) {
        if (strcmp(MEASURES[i].name, name) == 0) {
            out->measure = MEASURES[i];
            return true;
        }
    }
    return find_time(name, out);
}

/* ---- one threshold ---- */

/* In the measure's unit. 0 or -1. */
static int parse_value(enum require_unit unit, const char *text, double *value)
{
    static int (*const PARSE[])(const char *text, uint64_t *number) = {
        [REQUIRE_NS] = units_parse_time_ns,
        [REQUIRE_COUNT] = units_parse_count,
        [REQUIRE_PPM] = units_parse_share,
        [REQUIRE_PER_S] = units_parse_rate,
    };
    uint64_t number, most = unit == REQUIRE_PPM ? PPM_MAX : NUMBER_MAX;
    if (PARSE[unit](text, &number) < 0 || number > most)
        return -1;
    *value = (double)number / (unit == REQUIRE_PER_S ? 1000 : 1);
    return 0;
}

/* A time that only lacks its unit is refused with one: a bare number is seconds to some tools and
 * milliseconds to others. */
static int refuse_value(const struct requirement *one, const char *text, struct error *err)
{
    static const char *const LIKE[] = {"a time like 50us, 5ms or 1s", "a number like 0 or 50k",
                                       "a share like 0.1%", "a rate like 0.5, 200 or 50k"};
    char with_unit[64];
    double value;
    snprintf(with_unit, sizeof(with_unit), "%.60sms", text);
    if (one->measure.unit == REQUIRE_NS && parse_value(REQUIRE_NS, with_unit, &value) == 0)
        return error_option(err, "require", "%s=%s: give a unit, for example %s", one->name, text,
                            with_unit);
    return error_option(err, "require", "%s: '%s' is not %s", one->name, text,
                        LIKE[one->measure.unit]);
}

static int refuse_name(const char *text, struct error *err)
{
    return error_option(err, "require",
                        "'%.64s': expected p50, p99, p999 or another percentile, max, mean, the "
                        "same after connect- or handshake-, connect-slow, errors, loss, "
                        "unanswered, unsent, rate or connections, then = and a value",
                        text);
}

static int refuse_kind(const struct requirement *one, struct error *err)
{
    const char *why = one->measure.kinds == ENDPOINTS_UDP   ? "only datagrams are lost, over udp://"
                      : one->measure.kinds == ENDPOINTS_TLS ? "only tls:// has handshakes"
                                                            : "over udp:// nothing connects";
    return error_option(err, "require", "%s: %s", one->name, why);
}

/* One "name=value". 0 or -1. */
static int parse_one(const char *text, unsigned kinds, struct requirement *one, struct error *err)
{
    size_t length = strcspn(text, "=");
    *one = (struct requirement){0};
    if (length >= sizeof(one->name) || text[length] != '=')
        return refuse_name(text, err);
    memcpy(one->name, text, length);
    if (!find_measure(one->name, one))
        return refuse_name(text, err);
    if (parse_value(one->measure.unit, text + length + 1, &one->wanted) < 0)
        return refuse_value(one, text + length + 1, err);
    return one->measure.kinds & kinds ? 0 : refuse_kind(one, err);
}

/* ---- the list ---- */

static const struct requirement *find(const struct requirements *in, const char *name)
{
    for (size_t i = 0; i < in->count; i++) {
        if (strcmp(in->items[i].name, name) == 0)
            return &in->items[i];
    }
    return NULL;
}

int require_parse(const char *list, unsigned kinds, struct requirements *out, struct error *err)
{
    char text[REQUIRE_MAX * REQUIRE_NAME_MAX], *rest = text, *one;
    *out = (struct requirements){0};
    if (!list)
        return 0;
    if (strlen(list) >= sizeof(text))
        return error_option(err, "require", "a list of more than %zu bytes", sizeof(text) - 1);
    memcpy(text, list, strlen(list) + 1);
    while ((one = strsep(&rest, ","))) {
        struct requirement requirement;
        if (parse_one(one, kinds, &requirement, err) < 0)
            return -1;
        if (find(out, requirement.name))
            return error_option(err, "require", "%s: given twice", requirement.name);
        if (out->count == REQUIRE_MAX)
            return error_option(err, "require", "more than %d thresholds", REQUIRE_MAX);
        out->items[out->count++] = requirement;
    }
    return 0;
}

bool require_names(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return true;
    }
    return false;
}

/* ---- the verdicts ---- */

/* Nothing measured satisfies no bound on a time, or on loss. */
static void look(struct requirement *one, const struct bench_results *results)
{
    const struct measure *measure = &one->measure;
    if (measure->value) {
        one->found = measure->value(results);
        one->is_known = measure->unit != REQUIRE_PPM || results->completed > 0;
        return;
    }
    const struct histogram *times =
        (const struct histogram *)(const void *)((const char *)results + one->times);
    bool is_latency = times == &results->corrected;
    one->is_known = times->count > 0 && (results->completed > 0 || !is_latency);
    one->found = one->percentile < 0 ? histogram_mean(times)
                                     : (double)histogram_percentile(times, one->percentile);
}

static bool is_met(const struct requirement *one, const struct bench_results *results)
{
    if (!one->is_known)
        return false;
    if (one->measure.unit == REQUIRE_PER_S && results->completed > 0)
        return (double)(results->rated_echoes + 1) >=
               one->wanted * (1 - RATE_GRACE) * bench_results_seconds(results);
    return one->measure.is_least ? one->found >= one->wanted : one->found <= one->wanted;
}

void require_judge(struct requirements *requirements, const struct bench_results *results)
{
    bool is_judged = find(requirements, "unanswered") || find(requirements, "loss");
    if (requirements->count > 0 && !is_judged && results->unanswered > 0) {
        struct requirement *implied = &requirements->items[requirements->count++];
        *implied = (struct requirement){.name = "unanswered", .is_implied = true};
        (void)find_measure(implied->name, implied);
    }
    requirements->missed = 0;
    for (size_t i = 0; i < requirements->count; i++) {
        struct requirement *one = &requirements->items[i];
        look(one, results);
        one->is_met = is_met(one, results);
        requirements->missed += !one->is_met;
    }
}

/* "5.000 ms"; returns `out`. */
static const char *value_text(enum require_unit unit, double value, char *out, size_t size)
{
    if (unit == REQUIRE_NS)
        snprintf(out, size, "%.3f ms", value / NS_PER_MS);
    else if (unit == REQUIRE_PPM)
        snprintf(out, size, "%.4g%%", value / PPM_PER_PERCENT);
    else if (unit == REQUIRE_PER_S)
        snprintf(out, size, "%.10g/s", round(value * 1000) / 1000);
    else
        snprintf(out, size, "%.0f", value);
    return out;
}

static const char *bound_of(const struct requirement *one)
{
    return one->measure.is_least ? "at least" : "at most";
}

void require_print(const struct requirements *requirements, bool missed_only, FILE *out)
{
    for (size_t i = 0; i < requirements->count; i++) {
        const struct requirement *one = &requirements->items[i];
        char found[48] = "not known, as nothing was measured", wanted[48];
        if (missed_only && one->is_met)
            continue;
        if (one->is_known)
            (void)value_text(one->measure.unit, one->found, found, sizeof(found));
        fprintf(out, "%s: %s is %s; %s %s was required%s\n", one->is_met ? "pass" : "fail",
                one->name, found, bound_of(one),
                value_text(one->measure.unit, one->wanted, wanted, sizeof(wanted)),
                one->is_implied ? ", as unanswered= was not given" : "");
    }
}

json_t *require_json(const struct requirements *requirements)
{
    static const char *const UNITS[] = {"ns", "count", "ppm", "per_s"};
    json_t *array = json_array();
    for (size_t i = 0; i < requirements->count; i++) {
        const struct requirement *one = &requirements->items[i];
        bool is_whole = one->measure.unit != REQUIRE_PER_S;
        json_t *object = json_object();
        (void)json_object_set_new(object, "name", json_string(one->name));
        (void)json_object_set_new(object, "bound", json_string(bound_of(one)));
        (void)json_object_set_new(object, "threshold",
                                  is_whole ? json_integer((json_int_t)one->wanted)
                                           : json_real(one->wanted));
        (void)json_object_set_new(object, "value",
                                  !one->is_known ? json_null()
                                  : is_whole     ? json_integer((json_int_t)one->found)
                                                 : json_real(one->found));
        (void)json_object_set_new(object, "unit", json_string(UNITS[one->measure.unit]));
        (void)json_object_set_new(object, "verdict", json_string(one->is_met ? "pass" : "fail"));
        (void)json_array_append_new(array, object);
    }
    return array;
}

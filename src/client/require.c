/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/require.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "client/report.h"

#define LIST_MAX 512
#define NS_PER_MS 1000000U
/* A schedule ends between two messages, and a run a moment after its time. */
#define RATE_GRACE 0.01

enum unit { UNIT_TIME, UNIT_COUNT, UNIT_PERCENT /* in parts per million */ };
#define PPM_PER_PERCENT 10000

struct threshold {
    const char *name;
    enum unit unit;
    bool is_least; /* at least, where the others are at most */
    double percentile;
    uint64_t (*value)(const struct bench_results *results);
};

static uint64_t mean_of(const struct bench_results *results)
{
    return (uint64_t)histogram_mean(&results->corrected);
}

static uint64_t rate_of(const struct bench_results *results)
{
    return (uint64_t)(report_rate(results) + 0.5);
}

static uint64_t established_of(const struct bench_results *results)
{
    return results->established;
}

static uint64_t unanswered_of(const struct bench_results *results)
{
    return results->unanswered;
}

static uint64_t unsent_of(const struct bench_results *results)
{
    return results->unsent;
}

static uint64_t loss_of(const struct bench_results *results)
{
    return udp_loss_ppm(&results->datagrams);
}

static const struct threshold THRESHOLDS[] = {
    {"p50", UNIT_TIME, false, 50, NULL},
    {"p90", UNIT_TIME, false, 90, NULL},
    {"p99", UNIT_TIME, false, 99, NULL},
    {"p999", UNIT_TIME, false, 99.9, NULL},
    {"max", UNIT_TIME, false, 100, NULL},
    {"mean", UNIT_TIME, false, 0, mean_of},
    {"errors", UNIT_COUNT, false, 0, report_errors},
    {"loss", UNIT_PERCENT, false, 0, loss_of},
    {"unanswered", UNIT_COUNT, false, 0, unanswered_of},
    {"unsent", UNIT_COUNT, false, 0, unsent_of},
    {"rate", UNIT_COUNT, true, 0, rate_of},
    {"connections", UNIT_COUNT, true, 0, established_of},
};

/* "0.1%" in parts per million; the sign may be left out. 0 or -1. */
static int parse_percent(const char *text, uint64_t *ppm)
{
    char *end;
    if (*text < '0' || *text > '9')
        return -1;
    double percent = strtod(text, &end);
    if (*end == '%')
        end++;
    *ppm = (uint64_t)(percent * PPM_PER_PERCENT + 0.5);
    return *end == '\0' && percent <= 100 ? 0 : -1;
}

static int parse_value(enum unit unit, const char *text, uint64_t *value)
{
    switch (unit) {
    case UNIT_TIME:
        return units_parse_time(text, value);
    case UNIT_COUNT:
        return units_parse_count(text, value);
    case UNIT_PERCENT:
        return parse_percent(text, value);
    }
    return -1;
}

/* One "name=value"; *wanted is in ns or a count. */
static const struct threshold *parse_one(const char *text, uint64_t *wanted, struct error *err)
{
    size_t length = strcspn(text, "=");
    for (size_t i = 0; i < sizeof(THRESHOLDS) / sizeof(THRESHOLDS[0]); i++) {
        const struct threshold *threshold = &THRESHOLDS[i];
        if (strlen(threshold->name) != length || strncmp(threshold->name, text, length) != 0 ||
            text[length] != '=')
            continue;
        const char *value = text + length + 1;
        static const char *const LIKE[] = {"a time like 5ms or 1s", "a number like 0 or 50k",
                                           "a share like 0.1%"};
        if (parse_value(threshold->unit, value, wanted) < 0) {
            error_option(err, "require", "%s: '%s' is not %s", threshold->name, value,
                         LIKE[threshold->unit]);
            return NULL;
        }
        if (threshold->unit == UNIT_TIME)
            *wanted *= NS_PER_MS;
        return threshold;
    }
    error_option(err, "require",
                 "'%s': expected p50, p90, p99, p999, max, mean, errors, loss, "
                 "unanswered, unsent, rate or connections, then = and a value",
                 text);
    return NULL;
}

static bool is_missed(const struct threshold *threshold, uint64_t wanted,
                      const struct bench_results *results, uint64_t *found)
{
    *found = threshold->value ? threshold->value(results)
                              : histogram_percentile(&results->corrected, threshold->percentile);
    /* Nothing measured satisfies no bound on latency, or on loss. */
    if (threshold->unit != UNIT_COUNT && results->completed == 0)
        return true;
    if (threshold->value == rate_of && results->completed > 0)
        return (double)(results->rated_echoes + 1) <
               (double)wanted * (1 - RATE_GRACE) * report_seconds(results);
    return threshold->is_least ? *found < wanted : *found > wanted;
}

static void print_missed(const struct threshold *threshold, uint64_t wanted, uint64_t found,
                         bool is_known, FILE *out)
{
    const char *bound = threshold->is_least ? "at least" : "at most";
    if (threshold->unit == UNIT_TIME && !is_known) {
        fprintf(out, "missed: %s is not known, as no echo was counted; %s %.3f ms was required\n",
                threshold->name, bound, (double)wanted / NS_PER_MS);
        return;
    }
    if (threshold->unit == UNIT_TIME)
        fprintf(out, "missed: %s is %.3f ms; %s %.3f ms was required\n", threshold->name,
                (double)found / NS_PER_MS, bound, (double)wanted / NS_PER_MS);
    else if (threshold->unit == UNIT_PERCENT)
        fprintf(out, "missed: %s is %.4g%%; %s %.4g%% was required\n", threshold->name,
                (double)found / PPM_PER_PERCENT, bound, (double)wanted / PPM_PER_PERCENT);
    else
        fprintf(out, "missed: %s is %" PRIu64 "; %s %" PRIu64 " was required\n", threshold->name,
                found, bound, wanted);
}

/* Goes through the list; with results it prints and counts the missed. -1 where it is wrong. */
static int walk(const char *list, const struct bench_results *results, FILE *out, struct error *err)
{
    char text[LIST_MAX];
    int missed = 0;
    if (!list)
        return 0;
    if (strlen(list) >= sizeof(text))
        return error_option(err, "require", "a list of more than %d bytes", LIST_MAX - 1);
    memcpy(text, list, strlen(list) + 1);
    char *rest = text, *one;
    unsigned seen = 0;
    while ((one = strsep(&rest, ","))) {
        uint64_t wanted, found;
        const struct threshold *threshold = parse_one(one, &wanted, err);
        if (!threshold)
            return -1;
        if (seen & 1U << (threshold - THRESHOLDS))
            return error_option(err, "require", "%s: given twice", threshold->name);
        seen |= 1U << (threshold - THRESHOLDS);
        if (results && is_missed(threshold, wanted, results, &found)) {
            print_missed(threshold, wanted, found, results->completed > 0, out);
            missed++;
        }
    }
    return missed;
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

int require_check(const char *list, struct error *err)
{
    return walk(list, NULL, NULL, err);
}

int require_missed(const char *list, const struct bench_results *results, FILE *out)
{
    struct error unused;
    int missed = walk(list, results, out, &unused);
    if (!list || require_names(list, "unanswered") || require_names(list, "loss") ||
        results->unanswered == 0)
        return missed;
    fprintf(out,
            "missed: unanswered is %" PRIu64 "; at most 0 was required, as unanswered= was not "
            "given\n",
            results->unanswered);
    return missed + 1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Thresholds that turn a bench into a test: "p99=5ms,connect-p99=20ms,errors=0,rate=50k". */
#ifndef CLIENT_REQUIRE_H
#define CLIENT_REQUIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "client/bench_results.h"
#include "net/endpoint.h"

#define REQUIRE_MAX 64
#define REQUIRE_NAME_MAX 32

enum require_unit { REQUIRE_NS, REQUIRE_COUNT, REQUIRE_PPM, REQUIRE_PER_S };

/* A value that a threshold may be set on. */
struct measure {
    const char *name; /* NULL: a statistic of `times` */
    enum require_unit unit;
    bool is_least;  /* the value must be at least the threshold; else at most */
    unsigned kinds; /* endpoints that have it, ENDPOINTS_* */
    double (*value)(const struct bench_results *results);
};

/* A threshold, and its result once judged. */
struct requirement {
    char name[REQUIRE_NAME_MAX];
    struct measure measure;
    size_t times;      /* place of the histogram in the results, if the measure is a time */
    double percentile; /* of that; below 0: its mean */
    double wanted, found;
    bool is_implied; /* unanswered=0, which the list does not name */
    bool is_known;   /* something was measured, so `found` is right */
    bool is_met;
};

struct requirements {
    struct requirement items[REQUIRE_MAX + 1]; /* and one that is implied */
    size_t count;
    size_t missed;
};

/* Reads a list of thresholds for an endpoint of these kinds (ENDPOINTS_*); NULL is an empty one.
 * 0, or -1 if the list is not one: *err names the threshold that is wrong. */
int require_parse(const char *list, unsigned kinds, struct requirements *out,
                  struct error *err) MUST_CHECK;

/* True if the list has a threshold of that name. */
bool require_names(const char *list, const char *name);

/* Compares each with the results. If there are any, and none is unanswered or loss, another one is
 * added: no message may be unanswered. */
void require_judge(struct requirements *requirements, const struct bench_results *results);

/* Prints a line for each, or for each that was missed: the verdict, the value and the threshold. */
void require_print(const struct requirements *requirements, bool missed_only, FILE *out);

/* An array of objects: "name", "bound" ("at most", "at least"), "threshold", "value" (null: not
 * known), "unit" ("ns", "count", "ppm", "per_s") and "verdict" ("pass", "fail"). The caller's
 * reference. */
json_t *require_json(const struct requirements *requirements);

#endif

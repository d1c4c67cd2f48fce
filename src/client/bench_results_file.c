/* SPDX-License-Identifier: BSD-2-Clause */
/* A bench's results as JSON. One walk over the tables saves them or loads them. */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "client/bench_results.h"

#define SCHEMA "evecho-results/1"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct field {
    const char *name;
    size_t at;
};

#define FIELD(member)                                   \
    {                                                   \
#member, offsetof(struct bench_results, member) \
    }
#define WAIT(name, cause, member)                                              \
    {                                                                          \
#name "_" #member, offsetof(struct bench_results, waits[cause].member) \
    }
#define WAITS(name, cause) \
    WAIT(name, cause, count), WAIT(name, cause, total_ns), WAIT(name, cause, max_ns)
static const struct field numbers[] = {
    WAITS(client_late, WAIT_CLIENT),
    WAITS(no_connection, WAIT_CONNECTION),
    WAITS(pipeline_full, WAIT_PIPELINE),
    FIELD(starved_ns),
    FIELD(starved_max_ns),
    FIELD(connects.slow),
    FIELD(resumed),
    FIELD(completed),
    FIELD(sent_bytes),
    FIELD(received_bytes),
    FIELD(rated_echoes),
    FIELD(rated_bytes),
    FIELD(opened),
    FIELD(opened_meanwhile),
    FIELD(established),
    FIELD(given_up),
    FIELD(unsent),
    FIELD(unanswered),
    FIELD(warm_up_ns),
    FIELD(start_ns),
    FIELD(end_ns),
    FIELD(seen_ns),
    FIELD(datagrams.sent),
    FIELD(datagrams.right),
    FIELD(datagrams.late),
    FIELD(datagrams.lost),
    FIELD(datagrams.duplicates),
    FIELD(datagrams.wrong),
    FIELD(datagrams.own_drops),
    FIELD(datagrams.bad_checksums),
    FIELD(datagrams.reordered),
};
static const struct field flags[] = {FIELD(is_open_loop), FIELD(is_starvation_known),
                                     FIELD(is_stopped), FIELD(is_interrupted)};
static const struct field histograms[] = {FIELD(corrected), FIELD(uncorrected), FIELD(late),
                                          FIELD(connects.connect), FIELD(connects.handshake)};

/* An object that is written or read; `wrong` is the first member that could not be. */
struct walk {
    bool loads;
    const char *wrong;
};

static void refuse(struct walk *walk, const char *name)
{
    if (!walk->wrong)
        walk->wrong = name;
}

static bool is_number(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static void walk_number(struct walk *walk, json_t *object, const char *name, uint64_t *number)
{
    const json_t *value = walk->loads ? json_object_get(object, name) : NULL;
    if (is_number(value))
        *number = (uint64_t)json_integer_value(value);
    else if (walk->loads || *number > INT64_MAX ||
             json_object_set_new(object, name, json_integer((json_int_t)*number)) < 0)
        refuse(walk, name);
}

static void walk_real(struct walk *walk, json_t *object, const char *name, double *number)
{
    const json_t *value = walk->loads ? json_object_get(object, name) : NULL;
    if (walk->loads && json_is_number(value) && json_number_value(value) >= 0)
        *number = json_number_value(value);
    else if (walk->loads || json_object_set_new(object, name, json_real(*number)) < 0)
        refuse(walk, name);
}

static void walk_flag(struct walk *walk, json_t *object, const char *name, bool *flag)
{
    const json_t *value = walk->loads ? json_object_get(object, name) : NULL;
    if (json_is_boolean(value))
        *flag = json_is_true(value);
    else if (walk->loads || json_object_set_new(object, name, json_boolean(*flag)) < 0)
        refuse(walk, name);
}

/* The object or array of that name inside another one: a new one when saving. NULL: there is none.
 */
static json_t *enter(struct walk *walk, json_t *object, const char *name, json_t *made)
{
    json_t *inner = walk->loads ? json_object_get(object, name) : made;
    if (!inner || (!walk->loads && json_object_set_new(object, name, inner) < 0))
        refuse(walk, name);
    return walk->wrong ? NULL : inner;
}

/* A histogram's counts are [index, count] of each bucket that is not empty. */
static void walk_buckets(struct walk *walk, json_t *buckets, struct histogram *histogram)
{
    uint64_t all = 0;
    json_int_t at, count;
    for (size_t i = 0; walk->loads && i < json_array_size(buckets); i++) {
        if (json_unpack(json_array_get(buckets, i), "[I, I!]", &at, &count) < 0 || at < 0 ||
            at >= HISTOGRAM_BUCKETS || count < 0) {
            refuse(walk, "buckets");
            return;
        }
        histogram->counts[at] = (uint64_t)count;
        all += (uint64_t)count;
    }
    for (size_t i = 0; !walk->loads && i < HISTOGRAM_BUCKETS; i++) {
        at = (json_int_t)i, count = (json_int_t)histogram->counts[i];
        if (count && json_array_append_new(buckets, json_pack("[I, I]", at, count)) < 0)
            refuse(walk, "buckets");
    }
    if (walk->loads && all != histogram->count)
        refuse(walk, "count");
}

static void walk_histogram(struct walk *walk, json_t *object, struct histogram *histogram)
{
    walk_number(walk, object, "count", &histogram->count);
    walk_number(walk, object, "min", &histogram->min);
    walk_number(walk, object, "max", &histogram->max);
    walk_real(walk, object, "sum", &histogram->sum);
    walk_real(walk, object, "sum_of_squares", &histogram->sum_of_squares);
    json_t *buckets = enter(walk, object, "buckets", walk->loads ? NULL : json_array());
    if (buckets)
        walk_buckets(walk, buckets, histogram);
}

static void walk_slices(struct walk *walk, json_t *slices, uint64_t *slice_numbers)
{
    for (size_t i = 0; i < BENCH_SLICES; i++) {
        const json_t *value = walk->loads ? json_array_get(slices, i) : NULL;
        if (is_number(value))
            slice_numbers[i] = (uint64_t)json_integer_value(value);
        else if (walk->loads ||
                 json_array_append_new(slices, json_integer((json_int_t)slice_numbers[i])) < 0)
            refuse(walk, "slices");
    }
}

static void walk_results(struct walk *walk, json_t *root, struct bench_results *results)
{
    char *at = (char *)results;
    for (size_t i = 0; i < COUNT(numbers); i++)
        walk_number(walk, root, numbers[i].name, (uint64_t *)(void *)(at + numbers[i].at));
    for (size_t i = 0; i < COUNT(flags); i++)
        walk_flag(walk, root, flags[i].name, (bool *)(void *)(at + flags[i].at));
    for (size_t i = 0; i < COUNT(histograms); i++) {
        json_t *object = enter(walk, root, histograms[i].name, walk->loads ? NULL : json_object());
        if (object)
            walk_histogram(walk, object, (struct histogram *)(void *)(at + histograms[i].at));
    }
    json_t *errors = enter(walk, root, "errors", walk->loads ? NULL : json_object());
    for (int i = 0; errors && i < OUTCOME_COUNT; i++)
        walk_number(walk, errors, outcome_word((enum outcome)i), &results->errors[i]);
    json_t *slices = enter(walk, root, "slices", walk->loads ? NULL : json_array());
    if (slices)
        walk_slices(walk, slices, results->slices);
}

int bench_results_save(const struct bench_results *results, FILE *out, struct error *err)
{
    struct walk walk = {.loads = false};
    json_t *root = json_pack("{s:s}", "schema", SCHEMA);
    /* The walk writes into *results only when it loads. */
    walk_results(&walk, root, (struct bench_results *)results);
    bool is_written = !walk.wrong && json_dumpf(root, out, JSON_COMPACT) == 0 &&
                      fputc('\n', out) != EOF && fflush(out) == 0;
    json_decref(root);
    return is_written ? 0
                      : error_start(err, "cannot save results: %s",
                                    walk.wrong ? walk.wrong : strerror(errno));
}

int bench_results_load(struct bench_results *results, FILE *in, struct error *err)
{
    struct walk walk = {.loads = true};
    json_error_t failure;
    memset(results, 0, sizeof(*results));
    json_t *root = json_loadf(in, JSON_REJECT_DUPLICATES, &failure);
    const char *schema = json_string_value(json_object_get(root, "schema"));
    if (!root)
        return error_start(err, "cannot load results: %s", failure.text);
    if (!schema || strcmp(schema, SCHEMA) != 0)
        refuse(&walk, "schema");
    else
        walk_results(&walk, root, results);
    json_decref(root);
    return walk.wrong ? error_start(err, "cannot load results: '%s' is missing or wrong in " SCHEMA,
                                    walk.wrong)
                      : 0;
}

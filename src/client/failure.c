/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/failure.h"

#include <inttypes.h>
#include <string.h>

#include "base/pattern.h"
#include "base/units.h"
#include "client/symptom.h"
#include "client/wrap.h"

struct failure failure_of(const struct link *link)
{
    struct failure failure = {.how = link->ending, .when = link_moment(link)};
    if (failure.how.end == STREAM_END_FIN && failure.how.outcome == OUTCOME_OK)
        failure.how.outcome = OUTCOME_FIN;
    return failure;
}

struct failure failure_timeout(const struct link *link, uint64_t waited_ns)
{
    return (struct failure){.how = link_timeout(link, waited_ns), .when = link_moment(link)};
}

struct failure failure_explain(const struct link *link, const struct evidence_place *place,
                               const unsigned char *bytes, size_t length)
{
    uint64_t seed = pattern_seed(place->run_seed, place->connection);
    bool is_extra = place->offset >= place->sent;
    struct failure failure = {
        .how = {.outcome = OUTCOME_MISMATCH},
        .when = link ? link_moment(link) : (struct moment){0},
        .connection = place->connection,
        .offset = place->offset,
        .awaited = is_extra ? 0 : place->sent - place->offset,
        .has_byte = true,
        .is_extra = is_extra,
        .is_early = is_extra && pattern_match(seed, place->offset, bytes, length) == length,
        .more = length,
        .came = bytes[0],
        .expected = pattern_byte(seed, place->offset),
        .evidence = evidence_of(place, bytes, length)};
    failure.has_place = pattern_locate(seed, bytes, length, place->sent, &failure.place);
    return failure;
}

/* ---- as text ---- */

static void print_mismatch(const struct failure *failure, FILE *out)
{
    if (failure->is_early)
        fprintf(out, "answered before asked: %" PRIu64 " byte%s came before %s sent", failure->more,
                units_plural(failure->more), failure->more == 1 ? "it was" : "they were");
    else if (failure->is_extra)
        fprintf(out, "an extra byte came, 0x%02x: %" PRIu64 " byte%s more than %s sent",
                failure->came, failure->more, units_plural(failure->more),
                failure->more == 1 ? "was" : "were");
    else
        fprintf(out, "expected 0x%02x, came 0x%02x", failure->expected, failure->came);
    if (failure->has_place && failure->place > failure->offset)
        fprintf(out, ", which belongs at offset %" PRIu64 ": %" PRIu64 " %s missing",
                failure->place, failure->place - failure->offset,
                failure->place - failure->offset == 1 ? "byte is" : "bytes are");
    else if (failure->has_place)
        fprintf(out, ", which belongs at offset %" PRIu64 ": it came a second time",
                failure->place);
}

/* The peer did not end: we did. */
static void print_given_up(const struct failure *failure, FILE *out)
{
    double waited_s = (double)failure->how.waited_ns / 1e9;
    if (failure->how.reason)
        fprintf(out, "%s; we gave up after %.3g s", failure->how.reason, waited_s);
    else if (failure->when.phase == MOMENT_CONNECT)
        fprintf(out, "no answer to the connection attempt in %.3g s; we gave up", waited_s);
    else
        fprintf(out,
                "nothing moved for %.3g s; we gave up, the stream was still open; it took %" PRIu64
                " byte%s and gave %" PRIu64,
                waited_s, failure->offset + failure->awaited,
                units_plural(failure->offset + failure->awaited), failure->offset);
}

static void print_end(const struct failure *failure, FILE *out)
{
    char text[256];
    enum outcome_end end = failure->how.end;
    bool is_answer = failure->when.phase == MOMENT_HALF_CLOSED &&
                     (end == STREAM_END_FIN || end == STREAM_END_RST);
    if (is_answer && failure->awaited > 0) {
        fprintf(out, "half-close was answered by a %s, %" PRIu64 " byte%s under way lost",
                end == STREAM_END_FIN ? "full close" : "reset", failure->awaited,
                units_plural(failure->awaited));
        return;
    }
    fprintf(out, "%s", ending_text(&failure->how, text, sizeof(text)));
    if (failure->awaited > 0)
        fprintf(out, ", %" PRIu64 " byte%s still awaited", failure->awaited,
                units_plural(failure->awaited));
    if (is_answer)
        fprintf(out, ", in answer to our half-close");
    if (end != STREAM_END_NONE)
        fprintf(out, ", the stream ended by %s", stream_end_word(end));
}

static void print_datagram(const struct failure *failure, const char *target, FILE *out)
{
    fprintf(out, "%s: flow %" PRIu64 ", ", target, failure->connection);
    if (failure->is_early) {
        fprintf(out, "datagram %" PRIu64 ": answered before asked", failure->sequence);
        return;
    }
    if (failure->has_sequence)
        fprintf(out, "datagram %" PRIu64 " of %zu bytes: ", failure->sequence, failure->sent_bytes);
    else
        fprintf(out, "a datagram of unknown number: ");
    if (failure->how.outcome == OUTCOME_TIMEOUT) {
        fprintf(out, "no answer in time");
        return;
    }
    if (failure->has_byte)
        fprintf(out, "byte %" PRIu64 ": expected 0x%02x, came 0x%02x", failure->offset,
                failure->expected, failure->came);
    else
        fprintf(out, "right as far as it goes");
    if (failure->came_bytes != failure->sent_bytes)
        fprintf(out, ", %zu byte%s came", failure->came_bytes, units_plural(failure->came_bytes));
}

static void print_sentence(const struct failure *failure, const char *target, FILE *out)
{
    if (failure->is_datagram) {
        print_datagram(failure, target, out);
        return;
    }
    fprintf(out, "%s: connection %" PRIu64 ", offset %" PRIu64 ": ", target, failure->connection,
            failure->offset);
    if (failure->has_byte)
        print_mismatch(failure, out);
    else if (failure->how.end == STREAM_END_TIMEOUT)
        print_given_up(failure, out);
    else
        print_end(failure, out);
}

const char *failure_text(const struct failure *failure, const char *target, char *out, size_t size)
{
    FILE *memory = fmemopen(out, size, "w");
    *out = '\0';
    if (memory) {
        print_sentence(failure, target, memory);
        fclose(memory);
    }
    out[size - 1] = '\0';
    return out;
}

void failure_print_details(const struct failure *failure, const char *indent, FILE *out)
{
    char text[MOMENT_TEXT_MAX];
    if (failure->when.time_ns)
        fprintf(out, "%s%s\n", indent, moment_text(&failure->when, text, sizeof(text)));
    evidence_print(&failure->evidence, indent, out);
    symptom_print_reference(symptom_for(failure), indent, out);
}

void failure_print(const struct failure *failure, const char *target, const char *first,
                   const char *indent, FILE *out)
{
    char text[FAILURE_TEXT_MAX];
    wrap_print(first, indent, failure_text(failure, target, text, sizeof(text)), wrap_width(out),
               out);
    failure_print_details(failure, indent, out);
}

/* ---- as JSON ---- */

static void set_number(json_t *object, const char *name, bool is_known, uint64_t number)
{
    (void)json_object_set_new(object, name,
                              is_known ? json_integer((json_int_t)number) : json_null());
}

json_t *failure_json(const struct failure *failure, const char *target)
{
    char text[FAILURE_TEXT_MAX];
    json_t *object = json_object();
    (void)json_object_set_new(object, "class",
                              failure->how.outcome == OUTCOME_OK
                                  ? json_null()
                                  : json_string(outcome_word(failure->how.outcome)));
    set_number(object, "connection", failure->connection > 0, failure->connection);
    set_number(object, "offset", true, failure->offset);
    set_number(object, "awaited", true, failure->awaited);
    set_number(object, "expected", failure->has_byte && !failure->is_extra, failure->expected);
    set_number(object, "came", failure->has_byte, failure->came);
    if (failure->is_datagram) {
        set_number(object, "datagram", failure->has_sequence, failure->sequence);
        set_number(object, "sent_bytes", true, failure->sent_bytes);
        set_number(object, "came_bytes", true, failure->came_bytes);
    }
    (void)json_object_set_new(object, "end", json_string(stream_end_word(failure->how.end)));
    moment_add_json(object, &failure->when);
    evidence_add_json(object, &failure->evidence);
    symptom_add_json(object, symptom_for(failure));
    (void)json_object_set_new(object, "text",
                              json_string(failure_text(failure, target, text, sizeof(text))));
    return object;
}

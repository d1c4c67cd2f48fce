/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/evidence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/attr.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/greeting.h"

/* The search range. A match must not occur by chance: so fewer bytes are compared with fewer
 * places. */
#define OFFSET_MAX (UINT64_C(1) << 36)
#define NEARBY_BYTES 4096
#define NEARBY_CONNECTIONS 65536
#define OWN_BYTES_MIN 6
#define REST_BYTES_MIN 8
#define STRANGE_BYTES_MAX 4096
#define REPEATED_MIN 8
#define BY_CHANCE_MAX 3 /* bytes of a stream's beginning */
#define GREETING_BYTES 128

struct bytes {
    const unsigned char *first;
    size_t length;
};

PRINTF_LIKE(3, 4)
static void set(struct evidence *evidence, const char *kind, const char *format, ...)
{
    va_list args;
    evidence->kind = kind;
    va_start(args, format);
    vsnprintf(evidence->looks_like, sizeof(evidence->looks_like), format, args);
    va_end(args);
}

/* ---- our own bytes ---- */

static uint64_t seed_of(const struct evidence_place *place)
{
    return pattern_seed(place->run_seed, place->connection);
}

static bool is_at(uint64_t seed, uint64_t offset, const struct bytes *came)
{
    return pattern_match(seed, offset, came->first, came->length) == came->length;
}

/* Bytes of this connection from another offset: anywhere, if they are many; else nearby. */
static bool find_offset(const struct evidence_place *place, const struct bytes *came,
                        uint64_t *offset)
{
    uint64_t seed = seed_of(place);
    if (came->length >= PATTERN_LOCATE_BYTES)
        return pattern_locate(seed, came->first, came->length, OFFSET_MAX, offset);
    for (uint64_t away = 1; came->length >= OWN_BYTES_MIN && away <= NEARBY_BYTES; away++) {
        if (away <= place->offset && is_at(seed, place->offset - away, came)) {
            *offset = place->offset - away;
            return true;
        }
        if (is_at(seed, place->offset + away, came)) {
            *offset = place->offset + away;
            return true;
        }
    }
    return false;
}

/* Bytes of another connection of this run, or of another datagram: of those nearby, by number. */
static bool find_connection(const struct evidence_place *place, const struct bytes *came,
                            uint64_t *connection, uint64_t *offset)
{
    for (uint64_t away = 1; away <= NEARBY_CONNECTIONS; away++) {
        uint64_t after = place->connection + away, before = place->connection - away;
        *connection = after;
        if (pattern_locate(pattern_seed(place->run_seed, after), came->first, came->length,
                           OFFSET_MAX, offset))
            return true;
        *connection = before;
        if (away <= place->connection &&
            pattern_locate(pattern_seed(place->run_seed, before), came->first, came->length,
                           OFFSET_MAX, offset))
            return true;
    }
    return false;
}

static bool look_for_own(struct evidence *evidence, const struct evidence_place *place,
                         const struct bytes *came)
{
    uint64_t connection, offset;
    if (find_offset(place, came, &offset) && offset != place->offset) {
        bool is_back = offset < place->offset;
        uint64_t away = is_back ? place->offset - offset : offset - place->offset;
        set(evidence, is_back ? "own-earlier" : "own-later",
            "these are our own bytes of offset %" PRIu64 ", %" PRIu64 " byte%s %s", offset, away,
            units_plural(away), is_back ? "back" : "ahead");
    } else if (!pattern_is_any(came->first, came->length)) {
        return false;
    } else if (find_connection(place, came, &connection, &offset)) {
        set(evidence, place->is_datagram ? "own-datagram" : "own-connection",
            "these are our own bytes of %s %" PRIu64 ", offset %" PRIu64,
            place->is_datagram ? "datagram" : "connection", connection, offset);
    } else {
        set(evidence, "other-run",
            "these are bytes that evecho sends, of another run, client or flow");
    }
    return true;
}

/* ---- a part of it is right ---- */

/* A few bytes are changed, or more than was sent, and then it goes on as it should. */
static void look_for_rest(struct evidence *evidence, const struct evidence_place *place,
                          const struct bytes *came)
{
    uint64_t seed = seed_of(place);
    for (size_t i = 1; i <= STRANGE_BYTES_MAX && i + REST_BYTES_MIN <= came->length; i++) {
        const struct bytes rest = {came->first + i, REST_BYTES_MIN};
        unsigned bits = came->first[0] ^ pattern_byte(seed, place->offset);
        if (is_at(seed, place->offset + i, &rest) && i == 1 && (bits & (bits - 1)) == 0)
            set(evidence, "changed", "one bit is flipped (0x%02x), and what follows is right",
                bits);
        else if (is_at(seed, place->offset + i, &rest))
            set(evidence, "changed", "%zu byte%s changed, and what follows is right", i,
                i == 1 ? " is" : "s are");
        else if (is_at(seed, place->offset, &rest))
            set(evidence, "inserted", "%zu byte%s inserted, and what was expected follows", i,
                i == 1 ? " is" : "s are");
        if (evidence->kind)
            return;
    }
}

/* ---- strangers' ---- */

static void look_for_repetition(struct evidence *evidence, const struct bytes *came)
{
    size_t same = 1;
    while (same < came->length && came->first[same] == came->first[0])
        same++;
    if (same < came->length || came->length < REPEATED_MIN)
        return;
    if (came->first[0] == 0)
        set(evidence, "zeros", "these are zeros, as of a buffer that nobody has filled");
    else
        set(evidence, "repeated-byte", "this is one byte, 0x%02x, again and again", came->first[0]);
}

/* Of a stream's first bytes some may be right by chance, and were taken for it. */
static void look_for_greeting(struct evidence *evidence, const struct evidence_place *place,
                              const struct bytes *came)
{
    unsigned char bytes[GREETING_BYTES];
    size_t right = place->offset <= BY_CHANCE_MAX ? (size_t)place->offset : 0;
    size_t length = came->length < sizeof(bytes) - right ? came->length : sizeof(bytes) - right;
    pattern_fill(seed_of(place), 0, bytes, right);
    memcpy(bytes + right, came->first, length);
    struct greeting greeting = greeting_of(bytes + right, length, place->has_sent_proxy);
    if (!greeting.kind && right > 0)
        greeting = greeting_of(bytes, right + length, place->has_sent_proxy);
    if (greeting.kind)
        set(evidence, greeting.kind, "%s", greeting.looks_like);
}

void evidence_look(struct evidence *evidence, const struct evidence_place *place,
                   const unsigned char *bytes, size_t length)
{
    const struct bytes came = {bytes, length};
    if (look_for_own(evidence, place, &came))
        return;
    look_for_repetition(evidence, &came);
    if (!evidence->kind)
        look_for_greeting(evidence, place, &came);
    if (!evidence->kind)
        look_for_rest(evidence, place, &came);
}

struct evidence evidence_of(const struct evidence_place *place, const unsigned char *bytes,
                            size_t length)
{
    struct evidence evidence = {.length =
                                    (uint8_t)(length < EVIDENCE_BYTES ? length : EVIDENCE_BYTES)};
    if (length == 0)
        return evidence;
    memcpy(evidence.bytes, bytes, evidence.length);
    evidence_look(&evidence, place, bytes, length);
    return evidence;
}

/* ---- as text and JSON ---- */

/* As a hexdump has it; returns `out`, which has room for EVIDENCE_BYTES and a NUL. */
static const char *text_of(const struct evidence *evidence, char *out)
{
    for (size_t i = 0; i < evidence->length; i++)
        out[i] = (char)(evidence->bytes[i] >= ' ' && evidence->bytes[i] <= '~' ? evidence->bytes[i]
                                                                               : '.');
    out[evidence->length] = '\0';
    return out;
}

/* Two digits a byte, with a space after each `group` bytes (0: never). */
static const char *hex_of(const struct evidence *evidence, size_t group, char *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    char *end = out;
    for (size_t i = 0; i < evidence->length; i++) {
        if (group && i > 0 && i % group == 0)
            *end++ = ' ';
        *end++ = DIGITS[evidence->bytes[i] >> 4];
        *end++ = DIGITS[evidence->bytes[i] & 15];
    }
    *end = '\0';
    return out;
}

void evidence_print(const struct evidence *evidence, const char *indent, FILE *out)
{
    char text[3 * EVIDENCE_BYTES + 1];
    if (evidence->length == 0)
        return;
    if (evidence->looks_like[0])
        fprintf(out, "%s%s\n", indent, evidence->looks_like);
    fprintf(out, "%scame \"%s\"\n", indent, text_of(evidence, text));
    fprintf(out, "%shex %s\n", indent, hex_of(evidence, 4, text));
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

void evidence_add_json(json_t *object, const struct evidence *evidence)
{
    char text[3 * EVIDENCE_BYTES + 1];
    (void)json_object_set_new(object, "came_text", text_or_null(text_of(evidence, text)));
    (void)json_object_set_new(object, "came_hex", text_or_null(hex_of(evidence, 0, text)));
    (void)json_object_set_new(object, "looks_like", text_or_null(evidence->kind));
    (void)json_object_set_new(object, "looks_like_text", text_or_null(evidence->looks_like));
}

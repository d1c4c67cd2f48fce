/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/evidence.h"

#include <stdarg.h>
#include <string.h>

#include "base/attr.h"

PRINTF_LIKE(3, 4)
static void set(struct evidence *evidence, const char *kind, const char *format, ...)
{
    va_list args;
    evidence->kind = kind;
    va_start(args, format);
    vsnprintf(evidence->looks_like, sizeof(evidence->looks_like), format, args);
    va_end(args);
}

/* ---- other protocols ---- */

struct greeting {
    const char *kind, *looks_like;
    const char *prefix;
    uint8_t length;
};

/* The first that fits is it. */
#define GREETING(kind, prefix, looks_like)           \
    {                                                \
        kind, looks_like, prefix, sizeof(prefix) - 1 \
    }
static const struct greeting GREETINGS[] = {
    GREETING("tls-alert", "\x15\x03", "that is a TLS alert: is tls:// meant?"),
    GREETING("tls-handshake", "\x16\x03",
             "that is a TLS handshake: a TLS client or server is there"),
};

/* A PROXY header is ours only if we have sent one. */
static const struct greeting PROXY_HEADERS[] = {
    GREETING("proxy-v1", "PROXY ", ""),
    GREETING("proxy-v2", "\r\n\r\n\0\r\nQUIT\n", ""),
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct greeting *find(const struct greeting *rows, size_t count,
                                   const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (length >= rows[i].length && memcmp(bytes, rows[i].prefix, rows[i].length) == 0)
            return &rows[i];
    }
    return NULL;
}

static void look_at_greeting(struct evidence *evidence, const struct evidence_place *place,
                             const unsigned char *bytes, size_t length)
{
    const struct greeting *proxy = find(PROXY_HEADERS, COUNT(PROXY_HEADERS), bytes, length);
    const struct greeting *other = find(GREETINGS, COUNT(GREETINGS), bytes, length);
    if (proxy)
        set(evidence, proxy->kind, "%s",
            place->has_sent_proxy ? "that is our PROXY header: the endpoint does not read one"
                                  : "that is a PROXY header: something on the way sends one, and "
                                    "we did not");
    else if (other)
        set(evidence, other->kind, "%s", other->looks_like);
}

struct evidence evidence_of(const struct evidence_place *place, const unsigned char *bytes,
                            size_t length)
{
    struct evidence evidence = {.length =
                                    (uint8_t)(length < EVIDENCE_BYTES ? length : EVIDENCE_BYTES)};
    memcpy(evidence.bytes, bytes, evidence.length);
    look_at_greeting(&evidence, place, bytes, length);
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

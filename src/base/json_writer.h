/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes JSON into memory of a fixed size, for the whoami service and /connections.
 *
 * It allocates nothing, so it cannot fail inside an echo loop. A text is bytes chosen by a peer, in
 * no known encoding: each byte that is not printable ASCII is written as \u00HH (base/escape.h).
 */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for a text of 255 bytes, all escaped, and its NUL; a longer one is cut between escapes. */
#define JSON_WRITER_TEXT_MAX (6 * 255 + 1)

/* Set `out` and `size` (at least 1) and leave the rest 0. `out` ends with a NUL after each call. If
 * `size` is too small, the end is missing: see json_writer_is_full(). */
struct json_writer {
    char *out;
    size_t size, used; /* bytes; used without the NUL */
};

/* Each writes one member, with its comma. `key` is a word that needs no escape, or NULL for the
 * outermost value and inside an array. */
void json_write_text(struct json_writer *writer, const char *key, const char *bytes, size_t length);
void json_write_string(struct json_writer *writer, const char *key, const char *text);
void json_write_number(struct json_writer *writer, const char *key, uint64_t number);
/* Milliseconds, as seconds with three digits after the point. */
void json_write_ms(struct json_writer *writer, const char *key, uint64_t ms);
void json_write_bool(struct json_writer *writer, const char *key, bool value);
void json_write_null(struct json_writer *writer, const char *key);

/* `bracket` is '{' or '[' to begin, '}' or ']' to end. */
void json_write_begin(struct json_writer *writer, const char *key, char bracket);
void json_write_end(struct json_writer *writer, char bracket);

/* True if `size` may have been too small. */
bool json_writer_is_full(const struct json_writer *writer);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes bytes from outside safe for a line of text.
 *
 * A peer can choose its own name (a Unix path, a certificate, a PROXY header), and a terminal or a
 * log parser interprets every byte it reads. So no byte outside 0x20-0x7e passes unescaped, and no
 * byte that would end a quoted value.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* Each writes at most `size` bytes to `out`, with a final NUL, and returns the length written. A
 * text that does not fit is cut between escapes, never inside one. `size` must be at least 1. */

/* For a quoted value: \xHH for bytes outside 0x20-0x7e and for backslash and double quote. */
size_t escape_value(char *out, size_t size, const char *bytes, size_t length);

/* For a message of our own with foreign parts: as above, but backslash and double quote stay. */
size_t escape_line(char *out, size_t size, const char *bytes, size_t length);

/* For a JSON string (RFC 8259): \u00HH for the bytes that escape_value() escapes. */
size_t escape_json(char *out, size_t size, const char *bytes, size_t length);

#endif

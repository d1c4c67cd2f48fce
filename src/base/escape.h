/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes from outside made safe for a line of text.
 *
 * A peer names itself (a Unix path, later a certificate or a PROXY header), and a terminal or a log
 * parser obeys what it reads. So nothing outside 0x20-0x7e passes; what would end a quoted value
 * does not pass either.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stddef.h>

/* Each writes at most `size` bytes to `out` with a final NUL, and returns the length written. What
 * does not fit is cut between whole escapes, never inside one. `size` must be at least 1. */

/* For a quoted value: \xHH for bytes outside 0x20-0x7e and for backslash and double quote. */
size_t escape_value(char *out, size_t size, const char *bytes, size_t length);

/* For a message of our own with foreign parts: as above, but backslash and quote stay. */
size_t escape_line(char *out, size_t size, const char *bytes, size_t length);

/* For a JSON string (RFC 8259): \u00HH for the bytes that escape_value() escapes. */
size_t escape_json(char *out, size_t size, const char *bytes, size_t length);

#endif

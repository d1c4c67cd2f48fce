/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers with units, as written in options and endpoints (evecho(1), Numbers).
 *
 *     sizes   64  64k  1M  1.5G          powers of 1024, in bytes
 *     counts  64  1k  1.5k               k is 1000
 *     times   250ms  0.2  1.5s  5m  1h   without a unit: seconds
 *
 * Everything else is refused: a sign, a space, a second number, an overflow, and a fraction of a
 * byte, of a count or of a millisecond.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* Each returns 0, or -1 if the text is not such a number; the result is then unchanged. */
int units_parse_size(const char *text, uint64_t *bytes) MUST_CHECK;
int units_parse_count(const char *text, uint64_t *count) MUST_CHECK;
int units_parse_time(const char *text, uint64_t *ms) MUST_CHECK;

/* The same for the values of a --require list: a time with its unit (us, ms, s, m, h), which may
 * not be left out; a rate like 0.5 or 50k, in thousandths of one a second; and a share like 0.1%,
 * in parts per million, whose sign may be left out. */
int units_parse_time_ns(const char *text, uint64_t *ns) MUST_CHECK;
int units_parse_rate(const char *text, uint64_t *per_1000s) MUST_CHECK;
int units_parse_share(const char *text, uint64_t *ppm) MUST_CHECK;

/* The plural ending of a noun, "" or "s": "1 byte", "2 bytes". */
const char *units_plural(uint64_t count);

/* Writes the shortest spelling that parses back to the same value, for --help and messages. Each
 * NUL-terminates the text and returns `out`; UNITS_TEXT_MAX bytes are always enough. */
#define UNITS_TEXT_MAX 24
char *units_format_size(char *out, size_t size, uint64_t bytes);
char *units_format_count(char *out, size_t size, uint64_t count);
char *units_format_rate(char *out, size_t size, uint64_t per_1000s);
char *units_format_time(char *out, size_t size, uint64_t ms);

#endif

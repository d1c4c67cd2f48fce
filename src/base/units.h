/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers with units, as options and endpoints write them (evecho(1), Numbers).
 *
 *     sizes   64  64k  1M  1G      powers of 1024, in bytes
 *     counts  64  1k               k is 1000
 *     times   250ms  30s  5m  1h   without a unit: seconds
 *
 * Nothing else passes: no sign, no space, no fraction, no second number, no overflow.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* Each returns 0, or -1 where the text is not such a number; *value is then untouched. */
int units_parse_size(const char *text, uint64_t *bytes) MUST_CHECK;
int units_parse_count(const char *text, uint64_t *count) MUST_CHECK;
int units_parse_time(const char *text, uint64_t *ms) MUST_CHECK;

/* "1 byte", "2 bytes": what follows the noun. */
const char *units_plural(uint64_t count);

/* The shortest spelling that parses back to the same value, for --help and messages. Each writes a
 * NUL-terminated text and returns `out`; UNITS_TEXT_MAX is always enough. */
#define UNITS_TEXT_MAX 24
char *units_format_size(char *out, size_t size, uint64_t bytes);
char *units_format_count(char *out, size_t size, uint64_t count);
char *units_format_time(char *out, size_t size, uint64_t ms);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A unit's name and its factor. The first row of a table applies to a number without a unit. */
struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit SIZE_UNITS[] = {
    {"", 1},         {"k", 1U << 10},   {"K", 1U << 10}, {"M", 1U << 20},
    {"G", 1U << 30}, {"T", 1ULL << 40}, {NULL, 0},
};
static const struct unit COUNT_UNITS[] = {
    {"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {NULL, 0},
};
static const struct unit TIME_UNITS[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0},
};

static const struct unit TIME_NS_UNITS[] = {
    {"us", 1000},       {"ms", 1000000},      {"s", 1000000000},
    {"m", 60000000000}, {"h", 3600000000000}, {NULL, 0},
};
static const struct unit RATE_UNITS[] = {
    {"", 1000}, {"k", 1000000}, {"K", 1000000}, {"M", 1000000000}, {NULL, 0},
};
static const struct unit SHARE_UNITS[] = {{"%", 10000}, {"", 10000}, {NULL, 0}};

static int parse_digits(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t sum = 0;
    if (*at < '0' || *at > '9')
        return -1;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return -1;
        sum = sum * 10 + digit;
    }
    *text = at;
    *number = sum;
    return 0;
}

/* Adds the digits behind a point, in units of `factor`: 5 of "1.5k" add 512. -1 unless that is a
 * whole number: half a byte, or half a millisecond, cannot be counted. From the last digit on, so
 * that a remainder anywhere is one of the whole. */
static int add_fraction(const char *digits, size_t length, uint64_t factor, uint64_t *value)
{
    uint64_t fraction = 0;
    while (length > 0) {
        uint64_t tenths = (uint64_t)(digits[--length] - '0') * factor + fraction;
        if (tenths % 10 != 0)
            return -1;
        fraction = tenths / 10;
    }
    if (*value > UINT64_MAX - fraction)
        return -1;
    *value += fraction;
    return 0;
}

static int parse_with(const struct unit *units, const char *text, uint64_t *value)
{
    uint64_t number;
    const char *digits = "";
    size_t length = 0;
    if (parse_digits(&text, &number) < 0)
        return -1;
    if (*text == '.') {
        digits = text + 1;
        length = strspn(digits, "0123456789");
        text = digits + length;
        if (length == 0)
            return -1;
    }
    for (; units->name; units++) {
        if (strcmp(units->name, text) != 0)
            continue;
        if (number > UINT64_MAX / units->factor)
            return -1;
        number *= units->factor;
        if (add_fraction(digits, length, units->factor, &number) < 0)
            return -1;
        *value = number;
        return 0;
    }
    return -1;
}

int units_parse_size(const char *text, uint64_t *bytes)
{
    return parse_with(SIZE_UNITS, text, bytes);
}

int units_parse_count(const char *text, uint64_t *count)
{
    return parse_with(COUNT_UNITS, text, count);
}

int units_parse_time(const char *text, uint64_t *ms)
{
    return parse_with(TIME_UNITS, text, ms);
}

int units_parse_time_ns(const char *text, uint64_t *ns)
{
    return parse_with(TIME_NS_UNITS, text, ns);
}

int units_parse_rate(const char *text, uint64_t *per_1000s)
{
    return parse_with(RATE_UNITS, text, per_1000s);
}

int units_parse_share(const char *text, uint64_t *ppm)
{
    return parse_with(SHARE_UNITS, text, ppm);
}

/* Uses the largest unit that divides the value, and the first name of that unit; 0 needs no
 * unit. */
static char *format_with(const struct unit *units, char *out, size_t size, uint64_t value)
{
    const struct unit *best = NULL;
    for (; value > 0 && units->name; units++) {
        bool is_better = !best || units->factor > best->factor ||
                         (units->factor == best->factor && !*best->name);
        if (value % units->factor == 0 && is_better)
            best = units;
    }
    snprintf(out, size, "%" PRIu64 "%s", best ? value / best->factor : value,
             best ? best->name : "");
    return out;
}

char *units_format_size(char *out, size_t size, uint64_t bytes)
{
    return format_with(SIZE_UNITS, out, size, bytes);
}

char *units_format_count(char *out, size_t size, uint64_t count)
{
    /* Counts are printed in full: "20000" is easier to compare than "20k". */
    snprintf(out, size, "%" PRIu64, count);
    return out;
}

char *units_format_rate(char *out, size_t size, uint64_t per_1000s)
{
    int length = snprintf(out, size, "%" PRIu64 ".%03" PRIu64, per_1000s / 1000, per_1000s % 1000);
    while (out[length - 1] == '0')
        out[--length] = '\0';
    if (out[length - 1] == '.')
        out[length - 1] = '\0';
    return out;
}

char *units_format_time(char *out, size_t size, uint64_t ms)
{
    return format_with(TIME_UNITS, out, size, ms);
}

const char *units_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

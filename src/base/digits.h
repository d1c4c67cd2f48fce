/* SPDX-License-Identifier: BSD-2-Clause */
/* Decimal digits by hand: for the texts that each short connection costs (its peer's address, its
 * line in the log), where snprintf(3) is most of the price. */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DIGITS_MAX 20 /* UINT64_MAX */

/* Writes a number to `out`, which must have room for DIGITS_MAX bytes, with leading zeros up to
 * `digits_min` digits and without a NUL. Returns the number of digits. */
static inline size_t digits_put(char *out, uint64_t number, size_t digits_min)
{
    char digits[2 * DIGITS_MAX]; /* so that what is copied has one length */
    size_t count = 0;
    do {
        digits[DIGITS_MAX - ++count] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || count < digits_min);
    memcpy(out, digits + DIGITS_MAX - count, DIGITS_MAX);
    return count;
}

#endif

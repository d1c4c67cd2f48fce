/* SPDX-License-Identifier: BSD-2-Clause */
/* Included by every unit test: cmocka, and the headers that it needs before it. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka 2 has renamed it, and warns about the old name. */
#ifdef assert_uint_in_range
#undef assert_in_range
#define assert_in_range assert_uint_in_range
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A repeatable random number; tests print their first seed if it matters. */
static inline uint64_t unit_random(uint64_t *state)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 33;
}

#endif

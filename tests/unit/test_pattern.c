/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"

#define BYTES 5000
#define STREAMS 300000

static void test_fill_is_byte_by_byte(void **state)
{
    unsigned char bytes[100];
    (void)state;
    for (uint64_t offset = 0; offset < 40; offset++) {
        for (size_t length = 0; length < sizeof(bytes); length++) {
            memset(bytes, 0, sizeof(bytes));
            pattern_fill(3, offset, bytes, length);
            for (size_t i = 0; i < length; i++)
                assert_int_equal(bytes[i], pattern_byte(3, offset + i));
            assert_int_equal(pattern_match(3, offset, bytes, length), length);
        }
    }
}

/* Every single wrong byte is found at its offset. */
static void test_match_finds_the_first(void **state)
{
    unsigned char bytes[BYTES];
    (void)state;
    pattern_fill(9, 3, bytes, sizeof(bytes));
    for (size_t at = 0; at < BYTES; at++) {
        bytes[at] ^= (unsigned char)(1U << (at % 8));
        assert_int_equal(pattern_match(9, 3, bytes, sizeof(bytes)), at);
        bytes[at] ^= (unsigned char)(1U << (at % 8));
    }
}

static void test_locate(void **state)
{
    unsigned char bytes[64];
    uint64_t seed = 11, found;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint64_t place = unit_random(&seed) * 16 + unit_random(&seed) % 16;
        pattern_fill(5, place, bytes, sizeof(bytes));
        assert_true(pattern_locate(5, bytes, sizeof(bytes), UINT64_MAX / 2, &found));
        assert_true(found == place);
        assert_false(pattern_locate(5, bytes, sizeof(bytes), place, &found));
        assert_false(pattern_locate(6, bytes, sizeof(bytes), UINT64_C(1) << 44, &found));
    }
    assert_false(pattern_locate(5, bytes, PATTERN_LOCATE_BYTES - 1, UINT64_MAX / 2, &found));
}

static void test_streams_differ(void **state)
{
    unsigned char one[64], other[64];
    (void)state;
    for (uint64_t stream = 0; stream < 1000; stream++) {
        pattern_fill(pattern_seed(1, stream), 0, one, sizeof(one));
        pattern_fill(pattern_seed(1, stream + 1), 0, other, sizeof(other));
        assert_memory_not_equal(one, other, 16);
    }
}

static void test_size(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;
    (void)state;
    assert_int_equal(pattern_size(3, 9, 64, 64), 64);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t size = pattern_size(3, i, 10, 19);
        assert_int_equal(size, pattern_size(3, i, 10, 19));
        least = size < least ? size : least;
        most = size > most ? size : most;
    }
    assert_int_equal(least, 10);
    assert_int_equal(most, 19);
}

static int compare_words(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* No two streams begin with the same 8 bytes, of one run or of runs with different seeds. */
static void test_first_words_differ(void **state)
{
    static uint64_t words[3 * STREAMS];
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        for (uint64_t stream = 0; stream < STREAMS; stream++)
            pattern_fill(pattern_seed(seed, stream), 0,
                         (unsigned char *)&words[seed * STREAMS + stream], sizeof(words[0]));
    }
    qsort(words, COUNT_OF(words), sizeof(words[0]), compare_words);
    for (size_t i = 1; i < COUNT_OF(words); i++)
        assert_true(words[i - 1] != words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill_is_byte_by_byte),
        cmocka_unit_test(test_match_finds_the_first),
        cmocka_unit_test(test_locate),
        cmocka_unit_test(test_streams_differ),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_first_words_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

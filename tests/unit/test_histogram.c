/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "base/histogram.h"

#define VALUES 20000

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* Compares with sorted values of all magnitudes: never below the exact percentile, and at most the
 * documented error above it. */
static void test_exact_percentiles(void **state)
{
    static uint64_t values[VALUES];
    static struct histogram histogram;
    uint64_t seed = 5;
    (void)state;
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = ((unit_random(&seed) << 31) | unit_random(&seed)) >> (unit_random(&seed) % 60);
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (size_t hundredths = 0; hundredths <= 10000; hundredths += 37) {
        size_t rank = (hundredths * VALUES + 9999) / 10000;
        uint64_t exact = values[rank ? rank - 1 : 0];
        uint64_t reported = histogram_percentile(&histogram, (double)hundredths / 100);
        assert_true(reported >= exact);
        assert_true((double)reported <= (double)exact * (1 + 1.0 / HISTOGRAM_PARTS));
    }
    assert_true(histogram_percentile(&histogram, 100) == values[VALUES - 1]);
    assert_true(histogram.min == values[0]);
}

/* 99.9 % is no binary fraction: still, exactly one of each thousand may be above it. */
static void test_a_rank_is_whole(void **state)
{
    static struct histogram histogram;
    (void)state;
    for (uint64_t thousand = 1; thousand <= 200; thousand++) {
        for (int i = 0; i < 999; i++)
            histogram_add(&histogram, 1);
        histogram_add(&histogram, 100);
        assert_int_equal(histogram_percentile(&histogram, 99.9), 1);
        assert_int_equal(histogram_percentile(&histogram, 99.91), 100);
    }
}

static void test_merged_parts_equal_the_whole(void **state)
{
    static struct histogram whole, parts[3], sum;
    uint64_t seed = 6;
    (void)state;
    for (size_t i = 0; i < VALUES; i++) {
        uint64_t value = unit_random(&seed);
        histogram_add(&whole, value);
        histogram_add(&parts[i % 3], value);
    }
    for (int i = 0; i < 3; i++)
        histogram_merge(&sum, &parts[i]);
    assert_memory_equal(sum.counts, whole.counts, sizeof(sum.counts));
    assert_int_equal(sum.count, whole.count);
    assert_true(sum.min == whole.min && sum.max == whole.max);
    assert_true(fabs(histogram_mean(&sum) - histogram_mean(&whole)) < 1);
    assert_true(fabs(histogram_stddev(&sum) - histogram_stddev(&whole)) < 1000);
}

static void test_empty_and_extremes(void **state)
{
    static struct histogram histogram, empty;
    uint64_t value;
    (void)state;
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    assert_true(histogram_mean(&histogram) < 0.5 && histogram_stddev(&histogram) < 0.5);
    assert_int_equal(histogram_next(&histogram, 0, &value), HISTOGRAM_BUCKETS);
    histogram_add(&histogram, 0);
    histogram_add(&histogram, UINT64_MAX);
    histogram_merge(&histogram, &empty);
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    assert_true(histogram_percentile(&histogram, 99) == UINT64_MAX);
    size_t next = histogram_next(&histogram, 0, &value);
    assert_int_equal(next, 0);
    assert_int_equal(histogram_next(&histogram, 1, &value), HISTOGRAM_BUCKETS - 1);
    assert_true(value == UINT64_MAX);
}

/* The values added between two states of a histogram. */
static void test_subtract(void **state)
{
    static struct histogram earlier, histogram;
    (void)state;
    histogram_add(&earlier, 5);
    histogram_add(&earlier, 1000000);
    histogram = earlier;
    histogram_subtract(&histogram, &earlier);
    assert_int_equal(histogram.count, 0);
    assert_int_equal(histogram_percentile(&histogram, 99), 0);
    histogram = earlier;
    histogram_add(&histogram, 7);
    histogram_add(&histogram, 100);
    histogram_subtract(&histogram, &earlier);
    assert_int_equal(histogram.count, 2);
    assert_int_equal(histogram.min, 7);
    assert_int_equal(histogram.max, 100);
    assert_int_equal(histogram_percentile(&histogram, 50), 7);
    assert_true(histogram_mean(&histogram) == 53.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_percentiles),
        cmocka_unit_test(test_a_rank_is_whole),
        cmocka_unit_test(test_merged_parts_equal_the_whole),
        cmocka_unit_test(test_empty_and_extremes),
        cmocka_unit_test(test_subtract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>

#include "client/schedule.h"

#define NS_PER_S UINT64_C(1000000000)

/* A part of `count` connections from `first` on. */
static struct schedule part(uint64_t rate, uint64_t all, uint64_t first, uint64_t count)
{
    return (struct schedule){
        .start_ns = 5000, .per_1000s = 1000 * rate, .all = all, .first = first, .count = count};
}

static void test_alone(void **state)
{
    const struct schedule schedule = part(4, 1, 0, 1);
    (void)state;
    assert_true(schedule_is_open_loop(&schedule));
    assert_int_equal(schedule_due_ns(&schedule, 0), 5000 + NS_PER_S / 8);
    assert_int_equal(schedule_due_ns(&schedule, 1), 5000 + NS_PER_S * 3 / 8);
    assert_int_equal(schedule_due_ns(&schedule, 4), 5000 + NS_PER_S * 9 / 8);
}

static void test_below_one_a_second(void **state)
{
    struct schedule schedule = part(1, 1, 0, 1);
    (void)state;
    schedule.per_1000s = 500;
    assert_true(schedule_is_open_loop(&schedule));
    assert_int_equal(schedule_due_ns(&schedule, 0), 5000 + NS_PER_S);
    assert_int_equal(schedule_due_ns(&schedule, 1), 5000 + NS_PER_S * 3);
    schedule.per_1000s = 1;
    assert_int_equal(schedule_due_ns(&schedule, 1), 5000 + NS_PER_S * 1500);
    schedule.per_1000s = 2500;
    assert_int_equal(schedule_due_ns(&schedule, 4), 5000 + NS_PER_S * 9 / 5);
}

/* The highest rate for a year: no number is too large. */
static void test_the_highest_rate_for_a_year(void **state)
{
    const uint64_t year_s = 365 * 24 * 3600, rate = 10000000;
    const struct schedule schedule = part(rate, 1, 0, 1);
    (void)state;
    assert_int_equal(schedule_due_ns(&schedule, rate * year_s), 5000 + NS_PER_S * year_s + 50);
    assert_int_equal(schedule_due_ns(&schedule, rate * year_s - 1), 5000 + NS_PER_S * year_s - 50);
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

/* However the connections are divided, the parts together contain every time exactly once. */
static void test_parts_make_the_whole(void **state)
{
    static const struct {
        uint64_t rate, connections, threads;
    } ROWS[] = {{3, 8, 8}, {7, 16, 4}, {10, 64, 8}, {1000, 100, 16}, {9999991, 5, 3}, {1, 1, 1}};
    (void)state;
    for (size_t row = 0; row < COUNT_OF(ROWS); row++) {
        uint64_t all = ROWS[row].connections, first = 0, count = 0, due[1000];
        uint64_t rounds = 1000 / all;
        for (uint64_t i = 0; i < ROWS[row].threads; i++) {
            uint64_t share = all / ROWS[row].threads + (i < all % ROWS[row].threads);
            const struct schedule schedule = part(ROWS[row].rate, all, first, share);
            for (uint64_t number = 0; number < rounds * share; number++)
                due[count++] = schedule_due_ns(&schedule, number);
            first += share;
        }
        assert_int_equal(count, rounds * all);
        qsort(due, count, sizeof(due[0]), compare);
        const struct schedule whole = part(ROWS[row].rate, 1, 0, 1);
        for (uint64_t i = 0; i < count; i++)
            assert_int_equal(due[i], schedule_due_ns(&whole, i));
    }
}

/* Every number of seconds has exactly its messages, even after a year. */
static void test_rate(void **state)
{
    static const uint64_t RATES[] = {1, 3, 7, 1000, 999983, 10000000};
    const uint64_t YEAR = 365 * 24 * 3600;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(RATES); i++) {
        const struct schedule schedule = part(RATES[i], 1, 0, 1);
        uint64_t number = RATES[i] * YEAR;
        assert_true(schedule_due_ns(&schedule, number - 1) < 5000 + YEAR * NS_PER_S);
        assert_true(schedule_due_ns(&schedule, number) >= 5000 + YEAR * NS_PER_S);
        assert_true(schedule_due_ns(&schedule, number + RATES[i]) >= 5000 + (YEAR + 1) * NS_PER_S);
    }
}

/* A connection's messages begin when it should be open; from then on none is left out. */
static void test_ramp(void **state)
{
    const uint64_t RATE = 1000, ALL = 10, RAMP_MS = 500;
    uint64_t counts[10] = {0}, last[10] = {0}, all = 0, due_ns;
    (void)state;
    for (uint64_t first = 0; first < ALL; first += 5) {
        struct schedule schedule = part(RATE, ALL, first, 5);
        schedule.ramp_ms = RAMP_MS;
        assert_int_equal(schedule_opens_ns(&schedule, 2), 5000 + (first + 2) * NS_PER_S / 20);
        for (; schedule_find(&schedule, 5000 + NS_PER_S, &due_ns); schedule.next++) {
            uint64_t index = schedule.next % 5, connection = first + index;
            assert_int_equal(due_ns, schedule_due_ns(&schedule, schedule.next));
            assert_true(due_ns >= schedule_opens_ns(&schedule, index));
            if (counts[connection])
                assert_int_equal(due_ns - last[connection], NS_PER_S * ALL / RATE);
            else
                assert_true(due_ns < schedule_opens_ns(&schedule, index) + NS_PER_S * ALL / RATE);
            last[connection] = due_ns;
            counts[connection]++;
            all++;
        }
        assert_true(due_ns > 5000 + NS_PER_S);
    }
    for (uint64_t i = 0; i < ALL; i++)
        assert_int_equal(counts[i], 100 - 5 * i);
    assert_int_equal(all, 775);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_below_one_a_second),
        cmocka_unit_test(test_the_highest_rate_for_a_year),
        cmocka_unit_test(test_parts_make_the_whole),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_ramp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

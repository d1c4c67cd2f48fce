/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <string.h>

#include "echo/counters.h"

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const char *name = counter_about((enum counter)i)->name;
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(name, counter_about((enum counter)j)->name);
    }
    assert_string_equal(reason_word(REASON_EOF), "eof");
    assert_string_equal(counter_about(counter_of_reason(REASON_MEMORY))->name, "closed_memory");
}

static void test_sum(void **state)
{
    struct counters one = {0}, other = {0}, sum = {0};
    (void)state;
    counter_add(&one, COUNTER_OWED, 10);
    counter_add(&one, COUNTER_OWED, (uint64_t)0 - 4); /* a gauge goes down */
    counter_add(&other, COUNTER_OWED, 5);
    counter_add(&other, COUNTER_BYTES_IN, 7);
    counters_sum(&sum, &one);
    counters_sum(&sum, &other);
    assert_int_equal(counter_get(&sum, COUNTER_OWED), 11);
    assert_int_equal(counter_get(&sum, COUNTER_BYTES_IN), 7);
    assert_int_equal(counter_get(&sum, COUNTER_LOST), 0);
}

static void test_lifetimes(void **state)
{
    struct counters one = {0}, sum = {0};
    const uint64_t longest = lifetime_bound_ms(LIFETIME_BOUNDS - 1);
    (void)state;
    counter_add_lifetime(&one, 0);
    counter_add_lifetime(&one, 1);
    counter_add_lifetime(&one, 2);
    counter_add_lifetime(&one, 4);
    counter_add_lifetime(&one, longest);
    counter_add_lifetime(&one, longest + 1);
    counters_sum(&sum, &one);
    counters_sum(&sum, &one);
    assert_int_equal(sum.lifetimes[0], 4);
    assert_int_equal(sum.lifetimes[1], 4);
    assert_int_equal(sum.lifetimes[2], 0);
    assert_int_equal(sum.lifetimes[LIFETIME_BOUNDS - 1], 2);
    assert_int_equal(sum.lifetimes[LIFETIME_BOUNDS], 2);
    assert_int_equal(sum.lifetime_ms, 2 * (7 + 2 * longest + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_sum),
                                       cmocka_unit_test(test_lifetimes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

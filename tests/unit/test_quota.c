/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "client/quota.h"

/* Parts are even and add up to the whole, so the distribution of connections to threads does not
 * matter. */
static void test_parts(void **state)
{
    static const uint64_t ROWS[][2] = {{1000, 2}, {3, 10}, {7, 3}, {1, 1}, {UINT64_MAX / 2, 7}};
    (void)state;
    for (size_t row = 0; row < COUNT_OF(ROWS); row++) {
        uint64_t requests = ROWS[row][0], connections = ROWS[row][1], sum = 0;
        for (uint64_t i = 0; i < connections; i++) {
            uint64_t part = quota_part(requests, connections, i);
            assert_true(part == requests / connections || part == requests / connections + 1);
            sum += part;
        }
        assert_int_equal(sum, requests);
    }
    assert_true(quota_part(0, 5, 3) == QUOTA_ENDLESS);
}

static void test_the_warm_up_uses_no_quota(void **state)
{
    struct quota quota = {.left = QUOTA_ENDLESS};
    (void)state;
    assert_true(quota_take(&quota, 5, 0));
    assert_true(quota.left == QUOTA_ENDLESS);
    quota.left = 2;
    assert_true(quota_take(&quota, 9, 10)); /* due before counting began */
    assert_int_equal(quota.left, 2);
    assert_true(quota_take(&quota, 10, 10));
    assert_true(quota_take(&quota, 11, 10));
    assert_false(quota_take(&quota, 12, 10));
    assert_false(quota_take(&quota, 9, 10));
}

static void test_failing(void **state)
{
    struct quota quota = {.left = 3};
    (void)state;
    assert_false(quota_fails(&quota, 1000, 500));
    assert_false(quota_fails(&quota, 1499, 500));
    quota_works(&quota);
    assert_false(quota_fails(&quota, 1600, 500)); /* counted again */
    assert_true(quota_fails(&quota, 2100, 500));
    assert_int_equal(quota_drop(&quota), 3);
    assert_int_equal(quota.left, 0);
    quota.left = QUOTA_ENDLESS;
    assert_int_equal(quota_drop(&quota), 0);
    assert_int_equal(quota.left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_the_warm_up_uses_no_quota),
        cmocka_unit_test(test_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

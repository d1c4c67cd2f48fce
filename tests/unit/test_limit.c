/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/socket.h>

#include "daemon/limit.h"

#define SOURCES 3000
#define STEPS 60000

static struct address source(uint32_t number)
{
    struct address address = {.family = AF_INET6};
    for (int i = 0; i < 4; i++)
        address.bytes[12 + i] = (uint8_t)(number >> (8 * i));
    return address;
}

static void test_in_all(void **state)
{
    struct limit *limit = limit_new(&(struct limit_values){.connections = 2});
    const struct address one = source(1), local = {.family = AF_UNIX};
    (void)state;
    assert_false(limit_is_full(limit));
    assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
    assert_int_equal(limit_admit(limit, &local), LIMIT_ADMITTED);
    assert_true(limit_is_full(limit));
    assert_int_equal(limit_admit(limit, &one), LIMIT_ALL);
    limit_release(limit, &local);
    assert_int_equal(limit_open(limit), 1);
    assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
    assert_true(limit_is_full(limit));
    limit_lift_connections(limit);
    assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
    limit_free(limit);
    limit_free(NULL);
}

static void test_per_source(void **state)
{
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 2});
    const struct address one = source(1), other = source(2), local = {.family = AF_UNIX};
    (void)state;
    assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
    assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
    assert_int_equal(limit_admit(limit, &one), LIMIT_SOURCE);
    assert_int_equal(limit_admit(limit, &other), LIMIT_ADMITTED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(limit_admit(limit, &local), LIMIT_ADMITTED);
    limit_release(limit, &one);
    assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
    limit_free(limit);
}

/* One that came without a source gets it later, or is told that there are enough of that. */
static void test_named_later(void **state)
{
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 1});
    const struct address one = source(1), local = {.family = AF_UNIX};
    (void)state;
    assert_int_equal(limit_admit(limit, &local), LIMIT_ADMITTED);
    assert_int_equal(limit_admit(limit, &local), LIMIT_ADMITTED);
    assert_int_equal(limit_name_source(limit, &local), LIMIT_ADMITTED);
    assert_int_equal(limit_name_source(limit, &one), LIMIT_ADMITTED);
    assert_int_equal(limit_open(limit), 2);
    assert_int_equal(limit_name_source(limit, &one), LIMIT_SOURCE);
    limit_release(limit, &one);
    assert_int_equal(limit_name_source(limit, &one), LIMIT_ADMITTED);
    limit_release(limit, &one);
    assert_int_equal(limit_open(limit), 0);
    limit_free(limit);
}

/* The table of sources against plain counts: nobody is forgotten where others come and go. */
static void test_many_sources(void **state)
{
    static uint32_t open[SOURCES];
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 3});
    uint64_t seed = 3, total = 0;
    (void)state;
    for (int step = 0; step < STEPS; step++) {
        uint32_t number = (uint32_t)(unit_random(&seed) % SOURCES);
        struct address address = source(number);
        if (unit_random(&seed) % 2 && open[number] > 0) {
            limit_release(limit, &address);
            open[number]--;
            total--;
        } else {
            enum limit_verdict verdict = limit_admit(limit, &address);
            assert_int_equal(verdict, open[number] < 3 ? LIMIT_ADMITTED : LIMIT_SOURCE);
            open[number] += verdict == LIMIT_ADMITTED;
            total += verdict == LIMIT_ADMITTED;
        }
        assert_int_equal(limit_open(limit), total);
    }
    limit_free(limit);
}

static void test_owed(void **state)
{
    struct limit *limit = limit_new(&(struct limit_values){.owed_bytes = 100});
    struct counters one = {0}, other = {0};
    (void)state;
    assert_int_equal(limit_watch(limit, &one), 0);
    assert_int_equal(limit_watch(limit, &other), 0);
    assert_false(limit_is_owed_out(limit));
    counter_add(&one, COUNTER_OWED, 60);
    assert_false(limit_is_owed_out(limit));
    counter_add(&other, COUNTER_OWED, 40);
    assert_true(limit_is_owed_out(limit));
    limit_change(limit, &(struct limit_values){0});
    assert_false(limit_is_owed_out(limit));
    limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_all),      cmocka_unit_test(test_per_source),
        cmocka_unit_test(test_named_later), cmocka_unit_test(test_many_sources),
        cmocka_unit_test(test_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

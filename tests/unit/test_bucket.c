/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "echo/bucket.h"

#define MS UINT64_C(1000000)
#define START_NS (1000 * MS)
#define SOURCES 200000
#define PLACES 8192 /* of the table in bucket.c */

static struct address ipv4(uint32_t number)
{
    struct address address = {.family = AF_INET};
    memcpy(address.bytes, &number, sizeof(number));
    return address;
}

static struct address ipv6(uint64_t network, uint64_t host)
{
    struct address address = {.family = AF_INET6};
    memcpy(address.bytes, &network, sizeof(network));
    memcpy(address.bytes + 8, &host, sizeof(host));
    return address;
}

static uint64_t take_many(struct buckets *buckets, const struct address *source, uint64_t count,
                          uint64_t now_ns)
{
    uint64_t admitted = 0;
    for (uint64_t i = 0; i < count; i++)
        admitted += buckets_take(buckets, source, now_ns) == BUCKET_ADMITTED;
    return admitted;
}

static void test_rate(void **state)
{
    struct buckets *buckets = buckets_new(1000, 64, 1);
    const struct address one = ipv4(1), other = ipv4(2);
    (void)state;
    assert_int_equal(take_many(buckets, &one, 5000, START_NS), 1000);
    assert_int_equal(buckets_take(buckets, &one, START_NS), BUCKET_SOURCE);
    assert_int_equal(take_many(buckets, &other, 1, START_NS), 1);
    assert_int_equal(take_many(buckets, &one, 5, START_NS + 1 * MS), 1);
    assert_int_equal(take_many(buckets, &one, 500, START_NS + 101 * MS), 100);
    /* After any silence, a burst is at most the bucket's size. */
    assert_int_equal(take_many(buckets, &one, 5000, START_NS + 100000 * MS), 1000);
    buckets_free(buckets);
    buckets_free(NULL);
}

static void test_steady(void **state)
{
    struct buckets *buckets = buckets_new(100, 64, 1);
    const struct address one = ipv4(1);
    uint64_t admitted = 0;
    (void)state;
    for (uint64_t ms = 0; ms < 10000; ms++)
        admitted += take_many(buckets, &one, 1, START_NS + ms * MS);
    assert_in_range(admitted, 1095, 1100); /* a full bucket and the tokens of ten seconds */
    buckets_free(buckets);
}

static void test_no_limit_and_reload(void **state)
{
    struct buckets *buckets = buckets_new(0, 64, 1);
    const struct address one = ipv4(1);
    (void)state;
    assert_int_equal(take_many(buckets, &one, 100000, START_NS), 100000);
    buckets_set_rate(buckets, 10);
    assert_int_equal(take_many(buckets, &one, 100, START_NS), 10);
    buckets_set_rate(buckets, 1000);
    assert_int_equal(take_many(buckets, &one, 100, START_NS), 0); /* an empty bucket stays empty */
    assert_int_equal(take_many(buckets, &one, 100, START_NS + 10 * MS), 10);
    buckets_free(buckets);
}

static void test_ipv6_network(void **state)
{
    struct buckets *buckets = buckets_new(10, 64, 1);
    uint64_t admitted = 0;
    (void)state;
    for (uint64_t host = 0; host < 1000; host++) {
        const struct address source = ipv6(7, host);
        admitted += take_many(buckets, &source, 1, START_NS);
    }
    assert_int_equal(admitted, 10);
    const struct address elsewhere = ipv6(8, 0);
    assert_int_equal(take_many(buckets, &elsewhere, 100, START_NS), 10);
    buckets_free(buckets);
    buckets = buckets_new(10, 128, 1);
    const struct address one = ipv6(8, 1);
    assert_int_equal(take_many(buckets, &elsewhere, 100, START_NS), 10);
    assert_int_equal(take_many(buckets, &one, 100, START_NS), 10);
    buckets_free(buckets);
}

static void test_common(void **state)
{
    struct buckets *buckets = buckets_new(10, 64, 1);
    uint64_t admitted = 0, common = 0;
    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct address source = ipv4(i);
        for (int j = 0; j < 10; j++) {
            enum bucket_verdict verdict = buckets_take(buckets, &source, START_NS);
            admitted += verdict == BUCKET_ADMITTED;
            common += verdict == BUCKET_ALL;
        }
    }
    assert_int_equal(admitted, 10 * BUCKET_SOURCES_AT_ONCE);
    assert_true(common > 0);
    buckets_free(buckets);
}

/* An attacker that has emptied a bucket cannot refill it by inventing sources that evict it, and
 * all invented sources share the table's places. */
static void test_eviction_resets_nothing(void **state)
{
    struct buckets *buckets = buckets_new(1, 64, 42);
    const struct address attacker = ipv4(0x01020304);
    uint64_t granted = 0;
    (void)state;
    assert_int_equal(take_many(buckets, &attacker, 10, START_NS), 1);
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct address invented = ipv4(0x0a000000 + i);
        granted += buckets_take(buckets, &invented, START_NS) != BUCKET_SOURCE;
        if (i % 100 == 0)
            assert_int_equal(buckets_take(buckets, &attacker, START_NS), BUCKET_SOURCE);
    }
    assert_in_range(granted, 1, PLACES - 1);
    buckets_free(buckets);
}

/* Sources with full buckets are forgotten, so a new source finds a place. */
static void test_quiet_sources_are_forgotten(void **state)
{
    struct buckets *buckets = buckets_new(1, 64, 42);
    (void)state;
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct address source = ipv4(i);
        assert_int_equal(buckets_take(buckets, &source, START_NS + i * 1000 * MS), BUCKET_ADMITTED);
    }
    buckets_free(buckets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_no_limit_and_reload),
        cmocka_unit_test(test_ipv6_network),
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_eviction_resets_nothing),
        cmocka_unit_test(test_quiet_sources_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdbool.h>
#include <sys/socket.h>

#include "base/mix.h"
#include "echo/limit.h"

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
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 2, .source_prefix = 128});
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

/* A connection without a source gets it later, or is refused if the source has too many. */
static void test_named_later(void **state)
{
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 1, .source_prefix = 128});
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

/* The hosts of one IPv6 network are one source, for any prefix length; IPv4 counts by address. */
static void test_networks(void **state)
{
    const struct address one = {.family = AF_INET6, .bytes = {[7] = 1, [15] = 1}};
    const struct address near = {.family = AF_INET6, .bytes = {[7] = 1, [15] = 2}};
    const struct address far = {.family = AF_INET6, .bytes = {[7] = 3}};
    const struct address in4 = {.family = AF_INET, .bytes = {10, 0, 0, 1}};
    const struct address other4 = {.family = AF_INET, .bytes = {10, 0, 0, 2}};
    (void)state;
    for (unsigned prefix = 62; prefix <= 64; prefix++) {
        struct limit *limit =
            limit_new(&(struct limit_values){.per_source = 1, .source_prefix = prefix});
        assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
        assert_int_equal(limit_admit(limit, &near), LIMIT_SOURCE);
        assert_int_equal(limit_admit(limit, &far), prefix == 62 ? LIMIT_SOURCE : LIMIT_ADMITTED);
        limit_release(limit, &near); /* the same source as its neighbour */
        assert_int_equal(limit_admit(limit, &one), LIMIT_ADMITTED);
        assert_int_equal(limit_admit(limit, &in4), LIMIT_ADMITTED);
        assert_int_equal(limit_admit(limit, &other4), LIMIT_ADMITTED);
        assert_int_equal(limit_admit(limit, &in4), LIMIT_SOURCE);
        limit_free(limit);
    }
}

/* Compares the table of sources with plain counts: no source is lost while others are added and
 * removed. */
static void test_many_sources(void **state)
{
    static uint32_t open[SOURCES];
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 3, .source_prefix = 128});
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

/* ---- the cost of counting ---- */

enum sources {
    IPV4_SEQUENTIAL,
    IPV6_SEQUENTIAL,
    IPV6_NETWORKS,
    IPV6_EUI64,
    IPV4_RANDOM,
    IPV6_RANDOM,
    KINDS
};

static void put(uint8_t *out, size_t bytes, uint64_t number)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

/* The n-th address of a kind, in network byte order. */
static struct address source_of(enum sources kind, uint32_t n)
{
    bool is_ipv4 = kind == IPV4_SEQUENTIAL || kind == IPV4_RANDOM;
    struct address address = {.family = is_ipv4 ? AF_INET : AF_INET6,
                              .bytes = {0x20, 1, 0xd, 0xb8}};
    switch (kind) {
    case IPV4_SEQUENTIAL: /* 10.0.0.0 and on */
        put(address.bytes, 4, 0x0a000000 + n);
        break;
    case IPV4_RANDOM:
        put(address.bytes, 4, mix64(n));
        break;
    case IPV6_SEQUENTIAL: /* 2001:db8::1, ::2, ... */
        put(address.bytes + 8, 8, n + 1);
        break;
    case IPV6_NETWORKS: /* 2001:db8:0:1::1, 2001:db8:0:2::1, ... */
        put(address.bytes + 4, 4, n);
        put(address.bytes + 8, 8, 1);
        break;
    case IPV6_EUI64: /* RFC 4291, appendix A: one vendor's network cards, ff:fe in their middle */
        put(address.bytes + 8, 8, 0x02163efffe000000 + n);
        break;
    default:
        put(address.bytes + 4, 8, mix64(n));
        put(address.bytes + 8, 8, mix64(~(uint64_t)n));
    }
    return address;
}

/* Table places examined for each of `count` connections that close, each of another source. */
static double steps_a_close(enum sources kind, uint32_t count)
{
    struct limit *limit = limit_new(&(struct limit_values){.per_source = 2, .source_prefix = 128});
    for (uint32_t i = 0; i < count; i++) {
        const struct address address = source_of(kind, i);
        assert_int_equal(limit_admit(limit, &address), LIMIT_ADMITTED);
    }
    uint64_t before = limit_steps(limit);
    for (uint32_t i = 0; i < count; i++) {
        const struct address address = source_of(kind, i);
        limit_release(limit, &address);
    }
    double steps = (double)(limit_steps(limit) - before) / count;
    assert_int_equal(limit_open(limit), 0);
    limit_free(limit);
    return steps;
}

/* A table at most half full needs 1.5 steps to find a place and 2.5 to reach the end of its run
 * (Knuth 6.4, theorem K), if addresses are spread as if by chance. */
static void test_closing_costs_the_same(void **state)
{
    static const uint32_t COUNTS[] = {100, 10000, 19000};
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++) {
            double steps = steps_a_close((enum sources)kind, COUNTS[i]);
            if (steps > 6)
                fail_msg("kind %d: %.1f steps a close of %u", kind, steps, COUNTS[i]);
        }
    }
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
        cmocka_unit_test(test_networks),    cmocka_unit_test(test_closing_costs_the_same),
        cmocka_unit_test(test_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

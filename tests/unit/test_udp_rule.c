/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

#include "echo/udp_rule.h"

#define NOW_NS UINT64_C(5000000000)
#define OWN_PORT 7007

static struct address address_of(const char *text, uint16_t port)
{
    struct address address = {.family = strchr(text, ':') ? AF_INET6 : AF_INET, .port = port};
    assert_int_equal(inet_pton(address.family, text, address.bytes), 1);
    return address;
}

static const struct {
    const char *peer;
    uint16_t port;
    const char *local; /* NULL: unknown */
    enum udp_drop drop;
} ROWS[] = {
    {"192.0.2.1", 0, "192.0.2.2", UDP_DROP_PORT},
    {"192.0.2.1", 1, "192.0.2.2", UDP_DROP_PORT},
    {"192.0.2.1", 7, "192.0.2.2", UDP_DROP_PORT},
    {"192.0.2.1", 19, "192.0.2.2", UDP_DROP_PORT},
    {"192.0.2.1", 53, "192.0.2.2", UDP_DROP_PORT},
    {"192.0.2.1", 1023, "192.0.2.2", UDP_DROP_PORT},
    {"192.0.2.1", 1024, "192.0.2.2", UDP_DROP_NONE},
    {"192.0.2.1", 2049, "192.0.2.2", UDP_DROP_NONE},
    {"192.0.2.1", 65535, "192.0.2.2", UDP_DROP_NONE},
    {"192.0.2.1", OWN_PORT, "192.0.2.2", UDP_DROP_OWN},
    {"192.0.2.1", OWN_PORT - 1, "192.0.2.2", UDP_DROP_NONE},
    {"192.0.2.1", OWN_PORT + 1, "192.0.2.2", UDP_DROP_NONE},
    {"2001:db8::1", OWN_PORT, "2001:db8::2", UDP_DROP_OWN},
    {"2001:db8::1", 1023, "2001:db8::2", UDP_DROP_PORT},
    {"2001:db8::1", 40000, "2001:db8::2", UDP_DROP_NONE},
    {"127.0.0.1", 40000, "127.0.0.1", UDP_DROP_NONE},
    {"127.255.255.254", 40000, "127.1.2.3", UDP_DROP_NONE},
    {"::1", 40000, "::1", UDP_DROP_NONE},
    {"192.0.2.1", 40000, NULL, UDP_DROP_NONE},
    {"0.0.0.0", 40000, "192.0.2.2", UDP_DROP_ADDRESS},
    {"0.1.2.3", 40000, "192.0.2.2", UDP_DROP_ADDRESS},
    {"223.255.255.255", 40000, "192.0.2.2", UDP_DROP_NONE},
    {"224.0.0.1", 40000, "192.0.2.2", UDP_DROP_ADDRESS},
    {"239.255.255.255", 40000, "192.0.2.2", UDP_DROP_ADDRESS},
    {"240.0.0.1", 40000, "192.0.2.2", UDP_DROP_ADDRESS},
    {"255.255.255.255", 40000, "192.0.2.2", UDP_DROP_ADDRESS},
    {"::", 40000, "2001:db8::2", UDP_DROP_ADDRESS},
    {"ff02::1", 40000, "2001:db8::2", UDP_DROP_ADDRESS},
    {"fe80::1", 40000, "fe80::2", UDP_DROP_NONE},
    {"192.0.2.1", 40000, "0.0.0.0", UDP_DROP_ADDRESS},
    {"192.0.2.1", 40000, "224.0.0.251", UDP_DROP_ADDRESS},
    {"192.0.2.1", 40000, "255.255.255.255", UDP_DROP_ADDRESS},
    {"2001:db8::1", 40000, "ff02::1", UDP_DROP_ADDRESS},
};

static void test_table(void **state)
{
    struct udp_rule *rule = udp_rule_new(0, 64);
    (void)state;
    udp_rule_add_port(rule, OWN_PORT);
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct datagram datagram = {.peer = address_of(ROWS[i].peer, ROWS[i].port)};
        if (ROWS[i].local)
            datagram.local = address_of(ROWS[i].local, 0);
        if (udp_rule_judge(rule, &datagram, NOW_NS) != ROWS[i].drop)
            fail_msg("row %zu: %s port %u", i, ROWS[i].peer, ROWS[i].port);
    }
    udp_rule_free(rule);
    udp_rule_free(NULL);
}

static void test_marks(void **state)
{
    struct udp_rule *rule = udp_rule_new(0, 64);
    struct datagram datagram = {.peer = address_of("192.0.2.1", 40000), .is_to_many = true};
    (void)state;
    assert_int_equal(udp_rule_judge(rule, &datagram, NOW_NS), UDP_DROP_ADDRESS);
    datagram.is_truncated = true;
    assert_int_equal(udp_rule_judge(rule, &datagram, NOW_NS), UDP_DROP_TRUNCATED);
    udp_rule_free(rule);
}

/* A datagram dropped for another reason uses no token; one above a rate is reported with that
 * rate. */
static void test_rate(void **state)
{
    struct udp_rule *rule = udp_rule_new(2, 64);
    struct datagram good = {.peer = address_of("192.0.2.1", 40000)};
    struct datagram bad = {.peer = address_of("192.0.2.1", 53)};
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(udp_rule_judge(rule, &bad, NOW_NS), UDP_DROP_PORT);
    assert_int_equal(udp_rule_judge(rule, &good, NOW_NS), UDP_DROP_NONE);
    good.peer.port++; /* a peer can use any port, so a source is a host */
    assert_int_equal(udp_rule_judge(rule, &good, NOW_NS), UDP_DROP_NONE);
    assert_int_equal(udp_rule_judge(rule, &good, NOW_NS), UDP_DROP_RATE);
    udp_rule_set_rate(rule, 0);
    assert_int_equal(udp_rule_judge(rule, &good, NOW_NS), UDP_DROP_NONE);
    udp_rule_free(rule);
}

static void test_counters(void **state)
{
    struct counters counters = {0};
    (void)state;
    assert_true(udp_is_balanced(&counters));
    for (int i = UDP_DROP_NONE + 1; i < UDP_DROP_COUNT; i++) {
        enum udp_drop drop = (enum udp_drop)i;
        assert_memory_equal(counter_about(udp_drop_counter(drop))->name, "udp_dropped_", 12);
        assert_memory_equal(udp_drop_message(drop), "datagram dropped: ", 18);
        counter_add(&counters, COUNTER_UDP_IN, 1);
        assert_false(udp_is_balanced(&counters));
        counter_add(&counters, udp_drop_counter(drop), 1);
        assert_true(udp_is_balanced(&counters));
    }
    counter_add(&counters, COUNTER_UDP_IN, 2);
    counter_add(&counters, COUNTER_UDP_OUT, 1);
    assert_false(udp_is_balanced(&counters));
    counter_add(&counters, COUNTER_UDP_SUNK, 1);
    assert_true(udp_is_balanced(&counters));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

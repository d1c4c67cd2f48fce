/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/cidr.h"
#include "said.h"

static struct address address(const char *text)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (strcmp(text, "unix") == 0)
        return (struct address){.family = AF_UNIX};
    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
        return address_from_sockaddr((struct sockaddr *)&in4);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_from_sockaddr((struct sockaddr *)&in6);
}

static void test_contains(void **state)
{
    static const struct {
        const char *prefix, *inside[4], *outside[4];
    } ROWS[] = {
        {"10.0.0.0/8",
         {"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"},
         {"11.0.0.0", "::10.0.0.1", "unix"}},
        {"192.0.2.128/25", {"192.0.2.128", "192.0.2.255"}, {"192.0.2.127", "192.0.3.128"}},
        {"192.0.2.1", {"192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
        {"192.0.2.1/32", {"192.0.2.1"}, {"192.0.2.0"}},
        {"192.0.2.0/31", {"192.0.2.0", "192.0.2.1"}, {"192.0.2.2"}},
        {"0.0.0.0/0", {"1.2.3.4", "::ffff:1.2.3.4"}, {"::1", "unix"}},
        {"128.0.0.0/1", {"128.0.0.0", "255.255.255.255"}, {"127.255.255.255"}},
        {"2001:db8::/32", {"2001:db8::", "2001:db8:ffff::1"}, {"2001:db9::", "192.0.2.1"}},
        {"2001:db8::8/125", {"2001:db8::8", "2001:db8::f"}, {"2001:db8::7", "2001:db8::10"}},
        {"::1", {"::1"}, {"::", "127.0.0.1"}},
        {"::/0", {"::", "fe80::1"}, {"127.0.0.1", "unix"}},
        {"fe80::/10", {"fe80::1", "febf::1"}, {"fec0::1"}},
        {"::ffff:10.0.0.0/104", {"10.0.0.1", "::ffff:10.255.0.0"}, {"11.0.0.1", "::1"}},
        {"::ffff:0:0/96", {"10.0.0.1"}, {"::1"}},
        {"::ffff:192.0.2.1", {"192.0.2.1"}, {"192.0.2.2"}},
        {"unix", {"unix"}, {"127.0.0.1", "::1", "0.0.0.0"}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct cidr cidr;
        struct error err = {0};
        if (cidr_parse(ROWS[i].prefix, &cidr, &err) < 0)
            fail_msg("%s: %s", ROWS[i].prefix, said(&err));
        for (size_t j = 0; ROWS[i].inside[j]; j++) {
            struct address one = address(ROWS[i].inside[j]);
            one.port = 80;
            if (!cidr_contains(&cidr, &one))
                fail_msg("%s is not in %s", ROWS[i].inside[j], ROWS[i].prefix);
        }
        for (size_t j = 0; ROWS[i].outside[j]; j++) {
            struct address one = address(ROWS[i].outside[j]);
            if (cidr_contains(&cidr, &one))
                fail_msg("%s is in %s", ROWS[i].outside[j], ROWS[i].prefix);
        }
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *part;
    } ROWS[] = {
        {"", "not a prefix"},
        {"/8", "not a prefix"},
        {"10.0.0.0/", "not a prefix"},
        {"10.0.0.0/33", "not a prefix"},
        {"10.0.0.0/-1", "not a prefix"},
        {"10.0.0.0/8 ", "not a prefix"},
        {"10.0.0.0/08888", "not a prefix"},
        {"10.0.0.0/8x", "not a prefix"},
        {"10.0.0", "not a prefix"},
        {"010.0.0.1", "not a prefix"},
        {"::1/129", "not a prefix"},
        {"::1/999", "not a prefix"},
        {"[::1]", "not a prefix"},
        {"localhost", "not a prefix"},
        {"fe80::1%no-such-interface", "no interface '"},
        {"fe80::1%", "no interface '"},
        {"fe80::1%0", "no interface '"},
        {"fe80::1%4294967296", "no interface '"},
        {"10.0.0.1%lo", "not a prefix"},
        {"unix/8", "not a prefix"},
        {"Unix", "not a prefix"},
        {"10.0.0.1/8", "10.0.0.0/8 is expected"},
        {"2001:db8::1/32", "2001:db8::/32 is expected"},
        {"::ffff:10.0.0.1/104", "10.0.0.0/8 is expected"},
        {"::ffff:10.0.0.0/95", "at least /96"},
        {"1111111111222222222233333333334444444444555555555566666666667777777777/8",
         "not a prefix"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct cidr cidr;
        struct error err = {0};
        assert_int_equal(cidr_parse(ROWS[i].text, &cidr, &err), -1);
        assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
        if (!strstr(said(&err), ROWS[i].part))
            fail_msg("%s: %s", ROWS[i].text, said(&err));
    }
}

/* A prefix with a scope matches that interface only, one without a scope matches every
 * interface. */
static void test_scopes(void **state)
{
    struct cidr scoped, any;
    struct error err;
    struct address peer = address("fe80::1");
    (void)state;
    assert_int_equal(cidr_parse("fe80::%lo/64", &scoped, &err), 0);
    assert_int_equal(cidr_parse("fe80::/64", &any, &err), 0);
    peer.scope = scoped.address.scope;
    assert_true(cidr_contains(&scoped, &peer) && cidr_contains(&any, &peer));
    peer.scope++;
    assert_true(!cidr_contains(&scoped, &peer) && cidr_contains(&any, &peer));
    assert_int_equal(cidr_parse("fe80::%4294967295/64", &scoped, &err), 0);
    assert_true(scoped.address.scope == UINT32_MAX && scoped.bits == 64);
}

static void test_list(void **state)
{
    struct cidr_list list = {0};
    struct error err;
    struct address one = address("10.0.0.31"), other = address("10.0.0.32");
    (void)state;
    assert_false(cidr_list_contains(&list, &one));
    assert_int_equal(cidr_list_add(&list, "nonsense", &err), -1);
    assert_int_equal(list.count, 0);
    for (int i = 0; i < CIDR_LIST_MAX; i++) {
        char text[20];
        snprintf(text, sizeof(text), "10.0.0.%d", i);
        assert_int_equal(cidr_list_add(&list, text, &err), 0);
    }
    assert_int_equal(cidr_list_add(&list, "10.0.0.32", &err), -1);
    assert_true(cidr_list_contains(&list, &one) && !cidr_list_contains(&list, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

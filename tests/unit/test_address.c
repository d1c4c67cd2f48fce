/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "said.h"

static struct address of_text(const char *text, uint16_t port)
{
    struct address found[ADDRESS_RESOLVED_MAX];
    struct error err;
    int count = address_resolve(text, port, found, &err);
    if (count != 1)
        fail_msg("%s: %d addresses", text, count);
    return found[0];
}

static void assert_text(const struct address *address, const char *expected)
{
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_format(text, sizeof(text), address), expected);
}

static void test_formats(void **state)
{
    struct address address = of_text("127.0.0.1", 7);
    (void)state;
    assert_text(&address, "127.0.0.1:7");
    address = of_text("::1", 65535);
    assert_text(&address, "[::1]:65535");
    assert_text(&(struct address){.family = AF_UNIX}, "unix:");
    address = of_text("fe80::1%lo", 7);
    assert_int_equal(address.scope, if_nametoindex("lo"));
    assert_text(&address, "[fe80::1%lo]:7");
    address.scope = 4294967294U; /* an interface that does not exist */
    assert_text(&address, "[fe80::1%4294967294]:7");
}

static void test_every_digit(void **state)
{
    char text[ADDRESS_TEXT_MAX], expected[ADDRESS_TEXT_MAX], host[INET_ADDRSTRLEN];
    (void)state;
    for (unsigned i = 0; i < 65536; i += 7) {
        struct address address = {.family = AF_INET, .port = (uint16_t)i};
        const uint8_t bytes[] = {(uint8_t)i, (uint8_t)(i >> 8), 255, (uint8_t)(i / 7)};
        memcpy(address.bytes, bytes, sizeof(bytes));
        assert_non_null(inet_ntop(AF_INET, bytes, host, sizeof(host)));
        snprintf(expected, sizeof(expected), "%s:%u", host, i);
        assert_text(&address, expected);
        address_format(text, 9, &address);
        expected[8] = '\0';
        assert_string_equal(text, expected);
    }
}

static void test_prefixes(void **state)
{
    struct address address = {.family = AF_INET6, .port = 7};
    (void)state;
    memset(address.bytes, 0xff, sizeof(address.bytes));
    for (unsigned bits = 0; bits <= 129; bits++) {
        struct address prefix = address_prefix(&address, bits);
        assert_int_equal(prefix.port, 0);
        for (unsigned i = 0; i < 128; i++)
            assert_int_equal(prefix.bytes[i / 8] >> (7 - i % 8) & 1, i < bits);
    }
}

static void test_both_families(void **state)
{
    static const char *const NAMES[][3] = {
        {"*", "0.0.0.0:9", "[::]:9"},
        {"localhost", "127.0.0.1:9", "[::1]:9"},
        {"LocalHost", "127.0.0.1:9", "[::1]:9"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        struct address found[ADDRESS_RESOLVED_MAX];
        struct error err;
        assert_int_equal(address_resolve(NAMES[i][0], 9, found, &err), 2);
        assert_text(&found[0], NAMES[i][1]);
        assert_text(&found[1], NAMES[i][2]);
    }
}

static void test_unknown_names(void **state)
{
    struct address found[ADDRESS_RESOLVED_MAX];
    struct error err;
    (void)state;
    assert_int_equal(address_resolve("nobody.invalid", 9, found, &err), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_START);
    assert_non_null(strstr(said(&err), "cannot resolve 'nobody.invalid': "));
}

/* An IPv4-mapped address is its IPv4 host, for limits too. */
static void test_mapped(void **state)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
    (void)state;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:1.2.3.4", &mapped.sin6_addr), 1);
    struct address address = address_from_sockaddr((struct sockaddr *)&mapped);
    assert_text(&address, "1.2.3.4:5");
    struct address plain = of_text("1.2.3.4", 99);
    assert_true(address_is_same_host(&address, &plain));
    const struct address source = address_source(&address, 1);
    assert_text(&source, "1.2.3.4:0");
    plain.bytes[3]++;
    assert_false(address_is_same_host(&address, &plain));
}

static void test_sockaddr_round_trip(void **state)
{
    static const char *const HOSTS[] = {"10.1.2.3", "2001:db8::7", "fe80::2%lo"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(HOSTS); i++) {
        struct address address = of_text(HOSTS[i], 1234);
        struct sockaddr_storage storage;
        socklen_t length = address_to_sockaddr(&address, &storage);
        assert_int_equal(length, address.family == AF_INET ? sizeof(struct sockaddr_in)
                                                           : sizeof(struct sockaddr_in6));
        struct address back = address_from_sockaddr((struct sockaddr *)&storage);
        assert_memory_equal(&back, &address, sizeof(back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_sockaddr_round_trip),
        cmocka_unit_test(test_every_digit),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

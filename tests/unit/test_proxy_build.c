/* SPDX-License-Identifier: BSD-2-Clause */
/* The strict parser must accept every header that is built. */
#include "unit.h"

#include <string.h>
#include <sys/socket.h>

#include "net/proxy.h"
#include "net/proxy_build.h"

static const struct address SOURCE4 = {.family = AF_INET, .port = 4711, .bytes = {192, 0, 2, 1}};
static const struct address TARGET4 = {.family = AF_INET, .port = 443, .bytes = {198, 51, 100, 2}};
static const struct address SOURCE6 = {
    .family = AF_INET6, .port = 65535, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
static const struct address TARGET6 = {.family = AF_INET6, .port = 1, .bytes = {[15] = 1}};
static const struct address PATH = {.family = AF_UNIX};

static void assert_reads_back(enum proxy_version version, const struct address *source,
                              const struct address *target, enum proxy_transport transport)
{
    unsigned char bytes[PROXY_BUILD_MAX];
    struct proxy_header header;
    const char *why = "";
    size_t length = proxy_build(version, source, target, bytes);
    assert_true(length > 0 && length <= sizeof(bytes));
    if (proxy_parse(bytes, length, &header, &why) != (ssize_t)length)
        fail_msg("version %d: %s", (int)version, why);
    assert_int_equal(header.version, version);
    assert_int_equal(header.transport, transport);
    assert_false(header.is_local);
    if (transport == PROXY_UNSPEC)
        return;
    assert_true(address_is_same_host(&header.source, source));
    assert_true(address_is_same_host(&header.destination, target));
    assert_int_equal(header.source.port, source->port);
    assert_int_equal(header.destination.port, target->port);
}

static void test_both_versions(void **state)
{
    (void)state;
    for (int version = PROXY_V1; version <= PROXY_V2; version++) {
        assert_reads_back((enum proxy_version)version, &SOURCE4, &TARGET4, PROXY_TCP4);
        assert_reads_back((enum proxy_version)version, &SOURCE6, &TARGET6, PROXY_TCP6);
        assert_reads_back((enum proxy_version)version, &PATH, &PATH, PROXY_UNSPEC);
    }
}

static void test_the_longest(void **state)
{
    unsigned char bytes[PROXY_BUILD_MAX];
    struct address all = {.family = AF_INET6, .port = 65535};
    (void)state;
    memset(all.bytes, 0xff, sizeof(all.bytes));
    assert_int_equal(proxy_build(PROXY_V1, &all, &all, bytes), 104);
    assert_reads_back(PROXY_V1, &all, &all, PROXY_TCP6);
}

static void test_ends_that_have_no_header(void **state)
{
    unsigned char bytes[PROXY_BUILD_MAX];
    (void)state;
    assert_int_equal(proxy_build(PROXY_V1, &SOURCE4, &TARGET6, bytes), 0);
    assert_int_equal(proxy_build(PROXY_V2, &SOURCE6, &PATH, bytes), 0);
    assert_int_equal(proxy_build(PROXY_NONE, &SOURCE4, &TARGET4, bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions),
        cmocka_unit_test(test_the_longest),
        cmocka_unit_test(test_ends_that_have_no_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

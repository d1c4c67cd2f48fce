/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/status_host.h"

/* On the heap without a NUL, so that a sanitizer detects a read past the end. */
static bool is_ours(const char *host, const char *own)
{
    size_t length = strlen(host);
    char *bytes = malloc(length ? length : 1);
    assert_non_null(bytes);
    memcpy(bytes, host, length);
    bool result = status_host_is_ours(bytes, length, own);
    free(bytes);
    return result;
}

static void test_ours(void **state)
{
    static const char *const OURS[] = {
        "localhost",    "LOCALHOST",   "localhost.",   "127.0.0.1",    "127.255.1.2",
        "[::1]",        "[0::0:1]",    "here.example", "Here.Example", "127.0.0.1:9000",
        "localhost.:1", "[::1]:65535", "localhost:"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(OURS); i++) {
        if (!is_ours(OURS[i], "here.example"))
            fail_msg("%s is refused", OURS[i]);
    }
    assert_true(is_ours("[2001:db8::1]:80", "2001:db8::1"));
    assert_true(is_ours("192.0.2.1", "192.0.2.1"));
}

static void test_others(void **state)
{
    static const char *const OTHERS[] = {"",
                                         ":80",
                                         ".",
                                         "evil.example",
                                         "localhost.evil.example",
                                         "xlocalhost",
                                         "localhost..",
                                         "localhost:x",
                                         "localhost:1:2",
                                         "127.0.0.1.evil.example",
                                         "127.1",
                                         "128.0.0.1",
                                         "126.0.0.1",
                                         "0.0.0.0",
                                         "2130706433",
                                         "0x7f.0.0.1",
                                         "[::2]",
                                         "[::]",
                                         "[::1",
                                         "[::1]x",
                                         "[::1]:x",
                                         "::1",
                                         "[127.0.0.1]",
                                         "a@localhost",
                                         "localhost ",
                                         "[",
                                         "[]",
                                         "*"};
    char longest[300];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(OTHERS); i++) {
        if (is_ours(OTHERS[i], "here.example"))
            fail_msg("%s is taken for ours", OTHERS[i]);
        assert_false(is_ours(OTHERS[i], ""));
    }
    memset(longest, 'a', sizeof(longest));
    assert_false(status_host_is_ours(longest, sizeof(longest), "here.example"));
    assert_false(status_host_is_ours("localhost\0.evil", 15, "here.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ours), cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <string.h>

#include "base/error.h"
#include "base/escape.h"

static void test_value(void **state)
{
    char out[64];
    (void)state;
    assert_int_equal(escape_value(out, sizeof(out), "plain", 5), 5);
    assert_string_equal(out, "plain");
    escape_value(out, sizeof(out), "a\nb\x1b[\"\\\x00\xff", 9);
    assert_string_equal(out, "a\\x0ab\\x1b[\\x22\\x5c\\x00\\xff");
    escape_line(out, sizeof(out), "\"\\\n", 3);
    assert_string_equal(out, "\"\\\\x0a");
    escape_json(out, sizeof(out), "\"\n", 2);
    assert_string_equal(out, "\\u0022\\u000a");
}

/* Whatever comes, only printable bytes leave, and an escape is never cut. */
static void test_any_bytes(void **state)
{
    uint64_t seed = 42;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char bytes[40], out[64];
        size_t length = unit_random(&seed) % sizeof(bytes), size = 1 + unit_random(&seed) % 63;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)unit_random(&seed);
        size_t used = escape_value(out, size, bytes, length);
        assert_true(used < size);
        assert_int_equal(strlen(out), used);
        for (size_t i = 0; i < used; i++) {
            assert_in_range(out[i], 0x20, 0x7e);
            if (out[i] == '\\') {
                assert_true(i + 3 < used + 1);
                assert_int_equal(out[i + 1], 'x');
            }
        }
    }
}

static void test_errors_are_one_line(void **state)
{
    struct error err;
    char long_text[2000];
    (void)state;
    assert_int_equal(error_usage(&err, "no '%s'", "a\nb"), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
    assert_string_equal(err.text, "no 'a\\x0ab'");
    assert_int_equal(error_prefix(&err, "%s:%d: ", "file", 3), -1);
    assert_string_equal(err.text, "file:3: no 'a\\x0ab'");
    assert_int_equal(error_start(&err, "it"), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_START);
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    error_usage(&err, "%s", long_text);
    error_prefix(&err, "place: ");
    assert_true(strlen(err.text) < sizeof(err.text));
    assert_memory_equal(err.text, "place: x", 8);
    error_prefix(&err, "%s", long_text); /* a prefix that does not fit is left out */
    assert_memory_equal(err.text, "place: x", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_errors_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

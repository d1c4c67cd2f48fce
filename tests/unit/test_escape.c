/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <string.h>

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

/* For any input, only printable bytes are written, and an escape is never cut. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "said.h"

static void test_data_and_words(void **state)
{
    struct error err;
    (void)state;
    assert_int_equal(error_usage(&err, "no '%s'", "a\nb"), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
    assert_string_equal(said(&err), "no 'a\\x0ab'");
    assert_int_equal(error_prefix(&err, "worker %d: ", 3), -1);
    assert_string_equal(said(&err), "worker 3: no 'a\\x0ab'");
    assert_int_equal(error_start(&err, "it"), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_START);

    assert_int_equal(error_option(&err, "size", "'%d' is wrong", 7), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
    assert_string_equal(err.option, "size");
    assert_string_equal(said(&err), "--size: '7' is wrong");
    assert_int_equal(error_place(&err, "a.conf", 12), -1);
    assert_string_equal(said(&err), "a.conf:12: size: '7' is wrong");

    assert_int_equal(error_system(&err, EACCES, "cannot listen"), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_START);
    assert_int_equal(err.number, EACCES);
    assert_null(err.option); /* nothing of the previous error remains */
    assert_int_equal(error_hint(&err, "be root"), -1);
    assert_int_equal(error_blame(&err, "listen", "unix:a"), -1);
    assert_string_equal(said(&err), "--listen 'unix:a': cannot listen: Permission denied; be root");
    error_place(&err, "b\n", 3);
    assert_string_equal(said(&err),
                        "b\\x0a:3: listen: 'unix:a': cannot listen: Permission denied; be root");

    assert_int_equal(error_unread(&err, ENOENT, "/none"), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
    assert_string_equal(said(&err), "cannot read '/none': No such file or directory");
}

static void test_a_notice_is_set_or_not(void **state)
{
    struct error notice = {0};
    (void)state;
    assert_false(error_is_set(&notice));
    error_usage(&notice, "%s", "");
    assert_true(error_is_set(&notice));
}

/* A part that does not fit is cut, and the text stays valid. */
static void test_long_parts(void **state)
{
    struct error err;
    char long_text[2000], small[8];
    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    error_usage(&err, "%s", long_text);
    error_prefix(&err, "place: ");
    assert_memory_equal(said(&err), "place: x", 8);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    error_prefix(&err, "%s", long_text); /* a prefix that does not fit is left out */
    assert_memory_equal(said(&err), "place: x", 8);
    error_blame(&err, "listen", long_text);
    error_place(&err, long_text, 4);
    assert_non_null(strstr(said(&err), "x:4: listen: 'xxx"));
    assert_non_null(strstr(said(&err), "xxx': place: x"));
    assert_string_equal(error_text(&err, small, sizeof(small)), "xxxxxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_and_words),
        cmocka_unit_test(test_a_notice_is_set_or_not),
        cmocka_unit_test(test_long_parts),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/activation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static int pass(const char *pid, const char *fds, const char *names, struct activation *activation)
{
    struct error err;
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", fds, 1);
    setenv("LISTEN_FDNAMES", names, 1);
    return activation_read(activation, &err);
}

static const char *own_pid(void)
{
    static char text[16];
    snprintf(text, sizeof(text), "%d", (int)getpid());
    return text;
}

static void test_passed(void **state)
{
    struct activation activation;
    size_t length;
    (void)state;
    assert_int_equal(pass(own_pid(), "4", "web:admin::web", &activation), 0);
    assert_int_equal(activation.count, 4);
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
    assert_int_equal(activation_find(&activation, "web", ACTIVATION_FIRST_FD), 3);
    assert_int_equal(activation_find(&activation, "web", 4), 6);
    assert_int_equal(activation_find(&activation, "web", 7), -1);
    assert_int_equal(activation_find(&activation, "we", ACTIVATION_FIRST_FD), -1);
    assert_int_equal(activation_find(&activation, "unknown", ACTIVATION_FIRST_FD), 5);
    assert_memory_equal(activation_name(&activation, 4, &length), "admin", 5);
    assert_int_equal(length, 5);
    activation_clear(&activation);
}

static void test_not_ours(void **state)
{
    struct activation activation;
    (void)state;
    assert_int_equal(pass("1", "2", "web", &activation), 0);
    assert_int_equal(activation.count, 0);
    assert_null(getenv("LISTEN_FDS"));
    activation_clear(&activation);
}

static void test_nonsense(void **state)
{
    static const char *const WRONG[] = {"", "-1", "two", "65", "99999999999999999999", "1 "};
    struct activation activation;
    (void)state;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        assert_int_equal(pass(own_pid(), WRONG[i], "", &activation), -1);
    assert_int_equal(pass("x", "1", "", &activation), -1);
    assert_int_equal(pass(own_pid(), "64", "", &activation), 0);
    activation_clear(&activation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passed),
                                       cmocka_unit_test(test_not_ours),
                                       cmocka_unit_test(test_nonsense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

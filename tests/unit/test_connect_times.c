/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <string.h>

#include "base/clock.h"
#include "client/connect_times.h"

static struct connect_times times, sum;

static struct link link_in(enum link_state state, uint64_t connect_ns, bool is_tls)
{
    memset(&times, 0, sizeof(times));
    return (struct link){.fd = -1,
                         .state = state,
                         .start_ns = clock_now_ns(),
                         .connect_ns = connect_ns,
                         .handshake_ns = 5000,
                         .ssl = is_tls ? (struct link_ssl *)&times : NULL};
}

static void test_an_open_link_is_counted_once(void **state)
{
    (void)state;
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        struct link link = link_in(LINK_OPEN, 700, is_tls);
        connect_times_note(&times, &link, OUTCOME_OK);
        link.state = LINK_CLOSED;
        connect_times_note(&times, &link, OUTCOME_TIMEOUT);
        assert_int_equal(times.connect.count, 1);
        assert_int_equal(times.connect.max, 700);
        assert_int_equal(times.handshake.count, is_tls);
        assert_int_equal(times.slow, 0);
    }
}

static void test_over_the_limit_is_slow(void **state)
{
    struct link link = link_in(LINK_OPEN, CONNECT_SLOW_NS, false);
    (void)state;
    connect_times_note(&times, &link, OUTCOME_OK);
    assert_int_equal(times.slow, 0);
    link = link_in(LINK_OPEN, CONNECT_SLOW_NS + 1, false);
    connect_times_note(&times, &link, OUTCOME_OK);
    assert_int_equal(times.slow, 1);
    memset(&sum, 0, sizeof(sum));
    connect_times_merge(&sum, &times);
    connect_times_merge(&sum, &times);
    assert_int_equal(sum.slow, 2);
    assert_int_equal(sum.connect.count, 2);
}

/* Connected, and then refused, or interrupted, by TLS: that is a connect, and no handshake. */
static void test_a_handshake_that_did_not_end_has_no_time(void **state)
{
    static const enum outcome OUTCOMES[] = {OUTCOME_OK, OUTCOME_TLS, OUTCOME_TIMEOUT};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(OUTCOMES); i++) {
        struct link link = link_in(LINK_HANDSHAKING, 700, true);
        connect_times_note(&times, &link, OUTCOMES[i]);
        assert_int_equal(times.connect.count, 1);
        assert_int_equal(times.connect.max, 700);
        assert_int_equal(times.handshake.count, 0);
    }
}

static void test_an_attempt_that_timed_out_has_waited(void **state)
{
    struct link link = link_in(LINK_CLOSED, 0, false);
    (void)state;
    link.start_ns -= 3000000000;
    connect_times_note(&times, &link, OUTCOME_TIMEOUT);
    assert_int_equal(times.connect.count, 1);
    assert_true(times.connect.min >= 3000000000);
    assert_int_equal(times.slow, 1);
    link = link_in(LINK_CLOSED, 0, false);
    connect_times_note(&times, &link, OUTCOME_REFUSED);
    assert_int_equal(times.connect.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_open_link_is_counted_once),
        cmocka_unit_test(test_over_the_limit_is_slow),
        cmocka_unit_test(test_a_handshake_that_did_not_end_has_no_time),
        cmocka_unit_test(test_an_attempt_that_timed_out_has_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

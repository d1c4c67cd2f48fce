/* SPDX-License-Identifier: BSD-2-Clause */
/* The state machine while bytes are owed: marks, the stall timeout, and bytes that a reset
 * discards. */
#include "unit.h"

#include <stdlib.h>

#include "conn_fixture.h"

static void test_end_with_bytes_owed(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 4;
    comes(fixture, 10);
    ends(fixture);
    assert_state(fixture, CONN_FLUSH);
    drains(fixture, 5);
    assert_state(fixture, CONN_FLUSH);
    drains(fixture, 1);
    assert_closed(fixture, REASON_EOF, false, 0);
}

static void test_hold_and_resume(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 999);
    assert_state(fixture, CONN_OPEN);
    comes(fixture, 1);
    assert_state(fixture, CONN_PAUSED);
    assert_false(is_reading(fixture));
    assert_int_equal(counted(fixture, COUNTER_HELD), 1);
    drains(fixture, 749);
    assert_state(fixture, CONN_PAUSED);
    drains(fixture, 1); /* a quarter of the mark is left */
    assert_state(fixture, CONN_OPEN);
    assert_true(is_reading(fixture));
    drains(fixture, 250);
    assert_state(fixture, CONN_OPEN);
    ends(fixture);
    assert_closed(fixture, REASON_EOF, false, 0);
}

static void test_a_mark_that_one_read_reaches_holds_at_once(void **state)
{
    struct fixture *fixture = *state;
    fake_transport.take_bytes = STREAM_SCRATCH_BYTES;
    fake.room = 9;
    comes(fixture, 10);
    assert_state(fixture, CONN_PAUSED);
    drains(fixture, 1);
    assert_state(fixture, CONN_OPEN);
}

/* A mark larger than one read is exact; without a mark, reading never stops. */
static void test_up_to_a_large_mark(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = VALUES;
    for (values.buffer_bytes = 1000000;; values.buffer_bytes = 0) {
        open_again(fixture, &values);
        conn_start(fixture->conn);
        fake_transport.take_bytes = STREAM_SCRATCH_BYTES;
        fake.room = 0;
        comes(fixture, 999999);
        assert_state(fixture, CONN_OPEN);
        comes(fixture, 1);
        assert_state(fixture, values.buffer_bytes ? CONN_PAUSED : CONN_OPEN);
        drains(fixture, 750000);
        assert_state(fixture, CONN_OPEN);
        if (values.buffer_bytes == 0)
            break;
    }
    open_again(fixture, &values);
    conn_start(fixture->conn);
    fake_transport.owes_unread = true;
    fake.room = 0;
    comes(fixture, 1);
    assert_state(fixture, CONN_PAUSED);
}

/* If one read can reach the mark, it can also exceed it. */
static void test_mark_of_one_read(void **state)
{
    struct fixture *fixture = *state;
    for (size_t take_bytes = 999; take_bytes <= 1000; take_bytes++) {
        open_again(fixture, &VALUES);
        conn_start(fixture->conn);
        fake_transport.take_bytes = take_bytes;
        fake.room = 0;
        comes(fixture, 1);
        assert_state(fixture, take_bytes < VALUES.buffer_bytes ? CONN_OPEN : CONN_PAUSED);
    }
}

/* If all connections together owe too much, each that owes bytes is not read until it owes none. */
static void test_owed_in_all(void **state)
{
    struct fixture *fixture = *state;
    limit_change(fixture->env.limit, &(struct limit_values){.owed_bytes = 100});
    fake.room = 0;
    comes(fixture, 100);
    assert_state(fixture, CONN_PAUSED);
    assert_true(fixture->env.is_tight);
    assert_true(fixture->env.stream.read_max < SIZE_MAX);
    drains(fixture, 100);
    assert_state(fixture, CONN_OPEN);
    assert_false(fixture->env.is_tight);
    assert_true(fixture->env.stream.read_max == SIZE_MAX);
}

/* Other threads have sent their bytes since: that is detected although no connection here owes
 * any. */
static void test_owed_in_all_is_over(void **state)
{
    struct fixture *fixture = *state;
    fixture->env.is_tight = true;
    fixture->env.stream.read_max = 4096;
    comes(fixture, 10);
    assert_false(fixture->env.is_tight);
    assert_true(fixture->env.stream.read_max == SIZE_MAX);
}

static void test_owing_is_not_idle(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 600);
    for (int i = 0; i < 5; i++) {
        passes(fixture, 400);
        drains(fixture, 100);
    }
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 499);
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 1);
    assert_closed(fixture, REASON_STALL, true, 100);
    assert_int_equal(counted(fixture, COUNTER_ABANDONED), 0);
}

static void test_stall_while_paused(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 5000);
    passes(fixture, 500);
    assert_closed(fixture, REASON_STALL, true, 5000);
}

/* The socket becomes writable only after the peer has acknowledged much, so the progress of a slow
 * peer is checked in between. */
static void test_slow_is_not_stalled(void **state)
{
    struct fixture *fixture = *state;
    fake.room = fake.untaken = 100;
    comes(fixture, 5000);
    fake.room = 0;
    for (int i = 0; i < 20; i++) {
        passes(fixture, 400);
        fake.untaken -= 1;
    }
    assert_state(fixture, CONN_PAUSED);
    passes(fixture, 499); /* detected at most a quarter of the timeout later */
    assert_state(fixture, CONN_PAUSED);
    passes(fixture, 130);
    assert_closed(fixture, REASON_STALL, true, 4900);
    assert_int_equal(counted(fixture, COUNTER_CUT), 80);
}

/* Bytes are owed again, with fewer or more bytes in the kernel than the last time. */
static void test_stall_timeout_restarts_with_new_bytes_owed(void **state)
{
    struct fixture *fixture = *state;
    static const size_t UNTAKEN[] = {100, 10};
    for (size_t i = 0; i < COUNT_OF(UNTAKEN); i++) {
        fake.room = 0;
        fake.untaken = 50;
        comes(fixture, 500);
        drains(fixture, 500);
        fake.untaken = UNTAKEN[i];
        comes(fixture, 500);
        passes(fixture, 499);
        assert_state(fixture, CONN_OPEN);
        passes(fixture, 1);
        assert_closed(fixture, REASON_STALL, true, 500);
        open_again(fixture, &VALUES);
        conn_start(fixture->conn);
    }
}

/* Bytes that a peer sends are no progress: it must read. */
static void test_a_peer_that_only_sends_stalls(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 10);
    passes(fixture, 400);
    comes(fixture, 10);
    passes(fixture, 99);
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 1);
    assert_closed(fixture, REASON_STALL, true, 20);
}

/* After a drain the kernel may hold more than at the last look: from then on less is progress. */
static void test_progress_after_a_drain(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 900);
    fake.untaken = 500;
    drains(fixture, 500);
    for (int i = 0; i < 10; i++) {
        passes(fixture, 400);
        fake.untaken -= 1;
        assert_state(fixture, CONN_OPEN);
    }
    passes(fixture, 630);
    assert_closed(fixture, REASON_STALL, true, 400);
}

static void test_a_drain_that_discards_sent_bytes(void **state)
{
    struct fixture *fixture = *state;
    comes(fixture, 100);
    fixture->env.drain_start_ms = now_ms;
    fake.untaken = 60;
    conn_abort(fixture->conn, REASON_DEADLINE);
    assert_closed(fixture, REASON_DEADLINE, true, 0);
    assert_int_equal(counted(fixture, COUNTER_CUT), 60);
    assert_int_equal(counted(fixture, COUNTER_ABANDONED), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_peer_that_only_sends_stalls),
        TEST(test_progress_after_a_drain),
        TEST(test_end_with_bytes_owed),
        TEST(test_hold_and_resume),
        TEST(test_a_mark_that_one_read_reaches_holds_at_once),
        TEST(test_up_to_a_large_mark),
        TEST(test_mark_of_one_read),
        TEST(test_owed_in_all),
        TEST(test_owed_in_all_is_over),
        TEST(test_owing_is_not_idle),
        TEST(test_stall_while_paused),
        TEST(test_slow_is_not_stalled),
        TEST(test_stall_timeout_restarts_with_new_bytes_owed),
        TEST(test_a_drain_that_discards_sent_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The state machine with TLS: the handshake before it, and close_notify at its end. */
#include "unit.h"

#include <errno.h>

#include "conn_fixture.h"

static const struct policy_values TLS_VALUES = {.idle_ms = 1000,
                                                .stall_ms = 500,
                                                .flush_ms = 800,
                                                .linger_ms = 200,
                                                .quiet_ms = 100,
                                                .handshake_ms = 300,
                                                .buffer_bytes = 1000};

/* The fake stream only checks that a context exists; the policy must not free it. */
static void shake(struct fixture *fixture, const struct policy_values *values)
{
    struct policy *policy = policy_new(values, "tls://t", 0);
    conn_abort(fixture->conn, REASON_FORCED);
    conn_free(fixture->conn);
    fixture->is_closed = false;
    fake_clear();
    memset(&fixture->counters, 0, sizeof(fixture->counters));
    policy->tls = (struct tls_context *)fixture;
    fixture->conn = open_under(fixture, policy);
    conn_start(fixture->conn);
    policy->tls = NULL;
    assert_state(fixture, CONN_HANDSHAKE);
    assert_true(is_reading(fixture)); /* for the peer's part of the handshake */
}

static void opens(struct fixture *fixture)
{
    CONN_STREAM_CALLBACKS.on_open(&fixture->conn->stream);
}

static void shake_and_open(struct fixture *fixture)
{
    shake(fixture, &TLS_VALUES);
    opens(fixture);
    assert_state(fixture, CONN_OPEN);
}

static void test_open(void **state)
{
    struct fixture *fixture = *state;
    shake(fixture, &TLS_VALUES);
    passes(fixture, 299);
    opens(fixture);
    assert_state(fixture, CONN_OPEN);
    assert_true(is_reading(fixture));
    assert_int_equal(counted(fixture, COUNTER_TLS_HANDSHAKES), 1);
    passes(fixture, 999); /* the idle timeout starts here */
    assert_state(fixture, CONN_OPEN);
    comes(fixture, 10);
    ends(fixture);
    assert_closed(fixture, REASON_EOF, false, 0);
    assert_true(fake.has_said_end);
}

static void test_too_slow(void **state)
{
    struct fixture *fixture = *state;
    shake(fixture, &TLS_VALUES);
    passes(fixture, 299);
    assert_state(fixture, CONN_HANDSHAKE);
    fake.unread = 1; /* even if there is progress */
    passes(fixture, 1);
    assert_closed(fixture, REASON_HANDSHAKE, true, 0);
}

static void test_no_deadline(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = TLS_VALUES;
    values.handshake_ms = 0;
    shake(fixture, &values);
    passes(fixture, 1000000);
    assert_state(fixture, CONN_HANDSHAKE);
}

/* OpenSSL's alert must arrive, so no reset is sent. */
static void test_failed(void **state)
{
    struct fixture *fixture = *state;
    const int errors[] = {EPROTO, EIO};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        shake(fixture, &TLS_VALUES);
        fails(fixture, errors[i]);
        assert_closed(fixture, REASON_HANDSHAKE, false, 0);
        assert_int_equal(counted(fixture, COUNTER_TLS_HANDSHAKES), 0);
    }
    /* If bytes are unread, close() sends a reset, so the log must report one. */
    shake(fixture, &TLS_VALUES);
    fake.unread = 100;
    fails(fixture, EPROTO);
    assert_closed(fixture, REASON_HANDSHAKE, true, 0);
    shake(fixture, &TLS_VALUES);
    fails(fixture, ENOMEM);
    assert_closed(fixture, REASON_MEMORY, true, 0);
    shake(fixture, &TLS_VALUES);
    fails(fixture, ECONNRESET);
    assert_closed(fixture, REASON_RESET, true, 0);
}

static void test_no_memory_to_read(void **state)
{
    struct fixture *fixture = *state;
    shake(fixture, &TLS_VALUES);
    fake.fails_to_resume = true;
    opens(fixture);
    assert_closed(fixture, REASON_MEMORY, true, 0);
}

static void test_aborted(void **state)
{
    struct fixture *fixture = *state;
    shake(fixture, &TLS_VALUES);
    conn_abort(fixture->conn, REASON_FORCED);
    assert_closed(fixture, REASON_FORCED, true, 0);
}

/* A drain lets a handshake continue, and then ends the quiet connection. */
static void test_drain(void **state)
{
    struct fixture *fixture = *state;
    shake(fixture, &TLS_VALUES);
    fixture->env.drain_start_ms = now_ms;
    conn_drain(fixture->conn);
    passes(fixture, 99);
    assert_state(fixture, CONN_HANDSHAKE);
    opens(fixture);
    passes(fixture, 100);
    assert_state(fixture, CONN_LINGER);
    assert_int_equal(fixture->conn->reason, REASON_DRAIN);
    for (size_t unread = 0; unread < 2; unread++) { /* one that is not open by then */
        fixture->env.drain_start_ms = 0;
        shake(fixture, &TLS_VALUES);
        fake.unread = unread;
        fixture->env.drain_start_ms = now_ms;
        conn_drain(fixture->conn);
        passes(fixture, 100);
        assert_closed(fixture, REASON_DRAIN, unread > 0, 0);
    }
    fixture->env.drain_start_ms = 0;
}

static void test_truncated(void **state)
{
    struct fixture *fixture = *state;
    shake_and_open(fixture);
    fake.room = 4;
    comes(fixture, 10);
    fake.is_truncated = true;
    ends(fixture);
    assert_state(fixture, CONN_FLUSH); /* the bytes owed are still sent */
    drains(fixture, 6);
    assert_closed(fixture, REASON_TRUNCATED, false, 0);
}

/* If reading has stopped because the peer reads no answers, its unread bytes do not prevent the
 * idle timeout. */
static void test_choked_is_idle(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = TLS_VALUES;
    values.stall_ms = 5000;
    values.flush_ms = 0;
    for (int is_drain = 0; is_drain < 2; is_drain++) {
        shake(fixture, &values);
        opens(fixture);
        fixture->conn->stream.is_choked = true;
        fake.unread = 100;
        fake.has_no_room = true;
        if (is_drain) {
            fixture->env.drain_start_ms = now_ms;
            conn_drain(fixture->conn);
        }
        passes(fixture, is_drain ? 99 : 999);
        assert_state(fixture, CONN_OPEN);
        passes(fixture, 1);
        assert_state(fixture, CONN_FLUSH);
        passes(fixture, 5000);
        assert_closed(fixture, REASON_STALL, true, 0);
    }
    fixture->env.drain_start_ms = 0;
}

/* A peer's close_notify is not its FIN: late bytes are still answered by a reset, as soon as that
 * destroys no data of the peer. */
static void test_late_bytes_and_close_notify(void **state)
{
    static const struct {
        enum stream_end end;
        bool is_late, closes_at_once, is_reset;
    } ROWS[] = {
        {STREAM_END_SENT, true, false, true},   {STREAM_END_TAKEN, true, true, true},
        {STREAM_END_BOTH, true, true, false},   {STREAM_END_SENT, false, true, false},
        {STREAM_END_TAKEN, false, true, false},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        shake_and_open(fixture);
        passes(fixture, 1000);
        assert_state(fixture, CONN_LINGER);
        fake.end = STREAM_END_SENT;
        if (ROWS[i].is_late)
            comes(fixture, 10);
        assert_state(fixture, CONN_LINGER);
        fake.end = ROWS[i].end;
        ends(fixture);
        assert_int_equal(fixture->is_closed, ROWS[i].closes_at_once);
        passes(fixture, 200);
        assert_closed(fixture, REASON_IDLE, ROWS[i].is_reset, 0);
    }
}

/* close_notify is sent before the FIN; if the kernel has no room, the FIN waits for it. */
static void test_end_waits_for_room(void **state)
{
    struct fixture *fixture = *state;
    shake_and_open(fixture);
    comes(fixture, 10);
    fake.has_no_room = true;
    ends(fixture);
    assert_state(fixture, CONN_FLUSH);
    passes(fixture, 400);
    fake.has_no_room = false;
    drains(fixture, 0);
    assert_closed(fixture, REASON_EOF, false, 0);
}

static void test_end_finds_no_room(void **state)
{
    struct fixture *fixture = *state;
    shake_and_open(fixture);
    comes(fixture, 10);
    fake.has_no_room = true;
    ends(fixture);
    passes(fixture, 499);
    assert_state(fixture, CONN_FLUSH);
    passes(fixture, 1);
    assert_closed(fixture, REASON_STALL, true, 0);
}

/* The peer slowly reads from a full kernel buffer: that is progress, as with bytes owed. */
static void test_end_waits_while_bytes_are_taken(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = TLS_VALUES;
    values.flush_ms = 0;
    shake(fixture, &values);
    opens(fixture);
    comes(fixture, 10);
    fake.has_no_room = true;
    fake.untaken = 1000;
    ends(fixture);
    for (unsigned i = 0; i < 20; i++) {
        passes(fixture, 400);
        assert_state(fixture, CONN_FLUSH);
        fake.untaken -= 10;
    }
    passes(fixture, 400); /* detected at the next check */
    assert_state(fixture, CONN_FLUSH);
    passes(fixture, 500);
    assert_closed(fixture, REASON_STALL, true, 0);
}

static void test_own_end_waits_for_room(void **state)
{
    struct fixture *fixture = *state;
    shake_and_open(fixture);
    fake.has_no_room = true;
    passes(fixture, 1000);
    assert_state(fixture, CONN_FLUSH);
    assert_false(fake.is_half_closed);
    fake.has_no_room = false;
    drains(fixture, 0);
    assert_state(fixture, CONN_LINGER);
    assert_true(fake.is_half_closed);
    ends(fixture);
    assert_closed(fixture, REASON_IDLE, false, 0);
}

/* If the peer does not read TLS's own answers, the stall timeout runs although no bytes are
 * owed. */
static void test_choked_is_stalled(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = TLS_VALUES;
    values.idle_ms = 0;
    shake(fixture, &values);
    opens(fixture);
    passes(fixture, 5000);
    fixture->conn->stream.is_choked = true;
    fake.unread = 100;
    CONN_STREAM_CALLBACKS.on_choked(&fixture->conn->stream);
    passes(fixture, 499);
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 1);
    assert_closed(fixture, REASON_STALL, true, 0);
    shake(fixture, &values);
    opens(fixture);
    fixture->conn->stream.is_choked = true;
    CONN_STREAM_CALLBACKS.on_choked(&fixture->conn->stream);
    passes(fixture, 400);
    fixture->conn->stream.is_choked = false; /* it reads them */
    passes(fixture, 5000);
    assert_state(fixture, CONN_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),
        TEST(test_too_slow),
        TEST(test_no_deadline),
        TEST(test_failed),
        TEST(test_no_memory_to_read),
        TEST(test_aborted),
        TEST(test_drain),
        TEST(test_truncated),
        TEST(test_choked_is_idle),
        TEST(test_late_bytes_and_close_notify),
        TEST(test_end_waits_for_room),
        TEST(test_end_finds_no_room),
        TEST(test_end_waits_while_bytes_are_taken),
        TEST(test_own_end_waits_for_room),
        TEST(test_choked_is_stalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

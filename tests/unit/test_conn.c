/* SPDX-License-Identifier: BSD-2-Clause */
/* The state machine on a fake stream and a fake clock. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conn_fixture.h"

static void test_edges(void **state)
{
    static const char *const ALLOWED[] = {/* in the order of NAMES */
                                          "PFC", "OFC", "LC", "C", "", "OC"};
    static const char NAMES[] = "OPFLCH";
    (void)state;
    for (int from = 0; from < CONN_STATE_COUNT; from++) {
        for (int to = 0; to < CONN_STATE_COUNT; to++)
            assert_int_equal(conn_may_change((enum conn_state)from, (enum conn_state)to),
                             strchr(ALLOWED[from], NAMES[to]) != NULL);
    }
}

static void test_echo_and_end(void **state)
{
    struct fixture *fixture = *state;
    assert_true(is_reading(fixture));
    comes(fixture, 10);
    comes(fixture, 20);
    assert_state(fixture, CONN_OPEN);
    assert_int_equal(counted(fixture, COUNTER_BYTES_OUT), 30);
    ends(fixture);
    assert_closed(fixture, REASON_EOF, false, 0);
    assert_false(fake.is_half_closed); /* close() sends the FIN */
}

static void test_idle(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 900);
    comes(fixture, 1);
    passes(fixture, 999);
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 1);
    assert_state(fixture, CONN_LINGER);
    assert_true(fake.is_half_closed && is_reading(fixture));
    ends(fixture);
    assert_closed(fixture, REASON_IDLE, false, 0);
}

/* If the loop is late and bytes are unread, the connection is not idle. */
static void test_false_idle(void **state)
{
    struct fixture *fixture = *state;
    fake.unread = 4;
    passes(fixture, 1000);
    assert_state(fixture, CONN_OPEN);
    fake.unread = 0;
    comes(fixture, 4);
    passes(fixture, 1000);
    assert_state(fixture, CONN_LINGER);
}

/* A trickle resets the stall timeout, but not the flush timeout. */
static void test_flush_deadline(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 100);
    ends(fixture);
    for (int i = 0; i < 4; i++) {
        passes(fixture, 190);
        drains(fixture, 1);
    }
    assert_state(fixture, CONN_FLUSH);
    passes(fixture, 50);
    assert_closed(fixture, REASON_FLUSH, true, 96);
}

static void test_linger_time(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    assert_state(fixture, CONN_LINGER);
    passes(fixture, 200);
    assert_closed(fixture, REASON_IDLE, false, 0);
    assert_int_equal(fixture->counters.lifetime_ms, 1200);
}

/* The reset is sent as soon as it destroys no data of the peer, or at the deadline; after the
 * peer's own end it is too late. */
static void test_discarded_bytes_end_in_a_reset(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    comes(fixture, 10);
    assert_state(fixture, CONN_LINGER);
    assert_int_equal(counted(fixture, COUNTER_DISCARDED), 10);
    assert_int_equal(counted(fixture, COUNTER_BYTES_IN), 0);
    fake.end = STREAM_END_TAKEN;
    comes(fixture, 5);
    assert_closed(fixture, REASON_IDLE, true, 0);
    assert_int_equal(fake.dropped, 10); /* a Unix socket is reset by closing it with unread bytes */
    assert_int_equal(fixture->conn->account.discarded, 15);
}

static void test_discarded_bytes_at_the_linger_time(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    comes(fixture, 10);
    passes(fixture, 200);
    assert_closed(fixture, REASON_IDLE, true, 0);
}

/* Bytes unread at the deadline are late too; the kernel sends a reset for them. */
static void test_unread_bytes_at_the_linger_time(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    fake.unread = 7;
    passes(fixture, 200);
    assert_closed(fixture, REASON_IDLE, true, 0);
    assert_int_equal(fixture->conn->account.discarded, 7);
    assert_int_equal(counted(fixture, COUNTER_DISCARDED), 7);
}

static void test_unread_bytes_and_the_peers_end(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    fake.unread = 7;
    fake.end = STREAM_END_BOTH;
    passes(fixture, 200);
    assert_closed(fixture, REASON_IDLE, false, 0);
    assert_int_equal(fixture->conn->account.discarded, 7);
}

static void test_discarded_bytes_and_the_peers_end(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    comes(fixture, 10);
    fake.end = STREAM_END_BOTH;
    ends(fixture);
    assert_closed(fixture, REASON_IDLE, false, 0);
    assert_int_equal(fixture->conn->account.discarded, 10);
}

static void test_errors(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 3;
    comes(fixture, 10);
    fails(fixture, ECONNRESET);
    assert_closed(fixture, REASON_RESET, true, 7);
    assert_int_equal(fixture->conn->error, ECONNRESET);
}

static void test_a_failed_write_loses_the_bytes_read(void **state)
{
    struct fixture *fixture = *state;
    comes(fixture, 5);
    fake.give_error = ENOBUFS;
    comes(fixture, 10);
    assert_closed(fixture, REASON_ERROR, true, 10);
    assert_int_equal(counted(fixture, COUNTER_BYTES_IN), 15);
}

static void test_memory(void **state)
{
    struct fixture *fixture = *state;
    fake.give_error = ENOMEM;
    comes(fixture, 10);
    assert_closed(fixture, REASON_MEMORY, true, 10);
}

static void test_resume_fails(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 1000);
    fake.fails_to_resume = true;
    drains(fixture, 1000);
    assert_closed(fixture, REASON_MEMORY, true, 0);
}

/* A reset during the linger time ends the connection but does not change its reason. */
static void test_reset_in_linger(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    fails(fixture, ECONNRESET);
    assert_closed(fixture, REASON_IDLE, true, 0);
}

/* If both ends have finished, no reset is sent. */
static void test_abort_in_linger(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 1000);
    fake.end = STREAM_END_BOTH;
    fake.unread = 7;
    conn_abort(fixture->conn, REASON_FORCED);
    assert_closed(fixture, REASON_FORCED, false, 0);
    assert_int_equal(fixture->conn->account.discarded, 7);
}

static void test_reset_in_flush(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 10);
    ends(fixture);
    fails(fixture, EPIPE);
    assert_closed(fixture, REASON_RESET, true, 10);
}

static void test_half_close_fails(void **state)
{
    struct fixture *fixture = *state;
    fake.half_close_error = ENOTCONN;
    passes(fixture, 1000);
    assert_closed(fixture, REASON_RESET, true, 0); /* the peer sent one */
    open_again(fixture, &VALUES);
    conn_start(fixture->conn);
    fake.half_close_error = ENOBUFS;
    passes(fixture, 1000);
    assert_closed(fixture, REASON_ERROR, true, 0);
}

static void begin_drain(struct fixture *fixture)
{
    fixture->env.drain_start_ms = now_ms;
    conn_drain(fixture->conn);
}

/* During a drain, received bytes keep a connection open; silence since the drain's start ends
 * it. */
static void test_drain(void **state)
{
    struct fixture *fixture = *state;
    passes(fixture, 500);
    begin_drain(fixture);
    passes(fixture, 99);
    assert_state(fixture, CONN_OPEN);
    comes(fixture, 10);
    passes(fixture, 99);
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 1);
    assert_state(fixture, CONN_LINGER);
    ends(fixture);
    assert_closed(fixture, REASON_DRAIN, false, 0);
}

static void test_drain_waits_for_bytes_owed(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 10);
    begin_drain(fixture);
    passes(fixture, 400);
    assert_state(fixture, CONN_OPEN);
    drains(fixture, 10);
    passes(fixture, 100);
    assert_state(fixture, CONN_LINGER);
    conn_drain(fixture->conn); /* already finished */
}

static void test_an_abort_during_a_drain_counts_as_given_up(void **state)
{
    struct fixture *fixture = *state;
    fake.room = 0;
    comes(fixture, 10);
    begin_drain(fixture);
    conn_abort(fixture->conn, REASON_DEADLINE);
    assert_closed(fixture, REASON_DEADLINE, true, 10);
    assert_int_equal(counted(fixture, COUNTER_ABANDONED), 10);
    conn_abort(fixture->conn, REASON_FORCED); /* a second call has no effect */
    assert_closed(fixture, REASON_DEADLINE, true, 10);
}

static void test_without_any_times(void **state)
{
    struct fixture *fixture = *state;
    static const struct policy_values NONE = {0};
    enum reason why;
    conn_abort(fixture->conn, REASON_FORCED);
    conn_free(fixture->conn);
    fake_clear();
    fake.room = 0;
    fixture->is_closed = false;
    fixture->conn = open_conn(fixture, &NONE);
    conn_start(fixture->conn);
    assert_true(conn_due_ms(fixture->conn, &why) == UINT64_MAX);
    comes(fixture, 100000);
    assert_true(conn_due_ms(fixture->conn, &why) == UINT64_MAX);
    conn_on_due(fixture->conn); /* a deadline that the test set itself */
    assert_int_equal(fixture->conn->state, CONN_OPEN);
    fixture->env.drain_start_ms = now_ms;
    drains(fixture, 100000);
    passes(fixture, 1); /* without a quiet time, owing nothing is enough; without a linger time, it
                           closes at once */
    assert_int_equal(fixture->conn->state, CONN_CLOSED);
    assert_int_equal(fixture->conn->reason, REASON_DRAIN);
    assert_false(fake.is_reset);
}

static void test_no_memory_to_open(void **state)
{
    struct fixture *fixture = *state;
    fake.fails_to_open = true;
    assert_null(open_conn(fixture, &VALUES));
    assert_int_equal(counted(fixture, COUNTER_REFUSED_ERROR), 1);
    assert_int_equal(limit_open(fixture->env.limit), 1);
}

static void test_start_fails(void **state)
{
    struct fixture *fixture = *state;
    conn_abort(fixture->conn, REASON_FORCED);
    conn_free(fixture->conn);
    memset(&fixture->counters, 0, sizeof(fixture->counters));
    fixture->is_closed = false;
    fake.is_reset = false;
    fake.fails_to_resume = true;
    fixture->conn = open_conn(fixture, &VALUES);
    conn_start(fixture->conn);
    assert_closed(fixture, REASON_MEMORY, true, 0);
}

/* The log line at a connection's end, with the peer's bytes escaped. */
/* Opens a log for the connection. */
static void log_to(struct fixture *fixture, char *path)
{
    struct error err;
    int fd = mkstemp(path);
    const struct log_config config = {.level = LOG_LEVEL_INFO, .target = path, .program = "test"};
    assert_true(fd >= 0);
    close(fd);
    fixture->env.log = log_open(&config, &err);
    assert_non_null(fixture->env.log);
    assert_int_equal(log_start(fixture->env.log, &err), 0);
}

static void read_log(struct fixture *fixture, const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    /* log_close() uses the fake clock for its time limit, but the writer's wait uses the real
     * one. */
    now_ms += 1ULL << 32;
    log_close(fixture->env.log);
    fixture->env.log = NULL;
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    unlink(path);
}

static void test_close_line(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/test_conn.XXXXXX", text[1024], expected[512];
    log_to(fixture, path);
    fake.room = 3;
    comes(fixture, 10);
    now_ms += 1234;
    fails(fixture, EIO);
    read_log(fixture, path, text, sizeof(text));
    snprintf(expected, sizeof(expected),
             " info connection closed id=7 peer=\"unix:@a\\x0ab.%d\" listener=unix:/t in=10 out=3 "
             "lost=7 discarded=0 seconds=1.234 end=reset reason=error error=\"%s\"\n",
             (int)getpid(), strerror(EIO)); /* strerror(3) depends on the C library */
    assert_non_null(strstr(text, expected));
}

/* An unexplained missing byte is reported at the next change of state, and the connection still
 * ends. */
static void test_broken_sums(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/test_conn.XXXXXX", text[1024];
    log_to(fixture, path);
    fake.room = 3;
    comes(fixture, 10);
    fake.owed -= 1;
    ends(fixture);
    read_log(fixture, path, text, sizeof(text));
    assert_non_null(strstr(text, " error a connection broke its own rules: please report this "
                                 "id=7 from=0 to=2 in=10 made=0 out=3 owed=6 lost=0 sunk=0\n"));
    fails(fixture, EIO);
    assert_closed(fixture, REASON_ERROR, true, 7);
}

/* Random events in random order; the sums must be correct after each. */
static void test_random_walks(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t random = seed;
        for (int step = 0; step < 60 && !fixture->is_closed; step++) {
            uint64_t size = unit_random(&random) % 700;
            fake.room = unit_random(&random) % 500;
            fake.end = (enum stream_end)(unit_random(&random) % 2);
            switch (unit_random(&random) % 8) {
            case 0:
            case 1:
            case 2:
                if (is_reading(fixture))
                    comes(fixture, size + 1);
                break;
            case 3:
            case 4:
                if (fake.owed > 0)
                    drains(fixture, size % fake.owed + 1);
                break;
            case 5:
                passes(fixture, size / 4);
                break;
            case 6:
                if (is_reading(fixture) && size % 5 == 0)
                    ends(fixture);
                break;
            default:
                if (size % 20 == 0)
                    fails(fixture, ECONNRESET);
            }
            assert_state(fixture, (enum conn_state)fixture->conn->state);
        }
        if (!fixture->is_closed)
            conn_abort(fixture->conn, REASON_FORCED);
        /* A loss must never be followed by a clean end. */
        if (fixture->conn->account.lost > 0 ||
            (fixture->conn->account.discarded > 0 && !fixture->conn->has_peer_fin))
            assert_true(fake.is_reset);
        conn_free(fixture->conn);
        fake_clear();
        fixture->is_closed = false;
        fixture->env.stream.path = seed % 2 ? STREAM_DIRECT : STREAM_BUFFERED;
        fixture->conn = open_conn(fixture, &VALUES);
        conn_start(fixture->conn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        TEST(test_echo_and_end),
        TEST(test_idle),
        TEST(test_false_idle),
        TEST(test_flush_deadline),
        TEST(test_linger_time),
        TEST(test_discarded_bytes_end_in_a_reset),
        TEST(test_discarded_bytes_at_the_linger_time),
        TEST(test_unread_bytes_at_the_linger_time),
        TEST(test_unread_bytes_and_the_peers_end),
        TEST(test_discarded_bytes_and_the_peers_end),
        TEST(test_errors),
        TEST(test_a_failed_write_loses_the_bytes_read),
        TEST(test_memory),
        TEST(test_resume_fails),
        TEST(test_reset_in_linger),
        TEST(test_abort_in_linger),
        TEST(test_reset_in_flush),
        TEST(test_half_close_fails),
        TEST(test_drain),
        TEST(test_drain_waits_for_bytes_owed),
        TEST(test_an_abort_during_a_drain_counts_as_given_up),
        TEST(test_without_any_times),
        TEST(test_no_memory_to_open),
        TEST(test_start_fails),
        TEST(test_close_line),
        TEST(test_broken_sums),
        TEST(test_random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

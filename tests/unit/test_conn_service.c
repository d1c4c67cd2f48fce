/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections of services other than echo. */
#include "conn_fixture.h"

static uint64_t index_of(const char *word)
{
    uint64_t index = 0;
    while (strcmp(SERVICE_WORDS[index], word) != 0)
        index++;
    return index;
}

static void serve(struct fixture *fixture, const char *word)
{
    struct policy_values values = VALUES;
    values.service = index_of(word);
    open_again(fixture, &values);
}

static void test_discard(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "discard");
    conn_start(fixture->conn);
    comes(fixture, 100000);
    comes(fixture, 1);
    assert_state(fixture, CONN_OPEN);
    assert_int_equal(counted(fixture, COUNTER_SUNK), 100001);
    assert_int_equal(counted(fixture, COUNTER_BYTES_OUT), 0);
    passes(fixture, 999);
    comes(fixture, 1);
    passes(fixture, 999);
    assert_state(fixture, CONN_OPEN);
    ends(fixture);
    assert_closed(fixture, REASON_EOF, false, 0);
}

/* Bytes received after our own end are discarded as before: no loss, no reset. */
static void test_discard_in_linger(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "discard");
    conn_start(fixture->conn);
    passes(fixture, 1000);
    assert_state(fixture, CONN_LINGER);
    comes(fixture, 10);
    assert_int_equal(counted(fixture, COUNTER_DISCARDED), 0);
    ends(fixture);
    assert_closed(fixture, REASON_IDLE, false, 0);
}

static void test_one_answer_then_the_end(void **state)
{
    static const char *const WORDS[] = {"daytime", "time", "whoami"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
        serve(fixture, WORDS[i]);
        conn_start(fixture->conn);
        assert_state(fixture, CONN_FLUSH);
        size_t said = fake.owed;
        assert_true(said >= 4);
        assert_int_equal(counted(fixture, COUNTER_MADE), said);
        drains(fixture, said - 1);
        assert_state(fixture, CONN_FLUSH);
        drains(fixture, 1);
        assert_state(fixture, CONN_LINGER);
        assert_true(fake.is_half_closed && is_reading(fixture));
        comes(fixture, 10); /* bytes received meanwhile */
        assert_int_equal(counted(fixture, COUNTER_SUNK), 10);
        ends(fixture);
        assert_closed(fixture, REASON_SERVED, false, 0);
        assert_int_equal(counted(fixture, COUNTER_BYTES_OUT), said);
    }
}

static void test_an_answer_that_is_not_read(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "time");
    conn_start(fixture->conn);
    passes(fixture, 500);
    assert_closed(fixture, REASON_STALL, true, 4);
    serve(fixture, "time");
    conn_start(fixture->conn);
    fails(fixture, ECONNRESET);
    assert_closed(fixture, REASON_RESET, true, 4);
    serve(fixture, "time");
    conn_start(fixture->conn);
    drains(fixture, 4);
    passes(fixture, 200); /* the peer never ends */
    assert_closed(fixture, REASON_SERVED, false, 0);
}

/* Bytes unread at the end of the linger time cause a reset, and count as discarded. */
static void test_unread_at_the_end(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "time");
    conn_start(fixture->conn);
    drains(fixture, 4);
    fake.unread = 7;
    passes(fixture, 200);
    assert_closed(fixture, REASON_SERVED, true, 0);
    assert_int_equal(counted(fixture, COUNTER_BYTES_IN), 7);
    assert_int_equal(counted(fixture, COUNTER_SUNK), 7);
    assert_int_equal(counted(fixture, COUNTER_DISCARDED), 0);
}

static void test_whoami_reports_the_connection(void **state)
{
    struct fixture *fixture = *state;
    char expected[256];
    int length = snprintf(expected, sizeof(expected),
                          "{\"name\":\"unit\",\"id\":7,\"listener\":\"unix:/t\","
                          "\"peer\":\"unix:@a\\u000ab.%d\",\"local\":\"unix:@local.%d\","
                          "\"proxy\":null,\"tls\":null}\n",
                          (int)getpid(), (int)getpid());
    serve(fixture, "whoami");
    conn_start(fixture->conn);
    assert_int_equal(fake.last_length, length);
    assert_memory_equal(fake.last, expected, (size_t)length);
}

/* It sends for ever, never owes more than the mark, and reads and discards input. */
static void test_chargen(void **state)
{
    struct fixture *fixture = *state;
    uint64_t said = 1000;
    serve(fixture, "chargen");
    conn_start(fixture->conn);
    assert_true(is_reading(fixture));
    for (int i = 0; i < 100; i++, said += 1000) {
        assert_int_equal(fake.owed, 1000);
        assert_int_equal(counted(fixture, COUNTER_MADE), said);
        drains(fixture, 400);
        assert_int_equal(fake.owed, 600);
        comes(fixture, 5000);
        drains(fixture, 600);
        assert_state(fixture, CONN_OPEN);
    }
    assert_int_equal(counted(fixture, COUNTER_SUNK), 500000);
    for (int i = 0; i < 10; i++) { /* longer than any idle time */
        passes(fixture, 400);
        drains(fixture, 1000);
    }
    ends(fixture);
    assert_state(fixture, CONN_FLUSH);
    drains(fixture, 1000);
    assert_closed(fixture, REASON_EOF, false, 0);
}

/* The lines continue correctly from one portion to the next. */
static void test_chargen_continues(void **state)
{
    struct fixture *fixture = *state;
    unsigned char expected[1000];
    serve(fixture, "chargen");
    conn_start(fixture->conn);
    drains(fixture, 1000);
    service_at(index_of("chargen"))->make(NULL, 1000, expected, sizeof(expected));
    assert_int_equal(fake.last_length, sizeof(expected));
    assert_memory_equal(fake.last, expected, sizeof(expected));
}

static void test_chargen_stalls(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "chargen");
    conn_start(fixture->conn);
    passes(fixture, 499);
    drains(fixture, 1);
    comes(fixture, 5); /* received bytes are no progress in sending */
    passes(fixture, 499);
    assert_state(fixture, CONN_OPEN);
    passes(fixture, 1);
    assert_closed(fixture, REASON_STALL, true, 999);
}

static void test_chargen_if_all_owe_too_much(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = VALUES;
    values.service = index_of("chargen");
    values.buffer_bytes = 0;
    limit_change(fixture->env.limit, &(struct limit_values){.owed_bytes = 100});
    open_again(fixture, &values);
    conn_start(fixture->conn);
    assert_int_equal(fake.owed, SERVICE_SAYS_MAX);
    fixture->env.is_tight = true;
    size_t owed = fake.owed;
    fake.owed = 0;
    counter_add(&fixture->counters, COUNTER_OWED, 200); /* of other connections */
    CONN_STREAM_CALLBACKS.on_drained(&fixture->conn->stream, owed);
    assert_int_equal(fake.owed, 4096);
    counter_add(&fixture->counters, COUNTER_OWED, (uint64_t)-200);
}

static void begin_drain(struct fixture *fixture)
{
    fixture->env.drain_start_ms = now_ms;
    conn_drain(fixture->conn);
}

/* It is never quiet, so a drain ends it: the bytes owed are sent, and no more are made. */
static void test_chargen_drains(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "chargen");
    conn_start(fixture->conn);
    begin_drain(fixture);
    assert_state(fixture, CONN_FLUSH);
    drains(fixture, 1000);
    assert_state(fixture, CONN_LINGER);
    ends(fixture);
    assert_closed(fixture, REASON_DRAIN, false, 0);
}

static void test_chargen_opened_during_a_drain(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "chargen");
    fixture->env.drain_start_ms = now_ms;
    conn_start(fixture->conn);
    assert_state(fixture, CONN_FLUSH);
    assert_int_equal(fixture->conn->reason, REASON_DRAIN);
    conn_abort(fixture->conn, REASON_DEADLINE);
    assert_closed(fixture, REASON_DEADLINE, true, 1000);
    assert_int_equal(counted(fixture, COUNTER_ABANDONED), 1000);
}

static void test_no_memory(void **state)
{
    struct fixture *fixture = *state;
    serve(fixture, "time");
    fake.fails_to_write = true;
    conn_start(fixture->conn);
    assert_closed(fixture, REASON_MEMORY, true, 0);
    serve(fixture, "chargen");
    conn_start(fixture->conn);
    fake.fails_to_write = true;
    drains(fixture, 1000);
    assert_closed(fixture, REASON_MEMORY, true, 0);
}

static void step(struct fixture *fixture, uint64_t *random)
{
    uint64_t size = unit_random(random) % 700;
    switch (unit_random(random) % 8) {
    case 0:
    case 1:
        if (is_reading(fixture))
            comes(fixture, size + 1);
        break;
    case 2:
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
        else if (size % 20 == 1)
            begin_drain(fixture);
    }
}

/* Random events in random order for every service; the sums must be correct after each. */
static void test_random_walks(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t random = seed;
        fixture->env.drain_start_ms = 0;
        serve(fixture, SERVICE_WORDS[seed % 6]);
        conn_start(fixture->conn);
        for (int i = 0; i < 60 && !fixture->is_closed; i++) {
            step(fixture, &random);
            assert_state(fixture, (enum conn_state)fixture->conn->state);
        }
        if (fixture->is_closed &&
            (fixture->conn->account.lost > 0 ||
             (fixture->conn->account.discarded > 0 && !fixture->conn->has_peer_fin)))
            assert_true(fake.is_reset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_discard),
        TEST(test_discard_in_linger),
        TEST(test_one_answer_then_the_end),
        TEST(test_an_answer_that_is_not_read),
        TEST(test_unread_at_the_end),
        TEST(test_whoami_reports_the_connection),
        TEST(test_chargen),
        TEST(test_chargen_continues),
        TEST(test_chargen_stalls),
        TEST(test_chargen_if_all_owe_too_much),
        TEST(test_chargen_drains),
        TEST(test_chargen_opened_during_a_drain),
        TEST(test_no_memory),
        TEST(test_random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection on a fake transport and a fake clock, and the events that it may receive. */
#ifndef TESTS_CONN_FIXTURE_H
#define TESTS_CONN_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "echo/conn.h"
#include "echo/conn_report.h"
#include "fake_transport.h"
#include "unit.h"

struct fixture {
    struct loop loop;
    struct counters counters;
    struct conn_env env;
    struct conn *conn;
    bool is_closed;
    enum conn_state was; /* at on_closed() */
};

static const struct policy_values VALUES = {.idle_ms = 1000,
                                            .stall_ms = 500,
                                            .flush_ms = 800,
                                            .linger_ms = 200,
                                            .quiet_ms = 100,
                                            .buffer_bytes = 1000};

static inline void on_closed(struct conn *conn, void *owner)
{
    struct fixture *fixture = owner;
    assert_false(fixture->is_closed);
    fixture->is_closed = true;
    fixture->was = (enum conn_state)conn->state;
}

static inline void on_due(struct deadline *deadline)
{
    conn_on_due(conn_of_deadline(deadline));
}

static inline struct conn *open_under(struct fixture *fixture, struct policy *policy)
{
    struct conn_arrival arrival = {
        .fd = fake_descriptor(), .peer = {.family = AF_UNIX}, .id = 7, .policy = policy};
    assert_int_equal(limit_admit(fixture->env.limit, &arrival.peer), LIMIT_ADMITTED);
    return conn_open(&fixture->env, &arrival);
}

static inline struct conn *open_conn(struct fixture *fixture, const struct policy_values *values)
{
    return open_under(fixture, policy_new(values, "unix:/t", 0));
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    now_ms = 1000000;
    fake_clear();
    if (loop_open(&fixture->loop, on_due, &err) < 0 ||
        deadline_queue_reserve(&fixture->loop.deadlines, 4) < 0)
        return -1;
    fixture->env = (struct conn_env){.stream = {.callbacks = CONN_STREAM_CALLBACKS,
                                                .transport = &fake_transport,
                                                .loop = &fixture->loop},
                                     .loop = &fixture->loop,
                                     .counters = &fixture->counters,
                                     .limit = limit_new(&(struct limit_values){0}),
                                     .reporter = &CONN_REPORTER,
                                     .name = "unit",
                                     .on_closed = on_closed,
                                     .owner = fixture};
    if (limit_watch(fixture->env.limit, &fixture->counters) < 0)
        return -1;
    fixture->conn = open_conn(fixture, &VALUES);
    conn_start(fixture->conn);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture->is_closed)
        conn_abort(fixture->conn, REASON_FORCED);
    conn_free(fixture->conn);
    limit_free(fixture->env.limit);
    loop_close(&fixture->loop);
    free(fixture);
    return 0;
}

/* ---- events ---- */

static inline void comes(struct fixture *fixture, size_t bytes)
{
    fake.input = bytes;
    fake_readable(&fixture->conn->stream);
}

static inline void drains(struct fixture *fixture, size_t bytes)
{
    fake.owed -= bytes;
    CONN_STREAM_CALLBACKS.on_drained(&fixture->conn->stream, bytes);
}

static inline void ends(struct fixture *fixture)
{
    fake.has_peer_end = true;
    fake_readable(&fixture->conn->stream);
}

static inline void fails(struct fixture *fixture, int error)
{
    CONN_STREAM_CALLBACKS.on_error(&fixture->conn->stream, error);
}

/* Advances the clock, and runs every deadline that becomes due. */
static inline void passes(struct fixture *fixture, uint64_t ms)
{
    uint64_t end_ms = now_ms + ms;
    struct deadline *first;
    while ((first = deadline_first(&fixture->loop.deadlines)) && first->due_ms <= end_ms) {
        now_ms = first->due_ms > now_ms ? first->due_ms : now_ms;
        deadline_unset(&fixture->loop.deadlines, first);
        on_due(first);
    }
    now_ms = end_ms;
}

static inline uint64_t counted(const struct fixture *fixture, enum counter counter)
{
    return counter_get(&fixture->counters, counter);
}

static inline void assert_state(const struct fixture *fixture, enum conn_state expected)
{
    assert_int_equal(fixture->conn->state, expected);
    assert_true(counted(fixture, COUNTER_BYTES_IN) + counted(fixture, COUNTER_MADE) ==
                counted(fixture, COUNTER_BYTES_OUT) + counted(fixture, COUNTER_OWED) +
                    counted(fixture, COUNTER_LOST) + counted(fixture, COUNTER_SUNK));
    assert_int_equal(fixture->is_closed, expected == CONN_CLOSED);
}

static inline void assert_closed(const struct fixture *fixture, enum reason reason, bool is_reset,
                                 uint64_t lost)
{
    assert_state(fixture, CONN_CLOSED);
    assert_int_equal(fixture->conn->reason, reason);
    assert_true(fake.is_closed);
    assert_int_equal(fake.is_reset, is_reset);
    assert_int_equal(counted(fixture, COUNTER_LOST), lost);
    assert_int_equal(counted(fixture, counter_of_reason(reason)), 1);
    assert_int_equal(counted(fixture, COUNTER_CLOSED), 1);
    assert_int_equal(counted(fixture, COUNTER_OWED), 0);
    assert_int_equal(fixture->conn->deadline.place, 0);
}

static inline bool is_reading(const struct fixture *fixture)
{
    return fake_is_reading(&fixture->conn->stream);
}

/* Replaces the connection of setup() by one with other values. */
static inline void open_again(struct fixture *fixture, const struct policy_values *values)
{
    if (!fixture->is_closed)
        conn_abort(fixture->conn, REASON_FORCED);
    conn_free(fixture->conn);
    memset(&fixture->counters, 0, sizeof(fixture->counters));
    fake_clear();
    fixture->is_closed = false;
    fixture->conn = open_conn(fixture, values);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

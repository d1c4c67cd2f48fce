/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY header reader on real socket pairs: which bytes it reads, and which it leaves. */
#include "unit.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo/proxy_reader.h"

#define HEADER "PROXY TCP4 192.0.2.1 198.51.100.2 40000 7\r\n"

struct fixture {
    struct loop loop;
    struct counters counters;
    struct conn_env env;
    struct proxy_reader host;
    struct policy *policy;
    int peer;
    int over;                    /* readers that ended without a header */
    struct conn_arrival arrival; /* the connection passed on; fd 0: none */
};

static void on_header(void *owner, const struct conn_arrival *arrival)
{
    struct fixture *fixture = owner;
    if (arrival)
        fixture->arrival = *arrival;
    else
        fixture->over++;
}

static void on_due(struct deadline *deadline)
{
    (void)deadline;
}

/* Starts one reader; the test holds the other end of the pair. */
static void greet(struct fixture *fixture)
{
    static const struct address NOBODY = {.family = AF_UNIX};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    fixture->peer = pair[1];
    assert_int_equal(limit_admit(fixture->env.limit, &NOBODY), LIMIT_ADMITTED);
    const struct conn_arrival arrival = {.fd = pair[0],
                                         .peer = NOBODY,
                                         .proxy = NOBODY,
                                         .id = 7,
                                         .policy = policy_ref(fixture->policy)};
    assert_int_equal(proxy_reader_open(&fixture->host, &arrival), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    static const struct policy_values VALUES = {.quiet_ms = 20, .is_proxy = 1};
    struct error err;
    if (loop_open(&fixture->loop, on_due, &err) < 0)
        return -1;
    fixture->env = (struct conn_env){.loop = &fixture->loop,
                                     .counters = &fixture->counters,
                                     .limit = limit_new(&(struct limit_values){.per_source = 1})};
    fixture->host =
        (struct proxy_reader){.env = &fixture->env, .on_header = on_header, .owner = fixture};
    fixture->policy = policy_new(&VALUES, "unix:/t", 0);
    greet(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    proxy_reader_abort_all(&fixture->host, REASON_FORCED);
    if (fixture->arrival.fd) {
        close(fixture->arrival.fd);
        limit_release(fixture->env.limit, &fixture->arrival.peer);
        policy_unref(fixture->arrival.policy);
        free(fixture->arrival.proxied);
    }
    assert_int_equal(limit_open(fixture->env.limit), 0);
    assert_int_equal(fixture->policy->references, 1);
    close(fixture->peer);
    policy_unref(fixture->policy);
    limit_free(fixture->env.limit);
    loop_close(&fixture->loop);
    free(fixture);
    return 0;
}

static void says(struct fixture *fixture, const void *bytes, size_t length)
{
    assert_int_equal(send(fixture->peer, bytes, length, MSG_NOSIGNAL), length);
    (void)event_base_loop(fixture->loop.base, EVLOOP_NONBLOCK);
}

static uint64_t counted(const struct fixture *fixture, enum counter counter)
{
    return counter_get(&fixture->counters, counter);
}

/* The connection was reset and returned, once, with that reason. */
static void assert_over(const struct fixture *fixture, enum reason reason)
{
    assert_int_equal(fixture->over, 1);
    assert_int_equal(fixture->arrival.fd, 0);
    assert_true(LIST_EMPTY(&fixture->host.list));
    assert_int_equal(limit_open(fixture->env.limit), 0);
    assert_int_equal(counted(fixture, COUNTER_CLOSED), 1);
    assert_int_equal(counted(fixture, counter_of_reason(reason)), 1);
}

/* No byte after the header is read, however the header is split. */
static void test_reads_only_the_header(void **state)
{
    static const char ALL[] = HEADER "and the rest";
    struct fixture *fixture = *state;
    for (size_t first = 1; first < sizeof(ALL) - 1; first++) {
        char rest[64];
        says(fixture, ALL, first);
        says(fixture, ALL + first, sizeof(ALL) - 1 - first);
        assert_true(fixture->arrival.fd > 0);
        assert_int_equal(recv(fixture->arrival.fd, rest, sizeof(rest), 0), 12);
        assert_memory_equal(rest, "and the rest", 12);
        assert_int_equal(fixture->arrival.peer.family, AF_INET);
        assert_int_equal(fixture->arrival.peer.port, 40000);
        assert_memory_equal(fixture->arrival.proxied->bytes, HEADER, sizeof(HEADER) - 1);
        assert_int_equal(fixture->arrival.proxied->proxy.family, AF_UNIX);
        close(fixture->arrival.fd);
        limit_release(fixture->env.limit, &fixture->arrival.peer);
        policy_unref(fixture->arrival.policy);
        free(fixture->arrival.proxied);
        fixture->arrival.fd = 0;
        close(fixture->peer);
        greet(fixture);
    }
    assert_int_equal(counted(fixture, COUNTER_PROXIED), sizeof(ALL) - 2);
}

static void test_wrong(void **state)
{
    struct fixture *fixture = *state;
    says(fixture, "PROXY ", 6);
    assert_int_equal(fixture->over, 0);
    says(fixture, "nonsense\r\n", 10);
    assert_over(fixture, REASON_PROXY);
}

static void test_finished(void **state)
{
    struct fixture *fixture = *state;
    shutdown(fixture->peer, SHUT_WR);
    (void)event_base_loop(fixture->loop.base, EVLOOP_NONBLOCK);
    assert_over(fixture, REASON_EOF);
}

static void test_finished_within(void **state)
{
    struct fixture *fixture = *state;
    says(fixture, "PRO", 3);
    shutdown(fixture->peer, SHUT_WR);
    (void)event_base_loop(fixture->loop.base, EVLOOP_NONBLOCK);
    assert_over(fixture, REASON_PROXY);
}

static void test_a_source_above_its_limit(void **state)
{
    struct fixture *fixture = *state;
    const struct address source = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
    assert_int_equal(limit_admit(fixture->env.limit, &source), LIMIT_ADMITTED);
    says(fixture, HEADER, sizeof(HEADER) - 1);
    assert_int_equal(fixture->over, 1);
    assert_int_equal(counted(fixture, COUNTER_REFUSED_SOURCE), 1);
    assert_int_equal(counted(fixture, COUNTER_PROXIED), 0);
    assert_int_equal(limit_open(fixture->env.limit), 1);
    limit_release(fixture->env.limit, &source);
    close(fixture->peer);
    greet(fixture);
    says(fixture, HEADER, sizeof(HEADER) - 1);
    assert_true(fixture->arrival.fd > 0);
}

/* A header that does not come is late after proxy_ms, and its first bytes do not lengthen that. */
static void test_late(void **state)
{
    struct fixture *fixture = *state;
    struct policy_values values = fixture->policy->values;
    values.proxy_ms = 20;
    proxy_reader_abort_all(&fixture->host, REASON_FORCED);
    close(fixture->peer);
    policy_unref(fixture->policy);
    fixture->policy = policy_new(&values, "unix:/t", 0);
    greet(fixture);
    says(fixture, "PROXY ", 6);
    assert_int_equal(fixture->over, 1);
    while (fixture->over == 1)
        (void)event_base_loop(fixture->loop.base, EVLOOP_ONCE);
    assert_int_equal(counted(fixture, counter_of_reason(REASON_PROXY)), 1);
}

static void test_drained(void **state)
{
    struct fixture *fixture = *state;
    proxy_reader_drain_all(&fixture->host);
    assert_int_equal(fixture->over, 0);
    while (fixture->over == 0)
        (void)event_base_loop(fixture->loop.base, EVLOOP_ONCE);
    assert_over(fixture, REASON_DRAIN);
}

static void test_aborted(void **state)
{
    struct fixture *fixture = *state;
    proxy_reader_abort_all(&fixture->host, REASON_DEADLINE);
    assert_over(fixture, REASON_DEADLINE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_only_the_header),
        TEST(test_wrong),
        TEST(test_finished),
        TEST(test_finished_within),
        TEST(test_a_source_above_its_limit),
        TEST(test_late),
        TEST(test_drained),
        TEST(test_aborted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

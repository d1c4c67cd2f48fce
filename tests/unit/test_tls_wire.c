/* SPDX-License-Identifier: BSD-2-Clause */
/* The wire between OpenSSL and a socket: it takes all, in order, and reads nothing above its limit.
 */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "net/tls_wire.h"
#include "tcp_pair.h"

#define MUCH (8 * 1024 * 1024)

struct fixture {
    int pair[2];
    BIO *wire;
    unsigned kept_calls;
    bool cannot_wait;
};

static bool on_kept(void *owner)
{
    struct fixture *fixture = owner;
    fixture->kept_calls++;
    return !fixture->cannot_wait;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){0};
    tcp_pair(fixture.pair);
    fixture.wire = tls_wire_new(fixture.pair[0], on_kept, &fixture);
    assert_non_null(fixture.wire);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    BIO_free(fixture->wire);
    close(fixture->pair[0]);
    close(fixture->pair[1]);
    return 0;
}

/* The bytes of a stream, by their offset. */
static unsigned char at(size_t offset)
{
    return (unsigned char)(offset * 31 + offset / 251);
}

static void writes(struct fixture *fixture, size_t *sent, size_t length)
{
    static unsigned char bytes[MUCH];
    for (size_t i = 0; i < length; i++)
        bytes[i] = at(*sent + i);
    assert_int_equal(BIO_write(fixture->wire, bytes, (int)length), (int)length);
    *sent += length;
}

static void peer_reads(struct fixture *fixture, size_t *got, size_t until)
{
    static unsigned char bytes[65536];
    while (*got < until) {
        size_t most = until - *got < sizeof(bytes) ? until - *got : sizeof(bytes);
        ssize_t came = recv(fixture->pair[1], bytes, most, 0);
        assert_true(came > 0);
        for (ssize_t i = 0; i < came; i++)
            assert_int_equal(bytes[i], at(*got + (size_t)i));
        *got += (size_t)came;
    }
}

static void test_it_takes_all_in_order(void **state)
{
    struct fixture *fixture = *state;
    size_t sent = 0, got = 0;
    writes(fixture, &sent, 100);
    assert_int_equal(tls_wire_kept(fixture->wire), 0);
    assert_int_equal(fixture->kept_calls, 0);
    writes(fixture, &sent, MUCH);
    size_t kept = tls_wire_kept(fixture->wire);
    assert_true(kept > 0 && kept < MUCH);
    for (unsigned i = 0; i < 100; i++)
        writes(fixture, &sent, 27);
    assert_int_equal(tls_wire_kept(fixture->wire), kept + 2700);
    assert_int_equal(fixture->kept_calls, 101);
    assert_int_equal(tls_wire_flush(fixture->wire), -EAGAIN);
    while (tls_wire_kept(fixture->wire) > 0) {
        peer_reads(fixture, &got, sent - tls_wire_kept(fixture->wire));
        int failure = tls_wire_flush(fixture->wire);
        assert_true(failure == 0 || failure == -EAGAIN);
    }
    writes(fixture, &sent, 100);
    peer_reads(fixture, &got, sent);
}

static void test_above_its_limit_it_reads_nothing(void **state)
{
    struct fixture *fixture = *state;
    size_t sent = 0, got = 0;
    char byte;
    assert_int_equal(send(fixture->pair[1], "x", 1, 0), 1);
    writes(fixture, &sent, MUCH);
    assert_true(tls_wire_is_full(fixture->wire));
    assert_int_equal(BIO_read(fixture->wire, &byte, 1), -1);
    assert_true(BIO_should_read(fixture->wire));
    while (tls_wire_kept(fixture->wire) > 0) {
        peer_reads(fixture, &got, sent - tls_wire_kept(fixture->wire));
        (void)!tls_wire_flush(fixture->wire);
    }
    assert_int_equal(BIO_read(fixture->wire, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(BIO_read(fixture->wire, &byte, 1), -1);
    assert_true(BIO_should_read(fixture->wire));
    assert_false(BIO_eof(fixture->wire));
}

static void test_ends_are_seen(void **state)
{
    struct fixture *fixture = *state;
    struct pollfd readable = {.fd = fixture->pair[0], .events = POLLIN};
    char byte;
    shutdown(fixture->pair[1], SHUT_WR);
    assert_int_equal(poll(&readable, 1, 5000), 1);
    assert_int_equal(BIO_read(fixture->wire, &byte, 1), 0);
    assert_false(BIO_should_retry(fixture->wire));
    assert_true(BIO_eof(fixture->wire));
}

static void test_a_dead_peer_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct linger reset = {.l_onoff = 1};
    struct pollfd readable = {.fd = fixture->pair[0], .events = POLLIN};
    size_t sent = 0;
    writes(fixture, &sent, MUCH);
    setsockopt(fixture->pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fixture->pair[1]);
    assert_int_equal(poll(&readable, 1, 5000), 1);
    assert_int_equal(tls_wire_flush(fixture->wire), -ECONNRESET);
    fixture->pair[1] = dup(fixture->pair[0]);
}

static void test_an_owner_that_cannot_wait(void **state)
{
    struct fixture *fixture = *state;
    static char bytes[MUCH];
    fixture->cannot_wait = true;
    assert_int_equal(BIO_write(fixture->wire, bytes, MUCH), -1);
    assert_int_equal(errno, ENOMEM);
    assert_false(BIO_should_retry(fixture->wire));
}

/* After our FIN an answer to a KeyUpdate goes nowhere, and is no error. */
static void test_after_the_end(void **state)
{
    struct fixture *fixture = *state;
    char byte;
    tls_wire_end(fixture->wire);
    shutdown(fixture->pair[0], SHUT_WR);
    assert_int_equal(BIO_write(fixture->wire, "x", 1), 1);
    assert_int_equal(recv(fixture->pair[1], &byte, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_takes_all_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_above_its_limit_it_reads_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_peer_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_owner_that_cannot_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_after_the_end, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The pipe between real sockets: moving bytes in and out, and that no byte is ever left in it. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"
#include "stream/pipe.h"
#include "tcp_pair.h"

#define BYTES 100000

struct fixture {
    struct pipe pipe;
    int from[2], to[2]; /* of each pair: the service's end, and the peer's */
    unsigned char sent[BYTES], came[BYTES];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    for (size_t i = 0; i < BYTES; i++)
        fixture.sent[i] = (unsigned char)(i * 7 % 251);
    memset(fixture.came, 0, BYTES);
    assert_int_equal(pipe_open(&fixture.pipe), 0);
    tcp_pair(fixture.from);
    tcp_pair(fixture.to);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    pipe_close(&fixture->pipe);
    pipe_close(&fixture->pipe); /* may be called again */
    for (int i = 0; i < 2; i++) {
        close(fixture->from[i]);
        close(fixture->to[i]);
    }
    return 0;
}

static void assert_held(const struct fixture *fixture, int bytes)
{
    int held = -1;
    assert_int_equal(ioctl(fixture->pipe.out, FIONREAD, &held), 0);
    assert_int_equal(held, bytes);
}

/* Waits for bytes, as the loop would. */
static ssize_t take(struct fixture *fixture, size_t most)
{
    struct pollfd readable = {.fd = fixture->from[0], .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 5000), 1);
    return pipe_take(&fixture->pipe, fixture->from[0], most);
}

static void test_through(void **state)
{
    struct fixture *fixture = *state;
    size_t given = 0;
    assert_int_equal(send(fixture->from[1], fixture->sent, BYTES, 0), BYTES);
    while (given < BYTES) {
        ssize_t taken = take(fixture, 30000);
        assert_in_range(taken, 1, 30000);
        assert_int_equal(pipe_give(&fixture->pipe, fixture->to[0], (size_t)taken), taken);
        assert_held(fixture, 0);
        given += (size_t)taken;
    }
    assert_int_equal(recv(fixture->to[1], fixture->came, BYTES, MSG_WAITALL), BYTES);
    assert_memory_equal(fixture->came, fixture->sent, BYTES);
}

/* A part is moved to the socket, the rest is read. */
static void test_rest(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(send(fixture->from[1], fixture->sent, 1000, 0), 1000);
    assert_int_equal(take(fixture, BYTES), 1000);
    assert_int_equal(pipe_give(&fixture->pipe, fixture->to[0], 300), 300);
    assert_int_equal(pipe_read(&fixture->pipe, fixture->came, 700), 0);
    assert_memory_equal(fixture->came, fixture->sent + 300, 700);
    assert_held(fixture, 0);
}

static void test_a_full_socket(void **state)
{
    struct fixture *fixture = *state;
    ssize_t given = 0;
    while (send(fixture->to[0], fixture->sent, BYTES, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(send(fixture->from[1], fixture->sent, 1000, 0), 1000);
    assert_int_equal(take(fixture, BYTES), 1000);
    given = pipe_give(&fixture->pipe, fixture->to[0], 1000);
    assert_true(given == -EAGAIN || given > 0);
    given = given > 0 ? given : 0;
    assert_int_equal(pipe_read(&fixture->pipe, fixture->came, 1000 - (size_t)given), 0);
    assert_held(fixture, 0);
}

/* Cases left to recv(2): nothing to read, an urgent byte in front, the end. */
static void test_no_answer(void **state)
{
    struct fixture *fixture = *state;
    const int on = 1;
    assert_int_equal(pipe_take(&fixture->pipe, fixture->from[0], BYTES), 0);
    assert_int_equal(setsockopt(fixture->from[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
    assert_int_equal(send(fixture->from[1], "u", 1, MSG_OOB), 1);
    assert_int_equal(take(fixture, BYTES), 0);
    assert_int_equal(recv(fixture->from[0], fixture->came, BYTES, 0), 1);
    assert_int_equal(shutdown(fixture->from[1], SHUT_WR), 0);
    assert_int_equal(take(fixture, BYTES), 0);
    assert_int_equal(recv(fixture->from[0], fixture->came, BYTES, 0), 0);
    assert_int_equal(pipe_take(&fixture->pipe, fixture->pipe.out, BYTES), 0); /* EINVAL */
}

/* The kernel reports an error once, so pipe_take() must return it. */
static void test_errors(void **state)
{
    struct fixture *fixture = *state;
    sock_reset(fixture->from[1]);
    fixture->from[1] = -1;
    assert_int_equal(take(fixture, BYTES), -ECONNRESET);
    tcp_pair(fixture->from);
    assert_int_equal(send(fixture->from[1], fixture->sent, 1000, 0), 1000);
    assert_int_equal(take(fixture, BYTES), 1000);
    assert_int_equal(shutdown(fixture->to[0], SHUT_WR), 0);
    assert_int_equal(pipe_give(&fixture->pipe, fixture->to[0], 1000), -EPIPE);
    assert_int_equal(pipe_read(&fixture->pipe, fixture->came, 1000), 0);
}

/* If bytes cannot be read back, another stream would send them: the pipe is closed. */
static void test_a_pipe_that_fails(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(send(fixture->from[1], fixture->sent, 1000, 0), 1000);
    assert_int_equal(take(fixture, BYTES), 1000);
    assert_int_equal(pipe_read(&fixture->pipe, fixture->came, 1001), -EAGAIN);
    assert_false(pipe_is_open(&fixture->pipe));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_through),   TEST(test_rest),   TEST(test_a_full_socket),
        TEST(test_no_answer), TEST(test_errors), TEST(test_a_pipe_that_fails),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams on real sockets, with both ways of reading, TCP and Unix. send, recv, writev and read are
 * defined here instead of the C library's, so that single calls can fail, for libevent too. */
#include "unit.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "config.h"
#include "net/sock.h"
#include "short_writes.h"
#include "stream/loop.h"
#include "stream/pipe.h"
#include "stream/stream.h"
#include "stream/transport.h"
#include "tcp_pair.h"

/* ---- the wrapped system calls ---- */

static struct {
    int take_error, give_error; /* of the next, once */
    size_t most;                /* the most bytes of a give; 0: all */
    unsigned takes, gives;
} splices;

ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned flags)
{
    bool is_take = splices.takes == splices.gives; /* they alternate */
    int *error = is_take ? &splices.take_error : &splices.give_error;
    if (*error) {
        errno = *error;
        *error = 0;
        splices.gives += !is_take;
        return -1;
    }
    if (!is_take && splices.most && splices.most < length)
        length = splices.most;
    ssize_t bytes = syscall(SYS_splice, in, in_at, out, out_at, length, flags);
    splices.takes += is_take && bytes > 0;
    splices.gives += !is_take;
    return bytes;
}

static int epoll_error; /* of every registration, while it is set */

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (epoll_error == 0)
        return (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
    errno = epoll_error;
    return -1;
}

/* ---- the fixture: a stream and its peer ---- */

struct fixture {
    struct stream stream; /* first: the argument of callbacks */
    struct stream_env env;
    struct loop loop;
    struct pipe pipe;
    int peer;
    size_t in, out, drained;
    bool has_ended, is_discarding;
    int error, echo_error;
};

static struct fixture *fixture_of(struct stream *stream)
{
    return (struct fixture *)stream;
}

static ssize_t move_on(struct fixture *fixture, struct stream_moved *moved, int *failure)
{
    struct stream *stream = &fixture->stream;
    const unsigned char *bytes;
    *failure = fixture->is_discarding ? 0 : stream_relay(stream, moved);
    if (moved->in > 0 || *failure)
        return moved->in > 0 ? (ssize_t)moved->in : *failure;
    ssize_t came = stream_take(stream, &bytes);
    if (came > 0 && fixture->is_discarding)
        stream_drop(stream, (size_t)came);
    else if (came > 0)
        *failure = stream_give(stream, bytes, (size_t)came, &moved->out);
    return came;
}

static ssize_t on_readable(struct stream *stream)
{
    struct fixture *fixture = fixture_of(stream);
    struct stream_moved moved = {0};
    int failure;
    ssize_t came = move_on(fixture, &moved, &failure);
    fixture->in += came > 0 ? (size_t)came : 0;
    fixture->out += moved.out;
    fixture->echo_error = -failure;
    if (failure || (stream_owed(stream) > 0 && fixture->env.path == STREAM_DIRECT))
        stream_hold(stream);
    return failure && came < 0 ? -EAGAIN : came;
}

static void on_moved(struct stream *stream)
{
    (void)stream;
}

static void on_end(struct stream *stream)
{
    fixture_of(stream)->has_ended = true;
}

static void on_drained(struct stream *stream, size_t bytes)
{
    struct fixture *fixture = fixture_of(stream);
    fixture->drained += bytes;
    if (stream_owed(stream) == 0)
        assert_int_equal(stream_resume(stream), 0);
}

static void on_error(struct stream *stream, int error)
{
    fixture_of(stream)->error = error;
}

static void on_due(struct deadline *deadline)
{
    (void)deadline;
}

static struct fixture *open_pair(enum stream_path path, bool is_unix)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    int pair[2];
    if (is_unix)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    else
        tcp_pair(pair);
    for (int i = 0; i < 2; i++) {
        int bytes = 4096;
        assert_int_equal(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
        assert_int_equal(fcntl(pair[i], F_SETFL, O_NONBLOCK), 0);
    }
    fixture->peer = pair[1];
    assert_int_equal(loop_open(&fixture->loop, on_due, &err), 0);
    assert_int_equal(pipe_open(&fixture->pipe), 0);
    fixture->env = (struct stream_env){
        .loop = &fixture->loop,
        .callbacks = {on_readable, on_moved, on_end, on_drained, on_error, NULL, NULL},
        .path = path,
        .scratch = malloc(STREAM_SCRATCH_BYTES),
        .pipe = &fixture->pipe,
        .read_max = SIZE_MAX};
    assert_int_equal(stream_open(&fixture->stream, &fixture->env, pair[0],
                                 &(struct stream_how){.is_unix = is_unix}),
                     0);
    assert_int_equal(stream_resume(&fixture->stream), 0);
    memset(&writes, 0, sizeof(writes));
    memset(&splices, 0, sizeof(splices));
    return fixture;
}

static void close_pair(struct fixture *fixture)
{
    if (fixture->stream.bev)
        stream_close(&fixture->stream);
    loop_close(&fixture->loop);
    pipe_close(&fixture->pipe);
    close(fixture->peer);
    free(fixture->env.scratch);
    free(fixture);
}

/* Runs the loop until nothing is ready any more, or only once. */
static void turn(struct fixture *fixture)
{
    (void)event_base_loop(fixture->loop.base, EVLOOP_NONBLOCK);
}

static void turn_once(struct fixture *fixture)
{
    (void)event_base_loop(fixture->loop.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

/* Sends and reads until `length` bytes are echoed or nothing moves any more; checks each byte. */
static size_t exchange(struct fixture *fixture, size_t length)
{
    size_t sent = 0, got = 0;
    for (int idle = 0; got < length && idle < 200; idle++) {
        unsigned char bytes[3000];
        size_t some = length - sent < sizeof(bytes) ? length - sent : sizeof(bytes);
        for (size_t i = 0; i < some; i++)
            bytes[i] = (unsigned char)((sent + i) * 7 % 251);
        ssize_t n = some ? syscall(SYS_sendto, fixture->peer, bytes, some, 0, NULL, 0) : 0;
        sent += n > 0 ? (size_t)n : 0;
        turn(fixture);
        struct pollfd readable = {.fd = fixture->peer, .events = POLLIN};
        (void)poll(&readable, 1, idle > 0 ? 5 : 0);
        n = recv(fixture->peer, bytes, sizeof(bytes), 0);
        for (ssize_t i = 0; i < n; i++, got++)
            assert_int_equal(bytes[i], got * 7 % 251);
        if (n > 0)
            idle = 0;
        if (fixture->echo_error || fixture->error)
            break;
        assert_int_equal(fixture->in,
                         fixture->out + fixture->drained + stream_owed(&fixture->stream));
    }
    return got;
}

#define FOR_ALL(fixture)                                                                    \
    for (int kind_ = 0; kind_ < 4; kind_++)                                                 \
        for (struct fixture *fixture = open_pair((enum stream_path)(kind_ / 2), kind_ % 2); \
             fixture; close_pair(fixture), fixture = NULL)

static void test_echo(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        assert_int_equal(exchange(fixture, 200000), 200000);
        assert_true(writes.calls > 0);
        assert_int_equal(shutdown(fixture->peer, SHUT_WR), 0);
        turn(fixture);
        assert_true(fixture->has_ended);
        assert_int_equal(fixture->error, 0);
    }
}

/* Bytes of our own are owed until the loop has written them. */
static void test_write(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) { /* all but Unix, which has no room */
        struct fixture *fixture = open_pair(kind ? STREAM_BUFFERED : STREAM_DIRECT, kind == 2);
        char bytes[8];
        assert_int_equal(stream_owe(&fixture->stream, (const unsigned char *)"hello", 5), 0);
        assert_int_equal(stream_owed(&fixture->stream), 5);
        assert_int_equal(recv(fixture->peer, bytes, sizeof(bytes), 0), -1);
        turn(fixture);
        assert_int_equal(fixture->drained, 5);
        assert_int_equal(recv(fixture->peer, bytes, sizeof(bytes), 0), 5);
        assert_memory_equal(bytes, "hello", 5);
        close_pair(fixture);
    }
}

static void test_short_writes(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        writes.most = 7;
        assert_int_equal(exchange(fixture, 5000), 5000);
    }
}

static void test_failed_writes(void **state)
{
    static const int ERRORS[] = {EAGAIN, EINTR, ENOBUFS, EPIPE};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ERRORS); i++) {
        FOR_ALL(fixture)
        {
            writes.error = ERRORS[i];
            bool is_transient = i < 2;
            size_t got = exchange(fixture, 100);
            assert_int_equal(writes.error, 0); /* the error was used */
            assert_int_equal(fixture->echo_error, is_transient ? 0 : ERRORS[i]);
            assert_int_equal(got, is_transient ? 100 : 0);
        }
    }
}

/* The second write, made by the loop, fails: on_error() reports it. */
static void test_failed_later_write(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        assert_int_equal(syscall(SYS_sendto, fixture->peer, "0123456789", 10, 0, NULL, 0), 10);
        writes.most = 1;
        turn_once(fixture);
        assert_true(stream_owed(&fixture->stream) > 0);
        writes.error = ENOBUFS;
        turn(fixture);
        assert_int_equal(fixture->error, ENOBUFS);
    }
}

/* libevent does not check that epoll_ctl(2) registered the bufferevent's event. */
static void test_unregistered(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        assert_int_equal(syscall(SYS_sendto, fixture->peer, "0123456789", 10, 0, NULL, 0), 10);
        writes.most = 1;
        epoll_error = ENOSPC;
        turn_once(fixture);
        epoll_error = 0;
        assert_true(stream_owed(&fixture->stream) > 0);
        assert_int_equal(fixture->echo_error, ENOMEM);
    }
}

/* ---- large transfers, through the pipe ---- */

#define MUCH 1000000

static struct fixture *open_wide_pair(void)
{
    struct fixture *fixture = open_pair(STREAM_DIRECT, false);
    int fds[] = {bufferevent_getfd(fixture->stream.bev), fixture->peer}, room = 2 * MUCH;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    return fixture;
}

static void fill(unsigned char *bytes, size_t first, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (unsigned char)((first + i) * 7 % 251);
}

/* The peer sends as fast as possible. Returns the number of bytes echoed; checks each. */
static size_t exchange_much(struct fixture *fixture, int flags)
{
    static unsigned char bytes[65536];
    size_t sent = 0, got = 0;
    for (int idle = 0; got < MUCH && idle < 200; idle++) {
        for (ssize_t n = 1; n > 0 && sent<MUCH; sent += n> 0 ? (size_t)n : 0) {
            size_t some = MUCH - sent < sizeof(bytes) ? MUCH - sent : sizeof(bytes);
            fill(bytes, sent, some);
            n = syscall(SYS_sendto, fixture->peer, bytes, some, flags, NULL, 0);
        }
        turn(fixture);
        if (fixture->echo_error || fixture->error)
            break;
        (void)poll(&(struct pollfd){.fd = fixture->peer, .events = POLLIN}, 1, idle > 0 ? 5 : 0);
        ssize_t n = recv(fixture->peer, bytes, sizeof(bytes), 0);
        for (ssize_t i = 0; i < n; i++, got++)
            assert_int_equal(bytes[i], got * 7 % 251);
        idle = n > 0 ? 0 : idle;
    }
    return got;
}

static void assert_pipe_is_empty(const struct fixture *fixture)
{
    int held = -1;
    assert_int_equal(ioctl(fixture->pipe.out, FIONREAD, &held), 0);
    assert_int_equal(held, 0);
}

static void test_large_transfer(void **state)
{
    static const size_t MOSTS[] = {0, 7, 5000, 40000};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(MOSTS); i++) {
        struct fixture *fixture = open_wide_pair();
        splices.most = MOSTS[i];
        assert_int_equal(exchange_much(fixture, 0), MUCH);
        assert_true(splices.gives > 0);
        assert_int_equal(splices.gives, splices.takes);
        assert_pipe_is_empty(fixture);
        close_pair(fixture);
    }
}

/* splice(2) does not pass an urgent byte, but each must be echoed in its place. */
static void test_large_transfer_with_urgent_bytes(void **state)
{
    struct fixture *fixture = open_wide_pair();
    const int on = 1;
    (void)state;
    assert_int_equal(setsockopt(bufferevent_getfd(fixture->stream.bev), SOL_SOCKET, SO_OOBINLINE,
                                &on, sizeof(on)),
                     0);
    assert_int_equal(exchange_much(fixture, MSG_OOB), MUCH);
    assert_true(splices.gives > 0);
    assert_pipe_is_empty(fixture);
    close_pair(fixture);
}

static void test_large_transfer_that_fails(void **state)
{
    static const struct {
        int take_error, give_error, expected; /* 0: the stream must survive it */
    } ROWS[] = {{EAGAIN, 0, 0},
                {EINTR, 0, 0},
                {EINVAL, 0, 0},
                {0, EAGAIN, 0},
                {0, EINTR, 0},
                {0, EPIPE, EPIPE},
                {ENOMEM, 0, ENOMEM},
                {ECONNRESET, 0, ECONNRESET},
                {0, ECONNRESET, ECONNRESET}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct fixture *fixture = open_wide_pair();
        splices.take_error = ROWS[i].take_error;
        splices.give_error = ROWS[i].give_error;
        size_t got = exchange_much(fixture, 0);
        assert_int_equal(splices.take_error | splices.give_error, 0); /* the error was used */
        assert_int_equal(fixture->echo_error | fixture->error, ROWS[i].expected);
        assert_true(ROWS[i].expected ? got < MUCH : got == MUCH);
        assert_pipe_is_empty(fixture);
        close_pair(fixture);
    }
}

static void send_and_turn(struct fixture *fixture, size_t length)
{
    static unsigned char bytes[65536]; /* less than a segment of the loopback's */
    struct pollfd readable = {.fd = bufferevent_getfd(fixture->stream.bev), .events = POLLIN};
    assert_int_equal(syscall(SYS_sendto, fixture->peer, bytes, length, 0, NULL, 0), length);
    assert_int_equal(poll(&readable, 1, 5000), 1);
    turn(fixture);
}

/* The size of a read decides how the next one is made. */
static void test_large_transfer_begins(void **state)
{
    static const size_t LENGTHS[] = {32767, 32768};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
        struct fixture *fixture = open_wide_pair();
        send_and_turn(fixture, LENGTHS[i]);
        assert_int_equal(splices.takes, 0);
        send_and_turn(fixture, LENGTHS[i]);
        assert_int_equal(splices.takes, i);
        send_and_turn(fixture, 100);
        assert_int_equal(splices.takes,
                         2 * i); /* a large read through the pipe keeps the stream bulk */
        send_and_turn(fixture, 100);
        assert_int_equal(splices.takes, 2 * i);
        close_pair(fixture);
    }
}

static void test_discard_large_transfer(void **state)
{
    struct fixture *fixture = open_wide_pair();
    (void)state;
    send_and_turn(fixture, 60000);
    fixture->is_discarding = true;
    send_and_turn(fixture, 60000);
    assert_int_equal(fixture->in, 120000);
    assert_int_equal(splices.takes, 0); /* discarded bytes need no pipe */
    assert_pipe_is_empty(fixture);
    close_pair(fixture);
}

static void test_hold(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        stream_hold(&fixture->stream);
        assert_int_equal(syscall(SYS_sendto, fixture->peer, "abc", 3, 0, NULL, 0), 3);
        turn(fixture);
        assert_int_equal(fixture->in, 0);
        assert_int_equal(stream_unread(&fixture->stream), 3);
        assert_int_equal(stream_resume(&fixture->stream), 0);
        turn(fixture);
        assert_int_equal(fixture->in, 3);
        assert_int_equal(stream_unread(&fixture->stream), 0);
    }
}

static void test_discard(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        char byte;
        fixture->is_discarding = true;
        assert_int_equal(syscall(SYS_sendto, fixture->peer, "abc", 3, 0, NULL, 0), 3);
        turn(fixture);
        assert_int_equal(fixture->in, 3);
        assert_int_equal(recv(fixture->peer, &byte, 1, 0), -1);
        assert_int_equal(stream_unread(&fixture->stream), 0);
    }
}

static void test_half_close(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        char byte;
        assert_int_equal(stream_half_close(&fixture->stream), 0);
        assert_int_equal(recv(fixture->peer, &byte, 1, 0), 0);
    }
}

/* A reset is an error, not an end. */
static void test_peer_resets(void **state)
{
    (void)state;
    for (int path = 0; path < 2; path++) {
        struct fixture *fixture = open_pair((enum stream_path)path, false);
        sock_reset(fixture->peer);
        turn(fixture);
        assert_int_equal(fixture->error, ECONNRESET);
        assert_false(fixture->has_ended);
        fixture->peer = -1;
        close_pair(fixture);
    }
}

/* If bytes are owed when the stream is reset, the peer must not see a clean end, on any kind of
 * socket. */
static void test_reset_with_bytes_owed(void **state)
{
    (void)state;
    FOR_ALL(fixture)
    {
        char bytes[100];
        bool is_exempt = fixture->stream.transport == &TRANSPORT_BUFFERED_UNIX;
        writes.most = 10;
        assert_int_equal(syscall(SYS_sendto, fixture->peer, bytes, sizeof(bytes), 0, NULL, 0), 100);
        turn_once(fixture);
        assert_true(stream_owed(&fixture->stream) > 0);
        stream_reset(&fixture->stream);
        turn(fixture);
        ssize_t n;
        while ((n = recv(fixture->peer, bytes, sizeof(bytes), 0)) > 0)
            ;
        if (!is_exempt) { /* evechod(8), CAVEATS */
            assert_int_equal(n, -1);
            assert_int_equal(errno, ECONNRESET);
        }
    }
}

static void test_read_max(void **state)
{
    (void)state;
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct fixture *fixture = open_pair(STREAM_DIRECT, is_unix);
        fixture->env.read_max = 5;
        assert_int_equal(syscall(SYS_sendto, fixture->peer, "0123456789", 10, 0, NULL, 0), 10);
        turn_once(fixture);
        assert_int_equal(fixture->in, 5);
        close_pair(fixture);
    }
}

#ifdef HAVE_MALLINFO2 /* glibc only: allocated bytes */
/* A peer that sends single bytes and never reads must not cost a thousand bytes of memory for
 * each. */
static void test_no_amplification(void **state)
{
    struct fixture *fixture = open_pair(STREAM_BUFFERED, false);
    (void)state;
    writes.most = 1;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 20000; i++) {
        writes.error = EAGAIN; /* nothing is sent */
        assert_int_equal(syscall(SYS_sendto, fixture->peer, "x", 1, 0, NULL, 0), 1);
        turn_once(fixture);
    }
    size_t owed = stream_owed(&fixture->stream), used = mallinfo2().uordblks - before;
    assert_true(owed > 15000);
    assert_true(used < 4 * owed);
    close_pair(fixture);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_short_writes),
        cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_failed_later_write),
        cmocka_unit_test(test_unregistered),
        cmocka_unit_test(test_large_transfer),
        cmocka_unit_test(test_large_transfer_with_urgent_bytes),
        cmocka_unit_test(test_large_transfer_that_fails),
        cmocka_unit_test(test_large_transfer_begins),
        cmocka_unit_test(test_discard_large_transfer),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_peer_resets),
        cmocka_unit_test(test_reset_with_bytes_owed),
        cmocka_unit_test(test_read_max),
#ifdef HAVE_MALLINFO2
        cmocka_unit_test(test_no_amplification),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

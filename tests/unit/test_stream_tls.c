/* SPDX-License-Identifier: BSD-2-Clause */
/* A TLS stream on a real socket, with a client's codec on the other end, both in one thread. */
#include "unit.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "net/sock.h"
#include "net/sock_option.h"
#include "short_writes.h"
#include "stream/loop.h"
#include "stream/stream.h"
#include "tcp_pair.h"
#include "tls_pair.h"
#include "wrap_memory.h"

#define ALL SIZE_MAX
/* The most bytes that a peer that reads no answers can make us queue (HACKING.md), plus one
 * record. */
#define ANSWERS_MAX (40960 + 16384)

/* ---- memory ---- */

static size_t wanted; /* allocations of so many bytes or more fail; 0: none */

static bool is_out_of_memory(size_t bytes)
{
    return wanted && bytes >= wanted;
}

/* ---- the fixture ---- */

struct fixture {
    struct stream stream; /* first: the argument of callbacks */
    struct stream_env env;
    struct loop loop;
    unsigned choked;
    struct tls_end peer;
    int fd;                  /* of the peer */
    size_t in, out, drained; /* counted by the stream */
    size_t said, heard;      /* counted by the peer */
    unsigned opens, empty_drains;
    bool holds_at_open, holds_where_owed, has_ended, has_heard_end;
    int error, echo_error, peer_error;
};

static struct fixture *fixture_of(struct stream *stream)
{
    return (struct fixture *)stream;
}

static void on_choked(struct stream *stream)
{
    fixture_of(stream)->choked++;
}

static void on_open(struct stream *stream)
{
    struct fixture *fixture = fixture_of(stream);
    fixture->opens++;
    if (fixture->holds_at_open)
        stream_hold(stream);
}

static ssize_t on_readable(struct stream *stream)
{
    struct fixture *fixture = fixture_of(stream);
    const unsigned char *bytes;
    size_t sent = 0;
    ssize_t came = stream_take(stream, &bytes);
    if (came <= 0)
        return came;
    fixture->in += (size_t)came;
    fixture->echo_error = -stream_give(stream, bytes, (size_t)came, &sent);
    fixture->out += sent;
    if (fixture->echo_error || (stream_owed(stream) > 0 && fixture->holds_where_owed))
        stream_hold(stream);
    return came;
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
    fixture->empty_drains += bytes == 0;
    if (stream_owed(stream) == 0 && fixture->holds_where_owed)
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

static long blocks_before;

static struct fixture *open_shy(void)
{
    blocks_before = live_blocks;
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err;
    int pair[2];
    memset(&writes, 0, sizeof(writes));
    wanted = 0;
    tcp_pair(pair);
    fixture->fd = pair[1];
    sock_option_set(pair[1], IPPROTO_TCP, TCP_NODELAY, 1); /* each record in a segment */
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(loop_open(&fixture->loop, on_due, &err), 0);
    fixture->env = (struct stream_env){
        .loop = &fixture->loop,
        .callbacks = {on_readable, on_moved, on_end, on_drained, on_error, on_open, on_choked},
        .scratch = malloc(STREAM_SCRATCH_BYTES),
        .tls = tls_room_new(),
        .read_max = SIZE_MAX};
    assert_int_equal(stream_open(&fixture->stream, &fixture->env, pair[0],
                                 &(struct stream_how){.tls = pair_server}),
                     0);
    assert_int_equal(stream_resume(&fixture->stream), 0);
    assert_int_equal(tls_end_open(&fixture->peer, tls_pair_connect(TLS1_3_VERSION)), 0);
    return fixture;
}

static void close_pair(struct fixture *fixture)
{
    wanted = 0;
    if (fixture->stream.bev)
        stream_close(&fixture->stream);
    loop_close(&fixture->loop);
    tls_end_close(&fixture->peer);
    tls_room_free(fixture->env.tls);
    close(fixture->fd);
    free(fixture->env.scratch);
    free(fixture);
    assert_int_equal(live_blocks, blocks_before); /* all was freed */
}

/* Runs the loop once: a blocked write is always ready. */
static void turn(struct fixture *fixture)
{
    (void)event_base_loop(fixture->loop.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

static unsigned char byte_at(size_t offset)
{
    return (unsigned char)(offset * 7 % 251);
}

/* Writes the records of the peer's codec to the socket. False if the socket is full. */
static bool peer_sends(struct fixture *fixture)
{
    struct tls_room *room = fixture->peer.room;
    for (int tries = 0; room->records_length > 0; tries++) {
        ssize_t sent =
            syscall(SYS_sendto, fixture->fd, room->records, room->records_length, 0, NULL, 0);
        if (sent < 0 && (errno != EAGAIN || tries > 200))
            return false;
        if (sent < 0) {
            turn(fixture);
            continue;
        }
        room->records_length -= (size_t)sent;
        memmove(room->records, room->records + sent, room->records_length);
    }
    tls_room_clear(room);
    return true;
}

static void peer_says(struct fixture *fixture, size_t length)
{
    unsigned char bytes[16384];
    while (length > 0) {
        size_t some = length < sizeof(bytes) ? length : sizeof(bytes);
        for (size_t i = 0; i < some; i++)
            bytes[i] = byte_at(fixture->said + i);
        assert_int_equal(tls_codec_write(&fixture->peer.codec, bytes, some), 0);
        assert_true(peer_sends(fixture));
        fixture->said += some;
        length -= some;
    }
}

/* Reads the bytes sent to the peer and checks each. */
static void peer_hears(struct fixture *fixture)
{
    unsigned char bytes[65536];
    ssize_t came = recv(fixture->fd, bytes, sizeof(bytes), 0);
    if (came > 0)
        tls_end_hear(&fixture->peer, bytes, (size_t)came);
    if (!fixture->peer.codec.is_open) {
        int result = tls_end_shake(&fixture->peer, ALL);
        fixture->peer_error = result < 0 ? -result : 0;
        assert_true(peer_sends(fixture));
    }
    while (fixture->peer.codec.is_open && !fixture->has_heard_end && !fixture->peer_error &&
           (came = tls_end_read(&fixture->peer, ALL)) != -EAGAIN) {
        fixture->has_heard_end = came == 0;
        fixture->peer_error = came < 0 ? (int)-came : 0;
        for (ssize_t i = 0; i < came; i++, fixture->heard++)
            assert_int_equal(fixture->peer.room->plain[i], byte_at(fixture->heard));
    }
}

static void assert_sums(const struct fixture *fixture)
{
    if (!fixture->echo_error)
        assert_int_equal(fixture->in,
                         fixture->out + fixture->drained + stream_owed(&fixture->stream));
}

/* Runs both ends until the condition is true. */
#define UNTIL(fixture, is_done)                                \
    for (int tries_ = 0; !(is_done); tries_++) {               \
        assert_in_range(tries_, 0, 20000);                     \
        if (tries_ > 50)                                       \
            (void)poll(NULL, 0, 1); /* lets the kernel work */ \
        turn(fixture);                                         \
        assert_sums(fixture);                                  \
    }

#define UNTIL_HEARD(fixture, is_done) UNTIL(fixture, (peer_hears(fixture), (is_done)))

static struct fixture *open_pair(void)
{
    struct fixture *fixture = open_shy();
    UNTIL_HEARD(fixture, fixture->opens == 1);
    return fixture;
}

/* Runs both ends long enough for everything possible to happen. */
static void rest(struct fixture *fixture)
{
    for (int i = 0; i < 30; i++)
        turn(fixture);
    assert_sums(fixture);
}

static size_t waiting(const struct fixture *fixture)
{
    return evbuffer_get_length(bufferevent_get_output(fixture->stream.bev));
}

static size_t queued(const struct fixture *fixture)
{
    int bytes = -1;
    assert_int_equal(ioctl(bufferevent_getfd(fixture->stream.bev), FIONREAD, &bytes), 0);
    return (size_t)bytes;
}

static void peer_asks_for_keys(struct fixture *fixture)
{
    assert_int_equal(SSL_key_update(fixture->peer.codec.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(fixture->peer.codec.ssl), 1);
}

/* ---- bytes ---- */

static void test_echo(void **state)
{
    static const size_t MOSTS[] = {0, 7, 5000, 16384};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(MOSTS) * 2; i++) {
        struct fixture *fixture = open_shy();
        size_t length = i / 2 == 1 ? 20000 : 400000;
        fixture->holds_where_owed = i % 2;
        writes.most = MOSTS[i / 2]; /* in the handshake too */
        UNTIL_HEARD(fixture, fixture->opens == 1);
        for (size_t part = 0; part < 4; part++) {
            peer_says(fixture, length / 4);
            UNTIL_HEARD(fixture, fixture->heard == fixture->said);
        }
        assert_int_equal(fixture->opens, 1);
        assert_int_equal(stream_owed(&fixture->stream), 0);
        tls_codec_end(&fixture->peer.codec);
        assert_true(peer_sends(fixture));
        UNTIL(fixture, fixture->has_ended);
        assert_false(stream_is_truncated(&fixture->stream));
        assert_int_equal(fixture->error, 0);
        close_pair(fixture);
    }
}

static void test_failed_writes(void **state)
{
    static const int ERRORS[] = {EAGAIN, EINTR, ENOBUFS, EPIPE};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ERRORS); i++) {
        struct fixture *fixture = open_pair();
        bool is_transient = i < 2;
        writes.error = ERRORS[i];
        peer_says(fixture, 100);
        UNTIL_HEARD(fixture, is_transient ? fixture->heard == 100 : fixture->echo_error != 0);
        assert_int_equal(writes.error, 0); /* the error was used */
        assert_int_equal(fixture->echo_error, is_transient ? 0 : ERRORS[i]);
        assert_int_equal(fixture->out, 0);
        assert_int_equal(fixture->drained, is_transient ? 100 : 0);
        assert_int_equal(stream_owed(&fixture->stream), 0);
        close_pair(fixture);
    }
}

static void test_failed_later_write(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    writes.most = 1;
    peer_says(fixture, 1000);
    UNTIL(fixture, stream_owed(&fixture->stream) > 0);
    writes.error = ENOBUFS;
    UNTIL(fixture, fixture->error);
    assert_int_equal(fixture->error, ENOBUFS);
    close_pair(fixture);
}

/* A reader cannot use half a record: its bytes are owed until the whole record is sent. */
static void test_owed_by_whole_records(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    peer_says(fixture, 1); /* and the ticket */
    UNTIL_HEARD(fixture, fixture->heard == 1);
    writes.most = 15000;
    peer_says(fixture, 49152); /* three records */
    UNTIL(fixture, fixture->in == 49153);
    UNTIL(fixture, stream_owed(&fixture->stream) < 49152);
    for (size_t owed; (owed = stream_owed(&fixture->stream)) > 0;) {
        assert_true(waiting(fixture) > (owed / 16384 - 1) * 16384);
        assert_int_equal(owed % 16384, 0);
        turn(fixture);
        assert_sums(fixture);
    }
    UNTIL_HEARD(fixture, fixture->heard == 49153);
    close_pair(fixture);
}

/* The same, if the first send accepts one record and a part of the next. */
static void test_part_of_a_record_sent(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    peer_says(fixture, 1);
    UNTIL_HEARD(fixture, fixture->heard == 1);
    stream_hold(&fixture->stream);
    peer_says(fixture, 40000);
    UNTIL(fixture, queued(fixture) > 40000);
    writes.most = 16384 + 100;
    assert_int_equal(stream_resume(&fixture->stream), 0);
    turn(fixture);
    assert_int_equal(fixture->out, 1 + 16384);
    assert_int_equal(stream_owed(&fixture->stream), 40000 - 16384);
    UNTIL_HEARD(fixture, fixture->heard == 40001);
    assert_int_equal(fixture->drained, 40000 - 16384);
    close_pair(fixture);
}

static void test_owe(void **state)
{
    struct fixture *fixture = open_pair();
    unsigned char bytes[20000];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = byte_at(i);
    assert_int_equal(stream_owe(&fixture->stream, bytes, sizeof(bytes)), 0);
    assert_int_equal(stream_owed(&fixture->stream), sizeof(bytes));
    fixture->in += sizeof(bytes); /* for the sums */
    peer_hears(fixture);
    assert_int_equal(fixture->heard, 0); /* only the loop sends it */
    UNTIL_HEARD(fixture, fixture->heard == sizeof(bytes));
    assert_int_equal(fixture->drained, sizeof(bytes));
    close_pair(fixture);
}

/* ---- memory ---- */

static void test_no_memory_to_owe(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct fixture *fixture = open_pair();
        writes.is_blocked = true;
        peer_says(fixture, 1);
        UNTIL(fixture, fixture->in == 1);
        wanted = 1; /* some marks are still free */
        for (int i = 0; i < 100 && !fixture->echo_error; i++) {
            peer_says(fixture, 1);
            UNTIL(fixture, fixture->in == fixture->said);
        }
        assert_int_equal(fixture->echo_error, ENOMEM);
        assert_true(stream_owed(&fixture->stream) < fixture->in);
        assert_true(stream_owed(&fixture->stream) <= waiting(fixture));
        close_pair(fixture);
    }
}

/* A queue that is never empty must not grow with the number of records that have passed. */
static void test_marks_do_not_grow(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    wanted = 8192; /* marks for a thousand records cannot be allocated */
    peer_says(fixture, 1);
    UNTIL_HEARD(fixture, fixture->heard == 1);
    writes.most = 60; /* less than three records */
    for (int i = 0; i < 6000 && !fixture->echo_error; i++) {
        peer_says(fixture, 2);
        turn(fixture);
        if (waiting(fixture) > 1000) {
            writes.is_blocked = false;
            while (waiting(fixture) > 500)
                turn(fixture);
        }
        writes.is_blocked = waiting(fixture) < 200; /* never empty */
        peer_hears(fixture);
    }
    assert_int_equal(fixture->echo_error, 0);
    writes.is_blocked = false;
    UNTIL_HEARD(fixture, fixture->heard == 12001);
    close_pair(fixture);
}

/* A stream without a room for TLS. */
static void test_no_room(void **state)
{
    struct fixture *fixture = open_pair();
    struct stream_env env = fixture->env;
    struct stream other;
    int pair[2];
    char byte;
    (void)state;
    env.tls = NULL;
    tcp_pair(pair);
    assert_int_equal(stream_open(&other, &env, pair[0], &(struct stream_how){.tls = pair_server}),
                     -1);
    assert_int_equal(recv(pair[1], &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(pair[1]);
    close_pair(fixture);
}

/* ---- holding ---- */

/* Data received with the handshake is in the codec, so the kernel does not report it. */
static void test_hold_with_bytes_in_the_codec(void **state)
{
    struct fixture *fixture = open_shy();
    (void)state;
    fixture->holds_at_open = true;
    assert_int_equal(tls_end_shake(&fixture->peer, ALL), 0);
    assert_true(peer_sends(fixture));
    unsigned char bytes[8192];
    ssize_t came = -1;
    UNTIL(fixture, (came = recv(fixture->fd, bytes, sizeof(bytes), 0)) > 0);
    tls_end_hear(&fixture->peer, bytes, (size_t)came);
    assert_int_equal(tls_end_shake(&fixture->peer, ALL), 1);
    peer_says(fixture, 100); /* sends it with Finished */
    UNTIL(fixture, fixture->opens == 1);
    rest(fixture);
    assert_int_equal(fixture->in, 0);
    assert_int_equal(queued(fixture), 0);
    assert_true(stream_unread(&fixture->stream) >= 100);
    assert_int_equal(stream_resume(&fixture->stream), 0);
    assert_int_equal(fixture->in, 0); /* delivered from the loop, not from here */
    UNTIL_HEARD(fixture, fixture->heard == 100);
    assert_int_equal(stream_unread(&fixture->stream), 0);
    close_pair(fixture);
}

static void test_hold(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    stream_hold(&fixture->stream);
    peer_says(fixture, 100);
    UNTIL(fixture, queued(fixture) > 100);
    rest(fixture);
    assert_int_equal(fixture->in, 0);
    assert_int_equal(stream_unread(&fixture->stream), queued(fixture));
    assert_int_equal(stream_resume(&fixture->stream), 0);
    UNTIL_HEARD(fixture, fixture->heard == 100);
    close_pair(fixture);
}

/* A peer that requests key updates for ever and reads no answer is not read any more, with or
 * without bytes owed. When it reads the answers, reading resumes. */
static void test_choke(void **state)
{
    (void)state;
    for (size_t owed = 0; owed < 2; owed++) {
        struct fixture *fixture = open_pair();
        writes.is_blocked = true;
        peer_says(fixture, owed);
        UNTIL(fixture, fixture->in == owed);
        for (int i = 0; i < 6000; i++) {
            peer_asks_for_keys(fixture);
            if (i % 50 == 0) {
                assert_true(peer_sends(fixture));
                turn(fixture);
            }
        }
        assert_true(peer_sends(fixture));
        rest(fixture);
        assert_in_range(waiting(fixture), 40960, ANSWERS_MAX);
        assert_int_equal(fixture->choked, 1);
        assert_true(queued(fixture) > 0);
        peer_says(fixture, 50);
        rest(fixture);
        assert_int_equal(fixture->in, owed);
        assert_int_equal(stream_resume(&fixture->stream), 0); /* the owner cannot override it */
        rest(fixture);
        assert_int_equal(fixture->in, owed);
        writes.is_blocked = false;
        UNTIL_HEARD(fixture, fixture->heard == owed + 50);
        assert_int_equal(queued(fixture), 0);
        close_pair(fixture);
    }
}

/* If the owner holds a choked stream, the stream stays held when its output is empty. */
static void test_choke_and_hold(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    writes.is_blocked = true;
    for (int i = 0; i < 3000; i++) {
        peer_asks_for_keys(fixture);
        if (i % 50 == 0) {
            assert_true(peer_sends(fixture));
            turn(fixture);
        }
    }
    peer_says(fixture, 50);
    rest(fixture);
    stream_hold(&fixture->stream);
    writes.is_blocked = false;
    UNTIL(fixture, waiting(fixture) == 0);
    rest(fixture);
    assert_int_equal(fixture->in, 0);
    assert_int_equal(stream_resume(&fixture->stream), 0);
    UNTIL_HEARD(fixture, fixture->heard == 50);
    close_pair(fixture);
}

/* Bytes owed in many small records do not count as answers: only the owner's mark limits them. */
static void test_owed_is_no_answer(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    writes.is_blocked = true;
    for (int i = 0; i < 4000; i++) {
        peer_says(fixture, 1);
        UNTIL(fixture, fixture->in == fixture->said);
    }
    peer_asks_for_keys(fixture);
    assert_true(peer_sends(fixture));
    peer_says(fixture, 10);
    UNTIL(fixture, fixture->in == 4010);
    assert_true(waiting(fixture) > ANSWERS_MAX);
    writes.is_blocked = false;
    UNTIL_HEARD(fixture, fixture->heard == 4010);
    close_pair(fixture);
}

/* ---- ends ---- */

static void test_half_close(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    assert_true(stream_say_end(&fixture->stream));
    assert_int_equal(stream_half_close(&fixture->stream), 0);
    UNTIL_HEARD(fixture, fixture->has_heard_end);
    unsigned calls = writes.calls;
    peer_asks_for_keys(fixture); /* nothing is sent after our end */
    assert_true(peer_sends(fixture));
    tls_codec_end(&fixture->peer.codec);
    assert_true(peer_sends(fixture));
    UNTIL(fixture, fixture->has_ended);
    assert_int_equal(writes.calls, calls);
    assert_int_equal(fixture->env.tls->records_length, 0); /* nor by another stream of the room */
    assert_int_equal(fixture->error, 0);
    close_pair(fixture);
}

/* If the kernel has no room for close_notify, the owner is called when it has been sent. */
static void test_blocked_end(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    writes.is_blocked = true;
    assert_false(stream_say_end(&fixture->stream));
    rest(fixture);
    assert_int_equal(fixture->empty_drains, 0);
    assert_false(stream_say_end(&fixture->stream)); /* it is not sent twice */
    assert_int_equal(stream_owed(&fixture->stream), 0);
    writes.is_blocked = false;
    UNTIL(fixture, fixture->empty_drains == 1);
    assert_true(stream_say_end(&fixture->stream));
    assert_int_equal(stream_half_close(&fixture->stream), 0);
    UNTIL_HEARD(fixture, fixture->has_heard_end);
    close_pair(fixture);
}

/* The end does not wait for a peer that is gone. */
static void test_end_that_fails(void **state)
{
    struct fixture *fixture = open_pair();
    (void)state;
    writes.error = EPIPE;
    assert_true(stream_say_end(&fixture->stream));
    assert_int_equal(waiting(fixture), 0);
    close_pair(fixture);
}

/* If the peer's FIN came without close_notify, we send none either. */
static void test_truncated(void **state)
{
    struct fixture *fixture = open_pair();
    char byte;
    (void)state;
    peer_says(fixture, 10);
    assert_int_equal(shutdown(fixture->fd, SHUT_WR), 0);
    UNTIL(fixture, fixture->has_ended);
    assert_true(stream_is_truncated(&fixture->stream));
    UNTIL_HEARD(fixture, fixture->heard == 10);
    assert_true(stream_say_end(&fixture->stream));
    assert_int_equal(stream_half_close(&fixture->stream), 0);
    UNTIL(fixture, recv(fixture->fd, &byte, 1, 0) == 0);
    close_pair(fixture);
}

static void test_end_in_the_handshake(void **state)
{
    struct fixture *fixture = open_shy();
    (void)state;
    assert_int_equal(shutdown(fixture->fd, SHUT_WR), 0);
    UNTIL(fixture, fixture->error);
    assert_int_equal(fixture->error, EPROTO);
    assert_string_equal(stream_error_text(&fixture->stream, EPROTO),
                        "the peer ended before the handshake was done");
    assert_int_equal(fixture->opens, 0);
    close_pair(fixture);
}

/* Bytes received before a failure are delivered but cannot be echoed any more, since TLS has ended.
 * The error text is that of the failure, and the peer receives an alert. */
static void test_failure(void **state)
{
    struct fixture *fixture = open_pair();
    struct tls_room *room = fixture->peer.room;
    (void)state;
    assert_int_equal(tls_codec_write(&fixture->peer.codec, (const unsigned char *)"\0\7\16", 3), 0);
    assert_int_equal(tls_codec_write(&fixture->peer.codec, (const unsigned char *)"b", 1), 0);
    room->records[room->records_length - 1] ^= 1;
    assert_true(peer_sends(fixture));
    UNTIL(fixture, fixture->echo_error);
    assert_int_equal(fixture->in, 3);
    assert_int_equal(fixture->echo_error, EPROTO);
    assert_int_equal(stream_owed(&fixture->stream), 0);
    assert_string_equal(stream_error_text(&fixture->stream, EPROTO),
                        "decryption failed or bad record mac");
    UNTIL_HEARD(fixture, fixture->peer_error);
    assert_int_equal(fixture->heard, 0);
    assert_non_null(strstr(fixture->peer.codec.error, "bad record mac"));
    close_pair(fixture);
}

static void test_peer_resets(void **state)
{
    (void)state;
    for (int is_open = 0; is_open < 2; is_open++) {
        struct fixture *fixture = is_open ? open_pair() : open_shy();
        sock_reset(fixture->fd);
        UNTIL(fixture, fixture->error);
        assert_int_equal(fixture->error, ECONNRESET);
        assert_false(fixture->has_ended);
        assert_string_equal(stream_error_text(&fixture->stream, ECONNRESET),
                            "Connection reset by peer");
        fixture->fd = -1;
        close_pair(fixture);
    }
}

static void test_describe(void **state)
{
    struct fixture *fixture = open_shy();
    struct tls_info info;
    (void)state;
    assert_false(stream_describe_tls(&fixture->stream, &info));
    SSL_set_tlsext_host_name(fixture->peer.codec.ssl, "echo.example");
    UNTIL_HEARD(fixture, fixture->opens == 1);
    assert_true(stream_describe_tls(&fixture->stream, &info));
    assert_string_equal(info.version, "TLSv1.3");
    assert_int_equal(info.server_name_length, 12);
    assert_memory_equal(info.server_name, "echo.example", 12);
    assert_int_equal(info.alpn_length, 0);
    assert_int_equal(info.subject_length, 0);
    assert_false(info.is_resumed);
    close_pair(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_failed_writes),
        cmocka_unit_test(test_failed_later_write),
        cmocka_unit_test(test_owed_by_whole_records),
        cmocka_unit_test(test_part_of_a_record_sent),
        cmocka_unit_test(test_owe),
        cmocka_unit_test(test_no_memory_to_owe),
        cmocka_unit_test(test_marks_do_not_grow),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_hold_with_bytes_in_the_codec),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_choke),
        cmocka_unit_test(test_choke_and_hold),
        cmocka_unit_test(test_owed_is_no_answer),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_blocked_end),
        cmocka_unit_test(test_end_that_fails),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_end_in_the_handshake),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_peer_resets),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, tls_pair_setup, tls_pair_teardown);
}

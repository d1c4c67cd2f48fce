/* SPDX-License-Identifier: BSD-2-Clause */
/* The direct way of reading: one recv(2), one send(2), a copy only of what is left over.
 *
 *     on_readable --recv----> scratch --send----> kernel
 *                                     `--rest--> TCP: the bufferevent's output, written by libevent
 *                                                Unix: not taken from the kernel's queue at all
 *                 --splice--> pipe    --splice--> kernel
 *                                     `--rest--> scratch, and on as above
 *
 * A TCP stream that brings much goes through the pipe, where nobody copies it; copying is half of
 * what a large echo costs (docs/PERFORMANCE.md).
 *
 * The bufferevent still owns the descriptor, the output and both events; we borrow its read event
 * (event_assign on a member that libevent publishes in bufferevent_struct.h) and give it back
 * before the bufferevent goes, whose finalizer finds it by that event's argument. So holding and
 * resuming are the same calls as for the buffered way, and a connection costs no event more. Its
 * owner holds a stream that owes anything, so scratch never waits for anybody.
 *
 * One turn reads once: the size of scratch is the bound that keeps one elephant from starving a
 * thousand mice.
 */
#include "net/stream_direct.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "net/loop.h"
#include "net/pipe.h"
#include "net/sock.h"

/* One read of so much makes a stream one of bulk: below that a splice costs more than it saves. */
#define BULK_BYTES 32768

static void fail(struct stream *stream, int failure)
{
    stream_hold(stream);
    stream->env->callbacks.on_error(stream, failure);
}

/* What comes, into the pipe or into scratch. Returns how many bytes, 0 at the end, or -errno. */
static ssize_t take_in(struct stream *stream, int fd)
{
    const struct stream_env *env = stream->env;
    size_t most = stream_read_max(stream, env->scratch_bytes);
    ssize_t bytes = 0;
    if (stream->is_bulk && env->pipe && pipe_is_open(env->pipe))
        bytes = pipe_take(env->pipe, fd, most);
    stream->is_piped = bytes > 0;
    stream->is_bulk = false;
    if (bytes != 0)
        return bytes;
    bytes = recv(fd, env->scratch, most, stream->is_unix ? MSG_PEEK : 0);
    return bytes < 0 ? -errno : bytes;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    (void)what;
    ssize_t bytes = take_in(stream, fd);
    if (bytes > 0) {
        stream->span = (uint32_t)bytes;
        stream->env->callbacks.on_input(stream);
    } else if (bytes == 0) {
        stream_hold(stream);
        stream->env->callbacks.on_end(stream);
    } else if (!stream_is_transient((int)-bytes)) {
        fail(stream, (int)-bytes);
    }
}

/* The input's last `rest` bytes to their place in scratch, where they are not yet: the pipe is
 * empty after that. 0 or -errno. */
static int unpipe(struct stream *stream, size_t bytes, size_t rest)
{
    bool is_piped = stream->is_piped;
    stream->is_piped = false;
    return is_piped ? pipe_read(stream->env->pipe, stream->env->scratch + bytes - rest, rest) : 0;
}

static int consume(struct stream *stream, size_t bytes)
{
    return sock_consume(bufferevent_getfd(stream->bev), stream->env->scratch, bytes);
}

/* Sends from the pipe or from scratch; returns the bytes taken, or -errno. */
static ssize_t send_some(struct stream *stream, size_t bytes)
{
    int fd = bufferevent_getfd(stream->bev);
    ssize_t sent = stream->is_piped ? pipe_give(stream->env->pipe, fd, bytes)
                                    : send(fd, stream->env->scratch, bytes, MSG_NOSIGNAL);
    int failure = stream->is_piped ? (int)-sent : errno;
    if (sent < 0)
        return stream_is_transient(failure) ? 0 : -failure;
    return sent;
}

/* A Unix stream that can be written again: what was held back is looked at anew. */
static void on_unix_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    (void)what;
    size_t most = stream->held_back < stream->env->scratch_bytes ? stream->held_back
                                                                 : stream->env->scratch_bytes;
    ssize_t bytes = recv(fd, stream->env->scratch, most, MSG_PEEK);
    ssize_t sent = bytes > 0                                  ? send_some(stream, (size_t)bytes)
                   : bytes < 0 && !stream_is_transient(errno) ? -errno
                                                              : 0;
    int failure = sent < 0 ? (int)-sent : -consume(stream, (size_t)sent);
    if (sent > 0) {
        /* Sent is sent, whatever failed after that. */
        stream->held_back -= (uint32_t)sent;
        stream->env->callbacks.on_drained(stream, (size_t)sent);
        if (!stream->bev)
            return;
    }
    if (!failure && stream->held_back > 0 && event_add(&stream->bev->ev_write, NULL) < 0)
        failure = ENOMEM;
    if (failure)
        fail(stream, failure);
}

static int assign(struct stream *stream, struct event *event, short what,
                  event_callback_fn callback, void *arg)
{
    (void)event_del(event);
    return event_assign(event, stream->env->loop->base, bufferevent_getfd(stream->bev),
                        what | EV_FINALIZE, callback, arg);
}

int stream_direct_open(struct stream *stream)
{
    struct bufferevent *bev = stream->bev;
    if (assign(stream, &bev->ev_read, EV_READ | EV_PERSIST, on_readable, stream) < 0)
        return -1;
    if (!stream->is_unix)
        return 0;
    return assign(stream, &bev->ev_write, EV_WRITE, on_unix_writable, stream);
}

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void stream_direct_close(struct stream *stream)
{
    struct bufferevent *bev = stream->bev;
    /* Where it ends over its own input, no byte of that may be another stream's. */
    (void)unpipe(stream, stream->span, stream->span);
    (void)assign(stream, &bev->ev_read, EV_READ | EV_PERSIST, on_nothing, bev);
    if (stream->is_unix)
        (void)assign(stream, &bev->ev_write, EV_WRITE | EV_PERSIST, on_nothing, bev);
}

int stream_direct_echo(struct stream *stream, struct stream_moved *moved)
{
    size_t bytes = stream->span;
    stream->span = 0;
    moved->in = bytes;
    ssize_t sent = stream_owed(stream) == 0 ? send_some(stream, bytes) : 0;
    size_t rest = bytes - (sent > 0 ? (size_t)sent : 0);
    int failure = unpipe(stream, bytes, rest);
    if (sent < 0)
        return (int)sent;
    moved->out = (size_t)sent;
    if (failure)
        return failure;
    if (stream->is_unix) {
        failure = consume(stream, (size_t)sent);
        stream->held_back += (uint32_t)rest;
        if (!failure && rest > 0 && event_add(&stream->bev->ev_write, NULL) < 0)
            failure = -ENOMEM;
        return failure;
    }
    stream->is_bulk = bytes >= BULK_BYTES;
    if (rest > 0 && bufferevent_write(stream->bev, stream->env->scratch + sent, rest) < 0)
        return -ENOMEM;
    stream->owed_told = evbuffer_get_length(bufferevent_get_output(stream->bev));
    return 0;
}

size_t stream_direct_discard(struct stream *stream)
{
    size_t bytes = stream->span;
    stream->span = 0;
    (void)unpipe(stream, bytes,
                 bytes); /* where that fails the pipe is closed, and the bytes gone */
    if (stream->is_unix)
        (void)consume(stream, bytes); /* a failure shows again at the next read */
    return bytes;
}

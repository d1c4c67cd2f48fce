/* SPDX-License-Identifier: BSD-2-Clause */
/* The direct way of reading: one recv(2), one send(2), a copy only of what is left over.
 *
 *     on_readable --recv--> scratch --send--> kernel
 *                                   `--rest--> TCP: the bufferevent's output, written by libevent
 *                                              Unix: not taken from the kernel's queue at all
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
#include "net/sock.h"

static void fail(struct stream *stream, int failure)
{
    stream_hold(stream);
    stream->env->callbacks.on_error(stream, failure);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    (void)what;
    ssize_t bytes =
        recv(fd, stream->env->scratch, stream_read_max(stream, stream->env->scratch_bytes),
             stream->is_unix ? MSG_PEEK : 0);
    if (bytes > 0) {
        stream->span = (uint32_t)bytes;
        stream->env->callbacks.on_input(stream);
    } else if (bytes == 0) {
        stream_hold(stream);
        stream->env->callbacks.on_end(stream);
    } else if (!stream_is_transient(errno)) {
        fail(stream, errno);
    }
}

static int consume(struct stream *stream, size_t bytes)
{
    return sock_consume(bufferevent_getfd(stream->bev), stream->env->scratch, bytes);
}

/* Sends from scratch; returns the bytes taken, or -errno. */
static ssize_t send_some(struct stream *stream, size_t bytes)
{
    ssize_t sent = send(bufferevent_getfd(stream->bev), stream->env->scratch, bytes, MSG_NOSIGNAL);
    if (sent < 0)
        return stream_is_transient(errno) ? 0 : -errno;
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
    if (sent < 0)
        return (int)sent;
    moved->out = (size_t)sent;
    size_t rest = bytes - (size_t)sent;
    if (stream->is_unix) {
        int failure = consume(stream, (size_t)sent);
        stream->held_back += (uint32_t)rest;
        if (!failure && rest > 0 && event_add(&stream->bev->ev_write, NULL) < 0)
            failure = -ENOMEM;
        return failure;
    }
    if (rest > 0 && bufferevent_write(stream->bev, stream->env->scratch + sent, rest) < 0)
        return -ENOMEM;
    stream->owed_told = evbuffer_get_length(bufferevent_get_output(stream->bev));
    return 0;
}

size_t stream_direct_discard(struct stream *stream)
{
    size_t bytes = stream->span;
    stream->span = 0;
    if (stream->is_unix)
        (void)consume(stream, bytes); /* a failure shows again at the next read */
    return bytes;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A Unix stream socket: peek, send, and take out of the kernel's queue what was sent.
 *
 *     kernel's queue --peek--> scratch --send--> kernel
 *                    <--------- rest: not taken out of the queue at all
 *
 * The price is that the kernel's queue is all the room there is, so the owner holds a stream that
 * owes anything, and on_writable() pays. It has SO_OOBINLINE like every other, because a peek
 * passes over an urgent byte that the read after it does not.
 */
#include "stream/transport.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "net/sock.h"

static int consume(struct stream *stream, size_t bytes)
{
    return sock_consume(bufferevent_getfd(stream->bev), stream->env->scratch, bytes);
}

/* Sends from the bytes that lie in front of the queue; returns those sent and taken out, or -errno
 * where the stream is dead. */
static int pass_on(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    ssize_t taken = transport_send(stream, bytes, length);
    *sent = taken > 0 ? (size_t)taken : 0;
    return taken < 0 ? (int)taken : consume(stream, *sent);
}

static int await_room(struct stream *stream)
{
    return event_add(&stream->bev->ev_write, NULL) < 0 ? -ENOMEM : 0;
}

/* Bytes that were held back are looked at anew. */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    size_t sent = 0;
    (void)what;
    size_t most =
        stream->held_back < STREAM_SCRATCH_BYTES ? stream->held_back : STREAM_SCRATCH_BYTES;
    ssize_t bytes = recv(fd, stream->env->scratch, most, MSG_PEEK);
    int failure = bytes < 0 && !transport_is_transient(errno) ? -errno : 0;
    if (bytes > 0)
        failure = pass_on(stream, stream->env->scratch, (size_t)bytes, &sent);
    if (sent > 0) {
        /* Sent is sent, whatever failed after that. */
        stream->held_back -= (uint32_t)sent;
        stream->env->callbacks.on_drained(stream, sent);
        if (!stream->bev)
            return;
    }
    if (!failure && stream->held_back > 0)
        failure = await_room(stream);
    if (failure)
        stream->env->callbacks.on_error(stream, -failure);
}

/* The bufferevent's write event too is borrowed: what is owed is not in its output. */
static int unix_open(struct stream *stream, const struct stream_how *how)
{
    (void)how;
    if (transport_borrow_read(stream) < 0)
        return -1;
    return transport_assign(stream, &stream->bev->ev_write, EV_WRITE, on_writable, stream);
}

static void unix_close(struct stream *stream)
{
    transport_return(stream, &stream->bev->ev_write, EV_WRITE);
}

static ssize_t unix_take(struct stream *stream, const unsigned char **bytes)
{
    *bytes = stream->env->scratch;
    return transport_recv(stream, MSG_PEEK);
}

static int unix_give(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    int failure = pass_on(stream, bytes, length, sent);
    stream->held_back += (uint32_t)(length - *sent);
    if (!failure && *sent < length)
        failure = await_room(stream);
    return failure;
}

static void unix_drop(struct stream *stream, size_t bytes)
{
    (void)consume(stream, bytes); /* a failure shows again at the next read */
}

static size_t unix_owed(const struct stream *stream)
{
    return stream->held_back;
}

static size_t unix_unread(const struct stream *stream, size_t waiting)
{
    return waiting - (stream->held_back < waiting ? stream->held_back : waiting);
}

const struct transport TRANSPORT_UNIX = {.take_bytes = STREAM_SCRATCH_BYTES,
                                         .owes_unread = true,
                                         .open = unix_open,
                                         .take = unix_take,
                                         .give = unix_give,
                                         .drop = unix_drop,
                                         .owed = unix_owed,
                                         .unread = unix_unread,
                                         .cut = transport_unix_cut,
                                         .end = transport_unix_end,
                                         .close = unix_close};

/* SPDX-License-Identifier: BSD-2-Clause */
/* A Unix stream socket: peeks at bytes, sends them, and removes the sent ones from the kernel's
 * queue.
 *
 *     kernel's queue --peek--> scratch --send--> kernel
 *                    <--------- rest: stays in the queue
 *
 * So the kernel's queue is the only buffer: the owner stops reading a stream that owes bytes, and
 * on_writable() sends them. SO_OOBINLINE is set as on TCP, because MSG_PEEK skips an urgent byte
 * that the read after it returns.
 */
#include "stream/transport.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "net/sock.h"

static int consume(struct stream *stream, size_t bytes)
{
    return sock_consume(stream->fd, stream->env->scratch, bytes);
}

/* Sends bytes from the front of the queue and removes the sent ones, whose number is *sent. Returns
 * 0, or -errno if the stream has failed. */
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

/* Peeks at the bytes owed again, and sends them. */
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
        /* The bytes were sent, even if removing them from the queue failed. */
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

/* The bufferevent's write event is borrowed too: the bytes owed are not in its output evbuffer. */
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
    (void)consume(stream, bytes); /* the next read reports a failure again */
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

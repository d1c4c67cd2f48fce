/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP: one recv(2), one send(2), and a copy only of the bytes that the kernel does not accept.
 *
 *     kernel --recv----> scratch --send----> kernel
 *                            `--rest--> the bufferevent's output evbuffer, written by libevent
 *     kernel --splice--> pipe    --splice--> kernel
 *                            `--rest--> scratch, and on as above
 *
 * If the last read was large, the next bytes pass through the pipe without being copied; copying is
 * half the cost of a large echo (docs/PERFORMANCE.md). Each event reads once: the size of scratch
 * limits how long one busy stream can delay a thousand others.
 */
#include "stream/transport.h"

#include "stream/pipe.h"

/* A read of at least this many bytes makes a stream a bulk one: for fewer, splice(2) costs more
 * than it saves. */
#define BULK_BYTES 32768

static int tcp_open(struct stream *stream, const struct stream_how *how)
{
    (void)how;
    return transport_borrow_read(stream);
}

static ssize_t tcp_take(struct stream *stream, const unsigned char **bytes)
{
    ssize_t came = transport_recv(stream, 0);
    *bytes = stream->env->scratch;
    stream->is_bulk = came >= BULK_BYTES;
    return came;
}

static int tcp_give(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    ssize_t taken = transport_send(stream, bytes, length);
    *sent = taken > 0 ? (size_t)taken : 0;
    if (taken < 0)
        return (int)taken;
    return *sent == length ? 0 : transport_keep(stream, bytes + *sent, length - *sent);
}

/* Reads the bytes that the socket did not accept from the pipe, and keeps them unless the stream
 * has failed. After that the pipe is empty or closed, since another stream must not send them. */
static int empty_pipe(struct stream *stream, size_t rest, int failure)
{
    const struct stream_env *env = stream->env;
    int unread = pipe_read(env->pipe, env->scratch, rest);
    if (failure || unread)
        return failure ? failure : unread;
    return transport_keep(stream, env->scratch, rest);
}

static int tcp_relay(struct stream *stream, struct stream_moved *moved)
{
    struct pipe *pipe = stream->env->pipe;
    int fd = stream->fd;
    if (!stream->is_bulk || !pipe || !pipe_is_open(pipe) || stream_owed(stream) > 0)
        return 0;
    stream->is_bulk = false;
    ssize_t came = pipe_take(pipe, fd, transport_take_max(stream));
    if (came <= 0)
        return (int)came;
    ssize_t taken = pipe_give(pipe, fd, (size_t)came);
    moved->in = (size_t)came;
    moved->out = taken > 0 ? (size_t)taken : 0;
    stream->is_bulk = came >= BULK_BYTES;
    int failure = taken < 0 && !transport_is_transient((int)-taken) ? (int)taken : 0;
    return moved->out < moved->in ? empty_pipe(stream, moved->in - moved->out, failure) : 0;
}

const struct transport TRANSPORT_TCP = {.take_bytes = STREAM_SCRATCH_BYTES,
                                        .open = tcp_open,
                                        .take = tcp_take,
                                        .give = tcp_give,
                                        .owe = transport_keep,
                                        .relay = tcp_relay};

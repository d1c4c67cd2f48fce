/* SPDX-License-Identifier: BSD-2-Clause */
/* libevent's own bufferevent: it calls FIONREAD, reads at most 4096 bytes into its input evbuffer,
 * and calls the read callback. It is the reference for the other transports, and serves Unix
 * sockets whose service sends bytes of its own.
 *
 *     kernel --libevent--> input --send--> kernel
 *                              `--rest--> output, written by libevent
 */
#include "stream/transport.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

/* libevent 2.1 never reads more than this at a time, regardless of its settings. */
#define LIBRARY_READ_BYTES 4096

static struct evbuffer *input_of(const struct stream *stream)
{
    return bufferevent_get_input(stream->bev);
}

static int buffered_open(struct stream *stream, const struct stream_how *how)
{
    (void)stream;
    (void)how;
    return 0;
}

/* Copies the bytes: they may be in several chains, and evbuffer_pullup() could fail for lack of
 * memory. */
static ssize_t buffered_take(struct stream *stream, const unsigned char **bytes)
{
    unsigned char *scratch = stream->env->scratch;
    *bytes = scratch;
    ssize_t length = evbuffer_copyout(input_of(stream), scratch, STREAM_SCRATCH_BYTES);
    if (length > 0)
        return length;
    return stream->has_read_end ? 0 : -EAGAIN;
}

static bool buffered_has_more(const struct stream *stream)
{
    return stream->has_read_end || evbuffer_get_length(input_of(stream)) > 0;
}

static void buffered_drop(struct stream *stream, size_t bytes)
{
    (void)evbuffer_drain(input_of(stream), bytes);
}

/* Copies the rest instead of moving it: a moved chain is at least 1 KiB, so a peer that sends
 * single bytes would use a thousand times as much memory as it sends. */
static int buffered_give(struct stream *stream, const unsigned char *bytes, size_t length,
                         size_t *sent)
{
    ssize_t taken = transport_send(stream, bytes, length);
    *sent = taken > 0 ? (size_t)taken : 0;
    int failure = taken < 0        ? (int)taken
                  : *sent < length ? transport_keep(stream, bytes + *sent, length - *sent)
                                   : 0;
    buffered_drop(stream, length);
    return failure;
}

static size_t buffered_unread(const struct stream *stream, size_t waiting)
{
    return waiting + evbuffer_get_length(input_of(stream));
}

/* Shared by both. */
#define BUFFERED                                                                    \
    .take_bytes = LIBRARY_READ_BYTES, .open = buffered_open, .take = buffered_take, \
    .give = buffered_give, .owe = transport_keep, .drop = buffered_drop,            \
    .has_more = buffered_has_more, .unread = buffered_unread

const struct transport TRANSPORT_BUFFERED = {BUFFERED};
const struct transport TRANSPORT_BUFFERED_UNIX = {BUFFERED, .cut = transport_unix_cut,
                                                  .end = transport_unix_end};

/* SPDX-License-Identifier: BSD-2-Clause */
/* Life of a stream, and the buffered way of reading. The direct way is stream_direct.c. */
#include "net/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/sock.h"
#include "net/stream_direct.h"
#include "net/stream_tls.h"

/* libevent 2.1 never reads more than this at a time, whatever it is told. */
#define LIBRARY_READ_BYTES 4096
/* What a second read takes after a full first one: together, and with its header, a 64 KiB chain.
 */
#define REFILL_BYTES 57344
/* Up to here input is copied behind what waits already. Moving it would be one chain of at least
 * 1 KiB each, and a peer that drips single bytes would cost a thousand times what it sends. */
#define COPY_BYTES 2048
/* What one write takes from the output. */
#define WRITE_BYTES (1024 * 1024)

static struct evbuffer *input_of(const struct stream *stream)
{
    return bufferevent_get_input(stream->bev);
}

static struct evbuffer *output_of(const struct stream *stream)
{
    return bufferevent_get_output(stream->bev);
}

/* ---- libevent's callbacks ---- */

/* After two full reads in a row there is likely more: take it in one call instead of fourteen. */
static int refill(struct stream *stream)
{
    struct evbuffer *input = input_of(stream);
    struct evbuffer_iovec piece;
    size_t most = stream_read_max(stream, LIBRARY_READ_BYTES + REFILL_BYTES);
    if (most <= LIBRARY_READ_BYTES)
        return 0;
    /* An input is closed to everybody but its bufferevent; we act for it here. */
    evbuffer_unfreeze(input, 0);
    ssize_t bytes = 0;
    if (evbuffer_reserve_space(input, (ev_ssize_t)(most - LIBRARY_READ_BYTES), &piece, 1) == 1) {
        if (piece.iov_len > most - LIBRARY_READ_BYTES)
            piece.iov_len = most - LIBRARY_READ_BYTES;
        bytes = read(bufferevent_getfd(stream->bev), piece.iov_base, piece.iov_len);
    }
    int failure = bytes < 0 && !stream_is_transient(errno) ? -errno : 0;
    if (bytes > 0) {
        piece.iov_len = (size_t)bytes;
        failure = evbuffer_commit_space(input, &piece, 1) < 0 ? -ENOMEM : 0;
    }
    evbuffer_freeze(input, 0);
    return failure; /* 0 bytes is the FIN, which is still there in the next turn; an error is not */
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct stream *stream = arg;
    bool is_full = evbuffer_get_length(bufferevent_get_input(bev)) >= LIBRARY_READ_BYTES;
    int failure = is_full && stream->is_bulk ? refill(stream) : 0;
    stream->is_bulk = is_full;
    /* What was read before a failure is accounted for first. */
    if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
        stream->env->callbacks.on_input(stream);
    if (failure && stream->bev)
        stream->env->callbacks.on_error(stream, -failure);
}

/* Runs after each write that the loop did, since the low-water mark is as high as can be. */
void stream_on_write(struct bufferevent *bev, void *arg)
{
    struct stream *stream = arg;
    size_t owed = evbuffer_get_length(bufferevent_get_output(bev));
    size_t drained = stream->owed_told - owed;
    stream->owed_told = owed;
    if (drained > 0)
        stream->env->callbacks.on_drained(stream, drained);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    int failure = errno; /* valid only here, and only with BEV_EVENT_ERROR */
    struct stream *stream = arg;
    (void)bev;
    if (what & BEV_EVENT_ERROR)
        stream->env->callbacks.on_error(stream, failure ? failure : EIO);
    else if (what & BEV_EVENT_EOF)
        stream->env->callbacks.on_end(stream);
}

/* ---- life ---- */

size_t stream_read_max(const struct stream *stream, size_t most)
{
    most = most < stream->env->read_max ? most : stream->env->read_max;
    return most < stream->read_max ? most : stream->read_max;
}

int stream_open(struct stream *stream, const struct stream_env *env, int fd,
                const struct stream_how *how)
{
    uint64_t read_max = how->read_max;
    if (how->tls)
        return stream_tls_open(stream, env, fd, how->tls);
    *stream = (struct stream){.env = env, .is_unix = how->is_unix};
    stream->read_max = read_max && read_max < UINT32_MAX ? (uint32_t)read_max : UINT32_MAX;
    stream->is_direct = env->path == STREAM_DIRECT && !how->is_buffered;
    stream->bev = bufferevent_socket_new(env->loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!stream->bev) {
        sock_reset(fd);
        return -1;
    }
    bufferevent_setcb(stream->bev, on_read, stream_on_write, on_event, stream);
    bufferevent_setwatermark(stream->bev, EV_WRITE, SIZE_MAX, 0);
    if (bufferevent_set_max_single_write(stream->bev, WRITE_BYTES) < 0 ||
        (stream->is_direct && stream_direct_open(stream) < 0)) {
        stream_reset(stream);
        return -1;
    }
    return 0;
}

void stream_hold(struct stream *stream)
{
    if (stream->tls)
        stream_tls_hold(stream);
    else
        (void)bufferevent_disable(stream->bev, EV_READ);
}

int stream_resume(struct stream *stream)
{
    return stream->tls ? stream_tls_resume(stream) : bufferevent_enable(stream->bev, EV_READ);
}

bool stream_say_end(struct stream *stream)
{
    return !stream->tls || stream_tls_say_end(stream);
}

int stream_half_close(struct stream *stream)
{
    return shutdown(bufferevent_getfd(stream->bev), SHUT_WR) < 0 ? -errno : 0;
}

void stream_close(struct stream *stream)
{
    if (stream->is_direct)
        stream_direct_close(stream);
    if (stream->tls)
        stream_tls_close(stream);
    bufferevent_free(stream->bev);
    stream->bev = NULL;
}

void stream_reset(struct stream *stream)
{
    sock_set_reset(bufferevent_getfd(stream->bev));
    stream_close(stream);
}

/* ---- bytes ---- */

size_t stream_owed(const struct stream *stream)
{
    if (stream->tls)
        return stream->owed_told; /* what is written and not yet told is owed until then */
    return evbuffer_get_length(output_of(stream)) + stream->held_back;
}

size_t stream_unread(const struct stream *stream)
{
    size_t unread = sock_unread(bufferevent_getfd(stream->bev));
    if (stream->tls)
        return unread + stream_tls_unread(stream);
    return unread - (stream->held_back < unread ? stream->held_back : unread);
}

size_t stream_untaken(const struct stream *stream)
{
    return sock_untaken(bufferevent_getfd(stream->bev));
}

size_t stream_cut(const struct stream *stream)
{
    int fd = bufferevent_getfd(stream->bev);
    size_t unsent = stream->is_unix ? 0 : sock_unsent(fd);
    int state = unsent > 0 ? sock_tcp_state(fd) : TCP_CLOSE;
    bool has_fin = state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
    return state == TCP_CLOSE ? 0 : unsent - has_fin;
}

/* True where the loop will come back to what the bufferevent waits for. */
static bool is_registered(const struct stream *stream)
{
    struct bufferevent *bev = stream->bev;
    bool reads = event_pending(&bev->ev_read, EV_READ, NULL) != 0;
    bool writes = event_pending(&bev->ev_write, EV_WRITE, NULL) != 0;
    bool is_owing = evbuffer_get_length(output_of(stream)) + stream->held_back > 0;
    if (stream->tls && stream_tls_is_blocked(stream))
        return true;
    if (stream->tls && !stream_tls_is_open(stream))
        return reads || writes; /* the handshake has one at a time */
    if (is_owing)
        return writes;
    /* A TLS stream may have to write before it can go on reading. */
    return reads || writes || !(bufferevent_get_enabled(bev) & EV_READ);
}

bool stream_is_starved(const struct stream *stream)
{
    return !is_registered(stream) || (stream->tls && stream_tls_is_starved(stream));
}

const char *stream_error_text(const struct stream *stream, int error)
{
    const char *text = stream->tls ? stream_tls_error(stream) : NULL;
    return text ? text : strerror(error);
}

size_t stream_unix_peer(const struct stream *stream, char *out, size_t size)
{
    return sock_unix_peer(bufferevent_getfd(stream->bev), out, size);
}

size_t stream_local(const struct stream *stream, char *out, size_t size)
{
    return sock_local(bufferevent_getfd(stream->bev), out, size);
}

/* Puts what is left of the input behind the output. */
static int queue_input(struct stream *stream)
{
    struct evbuffer *input = input_of(stream);
    size_t length = evbuffer_get_length(input);
    if (length > COPY_BYTES)
        return bufferevent_write_buffer(stream->bev, input) < 0 ? -ENOMEM : 0;
    unsigned char bytes[COPY_BYTES];
    int copied = evbuffer_remove(input, bytes, length);
    return copied < 0 || bufferevent_write(stream->bev, bytes, (size_t)copied) < 0 ? -ENOMEM : 0;
}

int stream_echo(struct stream *stream, struct stream_moved *moved)
{
    *moved = (struct stream_moved){0};
    if (stream->is_direct)
        return stream_direct_echo(stream, moved);
    struct evbuffer *input = input_of(stream);
    size_t encrypted = 0; /* bytes owed that are in the output no more */
    int failure = 0;
    moved->in = evbuffer_get_length(input);
    if (stream->tls) {
        moved->out = stream_tls_taken(stream);
        encrypted = stream->owed_told - moved->out - evbuffer_get_length(output_of(stream));
        failure = stream_tls_prepare(stream);
    } else if (moved->in > 0 && stream->owed_told == 0) {
        /* Straight to the kernel, but never past what waits already. */
        int bytes = evbuffer_write(input, bufferevent_getfd(stream->bev));
        if (bytes < 0 && !stream_is_transient(errno))
            return -errno;
        moved->out = bytes > 0 ? (size_t)bytes : 0;
    }
    if (failure == 0 && evbuffer_get_length(input) > 0)
        failure = queue_input(stream);
    stream->owed_told = evbuffer_get_length(output_of(stream)) + encrypted;
    return failure;
}

int stream_write(struct stream *stream, const void *bytes, size_t length)
{
    int failure = bufferevent_write(stream->bev, bytes, length) < 0 ? -ENOMEM : 0;
    if (failure == 0)
        stream->owed_told += length;
    return failure;
}

size_t stream_discard(struct stream *stream)
{
    if (stream->is_direct)
        return stream_direct_discard(stream);
    size_t bytes = evbuffer_get_length(input_of(stream));
    (void)evbuffer_drain(input_of(stream), bytes);
    return bytes;
}

size_t stream_input(const struct stream *stream)
{
    return stream->is_direct ? stream->span : evbuffer_get_length(input_of(stream));
}

enum stream_end stream_end(const struct stream *stream)
{
    /* What a Unix socket has sent is with its peer, and its reset is what it leaves unread. */
    int state = stream->is_unix ? TCP_FIN_WAIT2 : sock_tcp_state(bufferevent_getfd(stream->bev));
    return state == TCP_FIN_WAIT1   ? STREAM_END_SENT
           : state == TCP_FIN_WAIT2 ? STREAM_END_TAKEN
                                    : STREAM_END_BOTH;
}

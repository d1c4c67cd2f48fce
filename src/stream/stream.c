/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream's life, its bufferevent, and functions shared by the transports. */
#include "stream/stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sock.h"
#include "stream/loop.h"
#include "stream/transport.h"

/* The most bytes of the output evbuffer in one write. */
#define WRITE_BYTES (1024 * 1024)

static size_t output_bytes(const struct stream *stream)
{
    return evbuffer_get_length(bufferevent_get_output(stream->bev));
}

static bool is_reading(const struct stream *stream)
{
    return stream->bev && stream->is_wanted && !stream->is_choked;
}

static bool has_more(const struct stream *stream)
{
    return stream->transport->has_more && stream->transport->has_more(stream);
}

static void fail(struct stream *stream, int error)
{
    stream_hold(stream);
    stream->env->callbacks.on_error(stream, error);
}

/* ---- the bufferevent's callbacks ---- */

/* Continues the handshake. True if data is available after it. */
static bool shake(struct stream *stream)
{
    int result = stream->transport->shake(stream);
    if (result < 0)
        fail(stream, -result);
    if (result <= 0)
        return false;
    stream->is_open = true;
    stream->env->callbacks.on_open(stream);
    return is_reading(stream) && has_more(stream);
}

/* Too many bytes are queued that the owner does not count as owed: stop reading until they are
 * sent. */
static void choke(struct stream *stream)
{
    stream->is_choked = true;
    (void)bufferevent_disable(stream->bev, EV_READ);
    stream->env->callbacks.on_choked(stream);
}

static void unchoke(struct stream *stream)
{
    stream->is_choked = false;
    if (stream->is_wanted && stream_resume(stream) < 0)
        fail(stream, ENOMEM);
}

static bool is_full(const struct stream *stream)
{
    return stream->bev && stream->transport->is_full && stream->transport->is_full(stream);
}

/* The read callback of the owner, and then the one that follows from it. */
static void read_once(struct stream *stream)
{
    const struct stream_callbacks *owner = &stream->env->callbacks;
    ssize_t came = owner->on_readable(stream);
    if (came > 0)
        owner->on_moved(stream);
    else if (came == 0)
        owner->on_end(stream);
    else if (came != -EAGAIN)
        fail(stream, (int)-came);
}

static void read_on(struct stream *stream)
{
    do
        read_once(stream);
    while (is_reading(stream) && has_more(stream));
    if (is_full(stream) && !stream->is_choked)
        choke(stream);
}

/* The read callback. It is called by libevent after it has read bytes, by a borrowed event if the
 * descriptor is readable, and after stream_resume() if bytes are left. */
static void on_read(struct bufferevent *bev, void *arg)
{
    struct stream *stream = arg;
    (void)bev;
    if (is_reading(stream) && (stream->is_open || shake(stream)))
        read_on(stream);
}

/* The write callback. It runs after each of libevent's writes, since the low-water mark is the
 * highest possible. */
static void on_write(struct bufferevent *bev, void *arg)
{
    struct stream *stream = arg;
    const struct transport *transport = stream->transport;
    size_t waiting = evbuffer_get_length(bufferevent_get_output(bev));
    size_t drained = stream->output_bytes - waiting;
    stream->output_bytes = waiting;
    if (drained > 0)
        stream->env->callbacks.on_drained(
            stream, transport->drained ? transport->drained(stream, drained) : drained);
    if (stream->bev && stream->is_choked && !is_full(stream))
        unchoke(stream);
}

/* The event callback: libevent reports an error, or the peer's end if libevent itself reads. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
    int failure = errno; /* valid only here, and only with BEV_EVENT_ERROR */
    struct stream *stream = arg;
    if (what & BEV_EVENT_ERROR) {
        stream->is_dead = (what & BEV_EVENT_READING) && failure == ECONNRESET;
        fail(stream, failure ? failure : EIO);
    } else if (what & BEV_EVENT_EOF) {
        stream->has_read_end =
            true; /* libevent has stopped reading; deliver its buffered bytes first */
        if (bufferevent_enable(bev, EV_READ) < 0)
            fail(stream, ENOMEM);
        else if (stream->is_wanted)
            read_on(stream);
    }
}

/* ---- shared by the transports ---- */

static void on_borrowed(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    (void)fd;
    (void)what;
    on_read(stream->bev, stream);
}

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

int transport_assign(struct stream *stream, struct event *event, short what,
                     event_callback_fn callback, void *arg)
{
    return event_assign(event, stream->env->loop->base, stream->fd, what | EV_FINALIZE, callback,
                        arg);
}

void transport_return(struct stream *stream, struct event *event, short what)
{
    (void)event_del(event);
    (void)event_assign(event, stream->env->loop->base, stream->fd, what | EV_PERSIST | EV_FINALIZE,
                       on_nothing, stream->bev);
}

/* libevent 2.1 calls FIONREAD and never reads more than 4096 bytes at a time, so we use the read
 * event ourselves: event_assign() on the member that libevent publishes in bufferevent_struct.h.
 * bufferevent_enable() and bufferevent_disable() still work, and a connection needs no additional
 * event. The event is restored before the bufferevent is freed, since its finalizer finds the
 * bufferevent by that event's argument. */
int transport_borrow_read(struct stream *stream)
{
    stream->is_borrowed = true;
    return transport_assign(stream, &stream->bev->ev_read, EV_READ | EV_PERSIST, on_borrowed,
                            stream);
}

size_t transport_take_max(const struct stream *stream)
{
    size_t most = STREAM_SCRATCH_BYTES;
    most = most < stream->env->read_max ? most : stream->env->read_max;
    return most < stream->read_max ? most : stream->read_max;
}

ssize_t transport_recv(struct stream *stream, int flags)
{
    ssize_t came = recv(stream->fd, stream->env->scratch, transport_take_max(stream), flags);
    if (came >= 0)
        return came;
    return transport_is_transient(errno) ? -EAGAIN : -errno;
}

ssize_t transport_send(struct stream *stream, const unsigned char *bytes, size_t length)
{
    if (output_bytes(stream) > 0)
        return 0;
    ssize_t sent = send(stream->fd, bytes, length, MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    return transport_is_transient(errno) ? 0 : -errno;
}

/* If libevent cannot wait for the descriptor (no memory, or epoll(7) refuses it),
 * bufferevent_write() does not report it, so check the write event. */
int transport_keep(struct stream *stream, const unsigned char *bytes, size_t length)
{
    int failure = bufferevent_write(stream->bev, bytes, length);
    stream->output_bytes = output_bytes(stream);
    bool is_awaited = event_pending(&stream->bev->ev_write, EV_WRITE, NULL) != 0;
    return failure || !is_awaited ? -ENOMEM : 0;
}

/* ---- life ---- */

static const struct transport *choose(const struct stream_env *env, const struct stream_how *how)
{
    if (env->transport)
        return env->transport;
    if (how->tls)
        return &TRANSPORT_TLS;
    if (env->path == STREAM_BUFFERED || (how->is_unix && how->is_speaking))
        return how->is_unix ? &TRANSPORT_BUFFERED_UNIX : &TRANSPORT_BUFFERED;
    return how->is_unix ? &TRANSPORT_UNIX : &TRANSPORT_TCP;
}

int stream_open(struct stream *stream, const struct stream_env *env, int fd,
                const struct stream_how *how)
{
    uint64_t read_max = how->read_max;
    *stream = (struct stream){
        .env = env, .transport = choose(env, how), .fd = fd, .read_max = UINT32_MAX};
    if (read_max && read_max < UINT32_MAX)
        stream->read_max = (uint32_t)read_max;
    stream->bev = bufferevent_socket_new(env->loop->base, fd, 0);
    if (!stream->bev) {
        sock_reset(fd);
        return -1;
    }
    stream->is_open = !stream->transport->shake;
    bufferevent_setcb(stream->bev, on_read, on_write, on_event, stream);
    bufferevent_setwatermark(stream->bev, EV_WRITE, SIZE_MAX, 0);
    if (bufferevent_set_max_single_write(stream->bev, WRITE_BYTES) < 0 ||
        stream->transport->open(stream, how) < 0) {
        stream_reset(stream);
        return -1;
    }
    return 0;
}

size_t stream_take_bytes(const struct stream *stream)
{
    return stream->transport->take_bytes;
}

bool stream_owes_unread(const struct stream *stream)
{
    return stream->transport->owes_unread;
}

void stream_hold(struct stream *stream)
{
    if (stream->is_wanted)
        (void)bufferevent_disable(stream->bev, EV_READ);
    stream->is_wanted = false;
}

int stream_resume(struct stream *stream)
{
    stream->is_wanted = true;
    if (stream->is_choked)
        return 0;
    if (bufferevent_enable(stream->bev, EV_READ) < 0)
        return -1;
    if (has_more(stream))
        bufferevent_trigger(stream->bev, EV_READ,
                            BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
    return 0;
}

bool stream_is_choked(const struct stream *stream)
{
    return stream->is_choked;
}

bool stream_say_end(struct stream *stream)
{
    return !stream->transport->say_end || stream->transport->say_end(stream);
}

int stream_half_close(struct stream *stream)
{
    return shutdown(stream->fd, SHUT_WR) < 0 ? -errno : 0;
}

/* We close the descriptor ourselves: libevent would close it only later in this iteration of the
 * loop, and the limits must not free this connection's place before that. */
void stream_close(struct stream *stream)
{
    int fd = stream->fd;
    /* In its own callback the bufferevent keeps its events until the callback has returned. */
    (void)bufferevent_disable(stream->bev, EV_READ | EV_WRITE);
    if (stream->transport->close)
        stream->transport->close(stream);
    if (stream->is_borrowed)
        transport_return(stream, &stream->bev->ev_read, EV_READ);
    bufferevent_free(stream->bev);
    stream->bev = NULL;
    close(fd);
}

void stream_reset(struct stream *stream)
{
    /* A peer that has sent a reset receives none. */
    if (!stream->is_dead)
        sock_set_reset(stream->fd);
    stream_close(stream);
}

/* ---- bytes ---- */

ssize_t stream_take(struct stream *stream, const unsigned char **bytes)
{
    ssize_t came = stream->transport->take(stream, bytes);
    /* Stop reading after an end or an error: the event would fire again and again. */
    if (came == 0 || (came < 0 && came != -EAGAIN))
        stream_hold(stream);
    stream->is_dead = came == -ECONNRESET;
    return came;
}

int stream_give(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    return stream->transport->give(stream, bytes, length, sent);
}

void stream_drop(struct stream *stream, size_t bytes)
{
    if (stream->transport->drop)
        stream->transport->drop(stream, bytes);
}

int stream_relay(struct stream *stream, struct stream_moved *moved)
{
    *moved = (struct stream_moved){0};
    int failure = stream->transport->relay ? stream->transport->relay(stream, moved) : 0;
    stream->is_dead = failure == -ECONNRESET && moved->in == 0; /* that was the read */
    return failure;
}

int stream_owe(struct stream *stream, const unsigned char *bytes, size_t length)
{
    return stream->transport->owe(stream, bytes, length);
}

size_t stream_owed(const struct stream *stream)
{
    return stream->transport->owed ? stream->transport->owed(stream) : output_bytes(stream);
}

size_t stream_unread(const struct stream *stream)
{
    size_t queued = sock_unread(stream->fd);
    return stream->transport->unread ? stream->transport->unread(stream, queued) : queued;
}

size_t stream_untaken(const struct stream *stream)
{
    return stream->transport->untaken ? stream->transport->untaken(stream)
                                      : sock_untaken(stream->fd);
}

static size_t tcp_cut(const struct stream *stream)
{
    int fd = stream->fd;
    size_t unsent = stream->is_dead ? 0 : sock_unsent(fd);
    int state = unsent > 0 ? sock_tcp_state(fd) : TCP_CLOSE;
    bool has_fin = state == TCP_FIN_WAIT1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
    return state == TCP_CLOSE ? 0 : unsent - has_fin;
}

size_t transport_unix_cut(const struct stream *stream)
{
    (void)stream;
    return 0;
}

size_t stream_cut(const struct stream *stream)
{
    return stream->transport->cut ? stream->transport->cut(stream) : tcp_cut(stream);
}

static enum stream_end tcp_end(const struct stream *stream)
{
    int state = sock_tcp_state(stream->fd);
    return state == TCP_FIN_WAIT1   ? STREAM_END_SENT
           : state == TCP_FIN_WAIT2 ? STREAM_END_TAKEN
                                    : STREAM_END_BOTH;
}

enum stream_end transport_unix_end(const struct stream *stream)
{
    (void)stream;
    return STREAM_END_TAKEN;
}

enum stream_end stream_end(const struct stream *stream)
{
    return stream->transport->end ? stream->transport->end(stream) : tcp_end(stream);
}

/* ---- description ---- */

const char *stream_error_text(const struct stream *stream, int error)
{
    const struct transport *transport = stream->transport;
    const char *text = transport->error_text ? transport->error_text(stream) : NULL;
    return text ? text : strerror(error);
}

bool stream_is_truncated(const struct stream *stream)
{
    return stream->transport->is_truncated && stream->transport->is_truncated(stream);
}

bool stream_describe_tls(const struct stream *stream, struct tls_info *out)
{
    return stream->transport->describe_tls && stream->transport->describe_tls(stream, out);
}

size_t stream_unix_peer(const struct stream *stream, char *out, size_t size)
{
    return sock_unix_peer(stream->fd, out, size);
}

size_t stream_local(const struct stream *stream, char *out, size_t size)
{
    return sock_local(stream->fd, out, size);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A transport and a clock under a test's control: a table like any other (stream/transport.h), on a
 * real stream. The functions of base/clock.h are defined here, so that the archive's own are not
 * linked, and bufferevent_enable() and shutdown() are wrapped (tests/local.am). Include it in one
 * file of a test only. */
#ifndef TESTS_FAKE_TRANSPORT_H
#define TESTS_FAKE_TRANSPORT_H

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "stream/stream.h"
#include "stream/transport.h"
#include "tls/tls_codec.h"

static uint64_t now_ms;

uint64_t clock_coarse_ms(void)
{
    return now_ms;
}

uint64_t clock_now_ns(void)
{
    return now_ms * 1000000;
}

static struct {
    size_t input;   /* bytes received and not taken */
    size_t owed;    /* taken, and not yet accepted by the kernel */
    size_t room;    /* how much the kernel accepts of the next echo */
    size_t dropped; /* taken and discarded */
    size_t unread;  /* the result of FIONREAD */
    size_t untaken; /* the results of SIOCOUTQ and SIOCOUTQNSD */
    int take_error, give_error, half_close_error;
    bool has_peer_end;
    bool fails_to_open, fails_to_resume;
    bool fails_to_write;
    enum stream_end end;
    bool is_truncated, has_no_room; /* TLS */
    bool is_tls, has_said_end, is_half_closed, is_closed, is_reset;
    size_t written; /* by stream_owe(); the last bytes are stored */
    unsigned char last[32768];
    size_t last_length;
} fake;

static int fake_peer_fd = -1;

int __real_bufferevent_enable(struct bufferevent *bev, short what);
int __wrap_bufferevent_enable(struct bufferevent *bev, short what);
int __wrap_shutdown(int fd, int how);

int __wrap_bufferevent_enable(struct bufferevent *bev, short what)
{
    return fake.fails_to_resume ? -1 : __real_bufferevent_enable(bev, what);
}

int __wrap_shutdown(int fd, int how)
{
    (void)fd;
    (void)how;
    fake.is_half_closed = true;
    errno = fake.half_close_error;
    return fake.half_close_error ? -1 : 0;
}

static int fake_open(struct stream *stream, const struct stream_how *how)
{
    (void)stream;
    fake.is_tls = how->tls != NULL;
    return fake.fails_to_open ? -1 : 0;
}

static ssize_t fake_take(struct stream *stream, const unsigned char **bytes)
{
    static const unsigned char ANY[1];
    (void)stream;
    *bytes = ANY;
    if (fake.take_error)
        return -fake.take_error;
    if (fake.input == 0)
        return fake.has_peer_end ? 0 : -EAGAIN;
    ssize_t came = (ssize_t)fake.input;
    fake.input = 0;
    return came;
}

static int fake_give(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    (void)stream, (void)bytes;
    *sent = 0;
    if (fake.give_error)
        return -fake.give_error;
    *sent = fake.owed ? 0 : length < fake.room ? length : fake.room;
    fake.owed += length - *sent;
    return 0;
}

static void fake_drop(struct stream *stream, size_t bytes)
{
    (void)stream;
    fake.dropped += bytes;
}

static int fake_owe(struct stream *stream, const unsigned char *bytes, size_t length)
{
    (void)stream;
    if (fake.fails_to_write)
        return -ENOMEM;
    fake.last_length = length < sizeof(fake.last) ? length : sizeof(fake.last);
    memcpy(fake.last, bytes, fake.last_length);
    fake.written += length;
    fake.owed += length;
    return 0;
}

static size_t fake_owed(const struct stream *stream)
{
    (void)stream;
    return fake.owed;
}

static size_t fake_unread(const struct stream *stream, size_t waiting)
{
    (void)stream, (void)waiting;
    return fake.unread;
}

static size_t fake_untaken(const struct stream *stream)
{
    (void)stream;
    return fake.untaken;
}

static enum stream_end fake_end(const struct stream *stream)
{
    (void)stream;
    return fake.end;
}

static bool fake_say_end(struct stream *stream)
{
    (void)stream;
    fake.has_said_end = !fake.has_no_room;
    return fake.has_said_end;
}

static bool fake_is_truncated(const struct stream *stream)
{
    (void)stream;
    return fake.is_truncated;
}

static bool fake_describe_tls(const struct stream *stream, struct tls_info *out)
{
    (void)stream;
    *out = (struct tls_info){.version = "TLSv1.3", .cipher = "NULL"};
    return fake.is_tls;
}

/* A reset is a close with a linger time of 0 (socket(7)). */
static void fake_close(struct stream *stream)
{
    struct linger linger = {0};
    socklen_t size = sizeof(linger);
    (void)getsockopt(bufferevent_getfd(stream->bev), SOL_SOCKET, SO_LINGER, &linger, &size);
    fake.is_closed = true;
    fake.is_reset = linger.l_onoff;
}

/* Not constant: take_bytes and owes_unread are data of the table, which tests change. */
static struct transport fake_transport = {.open = fake_open,
                                          .take = fake_take,
                                          .give = fake_give,
                                          .owe = fake_owe,
                                          .drop = fake_drop,
                                          .owed = fake_owed,
                                          .unread = fake_unread,
                                          .untaken = fake_untaken,
                                          .cut = fake_untaken,
                                          .end = fake_end,
                                          .say_end = fake_say_end,
                                          .is_truncated = fake_is_truncated,
                                          .describe_tls = fake_describe_tls,
                                          .close = fake_close};

static inline void fake_clear(void)
{
    memset(&fake, 0, sizeof(fake));
    fake.room = SIZE_MAX;
    fake_transport.take_bytes = 0;
    fake_transport.owes_unread = false;
}

static inline void fake_bind(int fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path + 1, name, length); /* abstract: no file is made */
    (void)bind(fd, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length));
}

/* A descriptor whose peer has a name that must be escaped; closes the previous one's peer. */
static inline int fake_descriptor(void)
{
    int ends[2];
    char name[64];
    if (fake_peer_fd >= 0)
        close(fake_peer_fd);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    snprintf(name, sizeof(name), "a\nb.%d", (int)getpid());
    fake_bind(ends[1], name);
    snprintf(name, sizeof(name), "local.%d", (int)getpid());
    fake_bind(ends[0], name);
    fake_peer_fd = ends[1];
    return ends[0];
}

/* What the loop does if the descriptor is readable: the bufferevent's own read callback. */
static inline void fake_readable(struct stream *stream)
{
    bufferevent_data_cb on_read;
    void *arg;
    bufferevent_getcb(stream->bev, &on_read, NULL, NULL, &arg);
    on_read(stream->bev, arg);
}

/* True if the loop would report bytes received. */
static inline bool fake_is_reading(const struct stream *stream)
{
    return stream->bev && (bufferevent_get_enabled(stream->bev) & EV_READ) != 0;
}

#endif

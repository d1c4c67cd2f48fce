/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream and a clock that do what a test says. The functions of stream/stream.h and base/clock.h
 * are defined here, so that the archive's own are not linked; for one test file alone. */
#ifndef TESTS_FAKE_STREAM_H
#define TESTS_FAKE_STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "stream/stream.h"
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
    size_t input;      /* bytes that have come and were not taken */
    size_t owed;       /* taken, and not yet taken by the kernel */
    size_t room;       /* what the kernel takes of the next echo */
    size_t take_bytes; /* the most that one take brings, as it says */
    bool owes_unread;
    size_t dropped; /* taken, and given to nobody */
    size_t unread;  /* what FIONREAD would say */
    size_t untaken; /* what SIOCOUTQ would, and SIOCOUTQNSD */
    int take_error, give_error, half_close_error;
    bool has_peer_end;
    bool fails_to_open, fails_to_resume;
    bool fails_to_write;
    enum stream_end end;
    bool is_truncated, has_no_room, is_choked; /* TLS */
    bool is_reading, is_tls, has_said_end, is_half_closed, is_closed, is_reset;
    size_t written; /* by stream_owe(); the last of it is kept */
    unsigned char last[32768];
    size_t last_length;
} fake;

int stream_open(struct stream *stream, const struct stream_env *env, int fd,
                const struct stream_how *how)
{
    stream->env = env;
    fake.is_tls = how->tls != NULL;
    if (fake.fails_to_open)
        close(fd);
    return fake.fails_to_open ? -1 : 0;
}

bool stream_say_end(struct stream *stream)
{
    (void)stream;
    fake.has_said_end = !fake.has_no_room;
    return fake.has_said_end;
}

bool stream_is_truncated(const struct stream *stream)
{
    (void)stream;
    return fake.is_truncated;
}

bool stream_is_choked(const struct stream *stream)
{
    (void)stream;
    return fake.is_choked;
}

const char *stream_error_text(const struct stream *stream, int error)
{
    (void)stream;
    return strerror(error);
}

bool stream_describe_tls(const struct stream *stream, struct tls_info *out)
{
    (void)stream;
    *out = (struct tls_info){.version = "TLSv1.3", .cipher = "NULL"};
    return fake.is_tls;
}

void stream_hold(struct stream *stream)
{
    (void)stream;
    fake.is_reading = false;
}

int stream_resume(struct stream *stream)
{
    (void)stream;
    fake.is_reading = !fake.fails_to_resume;
    return fake.fails_to_resume ? -1 : 0;
}

size_t stream_take_bytes(const struct stream *stream)
{
    (void)stream;
    return fake.take_bytes;
}

bool stream_owes_unread(const struct stream *stream)
{
    (void)stream;
    return fake.owes_unread;
}

int stream_relay(struct stream *stream, struct stream_moved *moved)
{
    (void)stream;
    *moved = (struct stream_moved){0};
    return 0;
}

ssize_t stream_take(struct stream *stream, const unsigned char **bytes)
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

int stream_give(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    (void)stream, (void)bytes;
    *sent = 0;
    if (fake.give_error)
        return -fake.give_error;
    *sent = fake.owed ? 0 : length < fake.room ? length : fake.room;
    fake.owed += length - *sent;
    return 0;
}

void stream_drop(struct stream *stream, size_t bytes)
{
    (void)stream;
    fake.dropped += bytes;
}

int stream_owe(struct stream *stream, const unsigned char *bytes, size_t length)
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

enum stream_end stream_end(const struct stream *stream)
{
    (void)stream;
    return fake.end;
}

size_t stream_owed(const struct stream *stream)
{
    (void)stream;
    return fake.owed;
}

size_t stream_unread(const struct stream *stream)
{
    (void)stream;
    return fake.unread;
}

size_t stream_untaken(const struct stream *stream)
{
    (void)stream;
    return fake.untaken;
}

size_t stream_cut(const struct stream *stream)
{
    return stream_untaken(stream);
}

int stream_half_close(struct stream *stream)
{
    (void)stream;
    fake.is_half_closed = true;
    return -fake.half_close_error;
}

void stream_close(struct stream *stream)
{
    (void)stream;
    fake.is_closed = true;
}

void stream_reset(struct stream *stream)
{
    (void)stream;
    fake.is_closed = fake.is_reset = true;
}

size_t stream_unix_peer(const struct stream *stream, char *out, size_t size)
{
    (void)stream;
    return (size_t)snprintf(out, size, "unix:a\nb");
}

size_t stream_local(const struct stream *stream, char *out, size_t size)
{
    (void)stream;
    return (size_t)snprintf(out, size, "unix:/local");
}

#endif

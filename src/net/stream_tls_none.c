/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of stream_tls.c where the build left TLS out: there is no context to open a stream with,
 * so no stream is ever a TLS one. */
#include "net/stream_tls.h"

int stream_tls_open(struct stream *stream, const struct stream_env *env, int fd,
                    struct tls_context *context)
{
    (void)stream;
    (void)env;
    (void)fd;
    (void)context;
    return -1;
}

int stream_tls_prepare(struct stream *stream)
{
    (void)stream;
    return 0;
}

size_t stream_tls_taken(const struct stream *stream)
{
    (void)stream;
    return 0;
}

bool stream_tls_is_blocked(const struct stream *stream)
{
    (void)stream;
    return false;
}

void stream_tls_hold(struct stream *stream)
{
    (void)stream;
}

int stream_tls_resume(struct stream *stream)
{
    (void)stream;
    return -1;
}

bool stream_tls_is_open(const struct stream *stream)
{
    (void)stream;
    return true;
}

bool stream_tls_is_starved(const struct stream *stream)
{
    (void)stream;
    return false;
}

size_t stream_tls_unread(const struct stream *stream)
{
    (void)stream;
    return 0;
}

bool stream_tls_say_end(struct stream *stream)
{
    (void)stream;
    return true;
}

void stream_tls_close(struct stream *stream)
{
    (void)stream;
}

const char *stream_tls_error(const struct stream *stream)
{
    (void)stream;
    return NULL;
}

bool stream_is_truncated(const struct stream *stream)
{
    (void)stream;
    return false;
}

bool stream_describe_tls(const struct stream *stream, struct stream_tls_info *out)
{
    (void)stream;
    (void)out;
    return false;
}

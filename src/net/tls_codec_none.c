/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of tls_codec.c and transport_tls.c where the build left TLS out: there is no context to
 * open a stream with (tls_none.c), so no stream is ever a TLS one. */
#include "net/tls_codec.h"
#include "net/transport.h"

struct tls_room *tls_room_new(void)
{
    return NULL;
}

void tls_room_free(struct tls_room *room)
{
    (void)room;
}

static int refuse(struct stream *stream, const struct stream_how *how)
{
    (void)stream;
    (void)how;
    return -1;
}

const struct transport TRANSPORT_TLS = {.open = refuse};

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

/* SPDX-License-Identifier: BSD-2-Clause */
/* In place of transport_tls.c if the build left TLS out. */
#include "stream/transport.h"

static int refuse(struct stream *stream, const struct stream_how *how)
{
    (void)stream;
    (void)how;
    return -1;
}

const struct transport TRANSPORT_TLS = {.open = refuse};

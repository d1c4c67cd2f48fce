/* SPDX-License-Identifier: BSD-2-Clause */
/* Replaces transport_tls.c if the program is built without TLS. */
#include "stream/transport.h"

static int refuse(struct stream *stream, const struct stream_how *how)
{
    (void)stream;
    (void)how;
    return -1;
}

const struct transport TRANSPORT_TLS = {.open = refuse};

/* SPDX-License-Identifier: BSD-2-Clause */
/* Replaces tls_codec.c if the program is built without TLS: there is no context to open a codec
 * with (tls_none.c), so no codec is ever opened. */
#include "tls/tls_codec.h"

struct tls_room *tls_room_new(void)
{
    return NULL;
}

void tls_room_free(struct tls_room *room)
{
    (void)room;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The first bytes of other protocols: a server's greeting, its answer to unknown bytes, and a
 * client's first message. Pure. */
#ifndef CLIENT_GREETING_H
#define CLIENT_GREETING_H

#include <stdbool.h>
#include <stddef.h>

#define GREETING_LOOKS_MAX 120

struct greeting {
    const char *kind;                    /* a constant word; NULL: no protocol that is known here */
    char looks_like[GREETING_LOOKS_MAX]; /* a sentence */
};

/* Identifies the bytes received so far. With `has_sent_proxy` a PROXY header is our own. */
struct greeting greeting_of(const unsigned char *bytes, size_t length, bool has_sent_proxy);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* How other protocols begin: what a server of theirs says first or answers to strange bytes, and
 * what a client of theirs sends. Pure. */
#ifndef CLIENT_GREETING_H
#define CLIENT_GREETING_H

#include <stdbool.h>
#include <stddef.h>

#define GREETING_LOOKS_MAX 120

struct greeting {
    const char *kind;                    /* a constant word; NULL: no protocol that is known here */
    char looks_like[GREETING_LOOKS_MAX]; /* a sentence */
};

/* What bytes look like, as far as they have come. With `has_sent_proxy` a PROXY header is the one
 * that we have sent. */
struct greeting greeting_of(const unsigned char *bytes, size_t length, bool has_sent_proxy);

#endif

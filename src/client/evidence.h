/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes received instead of an echo, and their likely origin: another protocol's greeting, or
 * our own bytes from another place. Pure: no descriptor and no clock.
 *
 * Every byte that we send is a function of the run's seed, the connection and the offset
 * (base/pattern.h), so bytes that came can be searched for without keeping any that were sent.
 */
#ifndef CLIENT_EVIDENCE_H
#define CLIENT_EVIDENCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EVIDENCE_BYTES 32
#define EVIDENCE_LOOKS_MAX 120

struct evidence {
    uint8_t length;                      /* of the stored bytes; 0: none received */
    unsigned char bytes[EVIDENCE_BYTES]; /* the first ones, from the first wrong byte on */
    const char *kind; /* a constant word for programs; NULL: like nothing known */
    char looks_like[EVIDENCE_LOOKS_MAX]; /* a sentence for people; empty: like nothing known */
};

/* The place of the bytes. */
struct evidence_place {
    uint64_t run_seed;   /* which every connection's bytes are made of (pattern_seed()) */
    uint64_t connection; /* number of this one */
    uint64_t offset;     /* at which the first of the bytes was expected */
    uint64_t sent;       /* bytes of this connection */
    bool is_datagram;    /* these four are of a datagram's body: the "connections" are datagrams */
    bool has_sent_proxy; /* we have sent a PROXY header */
};

/* Stores the bytes received and identifies them. */
struct evidence evidence_of(const struct evidence_place *place, const unsigned char *bytes,
                            size_t length);

/* Looks at other bytes than those that are kept, like those behind a header. */
void evidence_look(struct evidence *evidence, const struct evidence_place *place,
                   const unsigned char *bytes, size_t length);

/* Prints up to three lines, each after `indent`: the likely origin, the bytes as text, the bytes in
 * hexadecimal. Prints nothing if no bytes were received. */
void evidence_print(const struct evidence *evidence, const char *indent, FILE *out);

/* Adds "came_text", "came_hex", "looks_like" (a word) and "looks_like_text"; null if not known. */
void evidence_add_json(json_t *object, const struct evidence *evidence);

#endif

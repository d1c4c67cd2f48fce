/* SPDX-License-Identifier: BSD-2-Clause */
/* A failure of one connection: for every command, as text and as JSON. */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/evidence.h"
#include "client/link.h"
#include "client/moment.h"
#include "client/outcome.h"

struct failure {
    struct ending how;
    struct moment when;
    uint64_t connection; /* number of the connection, from 1 */
    uint64_t offset;     /* bytes that had come right */
    uint64_t awaited;    /* bytes that were sent and still to come */
    bool has_byte;       /* a wrong or extra byte came at `offset`: */
    bool is_extra;       /* more came than was sent: */
    bool is_early;       /* and it is the next byte to be sent */
    uint64_t more;       /* so many bytes, as far as they were received at once */
    unsigned char expected, came;
    bool has_place; /* the received bytes belong at: */
    uint64_t place;
    /* Of a datagram: `connection` is its flow, `offset` the first wrong byte in it (came_bytes: it
     * was cut there). */
    bool is_datagram;
    bool has_sequence; /* it said the number of one that was sent: */
    uint64_t sequence;
    size_t sent_bytes, came_bytes;
    struct evidence evidence; /* what came */
    const char
        *symptom; /* an entry of symptom.h that fits better than symptom_for() knows; or NULL */
};

/* The failure of a link that has ended and is not closed yet. A FIN came too early, unless the
 * link's owner knows better. */
struct failure failure_of(const struct link *link);

/* The failure of a link whose owner has waited for so long without any progress, and gives up. */
struct failure failure_timeout(const struct link *link, uint64_t waited_ns);

/* The failure of bytes that are wrong from the first on: what should have come, where what came
 * belongs, or that it is more than was sent. NULL instead of a link leaves ->when unknown. */
struct failure failure_explain(const struct link *link, const struct evidence_place *place,
                               const unsigned char *bytes, size_t length);

/* One sentence without an end of line; returns `out`. */
#define FAILURE_TEXT_MAX 512
const char *failure_text(const struct failure *failure, const char *target, char *out, size_t size);

/* The other lines: when, what came, and where that is explained. Each has `indent` before it. */
void failure_print_details(const struct failure *failure, const char *indent, FILE *out);

/* Both: `first` stands before the sentence, `indent` before the other lines. On a terminal a long
 * sentence is folded. */
void failure_print(const struct failure *failure, const char *target, const char *first,
                   const char *indent, FILE *out);

/* An object with "class" (null: none of them), "connection", "offset", "awaited", "expected" and
 * "came" (numbers; null if no byte was wrong), "end", of a datagram "datagram" (its number),
 * "sent_bytes" and "came_bytes", what moment.h and evidence.h add, and "text", the sentence. The
 * caller's reference.
 */
json_t *failure_json(const struct failure *failure, const char *target);

#endif

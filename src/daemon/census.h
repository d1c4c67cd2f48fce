/* SPDX-License-Identifier: BSD-2-Clause */
/* A census: what the open connections of a worker are doing, as of one moment.
 *
 * Connections belong to their worker's thread, so it is the worker that writes one, when it is
 * asked to; whoever wanted it gets a copy that nobody else has.
 */
#ifndef DAEMON_CENSUS_H
#define DAEMON_CENSUS_H

#include <stdint.h>
#include <stdio.h>

#include "daemon/conn.h"
#include "daemon/conn_tell.h"
#include "net/sock.h"

#define CENSUS_MAX 1000 /* connections that are told of one by one */

struct census_entry {
    uint64_t id, in_bytes, out_bytes, owed_bytes, open_ms;
    enum conn_state state;
    char listener[SOCK_NAME_MAX];
    char peer[CONN_TELL_PEER_MAX]; /* bytes as they are */
    size_t peer_length;
    struct stream_tls_info *tls; /* NULL: plain, or its handshake is not done */
};

struct census {
    struct census_entry *entries;
    size_t count;  /* at most CENSUS_MAX, and fewer without memory for them */
    uint64_t open; /* how many there are */
};

/* Makes room in an empty census for that many open connections; without memory there is none. */
void census_begin(struct census *census, uint64_t open);

/* Tells of one more, if there is room, and memory for what TLS has agreed on. */
void census_add(struct census *census, const struct conn *conn);

void census_clear(struct census *census);

/* Writes all of them as one JSON object, CENSUS_MAX connections at most. */
void census_write(FILE *out, const struct census *censuses, size_t count);

#endif

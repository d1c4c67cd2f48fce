/* SPDX-License-Identifier: BSD-2-Clause */
/* A list: what the open connections of a worker are doing, as of one moment.
 *
 * Connections belong to their worker's thread, so it is the worker that writes one, when it is
 * asked to; whoever wanted it gets a copy that nobody else has.
 */
#ifndef ECHO_CONN_LIST_H
#define ECHO_CONN_LIST_H

#include <stdint.h>
#include <stdio.h>

#include "echo/conn.h"
#include "echo/conn_report.h"
#include "net/sock.h"

#define CONN_LIST_MAX 1000 /* connections that are told of one by one */

struct conn_list_entry {
    uint64_t id, in_bytes, out_bytes, owed_bytes, open_ms;
    enum conn_state state;
    char listener[SOCK_NAME_MAX];
    char peer[CONN_REPORT_PEER_MAX]; /* bytes as they are */
    size_t peer_length;
    struct tls_info *tls; /* NULL: plain, or its handshake is not done */
};

struct conn_list {
    struct conn_list_entry *entries;
    size_t count;  /* at most CONN_LIST_MAX, and fewer without memory for them */
    uint64_t open; /* how many there are */
};

/* Makes room in an empty list for that many open connections; without memory there is none. */
void conn_list_begin(struct conn_list *list, uint64_t open);

/* Tells of one more, if there is room, and memory for what TLS has agreed on. */
void conn_list_add(struct conn_list *list, const struct conn *conn);

void conn_list_clear(struct conn_list *list);

/* Writes all of them as one JSON object, CONN_LIST_MAX connections at most. */
void conn_list_write(FILE *out, const struct conn_list *lists, size_t count);

#endif

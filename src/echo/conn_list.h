/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot of a worker's open connections.
 *
 * Connections belong to their worker's thread, so the worker writes the list on request. The caller
 * receives a copy of its own.
 */
#ifndef ECHO_CONN_LIST_H
#define ECHO_CONN_LIST_H

#include <stdint.h>
#include <stdio.h>

#include "echo/conn.h"
#include "echo/conn_report.h"
#include "net/sock.h"

#define CONN_LIST_MAX 1000 /* the most connections listed individually */

struct conn_list_entry {
    uint64_t id, in_bytes, out_bytes, owed_bytes, open_ms;
    enum conn_state state;
    char listener[SOCK_NAME_MAX];
    char peer[CONN_REPORT_PEER_MAX]; /* unescaped bytes */
    size_t peer_length;
    struct tls_info *tls; /* NULL: plain, or its handshake is not done */
};

struct conn_list {
    struct conn_list_entry *entries;
    size_t count;  /* at most CONN_LIST_MAX, fewer if memory is short */
    uint64_t open; /* all open connections */
};

/* Makes room in an empty list for so many open connections; if memory is short, the list stays
 * empty. */
void conn_list_begin(struct conn_list *list, uint64_t open);

/* Adds a connection, if there is room, and memory for its TLS parameters. */
void conn_list_add(struct conn_list *list, const struct conn *conn);

void conn_list_clear(struct conn_list *list);

/* Writes all lists as one JSON object, with at most CONN_LIST_MAX connections. */
void conn_list_write(FILE *out, const struct conn_list *lists, size_t count);

#endif

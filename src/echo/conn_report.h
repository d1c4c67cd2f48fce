/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports about a connection: its log lines, and the bytes of a service about it. Nothing here
 * changes it. */
#ifndef ECHO_CONN_REPORT_H
#define ECHO_CONN_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "echo/conn.h"

#define CONN_REPORT_PEER_MAX 128

/* Writes the peer's name, "127.0.0.1:40000" or "unix:" and a path, unescaped. Returns the length,
 * at most size - 1. */
size_t conn_report_peer(const struct conn *conn, char *out, size_t size);

/* "open", "paused"...: the state's name. */
const char *conn_report_state(enum conn_state state);

/* Logs a line at the end of every connection, and an error line for wrong sums or states; and makes
 * the bytes that a service sends of its own. */
extern const struct conn_reporter CONN_REPORTER;

#endif

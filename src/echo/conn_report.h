/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told about a connection: by its log lines, and by a service that says something. Nothing
 * here changes it. */
#ifndef ECHO_CONN_REPORT_H
#define ECHO_CONN_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "echo/conn.h"

#define CONN_REPORT_PEER_MAX 128

/* Whose it is, "127.0.0.1:40000" or "unix:" and a path, bytes as they are; returns the length, at
 * most size - 1. */
size_t conn_report_peer(const struct conn *conn, char *out, size_t size);

/* "open", "paused"...: the state's name. */
const char *conn_report_state(enum conn_state state);

/* The line that every connection ends with, an error line for sums or states that cannot be, and
 * the bytes that a service sends of its own. */
extern const struct conn_reporter CONN_REPORTER;

#endif

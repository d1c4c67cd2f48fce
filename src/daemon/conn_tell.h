/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told about a connection: by its log lines, and by a service that says something. Nothing
 * here changes it. */
#ifndef DAEMON_CONN_TELL_H
#define DAEMON_CONN_TELL_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/conn.h"

/* The one line that every connection ends with. */
void conn_tell_closed(const struct conn *conn, bool is_reset);

/* An error line: sums or states that cannot be. */
void conn_tell_broken(const struct conn *conn, enum conn_state to);

/* What its service says from here on; returns how many bytes, at most `room`. */
size_t conn_tell_service(const struct conn *conn, unsigned char *out, size_t room);

#endif

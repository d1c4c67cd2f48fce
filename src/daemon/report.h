/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of the whole service, in the log: at the end, and whenever SIGUSR1 asks, but at most
 * once a second, however many signals come.
 */
#ifndef DAEMON_REPORT_H
#define DAEMON_REPORT_H

#include "base/attr.h"
#include "base/error.h"

struct server;

/* A part of the server (server.c: PARTS). 0 or -1. */
int report_start(struct server *server, struct error *err) MUST_CHECK;
void report_stop(struct server *server);

/* Now, or as soon as a second has passed since the last one. */
void report_on_signal(struct server *server);

/* Logs every counter now. */
void report_write(struct server *server);

#endif

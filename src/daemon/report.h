/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs the counters of the whole service: at the end, and on SIGUSR1, but at most once a second. */
#ifndef DAEMON_REPORT_H
#define DAEMON_REPORT_H

#include "base/attr.h"
#include "base/error.h"

struct server;

/* A part of the server (server.c: PARTS). Returns 0 or -1. */
int report_start(struct server *server, struct error *err) MUST_CHECK;
void report_stop(struct server *server);

/* Reports now, or as soon as a second has passed since the last report. */
void report_on_signal(struct server *server);

/* Logs every counter now. */
void report_write(struct server *server);

#endif

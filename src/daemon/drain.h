/* SPDX-License-Identifier: BSD-2-Clause */
/* The drain: from the first signal to stop until no connection is open.
 *
 *     signal --> not ready, still accepting --delay--> no new connections; open ones go on --> end
 *                     |                                until they are quiet                     ^
 *                     |                                    | drain timeout                      |
 *                     `-------------- second signal -------+---> every connection is reset -----'
 */
#ifndef DAEMON_DRAIN_H
#define DAEMON_DRAIN_H

#include "base/attr.h"
#include "base/error.h"

struct server;

/* A part of the server (server.c: PARTS). Returns 0 or -1. */
int drain_start(struct server *server, struct error *err) MUST_CHECK;
void drain_stop(struct server *server);

/* Call on a signal to stop: the first begins the delay or, without one, the drain; any later one
 * ends both at once. */
void drain_on_signal(struct server *server);

/* The service is drained: stops the main loop. */
void drain_on_drained(void *server);

/* After the main loop: logs how the drain ended, and returns the exit code. */
enum exit_code drain_result(const struct server *server);

#endif

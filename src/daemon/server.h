/* SPDX-License-Identifier: BSD-2-Clause */
/* The server: the main thread's loop, the signals, the workers and the acceptor, from start to the
 * end of a drain.
 *
 *     SERVING --SIGTERM, SIGINT--> DRAINING --nothing open, drain timeout, second signal--> end
 */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "base/attr.h"
#include "base/error.h"
#include "daemon/options.h"

struct server;

/* Opens sockets, drops privileges, starts workers. Takes ownership of the options; reads argv again
 * at each reload. All signals must be blocked, so that none arrives before it can be handled. On
 * failure returns NULL and leaves nothing behind. */
struct server *server_new(struct daemon_options *options, int argc, char **argv,
                          struct error *err) MUST_CHECK;

/* Reports that it is ready, and serves until it is stopped. Returns the exit code. */
enum exit_code server_run(struct server *server);

/* NULL is allowed. */
void server_free(struct server *server);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The reload: reads the options again and applies all of them or none.
 *
 *     SIGHUP --> read --> check, plan --> adopt; if a step before that fails, nothing has changed
 *
 * The log file is reopened in any case, since it may have been rotated; during a drain nothing else
 * is done.
 */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

struct server;

void reload_on_signal(struct server *server);

#endif

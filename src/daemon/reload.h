/* SPDX-License-Identifier: BSD-2-Clause */
/* The reload: reads the options anew and puts them in force, all or none of them.
 *
 *     SIGHUP --> read --> check, plan --> adopt; a failure before that leaves the old ones in force
 *
 * The log file is opened again in any case, for whoever has rotated it; during a drain that is all.
 */
#ifndef DAEMON_RELOAD_H
#define DAEMON_RELOAD_H

struct server;

void reload_on_signal(struct server *server);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling a service manager: one datagram to NOTIFY_SOCKET (sd_notify(3)), sent by ourselves. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/* Opens the socket named by the environment; returns a descriptor, or -1 where none is named or it
 * cannot be had (then nobody is told, which is no reason not to serve). */
int notify_open(void);

/* Sends one state, like "READY=1"; -1 as descriptor is allowed. Never blocks. */
void notify_send(int fd, const char *state);

#endif

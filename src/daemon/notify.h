/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling a service manager: one datagram to NOTIFY_SOCKET (sd_notify(3)), sent by ourselves, or a
 * newline to a descriptor. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

#include "base/attr.h"

/* Opens the socket named by the environment; returns a descriptor, or -1 where none is named or it
 * cannot be had (then nobody is told, which is no reason not to serve). */
int notify_open(void);

/* Sends one or several states, "READY=1\nSTATUS=..."; -1 as descriptor is allowed. Never blocks. */
void notify_send(int fd, const char *format, ...) PRINTF_LIKE(2, 3);

/* Writes a newline to a descriptor that waits for our readiness, and closes it. Never blocks. */
void notify_newline(int fd);

/* Begins a reload, which ends with READY=1. */
void notify_reloading(int fd);

/* How often the manager wants to hear that we live (WATCHDOG_USEC), in microseconds; 0: not. */
uint64_t notify_watchdog_us(void);

#endif

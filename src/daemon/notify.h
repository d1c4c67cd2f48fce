/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling a service manager: datagrams to NOTIFY_SOCKET (sd_notify(3)), sent by ourselves, or a
 * newline to a descriptor.
 *
 * Nothing here blocks. A manager whose queue is full would miss for ever what it was told then, so
 * its states wait here and are sent again until it takes them, in order; of each state only the
 * newest waits. Sockets that are gone are not waited for.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "stream/loop.h"

struct event;
struct log;

enum notify_state { NOTIFY_READY, NOTIFY_RELOADING, NOTIFY_STOPPING, NOTIFY_STATES };

#define NOTIFY_TEXT_MAX 256

struct notify_waiting {
    enum notify_state state;
    char text[NOTIFY_TEXT_MAX];
};

struct notify {
    struct log *log;
    int fd; /* -1: nobody wants to be told */
    struct event *timer;
    struct notify_waiting waiting[NOTIFY_STATES]; /* the oldest first */
    size_t waiting_count;
};

/* Opens the socket named by the environment. Where none is named, or it cannot be had, nobody is
 * told, which is no reason not to serve. */
void notify_open(struct notify *notify, struct log *log);

/* From now on what could not be sent is tried again, in that loop, which must live until
 * notify_close(). 0 or -1. */
int notify_start(struct notify *notify, struct loop *loop, struct error *err) MUST_CHECK;

/* The states. What the service does now is told with READY=1, which also ends a reload; a stop may
 * take that many milliseconds, or 0: it does not say. */
void notify_ready(struct notify *notify, const char *status);
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify, uint64_t time_ms);

/* The watchdog's sign of life. One that cannot be sent is made up for by the next. */
void notify_alive(struct notify *notify);

/* Sends what waits, for a second at most, and closes the socket. */
void notify_close(struct notify *notify);

/* Writes a newline to a descriptor that waits for our readiness, and closes it. Never blocks. */
void notify_newline(int fd, struct log *log);

/* How often the manager wants to hear that we live (WATCHDOG_USEC), in microseconds; 0: not. */
uint64_t notify_watchdog_us(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Notifies a service manager: by datagrams to NOTIFY_SOCKET (sd_notify(3)), without libsystemd, or
 * by a newline to a descriptor.
 *
 * Nothing here blocks. If the manager's queue is full, the state is queued here and retried, so
 * that the manager does not miss it. States are sent in order, and only the newest of each kind is
 * queued. If the socket is gone, nothing is queued.
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
    int fd; /* -1: no notifications */
    struct event *timer;
    struct notify_waiting waiting[NOTIFY_STATES]; /* the oldest first */
    size_t waiting_count;
};

/* Opens the socket named by the environment. If none is named, or it cannot be opened, the service
 * runs without notifications. */
void notify_open(struct notify *notify, struct log *log);

/* From now on unsent states are retried in `loop`, which must exist until notify_close(). Returns 0
 * or -1. */
int notify_start(struct notify *notify, struct loop *loop, struct error *err) MUST_CHECK;

/* The states. notify_ready() sends READY=1, which also ends a reload, with the status text.
 * notify_stopping() announces how many milliseconds the stop may take; 0: not announced. */
void notify_ready(struct notify *notify, const char *status);
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify, uint64_t time_ms);

/* The watchdog's sign of life. If it cannot be sent, it is not retried: the next one replaces
 * it. */
void notify_alive(struct notify *notify);

/* Sends the queued states, waiting at most a second, and closes the socket. */
void notify_close(struct notify *notify);

/* Writes a newline to the readiness descriptor and closes it. Never blocks. */
void notify_newline(int fd, struct log *log);

/* The manager's watchdog interval (WATCHDOG_USEC) in microseconds; 0: none. */
uint64_t notify_watchdog_us(void);

#endif

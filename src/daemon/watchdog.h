/* SPDX-License-Identifier: BSD-2-Clause */
/* The watchdog: notifies the service manager as long as the main loop and every worker respond
 * (sd_watchdog_enabled(3)). If one of them hangs, the notifications stop, and the manager restarts
 * the service. */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include "base/attr.h"
#include "base/error.h"
#include "daemon/notify.h"
#include "echo/evecho.h"

struct event;

struct watchdog {
    struct event *timer; /* NULL: no watchdog */
    struct notify *notify;
    struct evecho *echo;
};

/* Starts it in place, on the main loop, if the environment requests it. Returns 0 or -1. */
int watchdog_start(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                   struct evecho *echo, struct error *err) MUST_CHECK;

void watchdog_stop(struct watchdog *watchdog);

#endif

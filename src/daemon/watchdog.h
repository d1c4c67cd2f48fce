/* SPDX-License-Identifier: BSD-2-Clause */
/* The watchdog: as long as the main loop and every worker come round, the service manager hears of
 * it (sd_watchdog_enabled(3)); where one of them hangs it does not, and restarts us.
 */
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include "base/attr.h"
#include "base/error.h"
#include "daemon/notify.h"
#include "echo/evecho.h"

struct event;

struct watchdog {
    struct event *timer; /* NULL: nobody wants to hear of us */
    struct notify *notify;
    struct evecho *echo;
};

/* Starts it in place, on the main loop, where the environment asks for it. 0 or -1. */
int watchdog_start(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                   struct evecho *echo, struct error *err) MUST_CHECK;

void watchdog_stop(struct watchdog *watchdog);

#endif

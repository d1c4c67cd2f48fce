/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/watchdog.h"

#include <event2/event.h>

#include "base/log.h"
#include "daemon/notify.h"

/* How often in the manager's interval the workers are checked. systemd recommends two; with four, a
 * worker that is late once does not end the service. */
#define LOOKS 4
#define SHORTEST_US 1000
#define LONGEST_US (3600ULL * 1000 * 1000)

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct watchdog *watchdog = arg;
    (void)fd;
    (void)what;
    if (evecho_is_alive(watchdog->echo))
        notify_alive(watchdog->notify);
    else
        log_limited(watchdog->notify->log, LOG_LEVEL_WARN,
                    "a worker hangs: the service manager is not told that we live");
}

int watchdog_start(struct watchdog *watchdog, struct loop *loop, struct notify *notify,
                   struct evecho *echo, struct error *err)
{
    uint64_t every_us = notify_watchdog_us() / LOOKS;
    *watchdog = (struct watchdog){.notify = notify, .echo = echo};
    if (every_us == 0 || notify->fd < 0)
        return 0;
    every_us = every_us < SHORTEST_US ? SHORTEST_US : every_us > LONGEST_US ? LONGEST_US : every_us;
    const struct timeval every = {(time_t)(every_us / 1000000), (suseconds_t)(every_us % 1000000)};
    watchdog->timer = event_new(loop->base, -1, EV_PERSIST, on_look, watchdog);
    if (!watchdog->timer || event_add(watchdog->timer, &every) < 0)
        return error_start(err, "no memory for the watchdog");
    return 0;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog->timer)
        event_free(watchdog->timer);
    watchdog->timer = NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/notify.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define RETRY_MS 100
#define CLOSE_MS 1000 /* how long notify_close() waits for a manager that reads nothing */
#define CLOSE_RETRY_MS 10

static void complain(const struct notify *notify, const char *path)
{
    log_event(notify->log, LOG_LEVEL_WARN, "cannot tell the service manager",
              LOG_TEXT("socket", path), LOG_TEXT("error", strerror(errno)));
}

static int open_socket(const struct notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un manager = {.sun_family = AF_UNIX};
    if (!path || !*path)
        return -1;
    size_t length = strlen(path);
    if (length >= sizeof(manager.sun_path)) {
        errno = ENAMETOOLONG;
        complain(notify, path);
        return -1;
    }
    memcpy(manager.sun_path, path, length);
    if (*path == '@')
        manager.sun_path[0] = '\0'; /* abstract: the name has no NUL at its end */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&manager, size) == 0)
        return fd;
    complain(notify, path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- states ---- */

/* Returns 0, or the errno of the failed send. */
static int send_text(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 ? errno : 0;
}

static void complain_of(const struct notify *notify, const char *text, int failure)
{
    log_limited(notify->log, LOG_LEVEL_WARN, "cannot tell the service manager",
                LOG_TEXT("state", text), LOG_TEXT("error", strerror(failure)));
}

static void forget(struct notify *notify, size_t place)
{
    notify->waiting_count--;
    for (size_t i = place; i < notify->waiting_count; i++)
        notify->waiting[i] = notify->waiting[i + 1];
}

/* Sends the queued states in order; true if none is left. */
static bool send_waiting(struct notify *notify)
{
    while (notify->waiting_count > 0) {
        const char *text = notify->waiting[0].text;
        int failure = send_text(notify->fd, text);
        if (failure == EAGAIN || failure == ENOBUFS || failure == ENOMEM || failure == EINTR)
            return false;
        if (failure)
            complain_of(notify, text, failure);
        forget(notify, 0);
    }
    return true;
}

static void send_or_retry(struct notify *notify)
{
    const struct timeval later = {.tv_usec = RETRY_MS * 1000};
    if (send_waiting(notify) || (notify->timer && event_pending(notify->timer, EV_TIMEOUT, NULL)))
        return;
    log_limited(notify->log, LOG_LEVEL_WARN,
                "the service manager's queue is full: it is told again",
                LOG_TEXT("state", notify->waiting[0].text));
    if (notify->timer)
        (void)event_add(notify->timer, &later);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_or_retry(arg);
}

/* Queues a state. If one of its kind is queued already, the new one replaces it, after the
 * others. */
static PRINTF_LIKE(3, 4) void queue_state(struct notify *notify, enum notify_state state,
                                          const char *format, ...)
{
    va_list args;
    size_t place = 0;
    if (notify->fd < 0)
        return;
    while (place < notify->waiting_count && notify->waiting[place].state != state)
        place++;
    if (place < notify->waiting_count)
        forget(notify, place);
    struct notify_waiting *last = &notify->waiting[notify->waiting_count++];
    last->state = state;
    va_start(args, format);
    vsnprintf(last->text, sizeof(last->text), format, args);
    va_end(args);
    send_or_retry(notify);
}

void notify_ready(struct notify *notify, const char *status)
{
    queue_state(notify, NOTIFY_READY, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(struct notify *notify)
{
    queue_state(notify, NOTIFY_RELOADING, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                clock_now_ns() / 1000);
}

void notify_stopping(struct notify *notify, uint64_t time_ms)
{
    char time[64] = "";
    if (time_ms)
        snprintf(time, sizeof(time), "\nEXTEND_TIMEOUT_USEC=%" PRIu64, time_ms * 1000);
    queue_state(notify, NOTIFY_STOPPING, "STOPPING=1\nSTATUS=Draining%s", time);
}

void notify_alive(struct notify *notify)
{
    static const char TEXT[] = "WATCHDOG=1";
    int failure = notify->fd < 0 ? 0 : send_text(notify->fd, TEXT);
    if (failure)
        complain_of(notify, TEXT, failure);
}

/* ---- life ---- */

void notify_open(struct notify *notify, struct log *log)
{
    *notify = (struct notify){.log = log, .fd = -1};
    notify->fd = open_socket(notify);
}

int notify_start(struct notify *notify, struct loop *loop, struct error *err)
{
    if (notify->fd < 0)
        return 0;
    notify->timer = evtimer_new(loop->base, on_retry, notify);
    return notify->timer ? 0 : error_start(err, "no memory for telling the service manager");
}

void notify_close(struct notify *notify)
{
    uint64_t until_ms = clock_now_ns() / 1000000 + CLOSE_MS;
    while (notify->fd >= 0 && !send_waiting(notify)) {
        uint64_t now_ms = clock_now_ns() / 1000000;
        if (now_ms >= until_ms) {
            log_event(notify->log, LOG_LEVEL_WARN,
                      "the service manager was not told: its queue stays full",
                      LOG_TEXT("state", notify->waiting[0].text));
            break;
        }
        (void)poll(NULL, 0, CLOSE_RETRY_MS);
    }
    if (notify->timer)
        event_free(notify->timer);
    if (notify->fd >= 0)
        close(notify->fd);
    *notify = (struct notify){.fd = -1};
}

/* ---- besides ---- */

void notify_newline(int fd, struct log *log)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    bool is_full = poll(&room, 1, 0) == 0;
    if (is_full || write(fd, "\n", 1) != 1)
        log_event(log, LOG_LEVEL_WARN, "cannot tell readiness",
                  LOG_NUMBER("ready-fd", (uint64_t)fd),
                  LOG_TEXT("error", is_full ? "nobody reads it" : strerror(errno)));
    close(fd);
}

/* Parses a whole number; 0 if it is not one. */
static uint64_t read_number(const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' ? number : 0;
}

uint64_t notify_watchdog_us(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && read_number(pid) != (uint64_t)getpid()))
        return 0;
    return read_number(usec);
}

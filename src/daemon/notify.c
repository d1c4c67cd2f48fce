/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/notify.h"

#include <errno.h>
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

#define STATES_MAX 1024

static void complain(const char *path)
{
    log_event(LOG_LEVEL_WARN, "cannot tell the service manager", LOG_TEXT("socket", path),
              LOG_TEXT("error", strerror(errno)));
}

int notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un manager = {.sun_family = AF_UNIX};
    if (!path || !*path)
        return -1;
    size_t length = strlen(path);
    if (length >= sizeof(manager.sun_path)) {
        errno = ENAMETOOLONG;
        complain(path);
        return -1;
    }
    memcpy(manager.sun_path, path, length);
    if (*path == '@')
        manager.sun_path[0] = '\0'; /* abstract: its name is as long as it is written */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&manager, size) == 0)
        return fd;
    complain(path);
    if (fd >= 0)
        close(fd);
    return -1;
}

void notify_send(int fd, const char *format, ...)
{
    char states[STATES_MAX];
    va_list args;
    if (fd < 0)
        return;
    va_start(args, format);
    vsnprintf(states, sizeof(states), format, args);
    va_end(args);
    if (send(fd, states, strlen(states), MSG_NOSIGNAL) < 0)
        log_limited(LOG_LEVEL_WARN, "cannot tell the service manager", LOG_TEXT("state", states),
                    LOG_TEXT("error", strerror(errno)));
}

void notify_newline(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    bool is_full = poll(&room, 1, 0) == 0;
    if (is_full || write(fd, "\n", 1) != 1)
        log_event(LOG_LEVEL_WARN, "cannot tell readiness", LOG_NUMBER("ready-fd", (uint64_t)fd),
                  LOG_TEXT("error", is_full ? "nobody reads it" : strerror(errno)));
    close(fd);
}

void notify_reloading(int fd)
{
    notify_send(fd, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_ns() / 1000);
}

/* A whole number, or 0. */
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

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

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

void notify_send(int fd, const char *state)
{
    if (fd >= 0 && send(fd, state, strlen(state), MSG_NOSIGNAL) < 0)
        complain(state);
}

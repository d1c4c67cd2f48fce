/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/address.h"
#include "net/sock.h"

#define NO_NAME "unknown" /* systemd's default name */

static int read_number(const char *text, unsigned long *number)
{
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 ? 0 : -1;
}

static int understand(struct activation *activation, struct error *err)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    unsigned long number;
    if (!pid || !fds)
        return 0;
    if (read_number(pid, &number) < 0)
        return error_usage(err, "LISTEN_PID: '%s' is not a process id", pid);
    if (number != (unsigned long)getpid())
        return 0;
    if (read_number(fds, &number) < 0 || number > ACTIVATION_MAX)
        return error_usage(err, "LISTEN_FDS: '%s': 0 to %d sockets are expected", fds,
                           ACTIVATION_MAX);
    activation->count = number;
    if (names && !(activation->names = strdup(names)))
        return error_start(err, "no memory for the names of sockets");
    return 0;
}

static void look_at(struct activation_socket *passed, int fd)
{
    socklen_t length = sizeof(passed->address), type_length = sizeof(passed->type);
    if (getsockname(fd, (struct sockaddr *)&passed->address, &length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &passed->type, &type_length) < 0)
        passed->address.ss_family = 0;
}

int activation_read(struct activation *activation, struct error *err)
{
    *activation = (struct activation){0};
    int result = understand(activation, err);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    for (size_t i = 0; i < activation->count; i++) {
        (void)fcntl(ACTIVATION_FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
        look_at(&activation->sockets[i], ACTIVATION_FIRST_FD + (int)i);
    }
    return result;
}

void activation_clear(struct activation *activation)
{
    free(activation->names);
    *activation = (struct activation){0};
}

const char *activation_name(const struct activation *activation, int fd, size_t *length)
{
    const char *name = activation->names;
    for (int i = ACTIVATION_FIRST_FD; name && i < fd; i++) {
        name = strchr(name, ':');
        name = name ? name + 1 : NULL;
    }
    if (!name || *name == ':' || *name == '\0')
        name = NO_NAME;
    *length = strcspn(name, ":");
    return name;
}

int activation_find(const struct activation *activation, const char *name, int from)
{
    for (int fd = from; fd < ACTIVATION_FIRST_FD + (int)activation->count; fd++) {
        size_t length;
        const char *theirs = activation_name(activation, fd, &length);
        if (length == strlen(name) && memcmp(theirs, name, length) == 0)
            return fd;
    }
    return -1;
}

static bool is_for(const struct activation_socket *passed, const struct endpoint *endpoint)
{
    const struct sockaddr *sockaddr = (const struct sockaddr *)&passed->address;
    const struct sockaddr_un *theirs = (const struct sockaddr_un *)&passed->address;
    struct sockaddr_un ours;
    if ((passed->type == SOCK_DGRAM) != (endpoint->kind == ENDPOINT_UDP))
        return false;
    if (endpoint_has_port(endpoint))
        return endpoint->port != 0 && address_from_sockaddr(sockaddr).port == endpoint->port;
    if (endpoint->kind != ENDPOINT_UNIX || sockaddr->sa_family != AF_UNIX)
        return false;
    (void)sock_unix_address(endpoint, &ours);
    return memcmp(ours.sun_path, theirs->sun_path, sizeof(ours.sun_path)) == 0;
}

int activation_find_endpoint(const struct activation *activation, const struct endpoint *endpoint)
{
    for (size_t i = 0; i < activation->count; i++) {
        if (is_for(&activation->sockets[i], endpoint))
            return ACTIVATION_FIRST_FD + (int)i;
    }
    return -1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/address.h"
#include "net/wait.h"

static int resolve_inet(const struct endpoint *endpoint, struct dial_target *out, struct error *err)
{
    struct address addresses[ADDRESS_RESOLVED_MAX];
    int count = address_resolve(endpoint->host, endpoint->port, addresses, err);
    for (int i = 0; i < count; i++) {
        char text[ADDRESS_TEXT_MAX];
        out[i].length = address_to_sockaddr(&addresses[i], &out[i].address);
        snprintf(out[i].name, sizeof(out[i].name), "%s://%s", endpoint_scheme(endpoint->kind),
                 address_format(text, sizeof(text), &addresses[i]));
    }
    return count;
}

int dial_resolve(const struct endpoint *endpoint, struct dial_target *out, struct error *err)
{
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
    case ENDPOINT_TLS:
    case ENDPOINT_UDP:
        return resolve_inet(endpoint, out, err);
    case ENDPOINT_UNIX:
        out[0].length = sock_unix_address(endpoint, (struct sockaddr_un *)&out[0].address);
        snprintf(out[0].name, sizeof(out[0].name), "unix:%s%s", endpoint->is_abstract ? "@" : "",
                 endpoint->path);
        return 1;
    case ENDPOINT_FD:
        break;
    }
    return error_usage(err, "fd: cannot be connected to; tcp://, tls://, udp:// and unix: can");
}

int dial_start(const struct dial_target *target)
{
    const int on = 1;
    int family = target->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    if (family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)&target->address, target->length) == 0 ||
        errno == EINPROGRESS)
        return fd;
    int failure = errno;
    close(fd);
    return -failure;
}

int dial_result(int fd)
{
    int failure = 0;
    socklen_t length = sizeof(failure);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0)
        return -errno;
    return -failure;
}

int dial_wait(const struct dial_target *target, int timeout_ms)
{
    int fd = dial_start(target);
    if (fd < 0)
        return fd;
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    int ready = wait_until(&writable, 1, clock_now_ns() + (uint64_t)timeout_ms * 1000000);
    int failure = ready > 0 ? dial_result(fd) : ready == 0 ? -ETIMEDOUT : -errno;
    if (failure == 0)
        return fd;
    close(fd);
    return failure;
}

void dial_add_reason(char *reasons, size_t size, const char *asked,
                     const struct dial_target *target, const char *reason)
{
    size_t used = strlen(reasons);
    bool is_known = strstr(target->name, asked) != NULL;
    snprintf(reasons + used, size - used, "%s%s%s%s", used > 0 ? "; " : "",
             is_known ? "" : target->name, is_known ? "" : ": ", reason);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "net/address.h"

/* Orders them so that the families alternate, beginning with the family of the first; within a
 * family the order stays (RFC 8305, 4). */
static void alternate(struct address *addresses, int count)
{
    for (int i = 1; i < count; i++) {
        int other = i;
        while (other < count && addresses[other].family == addresses[i - 1].family)
            other++;
        if (other == count)
            return;
        const struct address moved = addresses[other];
        memmove(&addresses[i + 1], &addresses[i], (size_t)(other - i) * sizeof(moved));
        addresses[i] = moved;
    }
}

/* Keeps those of the family; returns how many. */
static int keep_family(struct address *addresses, int count, int family)
{
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if (family == AF_UNSPEC || addresses[i].family == family)
            addresses[kept++] = addresses[i];
    }
    return kept;
}

static int resolve_inet(const struct endpoint *endpoint, int family, struct dial_target *out,
                        struct error *err)
{
    struct address addresses[ADDRESS_RESOLVED_MAX];
    int count = address_resolve(endpoint->host, endpoint->port, addresses, err);
    if (count < 0)
        return -1;
    count = keep_family(addresses, count, family);
    if (count == 0)
        return error_start(err, "'%s' has no IPv%c address, and -%c wants one", endpoint->host,
                           family == AF_INET ? '4' : '6', family == AF_INET ? '4' : '6');
    alternate(addresses, count);
    for (int i = 0; i < count; i++) {
        char text[ADDRESS_TEXT_MAX];
        out[i].length = address_to_sockaddr(&addresses[i], &out[i].address);
        snprintf(out[i].name, sizeof(out[i].name), "%s://%s", endpoint_scheme(endpoint->kind),
                 address_format(text, sizeof(text), &addresses[i]));
    }
    return count;
}

int dial_resolve(const struct endpoint *endpoint, int family, struct dial_target *out,
                 struct error *err)
{
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
    case ENDPOINT_TLS:
    case ENDPOINT_UDP:
        return resolve_inet(endpoint, family, out, err);
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

/* ---- local ports ---- */

#define PORTS_PATH "/proc/sys/net/ipv4/ip_local_port_range" /* IPv6's as well */

#define PORTS_HELP                                                                          \
    "use fewer connections, a higher --requests-per-connection, a wider range, or another " \
    "source or endpoint address"

/* Made once: an error keeps a pointer to it. */
static char ports_hint[320];

static void make_ports_hint(void)
{
    unsigned first = 0, last = 0;
    FILE *file = fopen(PORTS_PATH, "re");
    bool is_known = file && fscanf(file, "%u %u", &first, &last) == 2 && first <= last;
    if (file)
        fclose(file);
    if (is_known)
        snprintf(ports_hint, sizeof(ports_hint),
                 "of %u local port%s (%u to %u, net.ipv4.ip_local_port_range) none to this address "
                 "is free: " PORTS_HELP,
                 last - first + 1, units_plural(last - first + 1), first, last);
    else
        snprintf(ports_hint, sizeof(ports_hint),
                 "no local port to this address is free: " PORTS_HELP);
}

/* True if this machine has an address and a route to reach the target from: a datagram socket asks
 * for no TCP port. */
static bool has_source(const struct dial_target *target)
{
    int fd = socket(target->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool has = connect(fd, (const struct sockaddr *)&target->address, target->length) == 0 ||
               errno == EAGAIN; /* all ports of datagrams are taken */
    close(fd);
    return has;
}

const char *dial_hint(const struct dial_target *target, int failure)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (failure != EADDRNOTAVAIL || target->address.ss_family == AF_UNIX)
        return NULL;
    if (!has_source(target))
        return "this machine has no address to reach it from";
    pthread_once(&once, make_ports_hint);
    return ports_hint;
}

int dial_result(int fd)
{
    int failure = 0;
    socklen_t length = sizeof(failure);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0)
        return -errno;
    return -failure;
}

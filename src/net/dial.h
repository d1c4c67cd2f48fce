/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting to an endpoint: its addresses, and one non-blocking attempt at a time. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/error.h"
#include "net/endpoint.h"
#include "net/sock.h"

#define DIAL_TARGETS_MAX 16

/* One address of an endpoint. */
struct dial_target {
    struct sockaddr_storage address;
    socklen_t length;
    char name[SOCK_NAME_MAX]; /* tcp://127.0.0.1:7007, unix:/path */
};

/* Resolves the endpoint to its addresses, in the order to try them: the system's (RFC 6724), with
 * the families alternating (RFC 8305). The family is AF_INET or AF_INET6, or AF_UNSPEC for any; a
 * Unix endpoint has none. Returns their number, or -1: then err->exit_code distinguishes a wrong
 * endpoint (fd:) from an unknown name. */
int dial_resolve(const struct endpoint *endpoint, int family, struct dial_target *out,
                 struct error *err) MUST_CHECK;

/* Starts to connect, with TCP_NODELAY and SO_OOBINLINE. Returns a non-blocking descriptor, which
 * the caller owns and which becomes writable when the attempt has ended; or -errno. */
int dial_start(const struct dial_target *target) MUST_CHECK;

/* Advice for a failure to connect to the target with that errno, or NULL. EADDRNOTAVAIL has two
 * causes: the local ports have run out, or no local address can reach the target. Static. */
const char *dial_hint(const struct dial_target *target, int failure);

/* The result of an attempt that has ended: 0 or -errno. */
int dial_result(int fd) MUST_CHECK;

#endif

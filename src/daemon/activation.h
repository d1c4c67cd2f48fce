/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket activation: the listening sockets that a service manager has passed (sd_listen_fds(3)).
 *
 *     LISTEN_PID=our id   LISTEN_FDS=2   LISTEN_FDNAMES=web:admin     descriptors 3 and 4
 */
#ifndef DAEMON_ACTIVATION_H
#define DAEMON_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/error.h"
#include "net/endpoint.h"

#define ACTIVATION_FIRST_FD 3
#define ACTIVATION_MAX 64

struct activation_socket {
    struct sockaddr_storage address; /* family 0: not a socket */
    int type;                        /* SOCK_STREAM, SOCK_DGRAM */
};

struct activation {
    size_t count; /* descriptors from ACTIVATION_FIRST_FD on */
    char *names;  /* LISTEN_FDNAMES, unchanged, or NULL */
    struct activation_socket sockets[ACTIVATION_MAX];
};

/* Reads and unsets the variables, and sets close-on-exec on the descriptors. Variables meant for
 * another process are ignored. Returns 0, or -1 if they are invalid. */
int activation_read(struct activation *activation, struct error *err) MUST_CHECK;

void activation_clear(struct activation *activation);

/* The first descriptor of that name from `from` on, or -1. */
int activation_find(const struct activation *activation, const char *name, int from);

/* The first descriptor that was passed with the endpoint's port, at any address, or with its path;
 * -1: none. It may be closed by now. */
int activation_find_endpoint(const struct activation *activation, const struct endpoint *endpoint);

/* The name and its length of a passed descriptor; "unknown" if it has none. */
const char *activation_name(const struct activation *activation, int fd, size_t *length);

#endif

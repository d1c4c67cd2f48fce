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

/* One address that an endpoint stands for. */
struct dial_target {
    struct sockaddr_storage address;
    socklen_t length;
    char name[SOCK_NAME_MAX]; /* tcp://127.0.0.1:7007, unix:/path */
};

/* Finds the addresses, in the order in which they should be tried. Returns how many, or -1: then
 * err->exit_code says whether the words are wrong (fd:) or the name is not known. */
int dial_resolve(const struct endpoint *endpoint, struct dial_target *out,
                 struct error *err) MUST_CHECK;

/* Starts to connect, with TCP_NODELAY and SO_OOBINLINE; returns a non-blocking descriptor, which is
 * writable once the attempt has ended, or -errno. */
int dial_start(const struct dial_target *target) MUST_CHECK;

/* How an attempt that has ended went: 0 or -errno. */
int dial_result(int fd) MUST_CHECK;

/* Waits for one attempt, at most timeout_ms. Returns a connected descriptor or -errno. */
int dial_wait(const struct dial_target *target, int timeout_ms) MUST_CHECK;

/* Adds to reasons why a target was not reached. Its name goes before it, unless that is what was
 * asked for, which the reader has seen already. */
void dial_add_reason(char *reasons, size_t size, const char *asked,
                     const struct dial_target *target, const char *reason);

#endif

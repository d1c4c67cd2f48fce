/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP handshakes in progress: a SYN has been answered and the peer's ACK has not arrived yet.
 *
 * Such a peer may consider itself connected already, but accept(2) does not return it yet, and no
 * socket option of the listening socket counts it. The kernel lists it through sock_diag(7).
 */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include <stdint.h>

enum handshakes { HANDSHAKES_NONE, HANDSHAKES_SOME, HANDSHAKES_UNKNOWN };

/* Opens a descriptor for handshake_look(), which the caller owns; or returns -1. Call it before the
 * sandbox forbids new sockets. */
int handshake_open(void);

/* Reports if any handshake is in progress on a local port of AF_INET or AF_INET6, on any address.
 * Does not block, but the kernel walks all its TCP sockets. UNKNOWN if fd is -1. */
enum handshakes handshake_look(int fd, int family, uint16_t port);

#endif

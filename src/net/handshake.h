/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP handshakes under way: a SYN has been answered and the peer's ACK is to come.
 *
 * Such a peer may believe already that it is connected, but accept(2) does not know it, nor does
 * any option of the listening socket count it. The kernel lists it to who asks by sock_diag(7).
 */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include <stdint.h>

enum handshakes { HANDSHAKES_NONE, HANDSHAKES_SOME, HANDSHAKES_UNKNOWN };

/* A descriptor to ask by, to be closed by the caller; or -1. It
 * must be opened before the sandbox forbids new sockets. */
int handshake_open(void);

/* Whether any handshake is under way with that local port of AF_INET or AF_INET6, on whatever
 * address. It does not block, and costs the kernel a walk over all its TCP sockets. UNKNOWN for the
 * descriptor -1. */
enum handshakes handshake_look(int fd, int family, uint16_t port);

#endif

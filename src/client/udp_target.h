/* SPDX-License-Identifier: BSD-2-Clause */
/* The one address of a udp:// endpoint that answers. */
#ifndef CLIENT_UDP_TARGET_H
#define CLIENT_UDP_TARGET_H

#include "base/attr.h"
#include "base/error.h"
#include "client/options.h"
#include "net/dial.h"

/* Returns a non-blocking socket connected to the target, or -errno: it receives datagrams only from
 * there. The network's errors (ICMP) become errors of send and recv, to be read with
 * udp_error_take(). */
int udp_connect(const struct dial_target *target) MUST_CHECK;

/* A socket for anything from anywhere, or -errno. */
int udp_unconnected(const struct dial_target *target) MUST_CHECK;

/* Asks the endpoint's addresses (attempts.h), three times each within --timeout; the first that
 * answers is the target, and *round_trip_ns, if not NULL, how long that took. Over IPv6 a
 * larger datagram goes ahead, so that both ends know the path's MTU. 0, or -1 where none answers:
 * *err names every address and its reason. */
int udp_target_find(const struct client_options *options, struct dial_target *target,
                    uint64_t *round_trip_ns, struct error *err) MUST_CHECK;

/* Refuses options that do not apply to datagrams. Returns 0 or -1. */
int udp_check_options(const struct client_options *options, struct error *err) MUST_CHECK;

#endif

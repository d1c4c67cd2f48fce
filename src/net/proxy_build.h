/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the PROXY protocol's header, as a client or a load balancer sends it (the HAProxy
 * project's proxy-protocol.txt, 2.1 and 2.2). net/proxy parses it. */
#ifndef NET_PROXY_BUILD_H
#define NET_PROXY_BUILD_H

#include <stddef.h>

#include "base/attr.h"
#include "net/address.h"

/* Version 1 is at most 107 bytes, our version 2 at most 16 + 36. */
#define PROXY_BUILD_MAX 108

enum proxy_version { PROXY_NONE, PROXY_V1, PROXY_V2 };

/* Writes the header that names these two ends, and returns its length. Ends that are neither IPv4
 * nor IPv6 are written as unknown. Returns 0 if the two are of different families. */
size_t proxy_build(enum proxy_version version, const struct address *source,
                   const struct address *destination, unsigned char *out) MUST_CHECK;

#endif

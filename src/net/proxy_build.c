/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/proxy_build.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define V2_VERSION_AND_PROXY 0x21 /* version 2, command PROXY */
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_UNSPEC 0x00
#define V2_HEAD_BYTES 16

static const unsigned char V2_SIGNATURE[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                             0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static size_t build_v1(const struct address *source, const struct address *destination,
                       unsigned char *out)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    int family = source->family;
    if (family != AF_INET && family != AF_INET6)
        return (size_t)snprintf((char *)out, PROXY_BUILD_MAX, "PROXY UNKNOWN\r\n");
    inet_ntop(family, source->bytes, from, sizeof(from));
    inet_ntop(family, destination->bytes, to, sizeof(to));
    return (size_t)snprintf((char *)out, PROXY_BUILD_MAX, "PROXY TCP%c %s %s %u %u\r\n",
                            family == AF_INET ? '4' : '6', from, to, source->port,
                            destination->port);
}

static unsigned char *put_16(unsigned char *out, unsigned value)
{
    *out++ = (unsigned char)(value >> 8);
    *out++ = (unsigned char)value;
    return out;
}

static size_t build_v2(const struct address *source, const struct address *destination,
                       unsigned char *out)
{
    int family = source->family;
    size_t bytes = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
    unsigned char *at = out;
    memcpy(at, V2_SIGNATURE, sizeof(V2_SIGNATURE));
    at += sizeof(V2_SIGNATURE);
    *at++ = V2_VERSION_AND_PROXY;
    *at++ = family == AF_INET ? V2_TCP4 : family == AF_INET6 ? V2_TCP6 : V2_UNSPEC;
    at = put_16(at, bytes ? (unsigned)(2 * bytes + 4) : 0);
    if (bytes == 0)
        return V2_HEAD_BYTES;
    memcpy(at, source->bytes, bytes);
    memcpy(at + bytes, destination->bytes, bytes);
    at = put_16(at + 2 * bytes, source->port);
    at = put_16(at, destination->port);
    return (size_t)(at - out);
}

size_t proxy_build(enum proxy_version version, const struct address *source,
                   const struct address *destination, unsigned char *out)
{
    if (version == PROXY_NONE || source->family != destination->family)
        return 0;
    return version == PROXY_V1 ? build_v1(source, destination, out)
                               : build_v2(source, destination, out);
}

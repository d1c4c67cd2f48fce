/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY protocol's header, versions 1 and 2, as HAProxy's doc/proxy-protocol.txt has it: who a
 * proxy speaks for, told before the first byte of the connection itself.
 *
 * A pure function of the bytes that came so far. It is strict: a receiver must not guess, since
 * what is wrong here is either no header at all or one that somebody forged.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "net/address.h"

#define PROXY_HEADER_MAX 4096 /* a longer one is refused */
#define PROXY_UNIX_PATH_MAX 108

enum proxy_transport {
    PROXY_UNSPEC, /* UNKNOWN in version 1: the proxy does not tell */
    PROXY_TCP4,
    PROXY_TCP6,
    PROXY_UDP4,
    PROXY_UDP6,
    PROXY_UNIX_STREAM,
    PROXY_UNIX_DGRAM,
};

/* Texts in a version 2 header that are kept. */
enum proxy_text {
    PROXY_SOURCE_PATH, /* of Unix transports, as sun_path has it */
    PROXY_DESTINATION_PATH,
    PROXY_ALPN,
    PROXY_AUTHORITY, /* the name that the client asked for, by SNI mostly */
    PROXY_UNIQUE_ID,
    PROXY_NETNS,
    PROXY_SSL_VERSION,
    PROXY_SSL_CN,
    PROXY_SSL_CIPHER,
    PROXY_SSL_SIG_ALG,
    PROXY_SSL_KEY_ALG,
    PROXY_TEXT_COUNT,
};

struct proxy_header {
    uint8_t version;
    uint8_t transport; /* enum proxy_transport */
    bool is_local;     /* the proxy speaks for itself: a health check */
    bool has_ssl;
    uint8_t ssl_client;                 /* bits: 1 by TLS, 2 and 4 with a certificate */
    uint32_t ssl_verify;                /* 0: the client's certificate was verified */
    uint16_t length;                    /* of the whole header */
    struct address source, destination; /* family AF_UNSPEC where it does not tell */
    struct {
        uint16_t at, length;
    } texts[PROXY_TEXT_COUNT]; /* in the header's bytes; at 0: not there */
};

/* Parses a header at the start of the bytes. Returns its length when it is whole, whatever follows
 * it; 0 where more must come, and then all bytes so far belong to it; -1 where it can never be one,
 * and *why says what is wrong. A whole header is never longer than PROXY_HEADER_MAX, and of that
 * many bytes there is always a verdict. */
ssize_t proxy_parse(const unsigned char *bytes, size_t length, struct proxy_header *out,
                    const char **why) MUST_CHECK;

/* True where the header says who the peer is. */
static inline bool proxy_has_source(const struct proxy_header *header)
{
    return header->source.family != AF_UNSPEC;
}

/* The words of the two protocols: TCP4, UNIX_STREAM... */
const char *proxy_transport_word(enum proxy_transport transport);

/* The source or the destination as text: "192.0.2.1:40000", "unix:PATH", "unix:@NAME", or "" where
 * there is none. Returns the length, at most size - 1. */
size_t proxy_format(char *out, size_t size, const struct proxy_header *header,
                    const unsigned char *bytes, bool is_source);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY protocol's header, versions 1 and 2, as in HAProxy's doc/proxy-protocol.txt: a proxy
 * sends its client's address before the first byte of the connection itself.
 *
 * The parser is a pure function of the bytes received so far. It is strict: a malformed header is
 * either no header at all or a forged one, and must not be guessed at.
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
    PROXY_UNSPEC, /* UNKNOWN in version 1: the proxy gives no address */
    PROXY_TCP4,
    PROXY_TCP6,
    PROXY_UDP4,
    PROXY_UDP6,
    PROXY_UNIX_STREAM,
    PROXY_UNIX_DGRAM,
};

/* The texts of a version 2 header that are stored. */
enum proxy_text {
    PROXY_SOURCE_PATH, /* of Unix transports, in the form of sun_path */
    PROXY_DESTINATION_PATH,
    PROXY_ALPN,
    PROXY_AUTHORITY, /* the host name that the client requested, usually by SNI */
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
    bool is_local;     /* the proxy's own connection: a health check */
    bool has_ssl;
    uint8_t ssl_client;                 /* bits: 1 TLS, 2 and 4 with a certificate */
    uint32_t ssl_verify;                /* 0: the client's certificate was verified */
    uint16_t length;                    /* of the whole header */
    uint16_t fields_at;                 /* start of the fields (TLVs); 0: there are none */
    struct address source, destination; /* family AF_UNSPEC if not given */
    struct {
        uint16_t at, length;
    } texts[PROXY_TEXT_COUNT]; /* in the header's bytes; at 0: absent */
};

/* Parses a header at the start of the bytes. Returns its length if it is complete; bytes may follow
 * it. Returns 0 if more bytes are needed; then all bytes so far belong to the header. Returns -1 if
 * it is not a valid header, with the reason in *why. A header is never longer than
 * PROXY_HEADER_MAX, so for that many bytes the result is never 0. */
ssize_t proxy_parse(const unsigned char *bytes, size_t length, struct proxy_header *out,
                    const char **why) MUST_CHECK;

/* True if the header names the peer's address. */
static inline bool proxy_has_source(const struct proxy_header *header)
{
    return header->source.family != AF_UNSPEC;
}

/* A field (TLV) of a version 2 header. */
struct proxy_field {
    uint8_t type;
    bool is_in_ssl; /* inside the TLS field (PP2_TYPE_SSL), which has types of its own */
    const unsigned char *value;
    size_t length;        /* of the value, in bytes */
    size_t next, ssl_end; /* where the search continues; both 0: at the first field */
};

/* Finds the next field that has no member in struct proxy_header. *field is {0} for the first call;
 * it then points into `bytes`, which are the header's. Returns false if there is none. */
bool proxy_next_unknown(const struct proxy_header *header, const unsigned char *bytes,
                        struct proxy_field *field);

/* A transport's name in the specification: TCP4, UNIX_STREAM... */
const char *proxy_transport_word(enum proxy_transport transport);

/* The source or the destination as text: "192.0.2.1:40000", "unix:PATH", "unix:@NAME", or "" if
 * there is none. Returns the length, at most size - 1. */
size_t proxy_format(char *out, size_t size, const struct proxy_header *header,
                    const unsigned char *bytes, bool is_source);

#endif

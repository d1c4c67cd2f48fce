/* SPDX-License-Identifier: BSD-2-Clause */
/* What a listener does with bytes: the small services of RFC 862 to 868, and whoami.
 *
 * A service is one row of a table (service.c) and pure: bytes in, bytes out. It has no descriptor,
 * no event and no clock; the connection, or the datagrams' side, gives it what it needs to know.
 *
 *     echo      gives back what comes
 *     discard   throws away what comes
 *     chargen   lines of printable characters without end
 *     daytime   the time as a line of text, then the end
 *     time      the time as 32 bits, then the end
 *     whoami    who asked, from where, and who answers: a line of JSON, then the end
 */
#ifndef ECHO_SERVICE_H
#define ECHO_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/proxy.h"
#include "tls/tls_codec.h"

/* What a service may tell. Names are bytes as a peer chose them. */
struct service_facts {
    uint64_t unix_s;
    uint64_t id; /* the connection's token; 0: a datagram has none */
    const char *name;
    const char *listener;
    const char *peer;
    size_t peer_length;
    const char *local;
    size_t local_length;
    const struct proxy_header *proxied; /* and its bytes, and who sent it; NULL: none did */
    const unsigned char *proxied_bytes;
    const char *proxy;
    size_t proxy_length;
    const struct tls_info *tls; /* NULL: no TLS */
};

struct service {
    const char *word;
    bool is_echo;    /* the others throw away what comes */
    bool is_endless; /* what it says has no end */
    /* Writes what the service says of its own, from that offset on (0 but for an endless one), and
     * returns how many bytes that is, at most `room`. NULL: it says nothing. */
    size_t (*make)(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                   size_t room);
};

/* As much as a service that ends ever says. */
#define SERVICE_SAYS_MAX 38912

/* The services' words, NULL-terminated; the first is the default. service_at() takes an index into
 * them. */
extern const char *const SERVICE_WORDS[];
const struct service *service_at(uint64_t index);

/* Makes a datagram into its answer, in place: never longer than what was asked, so that nobody is
 * flooded by it. Returns the answer's length, or -1 where there shall be none. */
ssize_t service_answer(const struct service *service, const struct service_facts *facts,
                       unsigned char *bytes, size_t length);

/* service_whoami.c */
size_t service_whoami(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                      size_t room);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The services of a listener: the small services of RFC 862 to 868, and whoami.
 *
 * A service is one row of a table (service.c) and pure: bytes in, bytes out. It has no descriptor,
 * no event and no clock; the connection or the UDP socket passes it all the facts.
 *
 *     echo      returns the bytes received
 *     discard   discards the bytes received
 *     chargen   sends lines of printable characters without end
 *     daytime   sends the time as a line of text, then ends
 *     time      sends the time as 32 bits, then ends
 *     whoami    sends a line of JSON about the client and the server, then ends
 */
#ifndef ECHO_SERVICE_H
#define ECHO_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/proxy.h"
#include "tls/tls_codec.h"

/* The facts that a service may report. Names are bytes chosen by the peer. */
struct service_facts {
    uint64_t unix_s;
    uint64_t id; /* the connection's id; 0 for a datagram */
    const char *name;
    const char *listener;
    const char *peer;
    size_t peer_length;
    const char *local;
    size_t local_length;
    const struct proxy_header *proxied; /* with its bytes and its sender; NULL: no PROXY header */
    const unsigned char *proxied_bytes;
    const char *proxy;
    size_t proxy_length;
    const struct tls_info *tls; /* NULL: no TLS */
};

struct service {
    const char *word;
    bool is_echo;    /* the others discard received bytes */
    bool is_endless; /* it sends without end */
    /* Writes the bytes that the service sends of its own, from `offset` on (0 except for an endless
     * service). Returns their number, at most `room`. NULL: it sends none. */
    size_t (*make)(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                   size_t room);
};

/* The most bytes that a service with an end sends. */
#define SERVICE_SAYS_MAX 38912

/* The services' names, NULL-terminated; the first is the default. service_at() takes an index into
 * them. */
extern const char *const SERVICE_WORDS[];
const struct service *service_at(uint64_t index);

/* Turns a datagram into its answer, in place: never longer than the datagram, so that it cannot be
 * used to amplify a flood. Returns the answer's length, or -1 if there is no answer. */
ssize_t service_answer(const struct service *service, const struct service_facts *facts,
                       unsigned char *bytes, size_t length);

/* service_whoami.c */
size_t service_whoami(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                      size_t room);

#endif

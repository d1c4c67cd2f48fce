/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of hosts and peers: resolved from names, stored in little memory, printed in one form.
 *
 * `struct address` is only 24 bytes, since every connection has one. It holds IPv4, or IPv6 with
 * its scope. For a Unix peer it holds only the family; its path, if it has one, is read from the
 * socket (sock_unix_peer()).
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/error.h"

struct address {
    uint16_t family; /* AF_INET, AF_INET6, AF_UNIX */
    uint16_t port;   /* host order */
    uint32_t scope;  /* interface index, for link-local IPv6 (RFC 4007) */
    uint8_t bytes[16];
};

#define ADDRESS_TEXT_MAX 80
#define ADDRESS_RESOLVED_MAX 16

/* Resolves a host to its addresses, in the system's order (RFC 6724, gai.conf(5)). A host is a
 * name, IPv4, IPv6 with %scope, or "*" for every address of both families, IPv4 first. "localhost"
 * is always the loopback address of both families, IPv4 first, even if a hosts file differs (RFC
 * 6761). Returns their number, or -1. */
int address_resolve(const char *host, uint16_t port, struct address *out,
                    struct error *err) MUST_CHECK;

/* From the kernel's form; an IPv4-mapped IPv6 address becomes IPv4 (RFC 4291, 2.5.5.2). */
struct address address_from_sockaddr(const struct sockaddr *sockaddr);

/* To the kernel's form; returns its length. Not for AF_UNIX. */
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out);

/* "127.0.0.1:7007", "[fe80::1%eth0]:7007", "unix:"; returns `out`. */
char *address_format(char *out, size_t size, const struct address *address);

/* True for addresses that only this machine can reach: 127.0.0.0/8 and ::1. */
bool address_is_loopback(const struct address *address);

/* The address with all but its first `bits` bits and its port set to 0. */
struct address address_prefix(const struct address *address, unsigned bits);

/* The source that an address counts as, for limits and rates: a whole IPv4 address; or the first
 * `prefix` bits and the scope of an IPv6 address, since a host can use any address within its
 * prefix (RFC 6177). */
struct address address_source(const struct address *address, unsigned prefix);

/* A hash of the host without its port. It cannot be predicted without the seed. */
uint64_t address_hash(const struct address *address, uint64_t seed);

/* True if both are the same host; ports are ignored. */
bool address_is_same_host(const struct address *one, const struct address *other);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of hosts and peers: found by name, kept small, told in one spelling.
 *
 * `struct address` is 24 bytes, since every connection carries one: enough for IPv4 and IPv6 with
 * its scope. A Unix peer has no more than a family here; its path, where it has one, is asked of
 * the socket.
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
    uint32_t scope;  /* an interface's index, for link-local IPv6 (RFC 4007) */
    uint8_t bytes[16];
};

#define ADDRESS_TEXT_MAX 80
#define ADDRESS_RESOLVED_MAX 16

/* Finds a host's addresses, IPv4 first: a name, IPv4, IPv6 with %scope, "*" for every address of
 * both families. "localhost" is loopback of both families whatever a hosts file says (RFC 6761).
 * Returns how many, or -1. */
int address_resolve(const char *host, uint16_t port, struct address *out,
                    struct error *err) MUST_CHECK;

/* From the kernel's form; an IPv4-mapped IPv6 address becomes IPv4 (RFC 4291, 2.5.5.2). */
struct address address_from_sockaddr(const struct sockaddr *sockaddr);

/* To the kernel's form; returns its length. Not for AF_UNIX. */
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out);

/* "127.0.0.1:7007", "[fe80::1%eth0]:7007", "unix:"; returns `out`. */
char *address_format(char *out, size_t size, const struct address *address);

/* True for what only this machine can reach: 127.0.0.0/8 and ::1. */
bool address_is_loopback(const struct address *address);

/* The address cut to its first `bits` bits, the rest 0, without its port. */
struct address address_prefix(const struct address *address, unsigned bits);

/* Who is behind an address, for limits and rates: a whole IPv4 address; of an IPv6 address the
 * first `prefix` bits, within which a host has all the addresses it likes (RFC 6177), and its
 * scope. */
struct address address_source(const struct address *address, unsigned prefix);

/* A number for the host, whatever the port, that only who knows the seed can tell. */
uint64_t address_hash(const struct address *address, uint64_t seed);

/* True for the same host, whatever the port. */
bool address_is_same_host(const struct address *one, const struct address *other);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of address prefixes, for trusted peers: 10.0.0.0/8, 2001:db8::/32, one address, or `unix`
 * for every peer of a Unix socket (RFC 4632, RFC 4291).
 *
 * An IPv4-mapped IPv6 address counts as IPv4 here, as in struct address, so that neither form
 * evades the other's prefix. */
#ifndef NET_CIDR_H
#define NET_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "net/address.h"

struct cidr {
    struct address address; /* AF_UNIX: every Unix peer; a scope of 0 matches any */
    unsigned bits;
};

/* Parses one prefix. Returns 0 or -1. */
int cidr_parse(const char *text, struct cidr *out, struct error *err) MUST_CHECK;

bool cidr_contains(const struct cidr *cidr, const struct address *address);

#define CIDR_LIST_MAX 32

struct cidr_list {
    struct cidr items[CIDR_LIST_MAX];
    size_t count;
};

/* Parses a prefix and appends it. Returns 0 or -1. */
int cidr_list_add(struct cidr_list *list, const char *text, struct error *err) MUST_CHECK;

bool cidr_list_contains(const struct cidr_list *list, const struct address *address);

#endif

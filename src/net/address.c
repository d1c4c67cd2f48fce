/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/digits.h"
#include "base/mix.h"

struct address address_from_sockaddr(const struct sockaddr *sockaddr)
{
    struct address address = {.family = sockaddr->sa_family};
    if (sockaddr->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)sockaddr;
        address.port = ntohs(in4->sin_port);
        memcpy(address.bytes, &in4->sin_addr, sizeof(in4->sin_addr));
    } else if (sockaddr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sockaddr;
        address.port = ntohs(in6->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
            address.family = AF_INET;
            memcpy(address.bytes, in6->sin6_addr.s6_addr + 12, sizeof(struct in_addr));
        } else {
            address.scope = in6->sin6_scope_id;
            memcpy(address.bytes, &in6->sin6_addr, sizeof(in6->sin6_addr));
        }
    }
    return address;
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (address->family == AF_INET) {
        struct sockaddr_in *in4 = (struct sockaddr_in *)out;
        in4->sin_family = AF_INET;
        in4->sin_port = htons(address->port);
        memcpy(&in4->sin_addr, address->bytes, sizeof(in4->sin_addr));
        return sizeof(*in4);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    in6->sin6_scope_id = address->scope;
    memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
    return sizeof(*in6);
}

/* By hand: inet_ntop(3) and snprintf(3) were a seventh of the instructions of a short connection.
 */
static void format_inet4(char *out, size_t size, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    size_t length = 0;
    for (size_t i = 0; i < sizeof(struct in_addr); i++) {
        length += digits_put(text + length, address->bytes[i], 1);
        text[length++] = i + 1 < sizeof(struct in_addr) ? '.' : ':';
    }
    length += digits_put(text + length, address->port, 1);
    length = length < size ? length : size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
}

static void format_inet6(char *out, size_t size, const struct address *address)
{
    char host[INET6_ADDRSTRLEN], scope[IF_NAMESIZE + 1] = "";
    inet_ntop(AF_INET6, address->bytes, host, sizeof(host));
    if (address->scope && (scope[0] = '%', !if_indextoname(address->scope, scope + 1)))
        snprintf(scope, sizeof(scope), "%%%u", address->scope);
    snprintf(out, size, "[%s%s]:%u", host, scope, address->port);
}

char *address_format(char *out, size_t size, const struct address *address)
{
    if (address->family == AF_INET)
        format_inet4(out, size, address);
    else if (address->family == AF_INET6)
        format_inet6(out, size, address);
    else
        snprintf(out, size, "unix:");
    return out;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t LOOPBACK_6[16] = {[15] = 1};
    return address->family == AF_INET ? address->bytes[0] == 127
                                      : memcmp(address->bytes, LOOPBACK_6, sizeof(LOOPBACK_6)) == 0;
}

bool address_is_same_host(const struct address *one, const struct address *other)
{
    return one->family == other->family && one->scope == other->scope &&
           memcmp(one->bytes, other->bytes, sizeof(one->bytes)) == 0;
}

struct address address_prefix(const struct address *address, unsigned bits)
{
    struct address out = *address;
    size_t whole = bits / 8;
    out.port = 0;
    if (whole >= sizeof(out.bytes))
        return out;
    out.bytes[whole] &= (uint8_t)(0xff00 >> bits % 8);
    memset(out.bytes + whole + 1, 0, sizeof(out.bytes) - whole - 1);
    return out;
}

struct address address_source(const struct address *address, unsigned prefix)
{
    return address_prefix(address, address->family == AF_INET6 ? prefix : 32);
}

uint64_t address_hash(const struct address *address, uint64_t seed)
{
    uint64_t words[2];
    memcpy(words, address->bytes, sizeof(words));
    uint64_t sum = mix64(seed + address->family + ((uint64_t)address->scope << 32));
    sum = mix64(sum + words[0]);
    return mix64(sum + words[1]);
}

static int both_families(struct address *out, uint16_t port, struct in_addr in4,
                         const struct in6_addr *in6)
{
    out[0] = (struct address){.family = AF_INET, .port = port};
    memcpy(out[0].bytes, &in4, sizeof(in4));
    out[1] = (struct address){.family = AF_INET6, .port = port};
    memcpy(out[1].bytes, in6, sizeof(*in6));
    return 2;
}

/* Keeps the order; leaves out duplicates and other families. */
static int copy_addresses(const struct addrinfo *found, uint16_t port, struct address *out)
{
    int count = 0;
    for (; found && count < ADDRESS_RESOLVED_MAX; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
            continue;
        struct address address = address_from_sockaddr(found->ai_addr);
        address.port = port;
        bool is_new = true;
        for (int i = 0; i < count; i++)
            is_new = is_new && !address_is_same_host(&out[i], &address);
        if (is_new)
            out[count++] = address;
    }
    return count;
}

int address_resolve(const char *host, uint16_t port, struct address *out, struct error *err)
{
    if (strcmp(host, "*") == 0)
        return both_families(out, port, (struct in_addr){htonl(INADDR_ANY)}, &in6addr_any);
    if (strcasecmp(host, "localhost") == 0)
        return both_families(out, port, (struct in_addr){htonl(INADDR_LOOPBACK)},
                             &in6addr_loopback);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int failure = getaddrinfo(host, NULL, &hints, &found);
    if (failure)
        return error_start(err, "cannot resolve '%s': %s", host, gai_strerror(failure));
    int count = copy_addresses(found, port, out);
    freeaddrinfo(found);
    if (count == 0)
        return error_start(err, "cannot resolve '%s': it has no IPv4 or IPv6 address", host);
    return count;
}

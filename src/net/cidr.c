/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/cidr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)
#define BITS4 32
#define BITS6 128
#define MAPPED_BITS (BITS6 - BITS4) /* ::ffff:0:0/96 */

/* Parses an interface's name or number; a name cannot be looked up inside the sandbox. False if it
 * is neither. */
static bool parse_zone(const char *text, uint32_t *zone)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    bool is_number = *text >= '1' && *text <= '9' && *end == '\0' && number <= UINT32_MAX;
    *zone = is_number ? (uint32_t)number : if_nametoindex(text);
    return *zone != 0;
}

/* Parses the part before the slash. Returns the number of bits of such an address, or 0. */
static unsigned parse_host(const char *text, struct address *out)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
        *out = address_from_sockaddr((struct sockaddr *)&in4);
        return BITS4;
    }
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1)
        return 0;
    *out = address_from_sockaddr((struct sockaddr *)&in6);
    return BITS6;
}

/* Parses a number of bits up to `most`; -1 if it is not one. */
static int parse_bits(const char *text, unsigned most)
{
    unsigned bits = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 3 || strspn(text, "0123456789") != length)
        return -1;
    for (; *text; text++)
        bits = bits * 10 + (unsigned)(*text - '0');
    return bits <= most ? (int)bits : -1;
}

int cidr_parse(const char *text, struct cidr *out, struct error *err)
{
    char host[TEXT_MAX + 1], right[ADDRESS_TEXT_MAX];
    size_t length = strcspn(text, "/");
    *out = (struct cidr){.address = {.family = AF_UNIX}};
    if (strcmp(text, "unix") == 0)
        return 0;
    memcpy(host, text, length < sizeof(host) ? length : 0);
    host[length < sizeof(host) ? length : 0] = '\0';
    char *zone = strchr(host, '%');
    if (zone)
        *zone++ = '\0';
    unsigned most = parse_host(host, &out->address);
    if (zone && most != BITS6)
        most = 0;
    int bits = most == 0 ? -1 : text[length] ? parse_bits(text + length + 1, most) : (int)most;
    if (bits < 0)
        return error_usage(err,
                           "'%s' is not a prefix: one like 10.0.0.0/8, 2001:db8::/32 or "
                           "192.0.2.1, or unix, is expected",
                           text);
    if (zone && !parse_zone(zone, &out->address.scope))
        return error_usage(err,
                           "'%s': no interface '%s' is found; its number, as ip link tells it, "
                           "needs no looking up",
                           text, zone);
    if (most == BITS6 && out->address.family == AF_INET) {
        if (bits < MAPPED_BITS)
            return error_usage(err, "'%s' reaches beyond IPv4 addresses: at least /%d is expected",
                               text, MAPPED_BITS);
        bits -= MAPPED_BITS;
    }
    out->bits = (unsigned)bits;
    struct address network = address_prefix(&out->address, out->bits);
    if (memcmp(network.bytes, out->address.bytes, sizeof(network.bytes)) != 0) {
        inet_ntop(network.family, network.bytes, right, sizeof(right));
        return error_usage(err, "'%s' has bits beyond its prefix: %s/%d is expected", text, right,
                           bits);
    }
    return 0;
}

bool cidr_contains(const struct cidr *cidr, const struct address *address)
{
    if (cidr->address.family != address->family)
        return false;
    struct address network = address_prefix(address, cidr->bits);
    return (cidr->address.scope == 0 || cidr->address.scope == address->scope) &&
           memcmp(network.bytes, cidr->address.bytes, sizeof(network.bytes)) == 0;
}

int cidr_list_add(struct cidr_list *list, const char *text, struct error *err)
{
    if (list->count == CIDR_LIST_MAX)
        return error_usage(err, "at most %d prefixes are expected", CIDR_LIST_MAX);
    return cidr_parse(text, &list->items[list->count], err) < 0 ? -1 : (list->count++, 0);
}

bool cidr_list_contains(const struct cidr_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (cidr_contains(&list->items[i], address))
            return true;
    }
    return false;
}

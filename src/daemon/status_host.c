/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/status_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LENGTH 255

/* True for an empty text, or a colon and digits. */
static bool is_port(const char *text)
{
    return *text == '\0' || (*text == ':' && text[1 + strspn(text + 1, "0123456789")] == '\0');
}

static bool is_loopback_6(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, text, &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

static bool is_loopback_4(const char *text)
{
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool status_host_is_ours(const char *host, size_t length, const char *own)
{
    char text[NAME_MAX_LENGTH + 1];
    if (length > NAME_MAX_LENGTH || memchr(host, '\0', length))
        return false;
    memcpy(text, host, length);
    text[length] = '\0';
    bool is_bracketed = text[0] == '[';
    char *name = text + is_bracketed, *end = name + strcspn(name, is_bracketed ? "]" : ":");
    if ((is_bracketed && *end != ']') || !is_port(end + is_bracketed))
        return false;
    *end = '\0';
    if (strcasecmp(name, own) == 0)
        return *name != '\0' && is_bracketed == (strchr(own, ':') != NULL);
    return is_bracketed ? is_loopback_6(name)
                        : is_loopback_4(name) || strcasecmp(name, "localhost") == 0 ||
                              strcasecmp(name, "localhost.") == 0;
}

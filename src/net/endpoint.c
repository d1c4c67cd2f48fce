/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/endpoint.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PORT_MAX 65535
#define TEXT_MAX 512

#define EXPECTED                                                                         \
    "expected tcp://, tls:// or udp://HOST:PORT, unix:PATH, unix:@NAME, fd:N, fd:NAME, " \
    "HOST:PORT, PORT or a path"

const char *endpoint_scheme(enum endpoint_kind kind)
{
    static const char *const SCHEMES[] = {"tcp", "tls", "udp", "unix", "fd"};
    return SCHEMES[kind];
}

/* Parses a decimal number up to max; -1 if the text is not one. */
static long parse_number(const char *text, long max)
{
    long number = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        number = number * 10 + (*text - '0');
        if (number > max)
            return -1;
    }
    return number;
}

static int set_port(const char *text, struct endpoint *endpoint, struct error *err)
{
    long port = parse_number(text, PORT_MAX);
    size_t digits = strspn(text, "0123456789");
    if (port < 0 && digits > 0 && text[digits] == '/')
        return error_usage(err, "'%s': nothing may follow the port: %.*s alone is expected", text,
                           (int)digits, text);
    if (port < 0)
        return error_usage(err, "'%s' is not a port: a number from 0 to %d is expected", text,
                           PORT_MAX);
    endpoint->port = (uint16_t)port;
    return 0;
}

static int refuse_without_port(const char *host, enum endpoint_kind kind, struct error *err)
{
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == ':')
        length--;
    return error_usage(err, "no port; %s://%.*s:PORT is expected", endpoint_scheme(kind),
                       length ? (int)length : 4, length ? host : "HOST");
}

static int set_host(const char *text, size_t length, struct endpoint *endpoint, struct error *err)
{
    if (length >= sizeof(endpoint->host))
        return error_usage(err, "a host name of %zu bytes: at most %d are expected", length,
                           ENDPOINT_HOST_MAX - 1);
    memcpy(endpoint->host, text, length);
    endpoint->host[length] = '\0';
    if (length == 0)
        memcpy(endpoint->host, "*", 2);
    if (strpbrk(endpoint->host, " \t/[]"))
        return error_usage(err, "'%s' is not a host name or address", endpoint->host);
    return 0;
}

static int parse_host_port(const char *text, enum endpoint_kind kind, struct endpoint *endpoint,
                           struct error *err)
{
    endpoint->kind = kind;
    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end && (!end[1] || (end[1] == ':' && !end[2])))
            return refuse_without_port(text, kind, err);
        if (!end || end[1] != ':')
            return error_usage(err, "expected [IPv6]:PORT");
        if (!memchr(text, ':', (size_t)(end - text)))
            return error_usage(err, "no IPv6 address within the brackets");
        if (set_host(text + 1, (size_t)(end - text) - 1, endpoint, err) < 0)
            return -1;
        return set_port(end + 2, endpoint, err);
    }
    const char *colon = strchr(text, ':');
    if (!colon || !colon[1])
        return refuse_without_port(text, kind, err);
    if (strchr(colon + 1, ':'))
        return error_usage(err, "an IPv6 address goes in brackets: [::1]:PORT");
    if (set_host(text, (size_t)(colon - text), endpoint, err) < 0)
        return -1;
    return set_port(colon + 1, endpoint, err);
}

static int parse_unix(const char *text, struct endpoint *endpoint, struct error *err)
{
    endpoint->kind = ENDPOINT_UNIX;
    endpoint->is_abstract = *text == '@';
    if (endpoint->is_abstract)
        text++;
    size_t length = strlen(text);
    if (length == 0)
        return error_usage(err, "an empty %s", endpoint->is_abstract ? "abstract name" : "path");
    if (length > ENDPOINT_PATH_MAX)
        return error_usage(err, "a path of %zu bytes: a Unix socket takes at most %zu", length,
                           ENDPOINT_PATH_MAX);
    memcpy(endpoint->path, text, length + 1);
    return 0;
}

/* A text that begins with a digit or a sign is a number; any other is a name given by a service
 * manager. */
static int parse_fd(const char *text, struct endpoint *endpoint, struct error *err)
{
    size_t length = strlen(text);
    endpoint->kind = ENDPOINT_FD;
    if (!strchr("-0123456789", *text)) {
        if (length >= sizeof(endpoint->host) || strpbrk(text, ": \t"))
            return error_usage(err, "'%s' is not a descriptor's name", text);
        memcpy(endpoint->host, text, length + 1);
        return 0;
    }
    long number = parse_number(text, INT_MAX);
    if (number < 0)
        return error_usage(err, "'%s' is not a descriptor's number or name", text);
    endpoint->fd = (int)number;
    return 0;
}

/* The rest of the text after a prefix, or NULL. */
static const char *after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* True if the text begins with that name and a colon, in letters of any size. */
static bool has_scheme(const char *text, const char *name)
{
    size_t length = strlen(name);
    return strncasecmp(text, name, length) == 0 && text[length] == ':';
}

/* A scheme that is not known, or is not written as one: the error names the valid form. Returns 0
 * if the text has none: "tcp:7007" is a port of the host "tcp". */
static int refuse_scheme(const char *text, struct error *err)
{
    static const enum endpoint_kind KINDS[] = {ENDPOINT_TCP, ENDPOINT_TLS, ENDPOINT_UDP};
    const char *rest = strchr(text, ':');
    if (!rest)
        return 0;
    rest++;
    bool has_slashes = strncmp(rest, "//", 2) == 0;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        const char *scheme = endpoint_scheme(KINDS[i]), *host = rest + strspn(rest, "/");
        if (!has_scheme(text, scheme) || parse_number(rest, PORT_MAX) >= 0)
            continue;
        return error_usage(err, "a scheme %s: %s://%s is expected",
                           has_slashes ? "is written in small letters" : "ends in '//'", scheme,
                           *host ? host : "HOST:PORT");
    }
    if (has_scheme(text, "vsock"))
        return error_usage(err, "'vsock:' is not supported; socat can stand between (VSOCK-LISTEN, "
                                "VSOCK-CONNECT), and tcp:// or unix: is expected here");
    return has_slashes
               ? error_usage(err, "'%.*s' is not supported; " EXPECTED, (int)(rest - text), text)
               : 0;
}

static int parse_plain(const char *text, struct endpoint *endpoint, struct error *err)
{
    const char *rest;
    if ((rest = after(text, "tcp://")))
        return parse_host_port(rest, ENDPOINT_TCP, endpoint, err);
    if ((rest = after(text, "tls://")))
        return parse_host_port(rest, ENDPOINT_TLS, endpoint, err);
    if ((rest = after(text, "udp://")))
        return parse_host_port(rest, ENDPOINT_UDP, endpoint, err);
    if ((rest = after(text, "unix:")))
        return parse_unix(rest, endpoint, err);
    if ((rest = after(text, "fd:")))
        return parse_fd(rest, endpoint, err);
    if (refuse_scheme(text, err) < 0)
        return -1;
    if (strchr(text, '/'))
        return parse_unix(text, endpoint, err);
    if (*text && strspn(text, "0123456789") == strlen(text)) {
        memcpy(endpoint->host, "localhost", sizeof("localhost"));
        return set_port(text, endpoint, err);
    }
    if (!*text)
        return error_usage(err, "an empty endpoint; " EXPECTED);
    if (!strchr(text, ':'))
        return error_usage(err, "no port; %s:PORT is expected, or ./%s for a Unix socket", text,
                           text);
    return parse_host_port(text, ENDPOINT_TCP, endpoint, err);
}

int endpoint_parse(const char *text, struct endpoint *endpoint, const char **attributes,
                   struct error *err)
{
    char plain[TEXT_MAX];
    size_t length = strcspn(text, ",");
    *endpoint = (struct endpoint){.fd = -1};
    *attributes = text[length] == ',' ? text + length + 1 : NULL;
    if (length >= sizeof(plain))
        return error_usage(err, "an endpoint of %zu bytes: at most %d are expected", length,
                           TEXT_MAX - 1);
    memcpy(plain, text, length);
    plain[length] = '\0';
    return parse_plain(plain, endpoint, err);
}

const struct option_kinds ENDPOINT_KINDS[] = {
    {ENDPOINTS_TCP, "tcp://"},
    {ENDPOINTS_TLS, "tls://"},
    {ENDPOINTS_UDP, "udp://"},
    {ENDPOINTS_UNIX, "unix:"},
    {ENDPOINTS_UNIX_PATH, "unix:PATH"},
    {ENDPOINTS_UNIX_ABSTRACT, "unix:@NAME"},
    {ENDPOINTS_FD, "fd:"},
    {ENDPOINTS_FD_TCP | ENDPOINTS_FD_UNIX, "fd: of streams"},
    {ENDPOINTS_FD_TCP, "fd: of TCP"},
    {ENDPOINTS_FD_UNIX, "fd: of Unix"},
    {ENDPOINTS_FD_UDP, "fd: of UDP"},
    {0, NULL},
};

unsigned endpoint_kinds(const struct endpoint *endpoint)
{
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
        return ENDPOINTS_TCP;
    case ENDPOINT_TLS:
        return ENDPOINTS_TLS;
    case ENDPOINT_UDP:
        return ENDPOINTS_UDP;
    case ENDPOINT_UNIX:
        return endpoint->is_abstract ? ENDPOINTS_UNIX_ABSTRACT : ENDPOINTS_UNIX_PATH;
    case ENDPOINT_FD:
        return ENDPOINTS_FD;
    }
    return 0;
}

unsigned endpoint_kinds_inherited(enum endpoint_kind kind)
{
    return kind == ENDPOINT_UDP    ? ENDPOINTS_FD_UDP
           : kind == ENDPOINT_UNIX ? ENDPOINTS_FD_UNIX
                                   : ENDPOINTS_FD_TCP;
}

bool endpoint_has_port(const struct endpoint *endpoint)
{
    return endpoint->kind != ENDPOINT_UNIX && endpoint->kind != ENDPOINT_FD;
}

bool endpoint_is_same(const struct endpoint *one, const struct endpoint *other)
{
    return one->kind == other->kind && strcmp(one->host, other->host) == 0 &&
           one->port == other->port && strcmp(one->path, other->path) == 0 &&
           one->is_abstract == other->is_abstract && one->fd == other->fd;
}

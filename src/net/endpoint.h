/* SPDX-License-Identifier: BSD-2-Clause */
/* Endpoints as users write them (evechod(8), ENDPOINTS): parsed here, resolved and opened in sock.
 *
 *     tcp://HOST:PORT   HOST:PORT   PORT      unix:PATH   unix:@NAME   a string with '/'
 *     tls://HOST:PORT   udp://HOST:PORT         fd:N   fd:NAME
 *
 * Attributes follow after commas, each name=value; they are passed on unparsed.
 */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/option.h"

enum endpoint_kind { ENDPOINT_TCP, ENDPOINT_TLS, ENDPOINT_UDP, ENDPOINT_UNIX, ENDPOINT_FD };

#define ENDPOINT_HOST_MAX 256
#define ENDPOINT_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct endpoint {
    enum endpoint_kind kind;
    char host[ENDPOINT_HOST_MAX]; /* TCP, TLS, UDP: without brackets; "*": every address. FD: its
                                     name, if it was not given by number */
    uint16_t port;                /* TCP, TLS, UDP */
    char path[ENDPOINT_PATH_MAX + 1]; /* UNIX: without the '@' if is_abstract */
    bool is_abstract;
    int fd; /* FD: -1 if it was given by name */
};

/* The kinds as a set, for options that apply to some of them (OPTION_FOR). The kind of an inherited
 * socket is known only once it is opened: until then it may be any of three. */
enum endpoint_kinds {
    ENDPOINTS_TCP = 1 << 0,
    ENDPOINTS_TLS = 1 << 1,
    ENDPOINTS_UNIX_PATH = 1 << 2,
    ENDPOINTS_UNIX_ABSTRACT = 1 << 3,
    ENDPOINTS_UDP = 1 << 4,
    ENDPOINTS_FD_TCP = 1 << 5,
    ENDPOINTS_FD_UNIX = 1 << 6,
    ENDPOINTS_FD_UDP = 1 << 7,
    ENDPOINTS_UNIX = ENDPOINTS_UNIX_PATH | ENDPOINTS_UNIX_ABSTRACT,
    ENDPOINTS_FD = ENDPOINTS_FD_TCP | ENDPOINTS_FD_UNIX | ENDPOINTS_FD_UDP,
    ENDPOINTS_STREAMS_HERE = ENDPOINTS_TCP | ENDPOINTS_TLS | ENDPOINTS_UNIX, /* opened by us */
    ENDPOINTS_STREAMS = ENDPOINTS_STREAMS_HERE | ENDPOINTS_FD_TCP | ENDPOINTS_FD_UNIX,
    ENDPOINTS_ANY_TCP = ENDPOINTS_TCP | ENDPOINTS_TLS | ENDPOINTS_FD_TCP,
};

/* Their names, the widest first; ends with a set of 0. */
extern const struct option_kinds ENDPOINT_KINDS[];

/* All kinds that the endpoint may turn out to be. */
unsigned endpoint_kinds(const struct endpoint *endpoint);

/* The set for an inherited socket whose kind is known: TCP, UNIX or UDP. */
unsigned endpoint_kinds_inherited(enum endpoint_kind kind);

/* "tcp", "tls", "udp", "unix" or "fd". */
const char *endpoint_scheme(enum endpoint_kind kind);

/* True if a host and a port lead to it: TCP, TLS, UDP. */
bool endpoint_has_port(const struct endpoint *endpoint);

/* True if both are the same endpoint, even if spelt differently. */
bool endpoint_is_same(const struct endpoint *one, const struct endpoint *other);

/* Parses the text up to the first comma. *attributes points behind that comma, or is NULL if there
 * is none. Returns 0, or -1, and the error describes a valid endpoint. */
int endpoint_parse(const char *text, struct endpoint *endpoint, const char **attributes,
                   struct error *err) MUST_CHECK;

#endif

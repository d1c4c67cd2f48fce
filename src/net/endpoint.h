/* SPDX-License-Identifier: BSD-2-Clause */
/* Endpoints as users write them (evechod(8), ENDPOINTS): parsed here, resolved and opened in sock.
 *
 *     tcp://HOST:PORT   HOST:PORT   PORT      unix:PATH   unix:@NAME   a string with '/'
 *     tls://HOST:PORT   udp://HOST:PORT         fd:N   fd:NAME
 *
 * Attributes follow after commas, name=value each; they are handed on as they are.
 */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "base/attr.h"
#include "base/error.h"

enum endpoint_kind { ENDPOINT_TCP, ENDPOINT_TLS, ENDPOINT_UDP, ENDPOINT_UNIX, ENDPOINT_FD };

#define ENDPOINT_HOST_MAX 256
#define ENDPOINT_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

struct endpoint {
    enum endpoint_kind kind;
    char host[ENDPOINT_HOST_MAX];     /* TCP, TLS, UDP: without brackets; "*": every address.
                                         FD: its name, where it was not given by number */
    uint16_t port;                    /* TCP, TLS, UDP */
    char path[ENDPOINT_PATH_MAX + 1]; /* UNIX: without the '@' where is_abstract */
    bool is_abstract;
    int fd; /* FD: -1 where a name stands for it */
};

/* "tcp", "tls", "udp", "unix" or "fd". */
const char *endpoint_scheme(enum endpoint_kind kind);

/* True where both name the same, however it was spelt. */
bool endpoint_is_same(const struct endpoint *one, const struct endpoint *other);

/* Parses the text up to the first comma. *attributes is what follows that comma, or NULL.
 * 0, or -1 with what was expected. */
int endpoint_parse(const char *text, struct endpoint *endpoint, const char **attributes,
                   struct error *err) MUST_CHECK;

#endif

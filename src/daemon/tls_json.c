/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/tls_json.h"

#include <stdio.h>

#include "base/escape.h"

/* A member with its comma before it; nothing where the peer said nothing. */
static const char *member(char *out, const char *key, const char *bytes, size_t length)
{
    char value[6 * sizeof(((struct stream_tls_info *)0)->subject) + 1];
    *out = '\0';
    if (length > 0) {
        escape_json(value, sizeof(value), bytes, length);
        (void)snprintf(out, TLS_JSON_MEMBER_MAX, ",\"%s\":\"%s\"", key, value);
    }
    return out;
}

const char *tls_json(char *out, size_t size, const struct stream_tls_info *tls)
{
    char alpn[TLS_JSON_MEMBER_MAX], name[TLS_JSON_MEMBER_MAX], subject[TLS_JSON_MEMBER_MAX];
    if (tls)
        (void)snprintf(out, size, "{\"version\":\"%s\",\"cipher\":\"%s\",\"resumed\":%s%s%s%s}",
                       tls->version, tls->cipher, tls->is_resumed ? "true" : "false",
                       member(alpn, "alpn", tls->alpn, tls->alpn_length),
                       member(name, "sni", tls->server_name, tls->server_name_length),
                       member(subject, "subject", tls->subject, tls->subject_length));
    else
        (void)snprintf(out, size, "null");
    return out;
}

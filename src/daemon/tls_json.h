/* SPDX-License-Identifier: BSD-2-Clause */
/* What TLS has agreed on, as the JSON object that whoami and /connections tell. */
#ifndef DAEMON_TLS_JSON_H
#define DAEMON_TLS_JSON_H

#include <stddef.h>

#include "net/stream.h"

/* One text of the peer's: its key, and each byte as \u00HH. */
#define TLS_JSON_MEMBER_MAX (16 + 6 * 255)
#define TLS_JSON_MAX (256 + 3 * TLS_JSON_MEMBER_MAX)

/* Writes a NUL-terminated text and returns `out`; TLS_JSON_MAX is always enough. Without TLS (NULL)
 * it is null. */
const char *tls_json(char *out, size_t size, const struct stream_tls_info *tls);

#endif

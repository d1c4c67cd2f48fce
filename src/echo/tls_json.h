/* SPDX-License-Identifier: BSD-2-Clause */
/* The negotiated TLS parameters, as a JSON object for whoami and /connections. */
#ifndef ECHO_TLS_JSON_H
#define ECHO_TLS_JSON_H

#include "base/json_writer.h"
#include "tls/tls_codec.h"

/* A size that is always enough. */
#define TLS_JSON_MAX (256 + 3 * JSON_WRITER_TEXT_MAX)

/* Writes the member "tls"; null if `tls` is NULL. */
void tls_json_write(struct json_writer *writer, const struct tls_info *tls);

#endif

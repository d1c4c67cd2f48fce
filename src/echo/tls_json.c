/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/tls_json.h"

/* Writes null if the text is empty. */
static void write_said(struct json_writer *writer, const char *key, const char *bytes,
                       size_t length)
{
    if (length > 0)
        json_write_text(writer, key, bytes, length);
}

void tls_json_write(struct json_writer *writer, const struct tls_info *tls)
{
    if (!tls) {
        json_write_null(writer, "tls");
        return;
    }
    json_write_begin(writer, "tls", '{');
    json_write_string(writer, "version", tls->version);
    json_write_string(writer, "cipher", tls->cipher);
    json_write_bool(writer, "resumed", tls->is_resumed);
    write_said(writer, "alpn", tls->alpn, tls->alpn_length);
    write_said(writer, "sni", tls->server_name, tls->server_name_length);
    write_said(writer, "subject", tls->subject, tls->subject_length);
    json_write_end(writer, '}');
}

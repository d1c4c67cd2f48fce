/* SPDX-License-Identifier: BSD-2-Clause */
/* whoami: one line of JSON about the client and the server. */
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "echo/service.h"
#include "echo/tls_json.h"

/* Writes a text of the PROXY header, if present. */
static void write_kept(struct json_writer *out, const char *key, const struct service_facts *facts,
                       enum proxy_text kept)
{
    const struct proxy_header *header = facts->proxied;
    if (header->texts[kept].at > 0)
        json_write_text(out, key, (const char *)facts->proxied_bytes + header->texts[kept].at,
                        header->texts[kept].length);
}

/* Of the fields that we do not know: so many, and so many bytes of each. */
#define FIELDS_MAX 16
#define FIELD_BYTES_MAX 255

/* Who uses a type of the range that the protocol leaves to applications; or NULL. */
static const char *cloud_of(const struct proxy_field *field)
{
    static const struct {
        uint8_t type;
        const char *name;
    } CLOUDS[] = {{0xe0, "GCP"}, {0xea, "AWS"}, {0xee, "Azure"}};
    for (size_t i = 0; i < sizeof(CLOUDS) / sizeof(CLOUDS[0]); i++) {
        if (CLOUDS[i].type == field->type && !field->is_in_ssl)
            return CLOUDS[i].name;
    }
    return NULL;
}

static void write_field(struct json_writer *out, const struct proxy_field *field)
{
    char type[8], hex[2 * FIELD_BYTES_MAX + 1] = "";
    const char *cloud = cloud_of(field);
    snprintf(type, sizeof(type), "0x%02X", (unsigned)field->type);
    for (size_t i = 0; i < field->length && i < FIELD_BYTES_MAX; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)field->value[i]);
    json_write_begin(out, NULL, '{');
    json_write_string(out, "type", type);
    if (cloud)
        json_write_string(out, "name", cloud);
    json_write_number(out, "length", field->length);
    json_write_string(out, "hex", hex);
    json_write_end(out, '}');
}

/* The unknown fields of the header itself, or of its TLS field. */
static void write_unknown(struct json_writer *out, const struct service_facts *facts,
                          bool is_in_ssl)
{
    struct proxy_field field = {0};
    size_t count = 0;
    while (proxy_next_unknown(facts->proxied, facts->proxied_bytes, &field)) {
        if (field.is_in_ssl != is_in_ssl || count++ >= FIELDS_MAX)
            continue;
        if (count == 1)
            json_write_begin(out, "tlvs", '[');
        write_field(out, &field);
    }
    if (count > 0)
        json_write_end(out, ']');
    if (count > FIELDS_MAX)
        json_write_number(out, "tlvs_left_out", count - FIELDS_MAX);
}

static void write_ssl(struct json_writer *out, const struct service_facts *facts)
{
    json_write_begin(out, "ssl", '{');
    json_write_number(out, "client", facts->proxied->ssl_client);
    json_write_number(out, "verify", facts->proxied->ssl_verify);
    write_kept(out, "version", facts, PROXY_SSL_VERSION);
    write_kept(out, "cn", facts, PROXY_SSL_CN);
    write_kept(out, "cipher", facts, PROXY_SSL_CIPHER);
    write_kept(out, "sig_alg", facts, PROXY_SSL_SIG_ALG);
    write_kept(out, "key_alg", facts, PROXY_SSL_KEY_ALG);
    write_unknown(out, facts, true);
    json_write_end(out, '}');
}

static void write_end(struct json_writer *out, const char *key, const struct service_facts *facts,
                      bool is_source)
{
    char end[256];
    json_write_text(
        out, key, end,
        proxy_format(end, sizeof(end), facts->proxied, facts->proxied_bytes, is_source));
}

static void write_proxied(struct json_writer *out, const struct service_facts *facts)
{
    const struct proxy_header *header = facts->proxied;
    json_write_begin(out, "proxy", '{');
    json_write_number(out, "version", header->version);
    json_write_string(out, "command", header->is_local ? "LOCAL" : "PROXY");
    json_write_string(out, "transport",
                      proxy_transport_word((enum proxy_transport)header->transport));
    json_write_text(out, "from", facts->proxy, facts->proxy_length);
    if (proxy_has_source(header)) {
        write_end(out, "source", facts, true);
        write_end(out, "destination", facts, false);
    }
    write_kept(out, "alpn", facts, PROXY_ALPN);
    write_kept(out, "authority", facts, PROXY_AUTHORITY);
    write_kept(out, "unique_id", facts, PROXY_UNIQUE_ID);
    write_kept(out, "netns", facts, PROXY_NETNS);
    if (header->has_ssl)
        write_ssl(out, facts);
    write_unknown(out, facts, false);
    json_write_end(out, '}');
}

size_t service_whoami(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                      size_t room)
{
    char line[SERVICE_SAYS_MAX];
    struct json_writer writer = {.out = line, .size = sizeof(line)};
    (void)offset;
    json_write_begin(&writer, NULL, '{');
    json_write_string(&writer, "name", facts->name);
    json_write_number(&writer, "id", facts->id);
    json_write_string(&writer, "listener", facts->listener);
    json_write_text(&writer, "peer", facts->peer, facts->peer_length);
    json_write_text(&writer, "local", facts->local, facts->local_length);
    if (facts->proxied)
        write_proxied(&writer, facts);
    else
        json_write_null(&writer, "proxy");
    tls_json_write(&writer, facts->tls);
    json_write_end(&writer, '}');
    line[writer.used] = '\n'; /* in place of the NUL */
    size_t length = writer.used + 1 < room ? writer.used + 1 : room;
    memcpy(out, line, length);
    return length;
}

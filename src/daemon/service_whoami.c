/* SPDX-License-Identifier: BSD-2-Clause */
/* whoami: one line of JSON about who asked and who answers.
 *
 * Written by hand, since names are bytes of a peer's choice, in no encoding: they are escaped as in
 * the log, and a JSON library would refuse them. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "base/escape.h"
#include "daemon/service.h"
#include "daemon/tls_json.h"

#define VALUE_MAX 1024 /* of one text, escaped; a longer one is cut */

struct text {
    char bytes[SERVICE_SAYS_MAX];
    size_t used;
};

static void PRINTF_LIKE(2, 3) add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof(text->bytes) - text->used;
    int length = vsnprintf(text->bytes + text->used, room, format, args);
    va_end(args);
    if (length > 0)
        text->used += (size_t)length < room ? (size_t)length : room - 1;
}

/* A member with its comma before it; the first has its brace instead. */
static void add_key(struct text *text, const char *key)
{
    bool is_first = text->used == 0 || text->bytes[text->used - 1] == '{';
    add(text, "%s\"%s\":", is_first ? "" : ",", key);
}

static void add_bytes(struct text *text, const char *key, const char *bytes, size_t length)
{
    char value[VALUE_MAX];
    escape_json(value, sizeof(value), bytes, length);
    add_key(text, key);
    add(text, "\"%s\"", value);
}

static void add_text(struct text *text, const char *key, const char *value)
{
    add_bytes(text, key, value, strlen(value));
}

static void add_number(struct text *text, const char *key, uint64_t value)
{
    add_key(text, key);
    add(text, "%" PRIu64, value);
}

/* A text of the header, where it has it. */
static void add_kept(struct text *text, const char *key, const struct service_facts *facts,
                     enum proxy_text kept)
{
    const struct proxy_header *header = facts->proxied;
    if (header->texts[kept].at > 0)
        add_bytes(text, key, (const char *)facts->proxied_bytes + header->texts[kept].at,
                  header->texts[kept].length);
}

static void add_ssl(struct text *text, const struct service_facts *facts)
{
    add_key(text, "ssl");
    add(text, "{");
    add_number(text, "client", facts->proxied->ssl_client);
    add_number(text, "verify", facts->proxied->ssl_verify);
    add_kept(text, "version", facts, PROXY_SSL_VERSION);
    add_kept(text, "cn", facts, PROXY_SSL_CN);
    add_kept(text, "cipher", facts, PROXY_SSL_CIPHER);
    add_kept(text, "sig_alg", facts, PROXY_SSL_SIG_ALG);
    add_kept(text, "key_alg", facts, PROXY_SSL_KEY_ALG);
    add(text, "}");
}

static void add_proxied(struct text *text, const struct service_facts *facts)
{
    const struct proxy_header *header = facts->proxied;
    char end[256];
    add(text, "{");
    add_number(text, "version", header->version);
    add_text(text, "command", header->is_local ? "LOCAL" : "PROXY");
    add_text(text, "transport", proxy_transport_word((enum proxy_transport)header->transport));
    add_bytes(text, "from", facts->proxy, facts->proxy_length);
    if (proxy_has_source(header)) {
        add_bytes(text, "source", end,
                  proxy_format(end, sizeof(end), header, facts->proxied_bytes, true));
        add_bytes(text, "destination", end,
                  proxy_format(end, sizeof(end), header, facts->proxied_bytes, false));
    }
    add_kept(text, "alpn", facts, PROXY_ALPN);
    add_kept(text, "authority", facts, PROXY_AUTHORITY);
    add_kept(text, "unique_id", facts, PROXY_UNIQUE_ID);
    add_kept(text, "netns", facts, PROXY_NETNS);
    if (header->has_ssl)
        add_ssl(text, facts);
    add(text, "}");
}

size_t service_whoami(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                      size_t room)
{
    struct text text = {.used = 0};
    char tls[TLS_JSON_MAX];
    (void)offset;
    add(&text, "{");
    add_text(&text, "name", facts->name);
    add_number(&text, "id", facts->id);
    add_text(&text, "listener", facts->listener);
    add_bytes(&text, "peer", facts->peer, facts->peer_length);
    add_bytes(&text, "local", facts->local, facts->local_length);
    add_key(&text, "proxy");
    if (facts->proxied)
        add_proxied(&text, facts);
    else
        add(&text, "null");
    add_key(&text, "tls");
    add(&text, "%s", tls_json(tls, sizeof(tls), facts->tls));
    add(&text, "}\n");
    size_t length = text.used < room ? text.used : room;
    memcpy(out, text.bytes, length);
    return length;
}

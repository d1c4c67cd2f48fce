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

#define VALUE_MAX 2048 /* of one text, escaped; a longer one is cut */

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

size_t service_whoami(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                      size_t room)
{
    struct text text = {.used = 0};
    (void)offset;
    add(&text, "{");
    add_text(&text, "name", facts->name);
    add_key(&text, "id");
    add(&text, "%" PRIu64, facts->id);
    add_text(&text, "listener", facts->listener);
    add_bytes(&text, "peer", facts->peer, facts->peer_length);
    add_bytes(&text, "local", facts->local, facts->local_length);
    add_key(&text, "tls");
    add(&text, "%s}\n", facts->tls ? facts->tls : "null");
    size_t length = text.used < room ? text.used : room;
    memcpy(out, text.bytes, length);
    return length;
}

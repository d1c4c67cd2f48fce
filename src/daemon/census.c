/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/census.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

#define TEXT_MAX 255                   /* the longest text of an entry: each of them that TLS has */
#define ESCAPED_MAX (6 * TEXT_MAX + 1) /* \u00HH each */

_Static_assert(TEXT_MAX >= CONN_TELL_PEER_MAX && TEXT_MAX >= SOCK_NAME_MAX &&
                   TEXT_MAX >= sizeof(((struct stream_tls_info *)0)->subject),
               "a text would be cut");

void census_begin(struct census *census, uint64_t open)
{
    size_t room = open < CENSUS_MAX ? (size_t)open : CENSUS_MAX;
    *census = (struct census){.open = open};
    if (room > 0)
        census->entries = calloc(room, sizeof(*census->entries));
}

/* Only TLS connections have that much to tell. False without memory. */
static bool copy_tls(const struct conn *conn, struct stream_tls_info **out)
{
    struct stream_tls_info tls;
    *out = NULL;
    if (!stream_describe_tls(&conn->stream, &tls))
        return true;
    *out = malloc(sizeof(tls));
    if (*out)
        **out = tls;
    return *out != NULL;
}

void census_add(struct census *census, const struct conn *conn)
{
    struct stream_tls_info *tls;
    if (!census->entries || census->count == CENSUS_MAX || census->count == census->open ||
        !copy_tls(conn, &tls))
        return;
    struct census_entry *entry = &census->entries[census->count++];
    *entry = (struct census_entry){.id = conn->id,
                                   .in_bytes = conn->in_bytes,
                                   .out_bytes = conn->out_bytes,
                                   .owed_bytes = conn->owed_bytes,
                                   .open_ms = loop_now_ms() - conn->opened_ms,
                                   .state = (enum conn_state)conn->state,
                                   .tls = tls};
    snprintf(entry->listener, sizeof(entry->listener), "%s", conn->policy->listener_name);
    entry->peer_length = conn_tell_peer(conn, entry->peer, sizeof(entry->peer));
}

void census_clear(struct census *census)
{
    for (size_t i = 0; i < census->count; i++)
        free(census->entries[i].tls);
    free(census->entries);
    *census = (struct census){0};
}

static void write_text(FILE *out, const char *key, const char *bytes, size_t length)
{
    char text[ESCAPED_MAX];
    escape_json(text, sizeof(text), bytes, length);
    fprintf(out, ",\"%s\":\"%s\"", key, text);
}

/* As whoami (service_whoami.c) tells a client of its own. */
static void write_tls(FILE *out, const struct stream_tls_info *tls)
{
    fprintf(out, ",\"tls\":{\"version\":\"%s\",\"cipher\":\"%s\",\"resumed\":%s", tls->version,
            tls->cipher, tls->is_resumed ? "true" : "false");
    if (tls->alpn_length > 0)
        write_text(out, "alpn", tls->alpn, tls->alpn_length);
    if (tls->server_name_length > 0)
        write_text(out, "sni", tls->server_name, tls->server_name_length);
    if (tls->subject_length > 0)
        write_text(out, "subject", tls->subject, tls->subject_length);
    fprintf(out, "}");
}

static void write_entry(FILE *out, const struct census_entry *entry)
{
    fprintf(out, "{\"id\":%" PRIu64, entry->id);
    write_text(out, "peer", entry->peer, entry->peer_length);
    write_text(out, "listener", entry->listener, strlen(entry->listener));
    fprintf(out,
            ",\"state\":\"%s\",\"in\":%" PRIu64 ",\"out\":%" PRIu64 ",\"owed\":%" PRIu64
            ",\"seconds\":%" PRIu64 ".%03" PRIu64,
            conn_tell_state(entry->state), entry->in_bytes, entry->out_bytes, entry->owed_bytes,
            entry->open_ms / 1000, entry->open_ms % 1000);
    if (entry->tls)
        write_tls(out, entry->tls);
    else
        fprintf(out, ",\"tls\":null");
    fprintf(out, "}");
}

void census_write(FILE *out, const struct census *censuses, size_t count)
{
    uint64_t open = 0, told = 0;
    fprintf(out, "{\"connections\":[");
    for (size_t i = 0; i < count; i++) {
        open += censuses[i].open;
        for (size_t j = 0; j < censuses[i].count && told < CENSUS_MAX; j++) {
            fprintf(out, "%s\n", told++ ? "," : "");
            write_entry(out, &censuses[i].entries[j]);
        }
    }
    fprintf(out, "],\n\"open\":%" PRIu64 ",\"truncated\":%s}\n", open,
            told < open ? "true" : "false");
}

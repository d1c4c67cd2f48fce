/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/census.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json_writer.h"
#include "daemon/tls_json.h"

/* Of one connection: \u00HH for each byte of two names, and its numbers. */
#define ENTRY_MAX (6 * (CONN_TELL_PEER_MAX + SOCK_NAME_MAX) + TLS_JSON_MAX + 256)

_Static_assert(CONN_TELL_PEER_MAX >= SOCK_NAME_MAX, "a name would be cut");

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
                                   .in_bytes = conn->account.in,
                                   .out_bytes = conn->account.out,
                                   .owed_bytes = account_owed(&conn->account),
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

static void write_entry(FILE *out, const struct census_entry *entry)
{
    char line[ENTRY_MAX];
    struct json_writer writer = {.out = line, .size = sizeof(line)};
    json_write_begin(&writer, NULL, '{');
    json_write_number(&writer, "id", entry->id);
    json_write_text(&writer, "peer", entry->peer, entry->peer_length);
    json_write_string(&writer, "listener", entry->listener);
    json_write_string(&writer, "state", conn_tell_state(entry->state));
    json_write_number(&writer, "in", entry->in_bytes);
    json_write_number(&writer, "out", entry->out_bytes);
    json_write_number(&writer, "owed", entry->owed_bytes);
    json_write_ms(&writer, "seconds", entry->open_ms);
    tls_json_write(&writer, entry->tls);
    json_write_end(&writer, '}');
    (void)fwrite(line, 1, writer.used, out);
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

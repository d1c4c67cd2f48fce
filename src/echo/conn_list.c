/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/conn_list.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json_writer.h"
#include "echo/tls_json.h"
#include "tls/tls_codec.h"

/* The longest entry: \u00HH for each byte of two names, and the numbers. */
#define ENTRY_MAX (6 * (CONN_REPORT_PEER_MAX + SOCK_NAME_MAX) + TLS_JSON_MAX + 256)

_Static_assert(CONN_REPORT_PEER_MAX >= SOCK_NAME_MAX, "a name would be cut");

void conn_list_begin(struct conn_list *list, uint64_t open)
{
    size_t room = open < CONN_LIST_MAX ? (size_t)open : CONN_LIST_MAX;
    *list = (struct conn_list){.open = open};
    if (room > 0)
        list->entries = calloc(room, sizeof(*list->entries));
}

/* Copies the TLS parameters to memory of their own, since only TLS connections have any. False if
 * memory is short. */
static bool copy_tls(const struct conn *conn, struct tls_info **out)
{
    struct tls_info tls;
    *out = NULL;
    if (!stream_describe_tls(&conn->stream, &tls))
        return true;
    *out = malloc(sizeof(tls));
    if (*out)
        **out = tls;
    return *out != NULL;
}

void conn_list_add(struct conn_list *list, const struct conn *conn)
{
    struct tls_info *tls;
    if (!list->entries || list->count == CONN_LIST_MAX || list->count == list->open ||
        !copy_tls(conn, &tls))
        return;
    struct conn_list_entry *entry = &list->entries[list->count++];
    *entry = (struct conn_list_entry){.id = conn->id,
                                      .in_bytes = conn->account.in,
                                      .out_bytes = conn->account.out,
                                      .owed_bytes = account_owed(&conn->account),
                                      .open_ms = loop_now_ms() - conn->opened_ms,
                                      .state = (enum conn_state)conn->state,
                                      .tls = tls};
    snprintf(entry->listener, sizeof(entry->listener), "%s", conn->policy->listener_name);
    entry->peer_length = conn_report_peer(conn, entry->peer, sizeof(entry->peer));
}

void conn_list_clear(struct conn_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].tls);
    free(list->entries);
    *list = (struct conn_list){0};
}

static void write_entry(FILE *out, const struct conn_list_entry *entry)
{
    char line[ENTRY_MAX];
    struct json_writer writer = {.out = line, .size = sizeof(line)};
    json_write_begin(&writer, NULL, '{');
    json_write_number(&writer, "id", entry->id);
    json_write_text(&writer, "peer", entry->peer, entry->peer_length);
    json_write_string(&writer, "listener", entry->listener);
    json_write_string(&writer, "state", conn_report_state(entry->state));
    json_write_number(&writer, "in", entry->in_bytes);
    json_write_number(&writer, "out", entry->out_bytes);
    json_write_number(&writer, "owed", entry->owed_bytes);
    json_write_ms(&writer, "seconds", entry->open_ms);
    tls_json_write(&writer, entry->tls);
    json_write_end(&writer, '}');
    (void)fwrite(line, 1, writer.used, out);
}

void conn_list_write(FILE *out, const struct conn_list *lists, size_t count)
{
    uint64_t open = 0, told = 0;
    fprintf(out, "{\"connections\":[");
    for (size_t i = 0; i < count; i++) {
        open += lists[i].open;
        for (size_t j = 0; j < lists[i].count && told < CONN_LIST_MAX; j++) {
            fprintf(out, "%s\n", told++ ? "," : "");
            write_entry(out, &lists[i].entries[j]);
        }
    }
    fprintf(out, "],\n\"open\":%" PRIu64 ",\"truncated\":%s}\n", open,
            told < open ? "true" : "false");
}

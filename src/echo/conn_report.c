/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/conn_report.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "tls/tls_codec.h"

#define FIELDS_MAX 24

/* Writes the name of the peer of our socket, which may be a proxy. */
static size_t name_caller(const struct conn *conn, const struct address *address, char *out,
                          size_t size)
{
    if (address->family == AF_UNIX)
        return stream_unix_peer(&conn->stream, out, size);
    return strlen(address_format(out, size, address));
}

/* True if a proxy has named its client. */
static bool is_proxied(const struct conn *conn)
{
    return conn->proxied && proxy_has_source(&conn->proxied->header);
}

size_t conn_report_peer(const struct conn *conn, char *out, size_t size)
{
    const struct conn_proxied *proxied = conn->proxied;
    if (is_proxied(conn))
        return proxy_format(out, size, &proxied->header, proxied->bytes, true);
    return name_caller(conn, &conn->peer, out, size);
}

static size_t name_proxy(const struct conn *conn, char *out, size_t size)
{
    return conn->proxied ? name_caller(conn, &conn->proxied->proxy, out, size) : 0;
}

static size_t describe_tls(struct log_field *out, const struct tls_info *tls)
{
    size_t count = 0;
    out[count++] = LOG_TEXT("tls", tls->version);
    out[count++] = LOG_TEXT("cipher", tls->cipher);
    out[count++] = LOG_TEXT("resumed", tls->is_resumed ? "yes" : "no");
    if (tls->alpn_length > 0)
        out[count++] = LOG_BYTES("alpn", tls->alpn, tls->alpn_length);
    if (tls->server_name_length > 0)
        out[count++] = LOG_BYTES("sni", tls->server_name, tls->server_name_length);
    if (tls->subject_length > 0)
        out[count++] = LOG_BYTES("subject", tls->subject, tls->subject_length);
    return count;
}

const char *conn_report_state(enum conn_state state)
{
    static const char *const WORDS[CONN_STATE_COUNT] = {
        [CONN_OPEN] = "open",     [CONN_PAUSED] = "paused", [CONN_FLUSH] = "flush",
        [CONN_LINGER] = "linger", [CONN_CLOSED] = "closed", [CONN_HANDSHAKE] = "handshake",
    };
    return WORDS[state];
}

static void report_closed(const struct conn *conn, bool is_reset)
{
    char peer[CONN_REPORT_PEER_MAX], proxy[CONN_REPORT_PEER_MAX];
    struct tls_info tls;
    struct log_field fields[FIELDS_MAX];
    size_t count = 0;
    if (!log_is_on(conn->env->log, LOG_LEVEL_INFO))
        return;
    fields[count++] = LOG_NUMBER("id", conn->id);
    fields[count++] = LOG_BYTES("peer", peer, conn_report_peer(conn, peer, sizeof(peer)));
    if (is_proxied(conn))
        fields[count++] = LOG_BYTES("proxy", proxy, name_proxy(conn, proxy, sizeof(proxy)));
    fields[count++] = LOG_TEXT("listener", conn->policy->listener_name);
    fields[count++] = LOG_NUMBER("in", conn->account.in);
    if (conn->account.made > 0)
        fields[count++] = LOG_NUMBER("made", conn->account.made);
    fields[count++] = LOG_NUMBER("out", conn->account.out);
    if (conn->account.sunk > 0)
        fields[count++] = LOG_NUMBER("sunk", conn->account.sunk);
    fields[count++] = LOG_NUMBER("lost", conn->account.lost);
    if (conn->account.cut > 0)
        fields[count++] = LOG_NUMBER("cut", conn->account.cut);
    fields[count++] = LOG_NUMBER("discarded", conn->account.discarded);
    fields[count++] = LOG_MS("seconds", loop_now_ms() - conn->opened_ms);
    fields[count++] = LOG_TEXT("end", is_reset ? "reset" : "fin");
    fields[count++] = LOG_TEXT("reason", reason_word((enum reason)conn->reason));
    const char *error = conn->error ? stream_error_text(&conn->stream, conn->error) : NULL;
    if (error)
        fields[count++] = LOG_TEXT("error", error);
    /* Last, since fields that do not fit in the line are left out, and these may be long. */
    if (stream_describe_tls(&conn->stream, &tls))
        count += describe_tls(fields + count, &tls);
    log_write(conn->env->log, 0, LOG_LEVEL_INFO, "connection closed", fields, count);
}

static void report_broken(const struct conn *conn, enum conn_state to)
{
    log_event(conn->env->log, LOG_LEVEL_ERROR,
              "a connection broke its own rules: please report this", LOG_NUMBER("id", conn->id),
              LOG_NUMBER("from", conn->state), LOG_NUMBER("to", to),
              LOG_NUMBER("in", conn->account.in), LOG_NUMBER("made", conn->account.made),
              LOG_NUMBER("out", conn->account.out), LOG_NUMBER("owed", stream_owed(&conn->stream)),
              LOG_NUMBER("lost", conn->account.lost), LOG_NUMBER("sunk", conn->account.sunk));
}

static size_t make_service(const struct conn *conn, unsigned char *out, size_t room)
{
    const struct service *service = service_at(conn->policy->values.service);
    char peer[CONN_REPORT_PEER_MAX], local[CONN_REPORT_PEER_MAX], proxy[CONN_REPORT_PEER_MAX];
    struct tls_info tls;
    const struct service_facts facts = {
        .unix_s = (uint64_t)time(NULL),
        .id = conn->id,
        .name = conn->env->name,
        .listener = conn->policy->listener_name,
        .peer = peer,
        .peer_length = conn_report_peer(conn, peer, sizeof(peer)),
        .local = local,
        .local_length = stream_local(&conn->stream, local, sizeof(local)),
        .tls = stream_describe_tls(&conn->stream, &tls) ? &tls : NULL,
        .proxied = conn->proxied ? &conn->proxied->header : NULL,
        .proxied_bytes = conn->proxied ? conn->proxied->bytes : NULL,
        .proxy = proxy,
        .proxy_length = name_proxy(conn, proxy, sizeof(proxy)),
    };
    return service->make(&facts, conn->account.made, out, room);
}

const struct conn_reporter CONN_REPORTER = {report_closed, report_broken, make_service};

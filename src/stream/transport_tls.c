/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS: like TCP, with a codec in between.
 *
 *     kernel --recv--> scratch --[OpenSSL]--> plain bytes
 *     kernel <--send-- records <--[OpenSSL]-- plain bytes
 *                          `--rest--> the bufferevent's output evbuffer, written by libevent
 *
 * All bytes that the owner counts are plain ones. The peer cannot use an incomplete record, so its
 * plain bytes are owed until the kernel has accepted the whole record. Marks store how many plain
 * bytes each record in the output evbuffer holds.
 */
#include "stream/transport.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "net/sock_option.h"
#include "tls/tls.h"
#include "tls/tls_codec.h"

#define MARKS_FIRST 32
/* A peer may request key updates without end and not read the answers, which the owner does not
 * count as owed. If so many bytes of answers are queued, reading stops. */
#define ANSWERS_MAX 40960

/* Marks of the records in the output evbuffer, in order. */
struct marks {
    struct tls_mark *at;
    size_t first, end, room;
};

struct stream_tls {
    struct tls_codec codec;
    struct marks marks;
    size_t owed_bytes;   /* plain, in the marks */
    size_t answer_bytes; /* of the records that hold no plain bytes */
    bool is_truncated;   /* the peer's FIN came without close_notify */
    bool is_ending;      /* our close_notify was sent or queued */
};

static size_t waiting(const struct stream *stream)
{
    return evbuffer_get_length(bufferevent_get_output(stream->bev));
}

/* ---- records out ---- */

/* Makes room for `more` marks. The room of sent records is reused first, since the queue may never
 * be empty. Returns 0 or -ENOMEM. */
static int reserve_marks(struct marks *marks, size_t more)
{
    size_t count = marks->end - marks->first, room = marks->room ? marks->room : MARKS_FIRST;
    if (marks->at && marks->end + more <= marks->room)
        return 0;
    while (room < 2 * (count + more))
        room *= 2;
    if (room > marks->room) {
        struct tls_mark *at = realloc(marks->at, room * sizeof(*at));
        if (!at)
            return -ENOMEM;
        marks->at = at;
        marks->room = room;
    }
    memmove(marks->at, marks->at + marks->first, count * sizeof(*marks->at));
    marks->first = 0;
    marks->end = count;
    return 0;
}

static void push_mark(struct stream_tls *tls, struct tls_mark mark)
{
    tls->marks.at[tls->marks.end++] = mark;
    tls->owed_bytes += mark.plain_bytes;
    tls->answer_bytes += mark.plain_bytes == 0 ? mark.record_bytes : 0;
}

/* Removes `bytes` sent bytes of records. Returns the plain bytes of the records that are now
 * completely sent. An idle connection keeps no marks. */
static size_t pop_marks(struct stream_tls *tls, size_t bytes)
{
    struct marks *marks = &tls->marks;
    size_t plain = 0;
    while (bytes > 0 && marks->first < marks->end) {
        struct tls_mark *mark = &marks->at[marks->first];
        uint32_t part = bytes < mark->record_bytes ? (uint32_t)bytes : mark->record_bytes;
        bytes -= part;
        mark->record_bytes -= part;
        tls->answer_bytes -= mark->plain_bytes == 0 ? part : 0;
        if (mark->record_bytes == 0)
            plain += marks->at[marks->first++].plain_bytes;
    }
    if (marks->first == marks->end) {
        free(marks->at);
        *marks = (struct marks){0};
    }
    tls->owed_bytes -= plain;
    return plain;
}

/* Queues the room's records except their first `sent` bytes. */
static int keep_rest(struct stream *stream, size_t sent)
{
    struct stream_tls *tls = stream->tls;
    struct tls_room *room = tls->codec.room;
    size_t begin = 0;
    if (reserve_marks(&tls->marks, room->marks_count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < room->marks_count; i++) {
        struct tls_mark mark = room->marks[i];
        size_t end = begin + mark.record_bytes;
        if (end > sent) {
            mark.record_bytes = (uint32_t)(end - (sent > begin ? sent : begin));
            push_mark(tls, mark);
        }
        begin = end;
    }
    return transport_keep(stream, room->records + sent, room->records_length - sent);
}

static size_t plain_within(const struct tls_room *room, size_t sent)
{
    size_t plain = 0, end = 0;
    for (size_t i = 0; i < room->marks_count; i++) {
        end += room->marks[i].record_bytes;
        if (end > sent)
            break;
        plain += room->marks[i].plain_bytes;
    }
    return plain;
}

/* Sends the room's records and queues the rest. *plain is the number of plain bytes in completely
 * sent records. */
static int flush(struct stream *stream, size_t *plain)
{
    struct tls_room *room = stream->tls->codec.room;
    *plain = 0;
    if (room->records_length == 0)
        return 0;
    ssize_t sent = transport_send(stream, room->records, room->records_length);
    int failure = sent < 0 ? (int)sent : 0;
    if (sent > 0)
        *plain = plain_within(room, (size_t)sent);
    if (sent >= 0 && (size_t)sent < room->records_length)
        failure = keep_rest(stream, (size_t)sent);
    tls_room_clear(room);
    return failure;
}

/* Sends records without plain bytes, such as alerts. After close_notify none may be sent. */
static int flush_own(struct stream *stream)
{
    size_t none;
    if (!stream->tls->is_ending)
        return flush(stream, &none);
    tls_room_clear(stream->tls->codec.room);
    return 0;
}

static int tls_give(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent)
{
    struct stream_tls *tls = stream->tls;
    *sent = 0;
    int failure = tls_codec_write(&tls->codec, bytes, length);
    if (failure) {
        tls_room_clear(tls->codec.room);
        return failure;
    }
    return flush(stream, sent);
}

static int tls_owe(struct stream *stream, const unsigned char *bytes, size_t length)
{
    int failure = tls_codec_write(&stream->tls->codec, bytes, length);
    if (!failure)
        failure = keep_rest(stream, 0);
    tls_room_clear(stream->tls->codec.room);
    return failure;
}

static size_t tls_drained(struct stream *stream, size_t bytes)
{
    return pop_marks(stream->tls, bytes);
}

static bool tls_is_full(const struct stream *stream)
{
    return stream->tls->answer_bytes > ANSWERS_MAX;
}

static size_t tls_owed(const struct stream *stream)
{
    return stream->tls->owed_bytes;
}

/* ---- records in ---- */

/* Feeds the codec with its kept records, or else with received ones. Returns like take(). */
static ssize_t feed(struct stream *stream)
{
    struct tls_codec *codec = &stream->tls->codec;
    if (tls_codec_has_more(codec)) {
        tls_codec_feed(codec, NULL, 0);
        return 1;
    }
    ssize_t came = transport_recv(stream, 0);
    if (came > 0)
        tls_codec_feed(codec, stream->env->scratch, (size_t)came);
    return came;
}

/* Sends the records that OpenSSL made meanwhile (an alert, the answer to a KeyUpdate), even if the
 * connection has failed: an alert tells the peer why. */
static ssize_t settle(struct stream *stream, ssize_t result)
{
    int unsent = flush_own(stream);
    int unkept = tls_codec_rest(&stream->tls->codec);
    if (result < 0 && result != -EAGAIN)
        return result;
    return unsent ? unsent : unkept ? unkept : result;
}

static int tls_shake(struct stream *stream)
{
    struct tls_codec *codec = &stream->tls->codec;
    if (codec->is_open)
        return 1;
    ssize_t came = feed(stream);
    if (came == 0) {
        codec->error = "the peer ended before the handshake was done";
        return -EPROTO;
    }
    if (came < 0)
        return came == -EAGAIN ? 0 : (int)came;
    int result = (int)settle(stream, tls_codec_shake(codec));
    /* Acknowledge the client's last handshake message at once, since we do not answer it. If the
     * client does not set TCP_NODELAY, its first data would wait for our delayed acknowledgement
     * (RFC 9293, 3.7.4 and 3.8.6.3). */
    if (result == 1)
        sock_option_set(stream->fd, IPPROTO_TCP, TCP_QUICKACK, 1);
    return result;
}

static ssize_t tls_take(struct stream *stream, const unsigned char **bytes)
{
    struct tls_codec *codec = &stream->tls->codec;
    ssize_t came = feed(stream);
    *bytes = codec->room->plain;
    if (came > 0)
        return settle(stream, tls_codec_read(codec));
    stream->tls->is_truncated = came == 0;
    return came;
}

static bool tls_has_more(const struct stream *stream)
{
    return tls_codec_has_more(&stream->tls->codec);
}

static size_t tls_unread(const struct stream *stream, size_t queued)
{
    return queued + tls_codec_unread(&stream->tls->codec);
}

/* ---- life ---- */

static int tls_open(struct stream *stream, const struct stream_how *how)
{
    struct stream_tls *tls = calloc(1, sizeof(*tls));
    struct ssl_st *ssl = tls && stream->env->tls ? tls_accept_new(how->tls) : NULL;
    if (!ssl || tls_codec_open(&tls->codec, stream->env->tls, ssl) < 0) {
        free(tls);
        return -1;
    }
    stream->tls = tls;
    return transport_borrow_read(stream);
}

static void tls_close(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    if (!tls)
        return;
    tls_codec_close(&tls->codec);
    free(tls->marks.at);
    free(tls);
    stream->tls = NULL;
}

/* If the kernel has no room for close_notify, returns false until it is written. A truncated stream
 * is not answered with close_notify: an attacker in between may have cut it, and the peer would not
 * learn that bytes are missing. */
static bool tls_say_end(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    if (!tls->is_ending) {
        if (!tls->is_truncated)
            tls_codec_end(&tls->codec);
        int failure = flush_own(stream);
        tls->is_ending = true;
        if (failure)
            return true; /* the peer is gone; nothing was owed to it */
    }
    return waiting(stream) == 0;
}

/* ---- description ---- */

static const char *tls_error_text(const struct stream *stream)
{
    return stream->tls ? stream->tls->codec.error : NULL;
}

static bool tls_is_truncated(const struct stream *stream)
{
    return stream->tls && stream->tls->is_truncated;
}

static bool tls_describe(const struct stream *stream, struct tls_info *out)
{
    if (!stream->tls || !stream->tls->codec.is_open)
        return false;
    tls_codec_describe(&stream->tls->codec, out);
    return true;
}

const struct transport TRANSPORT_TLS = {.take_bytes = STREAM_SCRATCH_BYTES,
                                        .open = tls_open,
                                        .shake = tls_shake,
                                        .take = tls_take,
                                        .give = tls_give,
                                        .owe = tls_owe,
                                        .has_more = tls_has_more,
                                        .is_full = tls_is_full,
                                        .drained = tls_drained,
                                        .owed = tls_owed,
                                        .unread = tls_unread,
                                        .say_end = tls_say_end,
                                        .is_truncated = tls_is_truncated,
                                        .describe_tls = tls_describe,
                                        .error_text = tls_error_text,
                                        .close = tls_close};

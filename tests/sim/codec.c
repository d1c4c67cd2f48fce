/* SPDX-License-Identifier: BSD-2-Clause */
/* Implements tls/tls_codec.h without OpenSSL: the records of records.h, and empty contexts. So the
 * transport and everything above it run unchanged, without the cost of keys. Linked instead of
 * tls_codec.c and tls.c. */
#include "tls/tls_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "rare.h"
#include "records.h"
#include "stream/stream.h"
#include "tls/tls.h"

#define PLAIN_BYTES (256U * 1024U + RECORD_MOST)
#define RECORDS_ROOM (4 * PLAIN_BYTES)
#define MARKS_ROOM 4096
#define HELLO_BYTES 3000
#define TICKET_BYTES 200

/* The state of one connection: the record received in part. */
struct ssl_st {
    unsigned char record[RECORD_HEADER + RECORD_MOST];
    size_t length;
    unsigned hellos;
    bool has_said_end;
};

/* ---- the room ---- */

void tls_room_free(struct tls_room *room)
{
    if (!room)
        return;
    free(room->records);
    free(room->marks);
    free(room->plain);
    free(room);
}

struct tls_room *tls_room_new(void)
{
    struct tls_room *room = calloc(1, sizeof(*room));
    room->records = malloc(RECORDS_ROOM);
    room->marks = malloc(MARKS_ROOM * sizeof(*room->marks));
    room->plain = malloc(PLAIN_BYTES);
    return room;
}

void tls_room_clear(struct tls_room *room)
{
    room->records_length = room->marks_count = 0;
}

static int make_record(struct tls_codec *codec, enum record kind, const unsigned char *bytes,
                       size_t length)
{
    struct tls_room *room = codec->room;
    size_t all = RECORD_HEADER + length;
    unsigned char *at = room->records + room->records_length;
    if (kernel_is_out_of_memory()) {
        rare_saw(RARE_NO_RECORD);
        return -ENOMEM;
    }
    if (room->records_length + all > RECORDS_ROOM || room->marks_count == MARKS_ROOM) {
        kernel_complain("the room was not cleared", room->records_length);
        return -ENOMEM;
    }
    at[0] = (unsigned char)kind;
    at[1] = RECORD_GUARD;
    at[2] = (unsigned char)(length >> 8);
    at[3] = (unsigned char)length;
    if (bytes)
        memcpy(at + RECORD_HEADER, bytes, length);
    else
        memset(at + RECORD_HEADER, 0, length);
    room->records_length += all;
    room->marks[room->marks_count++] = (struct tls_mark){
        .record_bytes = (uint32_t)all, .plain_bytes = kind == RECORD_DATA ? (uint32_t)length : 0};
    return 0;
}

/* ---- life ---- */

int tls_codec_open(struct tls_codec *codec, struct tls_room *room, struct ssl_st *ssl)
{
    *codec = (struct tls_codec){.ssl = ssl, .room = room};
    return 0;
}

void tls_codec_close(struct tls_codec *codec)
{
    free(codec->ssl);
    free(codec->kept);
}

/* ---- records in ---- */

void tls_codec_feed(struct tls_codec *codec, const unsigned char *records, size_t length)
{
    if (codec->kept && length > 0)
        kernel_complain("records were fed before those that were kept", length);
    codec->room->input = codec->kept ? codec->kept : records;
    codec->room->input_length = codec->kept ? codec->kept_length : length;
}

int tls_codec_rest(struct tls_codec *codec)
{
    struct tls_room *room = codec->room;
    unsigned char *old = codec->kept;
    size_t length = room->input_length;
    bool is_kept = length > 0 && !kernel_is_out_of_memory();
    codec->kept = is_kept ? malloc(length) : NULL;
    codec->kept_length = is_kept ? length : 0;
    room->input_length = 0;
    if (is_kept)
        memcpy(codec->kept, room->input, length);
    free(old);
    if (length > 0)
        rare_saw(is_kept ? RARE_KEPT_RECORDS : RARE_KEPT_NONE);
    return length > 0 && !is_kept ? -ENOMEM : 0;
}

size_t tls_codec_unread(const struct tls_codec *codec)
{
    return codec->kept_length;
}

bool tls_codec_has_more(const struct tls_codec *codec)
{
    return codec->kept_length > 0 || codec->has_ended || codec->failure;
}

/* Fills the record from the input, as far as that reaches. */
static void fill_record(struct ssl_st *ssl, struct tls_room *room, size_t whole)
{
    size_t part = ssl->length < whole ? whole - ssl->length : 0;
    part = part < room->input_length ? part : room->input_length;
    if (part > 0)
        memcpy(ssl->record + ssl->length, room->input, part);
    ssl->length += part;
    room->input += part;
    room->input_length -= part;
}

/* Returns the kind of the next complete record and its body; 0 if none is complete. */
static int next_record(struct tls_codec *codec, const unsigned char **bytes, size_t *length)
{
    struct ssl_st *ssl = codec->ssl;
    struct tls_room *room = codec->room;
    fill_record(ssl, room, RECORD_HEADER);
    if (ssl->length < RECORD_HEADER)
        return 0;
    *length = (size_t)ssl->record[2] << 8 | ssl->record[3];
    fill_record(ssl, room, RECORD_HEADER + *length);
    if (ssl->length < RECORD_HEADER + *length)
        return 0;
    *bytes = ssl->record + RECORD_HEADER;
    ssl->length = 0;
    return ssl->record[1] == RECORD_GUARD ? ssl->record[0] : RECORD_ALERT;
}

static int fail(struct tls_codec *codec)
{
    codec->error = "a record of the wrong kind";
    (void)make_record(codec, RECORD_ALERT, NULL, 2);
    return -EPROTO;
}

int tls_codec_shake(struct tls_codec *codec)
{
    const unsigned char *bytes;
    size_t length;
    for (int kind; !codec->is_open;) {
        kind = next_record(codec, &bytes, &length);
        if (kind == 0)
            return 0;
        if (kind != RECORD_HELLO) {
            rare_saw(RARE_SHAKE_FAILED);
            return fail(codec);
        }
        codec->is_open = codec->ssl->hellos++ == 1;
        if (!codec->is_open && make_record(codec, RECORD_HELLO, NULL, HELLO_BYTES) < 0)
            return -ENOMEM;
    }
    return 1;
}

/* Reads one record. Returns 0 or more, or -errno; -EAGAIN if it is not complete. */
static int read_record(struct tls_codec *codec, size_t *plain)
{
    const unsigned char *bytes;
    size_t length;
    switch (next_record(codec, &bytes, &length)) {
    case 0:
        return -EAGAIN;
    case RECORD_DATA:
        memcpy(codec->room->plain + *plain, bytes, length);
        *plain += length;
        return 0;
    case RECORD_KEYS:
        return make_record(codec, RECORD_ANSWER, NULL, length * RECORD_ANSWER_TIMES);
    case RECORD_END:
        codec->has_ended = true;
        return 0;
    default:
        return fail(codec);
    }
}

ssize_t tls_codec_read(struct tls_codec *codec)
{
    size_t length = 0;
    int failure = codec->failure;
    while (!failure && !codec->has_ended && length + RECORD_MOST <= PLAIN_BYTES)
        failure = read_record(codec, &length);
    codec->failure = failure == -EAGAIN ? 0 : failure;
    if (length > 0 && codec->failure == -EPROTO)
        rare_saw(RARE_FAILED_BEHIND_DATA);
    if (length > 0)
        return (ssize_t)length;
    return codec->has_ended ? 0 : failure;
}

/* ---- records out ---- */

int tls_codec_write(struct tls_codec *codec, const unsigned char *bytes, size_t length)
{
    int failure = codec->failure; /* the connection has failed */
    if (!failure && !codec->has_ticket)
        failure = make_record(codec, RECORD_TICKET, NULL, TICKET_BYTES);
    codec->has_ticket = true;
    for (size_t piece; length > 0 && !failure; bytes += piece, length -= piece) {
        piece = length < RECORD_MOST ? length : RECORD_MOST;
        failure = make_record(codec, RECORD_DATA, bytes, piece);
    }
    return failure;
}

void tls_codec_end(struct tls_codec *codec)
{
    if (codec->ssl->has_said_end)
        return;
    codec->ssl->has_said_end = true;
    (void)make_record(codec, RECORD_END, NULL, 0);
    if (!codec->has_ended)
        rare_saw(RARE_OWN_END);
}

void tls_codec_describe(const struct tls_codec *codec, struct tls_info *out)
{
    (void)codec;
    *out = (struct tls_info){.version = "records", .cipher = "none"};
}

/* ---- tls/tls.h ---- */

struct tls_context *tls_context_ref(struct tls_context *context)
{
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    (void)context;
}

struct ssl_st *tls_accept_new(struct tls_context *context)
{
    (void)context;
    return kernel_is_out_of_memory() ? NULL : calloc(1, sizeof(struct ssl_st));
}

const char *tls_library(void)
{
    return NULL;
}

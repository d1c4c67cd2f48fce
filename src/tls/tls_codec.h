/* SPDX-License-Identifier: BSD-2-Clause */
/* One end of a TLS connection as a codec: records in, plain bytes out, and back. It has no
 * descriptor and never waits; whoever has one moves the records.
 *
 *     recv(2) --tls_codec_feed()--> [OpenSSL] --tls_codec_read()--> plain bytes
 *     send(2) <------room.records-- [OpenSSL] <--tls_codec_write()-- plain bytes
 *
 * The connections of one thread share a room: OpenSSL reads from the caller's buffer and writes
 * into the room's, through one BIO for all of them. So a record is never half written: whatever
 * OpenSSL makes (an alert, the answer to a KeyUpdate, a ticket) has its place at once, and reading
 * can go on while the kernel takes nothing. What a record's first part needs until its rest comes
 * is OpenSSL's own; an idle connection keeps no buffer.
 *
 * Where the build left TLS out (tls_codec_none.c) no codec can be opened.
 */
#ifndef TLS_TLS_CODEC_H
#define TLS_TLS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

struct ssl_st;

/* A record, or some: as long as none of it is lost, so many plain bytes are in it. */
struct tls_mark {
    uint32_t record_bytes;
    uint32_t plain_bytes; /* 0: the protocol's own */
};

/* What the codecs of one thread share. Records and marks stay until tls_room_clear(). */
struct tls_room {
    unsigned char *records;
    size_t records_length, records_room;
    struct tls_mark *marks; /* a mark a record, in order */
    size_t marks_count, marks_room;
    unsigned char *plain; /* what tls_codec_read() has opened */
    struct bio_st *bio;
    const unsigned char *input; /* what is left of the records that were fed */
    size_t input_length;
    bool is_refused; /* there was no memory for a record */
};

struct tls_codec {
    struct ssl_st *ssl;
    struct tls_room *room;
    unsigned char *kept; /* records that came and were not read yet; NULL: none */
    size_t kept_length;
    const char *error; /* OpenSSL's words for a failure; static; NULL: it had none */
    int reason;        /* and its number, an SSL_R_*; 0: none of these */
    int failure;       /* found behind bytes that were opened: the next read's; 0: none */
    bool is_open;      /* the handshake is done */
    bool has_ended;    /* the peer's close_notify has been read */
    bool has_ticket;   /* a server's: the client was given one */
    bool has_spare;    /* sending it has left a buffer behind */
};

/* What the two ends have agreed on; it outlives the codec. The bytes of the lengths are the peer's,
 * and may be anything. */
struct tls_info {
    const char *version, *cipher; /* static */
    char alpn[255], server_name[255], subject[255];
    size_t alpn_length, server_name_length, subject_length; /* 0: none */
    bool is_resumed;
};

/* NULL without memory. */
struct tls_room *tls_room_new(void) MUST_CHECK;
void tls_room_free(struct tls_room *room); /* NULL is allowed */

/* The records were sent, or copied. */
void tls_room_clear(struct tls_room *room);

/* Takes over the SSL, which knows its side, also where it fails. 0, or -1 without memory. */
int tls_codec_open(struct tls_codec *codec, struct tls_room *room, struct ssl_st *ssl) MUST_CHECK;
void tls_codec_close(struct tls_codec *codec);

/* Records that have come; they must stay in place until tls_codec_rest(). */
void tls_codec_feed(struct tls_codec *codec, const unsigned char *records, size_t length);

/* Keeps what was fed and not used, for the next call of tls_codec_feed(). 0 or -ENOMEM. */
int tls_codec_rest(struct tls_codec *codec) MUST_CHECK;

/* Goes on with the handshake: 1 when it is done, 0 where it waits for the peer's records, or
 * -errno: -EPROTO where the peer or TLS is at fault, and codec->error may say more. */
int tls_codec_shake(struct tls_codec *codec) MUST_CHECK;

/* Opens what was fed, as much as the room holds. Returns how many bytes are in room->plain, 0 at
 * close_notify, -EAGAIN where no record is whole, or -errno. */
ssize_t tls_codec_read(struct tls_codec *codec) MUST_CHECK;

/* Bytes that were fed and not read yet: records, or plain ones. */
size_t tls_codec_unread(const struct tls_codec *codec);
/* The same into the caller's memory: at most `size` bytes. */
ssize_t tls_codec_read_to(struct tls_codec *codec, unsigned char *bytes, size_t size) MUST_CHECK;

/* More can be read without feeding more. */
bool tls_codec_has_more(const struct tls_codec *codec);

/* Appends records that hold the bytes to the room's. 0 or -errno. */
int tls_codec_write(struct tls_codec *codec, const unsigned char *bytes, size_t length) MUST_CHECK;

/* Appends close_notify, once. */
void tls_codec_end(struct tls_codec *codec);

/* What was agreed on; the handshake is done. */
void tls_codec_describe(const struct tls_codec *codec, struct tls_info *out);

#endif

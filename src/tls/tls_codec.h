/* SPDX-License-Identifier: BSD-2-Clause */
/* One end of a TLS connection as a codec: it decrypts records to plain bytes and encrypts plain
 * bytes to records. It has no descriptor and never blocks; the caller sends and receives the
 * records.
 *
 *     recv(2) --tls_codec_feed()--> [OpenSSL] --tls_codec_read()--> plain bytes
 *     send(2) <------room.records-- [OpenSSL] <--tls_codec_write()-- plain bytes
 *
 * The connections of one thread share a room: OpenSSL reads from the caller's buffer and writes
 * into the room's, through one BIO for all of them. So a record is never written in part: every
 * record that OpenSSL makes (an alert, the answer to a KeyUpdate, a ticket) fits at once, and
 * reading can continue while the kernel accepts nothing. OpenSSL itself buffers the first part of
 * an incomplete record; an idle connection keeps no buffer.
 *
 * If the program was built without TLS (tls_codec_none.c), no codec can be opened.
 */
#ifndef TLS_TLS_CODEC_H
#define TLS_TLS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

struct ssl_st;

/* The sizes of one record, or of several: its bytes on the wire, and the plain bytes it holds. */
struct tls_mark {
    uint32_t record_bytes;
    uint32_t plain_bytes; /* 0: a record of the protocol itself */
};

/* Memory shared by the codecs of one thread. Records and marks stay until tls_room_clear(). */
struct tls_room {
    unsigned char *records;
    size_t records_length, records_room;
    struct tls_mark *marks; /* one mark for each record, in order */
    size_t marks_count, marks_room;
    unsigned char *plain; /* the bytes that tls_codec_read() has decrypted */
    struct bio_st *bio;
    const unsigned char *input; /* the unread rest of the fed records */
    size_t input_length;
    bool is_refused; /* memory for a record was short */
};

struct tls_codec {
    struct ssl_st *ssl;
    struct tls_room *room;
    unsigned char *kept; /* records received and not read yet; NULL: none */
    size_t kept_length;
    const char *error; /* OpenSSL's text for a failure, static; NULL: none */
    int reason;        /* its number, an SSL_R_*; 0: none of these */
    int failure;       /* found after decrypted bytes: the next read returns it; 0: none */
    bool is_open;      /* the handshake is done */
    bool has_ended;    /* the peer's close_notify has been read */
    bool has_ticket;   /* server: a ticket has been sent */
    bool has_spare;    /* sending it left a buffer to free */
};

/* The negotiated parameters; they outlive the codec. Fields with a length hold bytes chosen by the
 * peer, of any value. */
struct tls_info {
    const char *version, *cipher; /* static */
    char alpn[255], server_name[255], subject[255];
    size_t alpn_length, server_name_length, subject_length; /* 0: none */
    bool is_resumed;
};

/* NULL if memory is short. */
struct tls_room *tls_room_new(void) MUST_CHECK;
void tls_room_free(struct tls_room *room); /* NULL is allowed */

/* Call once the records are sent or copied: empties records and marks. */
void tls_room_clear(struct tls_room *room);

/* Takes ownership of the SSL, even on failure. The SSL has been set up as server or client. Returns
 * 0, or -1 if memory is short. */
int tls_codec_open(struct tls_codec *codec, struct tls_room *room, struct ssl_st *ssl) MUST_CHECK;
void tls_codec_close(struct tls_codec *codec);

/* Passes received records; they must stay valid until tls_codec_rest(). */
void tls_codec_feed(struct tls_codec *codec, const unsigned char *records, size_t length);

/* Copies the unused rest of the fed records for the next tls_codec_feed(). Returns 0 or -ENOMEM. */
int tls_codec_rest(struct tls_codec *codec) MUST_CHECK;

/* Continues the handshake. Returns 1 when it is done, 0 if it needs more records of the peer, or
 * -errno: -EPROTO if the peer or TLS is at fault; codec->error may then have a text. */
int tls_codec_shake(struct tls_codec *codec) MUST_CHECK;

/* Decrypts fed records, as much as the room holds. Returns the number of bytes in room->plain, 0 at
 * close_notify, -EAGAIN if no record is complete, or -errno. */
ssize_t tls_codec_read(struct tls_codec *codec) MUST_CHECK;

/* Bytes fed and not read yet, of records or decrypted. */
size_t tls_codec_unread(const struct tls_codec *codec);
/* Like tls_codec_read(), but into the caller's memory, at most `size` bytes. */
ssize_t tls_codec_read_to(struct tls_codec *codec, unsigned char *bytes, size_t size) MUST_CHECK;

/* True if more can be read without feeding more records. */
bool tls_codec_has_more(const struct tls_codec *codec);

/* Encrypts the bytes and appends the records to the room's. Returns 0 or -errno. */
int tls_codec_write(struct tls_codec *codec, const unsigned char *bytes, size_t length) MUST_CHECK;

/* Appends close_notify, once. */
void tls_codec_end(struct tls_codec *codec);

/* Reports the negotiated parameters; only after the handshake. */
void tls_codec_describe(const struct tls_codec *codec, struct tls_info *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/tls_codec.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The plain bytes of one feed of records are decrypted at once; a record begun earlier adds its
 * own. */
#define FED_BYTES (256U * 1024U)
#define RECORD_BYTES 16384U /* plain bytes of the largest record (RFC 8446, 5.1) */
#define PLAIN_BYTES (FED_BYTES + RECORD_BYTES)
#define RECORDS_FIRST (FED_BYTES + 2 * RECORD_BYTES)
#define MARKS_FIRST 64

/* ---- the BIO: OpenSSL reads from and writes to the room ---- */

static int bio_read(BIO *bio, char *out, size_t length, size_t *came)
{
    struct tls_room *room = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *came = length < room->input_length ? length : room->input_length;
    if (*came == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(out, room->input, *came);
    room->input += *came;
    room->input_length -= *came;
    return 1;
}

/* Makes room for one more element of `size` bytes. Returns the array, or NULL. */
static void *grow(void *array, size_t size, size_t need, size_t *have)
{
    size_t room = *have;
    while (room < need)
        room *= 2;
    void *grown = realloc(array, room * size);
    if (grown)
        *have = room;
    return grown;
}

static bool make_room(struct tls_room *room, size_t bytes)
{
    if (room->records_length + bytes > room->records_room) {
        void *records = grow(room->records, 1, room->records_length + bytes, &room->records_room);
        if (!records)
            return false;
        room->records = records;
    }
    if (room->marks_count == room->marks_room) {
        void *marks =
            grow(room->marks, sizeof(*room->marks), room->marks_count + 1, &room->marks_room);
        if (!marks)
            return false;
        room->marks = marks;
    }
    return true;
}

/* OpenSSL writes one record in each call. */
static int bio_write(BIO *bio, const char *bytes, size_t length, size_t *written)
{
    struct tls_room *room = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *written = 0;
    room->is_refused = !make_room(room, length);
    if (room->is_refused)
        return 0;
    memcpy(room->records + room->records_length, bytes, length);
    room->records_length += length;
    room->marks[room->marks_count++] = (struct tls_mark){.record_bytes = (uint32_t)length};
    *written = length;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing to flush: the records are in the room */
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "records in memory");
    if (method && (BIO_meth_set_read_ex(method, bio_read) != 1 ||
                   BIO_meth_set_write_ex(method, bio_write) != 1 ||
                   BIO_meth_set_ctrl(method, bio_control) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
}

/* ---- the room ---- */

struct tls_room *tls_room_new(void)
{
    struct tls_room *room = calloc(1, sizeof(*room));
    if (!room)
        return NULL;
    pthread_once(&method_once, make_method);
    room->bio = method ? BIO_new(method) : NULL;
    room->records = malloc(RECORDS_FIRST);
    room->marks = malloc(MARKS_FIRST * sizeof(*room->marks));
    room->plain = malloc(PLAIN_BYTES);
    room->records_room = RECORDS_FIRST;
    room->marks_room = MARKS_FIRST;
    if (!room->bio || !room->records || !room->marks || !room->plain) {
        tls_room_free(room);
        return NULL;
    }
    BIO_set_data(room->bio, room);
    BIO_set_init(room->bio, 1);
    return room;
}

void tls_room_free(struct tls_room *room)
{
    if (!room)
        return;
    BIO_free(room->bio);
    free(room->records);
    free(room->marks);
    free(room->plain);
    free(room);
}

void tls_room_clear(struct tls_room *room)
{
    room->records_length = room->marks_count = 0;
}

/* ---- life ---- */

/* OpenSSL calls this for each alert. Only a received close_notify means that the peer has
 * finished. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_codec *codec = SSL_get_app_data(ssl);
    if (where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
        codec->has_ended = true;
}

int tls_codec_open(struct tls_codec *codec, struct tls_room *room, SSL *ssl)
{
    *codec = (struct tls_codec){.ssl = ssl, .room = room};
    if (SSL_set_app_data(ssl, codec) != 1) {
        tls_codec_close(codec);
        return -1;
    }
    /* SSL_free() drops one reference for reading and one for writing. */
    BIO_up_ref(room->bio);
    SSL_set0_rbio(ssl, room->bio);
    BIO_up_ref(room->bio);
    SSL_set0_wbio(ssl, room->bio);
    SSL_set_info_callback(ssl, on_info);
    return 0;
}

void tls_codec_close(struct tls_codec *codec)
{
    SSL_free(codec->ssl);
    free(codec->kept);
}

/* ---- records in ---- */

/* Kept records precede new ones. */
void tls_codec_feed(struct tls_codec *codec, const unsigned char *records, size_t length)
{
    struct tls_room *room = codec->room;
    room->input = codec->kept ? codec->kept : records;
    room->input_length = codec->kept ? codec->kept_length : length;
}

int tls_codec_rest(struct tls_codec *codec)
{
    struct tls_room *room = codec->room;
    unsigned char *old = codec->kept;
    size_t length = room->input_length;
    codec->kept = NULL;
    codec->kept_length = 0;
    room->input_length = 0;
    if (length > 0 && !(codec->kept = malloc(length))) {
        free(old);
        return -ENOMEM;
    }
    if (length > 0)
        memcpy(codec->kept, room->input, length);
    codec->kept_length = length;
    free(old);
    return 0;
}

size_t tls_codec_unread(const struct tls_codec *codec)
{
    return codec->kept_length + (size_t)SSL_pending(codec->ssl);
}

bool tls_codec_has_more(const struct tls_codec *codec)
{
    return tls_codec_unread(codec) > 0 || codec->has_ended || codec->failure;
}

/* Call before each OpenSSL call that may fail, so that an earlier error of this or another
 * connection is not taken for its reason. */
static void forget_failures(struct tls_codec *codec)
{
    ERR_clear_error();
    codec->room->is_refused = false;
}

/* The error of a call that did not succeed: -EAGAIN if it only needs more records. */
static int failure_of(struct tls_codec *codec, int result)
{
    int why = SSL_get_error(codec->ssl, result);
    unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    if (codec->room->is_refused || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (ERR_SYSTEM_ERROR(code))
        return -ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == 0)
        return -EPROTO; /* no library: not a valid error code */
    codec->reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    codec->error = ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED
                       ? X509_verify_cert_error_string(SSL_get_verify_result(codec->ssl))
                       : ERR_reason_error_string(code);
    return -EPROTO;
}

int tls_codec_shake(struct tls_codec *codec)
{
    forget_failures(codec);
    int result = SSL_do_handshake(codec->ssl);
    if (result == 1) {
        codec->is_open = true;
        return 1;
    }
    int failure = failure_of(codec, result);
    return failure == -EAGAIN ? 0 : failure;
}

ssize_t tls_codec_read_to(struct tls_codec *codec, unsigned char *bytes, size_t size)
{
    size_t length = 0, some;
    int result = 1, failure = codec->failure;
    forget_failures(codec);
    while (!failure && length < size) {
        result = SSL_read_ex(codec->ssl, bytes + length, size - length, &some);
        if (result == 1)
            length += some;
        else
            failure = failure_of(codec, result);
    }
    /* Return the bytes first: the end or the failure came after them. */
    codec->failure = failure == -EAGAIN || codec->has_ended ? 0 : failure;
    if (length > 0)
        return (ssize_t)length;
    return codec->has_ended ? 0 : failure;
}

ssize_t tls_codec_read(struct tls_codec *codec)
{
    return tls_codec_read_to(codec, codec->room->plain, PLAIN_BYTES);
}

/* ---- records out ---- */

/* Sends the session ticket of TLS 1.3 with the first data: if a client closes before it has read a
 * ticket, its kernel sends a reset. TLS 1.2 sends its ticket in the handshake. */
static void offer_ticket(struct tls_codec *codec)
{
    codec->has_ticket = codec->has_spare = true;
    if (SSL_is_server(codec->ssl))
        (void)SSL_new_session_ticket(codec->ssl);
    ERR_clear_error();
}

/* Plain bytes of the largest record that the peer accepts; a peer with little memory sends a limit
 * in its hello (RFC 6066, 4). tls_codec_write() passes one record's worth at a time, so that each
 * record has its mark. */
static size_t largest_record(const SSL *ssl)
{
    unsigned code = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl));
    return code ? 256U << code : RECORD_BYTES;
}

/* OpenSSL keeps the buffer of a handshake message until it is asked to free it. */
static void free_spare(struct tls_codec *codec)
{
    codec->has_spare = SSL_free_buffers(codec->ssl) != 1; /* in use: retry after the next write */
}

int tls_codec_write(struct tls_codec *codec, const unsigned char *bytes, size_t length)
{
    struct tls_room *room = codec->room;
    size_t most = largest_record(codec->ssl);
    if (!codec->has_ticket)
        offer_ticket(codec);
    while (length > 0) {
        size_t piece = length < most ? length : most, written;
        forget_failures(codec);
        int result = SSL_write_ex(codec->ssl, bytes, piece, &written);
        if (result != 1) {
            int failure = failure_of(codec, result);
            return failure == -EAGAIN ? -EPROTO : failure;
        }
        room->marks[room->marks_count - 1].plain_bytes = (uint32_t)written;
        bytes += written;
        length -= written;
    }
    if (codec->has_spare)
        free_spare(codec);
    return 0;
}

void tls_codec_end(struct tls_codec *codec)
{
    if (!(SSL_get_shutdown(codec->ssl) & SSL_SENT_SHUTDOWN))
        (void)SSL_shutdown(codec->ssl);
    ERR_clear_error();
}

/* ---- description ---- */

static size_t copy(char *out, size_t size, const void *bytes, size_t length)
{
    length = length < size ? length : size;
    if (length > 0)
        memcpy(out, bytes, length);
    return length;
}

static void describe_peer(SSL *ssl, struct tls_info *out)
{
    const X509 *cert = SSL_get0_peer_certificate(ssl);
    BIO *text = cert ? BIO_new(BIO_s_mem()) : NULL;
    char *bytes = NULL;
    if (!text)
        return;
    /* If memory is short, copy nothing: a part of the name would be another name. */
    if (X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(text, &bytes);
        out->subject_length =
            copy(out->subject, sizeof(out->subject), bytes, length > 0 ? (size_t)length : 0);
    }
    BIO_free(text);
}

void tls_codec_describe(const struct tls_codec *codec, struct tls_info *out)
{
    const unsigned char *alpn;
    unsigned alpn_length;
    SSL *ssl = codec->ssl;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    *out = (struct tls_info){.version = SSL_get_version(ssl),
                             .cipher = SSL_get_cipher_name(ssl),
                             .is_resumed = SSL_session_reused(ssl) == 1};
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_length);
    out->alpn_length = copy(out->alpn, sizeof(out->alpn), alpn, alpn_length);
    out->server_name_length =
        copy(out->server_name, sizeof(out->server_name), name, name ? strlen(name) : 0);
    describe_peer(ssl, out);
    ERR_clear_error();
}

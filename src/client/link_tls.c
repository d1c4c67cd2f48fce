/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS for links, with the daemon's codec (tls/tls_codec.h). The links of one thread share its room
 * and a receive buffer. The link stores bytes of a record that the kernel does not accept, and
 * sends them before any others. So reading never waits for writing: the answer to a server's
 * KeyUpdate is queued behind the stored bytes. */
#include "client/link_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/alpn.h"
#include "tls/tls_codec.h"

#define RECORD_BYTES 16384      /* plain ones (RFC 8446, 5.1) */
#define RECORD_WIRE_BYTES 17408 /* a record with all that is around it, and some more */
#define RECEIVE_BYTES \
    (64U * 1024U) /* at most at once, so that decrypted bytes are still in the cache */
/* A server that asks for new keys without end, and reads no answer, is not read above so much. */
#define KEPT_MAX 40960

struct tls {
    struct link_layer layer;
    SSL_CTX *context;
    char *server_name;
    bool is_address;     /* and not a name: no SNI (RFC 6066, 3) */
    pthread_key_t desks; /* a thread's struct desk */
    bool has_desks;
};

/* Shared by the links of one thread. */
struct desk {
    struct tls_room *room;
    unsigned char records[RECEIVE_BYTES];
};

/* The state of a link's connection. */
struct link_ssl {
    struct tls_codec codec; /* first: OpenSSL's callbacks know it alone */
    struct link *link;
    struct desk *desk;
    struct evbuffer *kept; /* records that the kernel did not take */
    bool is_mute;          /* nothing goes any more: after our FIN, or a failed send */
};

/* ---- failures ---- */

/* Advice for OpenSSL's verification error of a certificate. */
static const char *hint_of_certificate(long verdict)
{
    switch (verdict) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "--servername names whom to expect, -k takes any certificate";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "-k takes any certificate; is the clock right?";
    default:
        return "--cacert names whom to trust, -k takes any certificate";
    }
}

/* OpenSSL refused the received bytes. */
static struct ending ending_of_protocol(const struct link *link)
{
    const struct tls_codec *codec = &link->ssl->codec;
    struct ending ending = {.outcome = OUTCOME_TLS,
                            .reason = codec->error ? codec->error : "OpenSSL names no reason"};
    switch (codec->reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        ending.hint = hint_of_certificate(SSL_get_verify_result(codec->ssl));
        ending.symptom = "certificate";
        break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_HELLO_REQUEST:
        if (link->state != LINK_HANDSHAKING)
            break;
        ending.hint = "is it a port without TLS?";
        ending.symptom = "not-tls";
        break;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        ending.hint = "--cert and --key show one";
        ending.symptom = "handshake";
        break;
    default:
        break;
    }
    return ending;
}

/* The peer's FIN, or its close_notify in the handshake. */
static struct ending ending_of_fin(const struct link *link)
{
    if (link->state == LINK_HANDSHAKING)
        return (struct ending){.outcome = OUTCOME_TLS,
                               .end = STREAM_END_FIN,
                               .reason = "it ended the connection in the handshake"};
    return (struct ending){.outcome = OUTCOME_TLS,
                           .end = STREAM_END_TRUNCATED,
                           .reason =
                               "it ended without close_notify, so more may have been to come"};
}

/* -ENODATA is a FIN without close_notify. */
static struct ending ending_of(const struct link *link, int failure)
{
    const struct tls_codec *codec = &link->ssl->codec;
    bool is_early = link->state == LINK_HANDSHAKING;
    if (failure == -ENODATA || (failure == -EPROTO && codec->has_ended && is_early))
        return ending_of_fin(link);
    if (failure == -EPROTO)
        return ending_of_protocol(link);
    struct ending ending = ending_of_errno(-failure);
    if (is_early) {
        ending.outcome = OUTCOME_TLS;
        ending.hint = "in the handshake";
    }
    return ending;
}

/* ---- records out ---- */

static size_t kept_bytes(const struct link_ssl *ssl)
{
    return evbuffer_get_length(ssl->kept);
}

/* Sends bytes. Returns the number that the kernel accepted, or -errno. */
static ssize_t push(const struct link *link, const void *bytes, size_t length)
{
    ssize_t sent = send(link->fd, bytes, length, MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Sends stored bytes. Returns 0 once none are stored, -EAGAIN if the kernel has no room for all, or
 * -errno. */
static int push_kept(const struct link *link)
{
    struct evbuffer *kept = link->ssl->kept;
    size_t length;
    while ((length = evbuffer_get_contiguous_space(kept)) > 0) {
        ssize_t sent = push(link, evbuffer_pullup(kept, (ssize_t)length), length);
        if (sent <= 0)
            return sent < 0 ? (int)sent : -EAGAIN;
        evbuffer_drain(kept, (size_t)sent);
    }
    return 0;
}

/* Stores the codec's records except their first `gone` bytes. Returns 0 or -ENOMEM. */
static int keep(struct link_ssl *ssl, size_t gone)
{
    const struct tls_room *room = ssl->codec.room;
    if (gone == room->records_length)
        return 0;
    return evbuffer_add(ssl->kept, room->records + gone, room->records_length - gone) < 0 ? -ENOMEM
                                                                                          : 0;
}

/* Sends stored bytes and then the codec's records. Returns like push_kept(). */
static int push_all(const struct link *link)
{
    const struct tls_room *room = link->ssl->codec.room;
    int failure = push_kept(link);
    ssize_t sent = 0;
    if (!failure && room->records_length > 0)
        sent = push(link, room->records, room->records_length);
    if (sent < 0 || (failure && failure != -EAGAIN))
        return sent < 0 ? (int)sent : failure;
    failure = keep(link->ssl, (size_t)sent);
    return failure || kept_bytes(link->ssl) == 0 ? failure : -EAGAIN;
}

/* Nothing can be sent any more, not even answers to received records. A server that refuses us
 * sends an alert and closes, so the alert is read next (RFC 8446, 4.4.2.4: a certificate is
 * verified after the client's handshake is done). */
static void fail_send(struct link *link, int failure)
{
    struct link_ssl *ssl = link->ssl;
    ssl->is_mute = true;
    evbuffer_drain(ssl->kept, kept_bytes(ssl));
    link->held = 0;
    link_fail_send(link, ending_of(link, failure));
}

/* Sends everything. Returns 0, or -EAGAIN if some bytes are stored; a failure becomes the
 * link's. */
static int flush(struct link *link)
{
    int failure = link->ssl->is_mute ? 0 : push_all(link);
    tls_room_clear(link->ssl->codec.room);
    if (failure && failure != -EAGAIN)
        fail_send(link, failure);
    return failure;
}

/* A record at a time. It has gone when the whole of it has: only then can its bytes come back. */
static ssize_t tls_send(struct link *link, const void *bytes, size_t length)
{
    struct tls_codec *codec = &link->ssl->codec;
    size_t total = 0;
    while (flush(link) == 0) {
        total += link->held;
        link->held = 0;
        if (total >= length)
            break;
        size_t some = length - total < RECORD_BYTES ? length - total : RECORD_BYTES;
        int failure = tls_codec_write(codec, (const unsigned char *)bytes + total, some);
        if (failure) {
            tls_room_clear(codec->room);
            fail_send(link, failure);
            break;
        }
        link->held = (uint16_t)some;
    }
    return (ssize_t)total;
}

static enum link_step tls_half_close(struct link *link)
{
    tls_codec_end(&link->ssl->codec);
    if (flush(link) == -EAGAIN)
        return LINK_WAIT;
    link->ssl->is_mute = true;
    return LINK_DONE;
}

/* ---- records in ---- */

/* Feeds the codec for `size` plain bytes to be read. 0, -ENODATA at the peer's FIN, or -errno. */
static int feed(const struct link *link, size_t size)
{
    struct tls_codec *codec = &link->ssl->codec;
    struct desk *desk = link->ssl->desk;
    size_t most = sizeof(desk->records);
    if (tls_codec_has_more(codec)) {
        tls_codec_feed(codec, NULL, 0);
        return 0;
    }
    if (size < most - RECORD_WIRE_BYTES)
        most = size + RECORD_WIRE_BYTES;
    ssize_t came = recv(link->fd, desk->records, most, 0);
    if (came <= 0)
        return came == 0 ? -ENODATA : errno == EINTR ? -EAGAIN : -errno;
    tls_codec_feed(codec, desk->records, (size_t)came);
    return 0;
}

/* Sends records that OpenSSL made meanwhile (an alert, the answer to a KeyUpdate), but not a held
 * record before them: link_send() sends that, since its echo could otherwise arrive before its
 * bytes were reported as sent. */
static ssize_t settle(struct link *link, ssize_t result)
{
    struct link_ssl *ssl = link->ssl;
    bool has_failed = result < 0 && result != -EAGAIN;
    int unkept = 0;
    if (!link->held || has_failed) {
        (void)flush(link);
    } else {
        unkept = keep(ssl, 0);
        tls_room_clear(ssl->codec.room);
    }
    int unread = tls_codec_rest(&ssl->codec);
    if (has_failed)
        return result;
    return unkept ? unkept : unread ? unread : result;
}

static bool is_full(const struct link *link)
{
    return kept_bytes(link->ssl) > KEPT_MAX;
}

/* Reads until there are data bytes, since records may be of the protocol itself. Returns their
 * number, 0 at close_notify, -ENODATA at a FIN without it, -EAGAIN if it must wait, or -errno. */
static ssize_t read_some(struct link *link, unsigned char *bytes, size_t size)
{
    struct tls_codec *codec = &link->ssl->codec;
    ssize_t result = -EAGAIN;
    while (result == -EAGAIN && !is_full(link)) {
        int failure = feed(link, size);
        if (failure)
            return failure;
        result = settle(link, tls_codec_read_to(codec, bytes, size));
    }
    return result;
}

static ssize_t tls_recv(struct link *link, void *bytes, size_t size)
{
    if (link->is_ended)
        return -1;
    if (!link->held)
        (void)flush(link); /* answers to KeyUpdates */
    ssize_t result = read_some(link, bytes, size);
    link->recv_waits = is_full(link) ? POLLOUT : POLLIN;
    if (kept_bytes(link->ssl) > 0 && !link->held)
        link->recv_waits |= POLLOUT;
    if (result > 0 || result == -EAGAIN) {
        link->has_more = !is_full(link) && tls_codec_has_more(&link->ssl->codec);
        return result > 0 ? result : 0;
    }
    link->has_more = false;
    (void)link_end(link,
                   result ? ending_of(link, (int)result) : (struct ending){.end = STREAM_END_FIN});
    return -1;
}

/* ---- a link's life ---- */

static int keep_session(SSL *openssl, SSL_SESSION *session)
{
    struct link *link = ((struct link_ssl *)SSL_get_app_data(openssl))->link;
    SSL_SESSION_free(link->session);
    link->session = session;
    return 1; /* it is ours now */
}

static void free_desk(void *arg)
{
    struct desk *desk = arg;
    if (desk)
        tls_room_free(desk->room);
    free(desk);
}

/* This thread's, made when its first link needs it, and freed when it ends. */
static struct desk *desk_of(const struct tls *tls)
{
    struct desk *desk = pthread_getspecific(tls->desks);
    if (desk)
        return desk;
    desk = calloc(1, sizeof(*desk));
    if (desk)
        desk->room = tls_room_new();
    if (desk && desk->room && pthread_setspecific(tls->desks, desk) == 0)
        return desk;
    free_desk(desk);
    return NULL;
}

static void tls_close(struct link *link)
{
    struct link_ssl *ssl = link->ssl;
    tls_codec_close(&ssl->codec);
    if (ssl->kept)
        evbuffer_free(ssl->kept);
    free(ssl);
    link->ssl = NULL;
}

/* False without memory. */
static bool begin(struct link *link)
{
    const struct tls *tls = (const struct tls *)link->plan->layer;
    struct link_ssl *ssl = calloc(1, sizeof(*ssl));
    struct desk *desk = ssl ? desk_of(tls) : NULL;
    SSL *openssl = desk ? SSL_new(tls->context) : NULL;
    if (!openssl || tls_codec_open(&ssl->codec, desk->room, openssl) < 0) {
        free(ssl);
        return false;
    }
    ssl->link = link;
    ssl->desk = desk;
    ssl->kept = evbuffer_new();
    link->ssl = ssl;
    SSL_set_connect_state(openssl);
    if (link->session)
        (void)SSL_set_session(openssl, link->session);
    return ssl->kept && (tls->is_address || SSL_set_tlsext_host_name(openssl, tls->server_name));
}

static enum link_step handshake(struct link *link)
{
    bool is_first = !link->ssl;
    if (is_first && !begin(link))
        return link_end(link, ending_of_errno(ENOMEM));
    struct tls_codec *codec = &link->ssl->codec;
    ssize_t result = 0;
    if (is_first)
        tls_codec_feed(codec, NULL, 0);
    else if (!codec->is_open)
        result = feed(link, 0);
    if (result == 0 && !codec->is_open)
        result = settle(link, tls_codec_shake(codec));
    if (result < 0 && result != -EPROTO && link_cannot_send(link))
        return link_end(link, link->send_failure);
    if (result < 0 && result != -EAGAIN)
        return link_end(link, ending_of(link, (int)result));
    (void)flush(link);
    link->recv_waits = kept_bytes(link->ssl) > 0 ? POLLOUT : POLLIN;
    if (!codec->is_open || kept_bytes(link->ssl) > 0)
        return LINK_WAIT;
    link->has_more = link_cannot_send(link) || tls_codec_has_more(codec);
    link->is_resumed = SSL_session_reused(codec->ssl);
    return LINK_DONE;
}

static void forget(struct link *link)
{
    SSL_SESSION_free(link->session);
    link->session = NULL;
}

static void describe(const struct link *link, char *out, size_t size)
{
    const SSL *openssl = link->ssl->codec.ssl;
    const unsigned char *alpn;
    unsigned length;
    SSL_get0_alpn_selected(openssl, &alpn, &length);
    bool is_verified = SSL_get_verify_mode(openssl) != SSL_VERIFY_NONE;
    snprintf(out, size, "%s, %s, certificate %s%s%.*s", SSL_get_version(openssl),
             SSL_get_cipher_name(openssl), is_verified ? "verified" : "not verified",
             length ? ", ALPN " : "", (int)length, length ? (const char *)alpn : "");
}

static void moved(struct link *link)
{
    link->ssl->link = link;
}

static void free_layer(struct link_layer *layer)
{
    struct tls *tls = (struct tls *)layer;
    if (tls->has_desks) {
        free_desk(pthread_getspecific(tls->desks));
        (void)pthread_key_delete(tls->desks);
    }
    SSL_CTX_free(tls->context);
    free(tls->server_name);
    free(tls);
}

/* ---- the options ---- */

/* Reports an invalid file: with the system's reason if it cannot be read, else OpenSSL's. */
static int refuse_file(const char *option, const char *path, const char *expected,
                       struct error *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    if (access(path, R_OK) < 0) {
        error_unread(err, errno, path);
        return error_blame(err, option, NULL);
    }
    return error_option(err, option, "'%s' is not %s in PEM form: %s", path, expected,
                        reason ? reason : "nothing like it is there");
}

static int set_trust(SSL_CTX *context, const struct link_tls_options *options, struct error *err)
{
    SSL_CTX_set_verify(context, options->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!options->cacert)
        return SSL_CTX_set_default_verify_paths(context)
                   ? 0
                   : error_start(err, "the system's trusted certificates cannot be loaded; "
                                      "--cacert names others");
    return SSL_CTX_load_verify_file(context, options->cacert)
               ? 0
               : refuse_file("cacert", options->cacert, "a certificate", err);
}

static int set_identity(SSL_CTX *context, const struct link_tls_options *options, struct error *err)
{
    const char *key = options->key ? options->key : options->cert;
    if (!options->cert)
        return options->key ? error_option(err, "key", "needs --cert, whose key it is") : 0;
    if (SSL_CTX_use_certificate_chain_file(context, options->cert) != 1)
        return refuse_file("cert", options->cert, "a certificate", err);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
        return 0;
    if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH) {
        ERR_clear_error();
        return error_option(err, "key", "'%s' is not the key of '%s'", key, options->cert);
    }
    if (!options->key) {
        ERR_clear_error();
        return error_option(err, "cert",
                            "'%s' has no private key with it, and no --key says where "
                            "it is",
                            key);
    }
    return refuse_file("key", key, "a private key without a password", err);
}

static int set_alpn(SSL_CTX *context, const char *list, struct error *err)
{
    unsigned char wire[ALPN_MAX];
    int length = list ? alpn_encode(list, wire) : 0;
    if (length < 0)
        return error_option(err, "alpn", "'%s' is not a list like h2,http/1.1 of at most %d bytes",
                            list, ALPN_MAX - 1);
    if (length && SSL_CTX_set_alpn_protos(context, wire, (unsigned)length) != 0)
        return error_start(err, "no memory for --alpn");
    return 0;
}

static int set_expected(struct tls *tls, const char *name, struct error *err)
{
    unsigned char address[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *expected = SSL_CTX_get0_param(tls->context);
    tls->server_name = strdup(name);
    tls->is_address =
        inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (tls->server_name && *name && strlen(name) < 254 &&
        (tls->is_address ? X509_VERIFY_PARAM_set1_ip_asc(expected, name)
                         : X509_VERIFY_PARAM_set1_host(expected, name, 0)))
        return 0;
    return error_option(err, "servername", "'%s' is not a host's name or address", name);
}

/* Never asks for a password: a client in a test must not wait for a person. */
static int no_password(char *buffer, int size, int is_writing, void *unused)
{
    (void)buffer, (void)size, (void)is_writing, (void)unused;
    return 0;
}

static int open_context(struct tls *tls, const struct link_tls_options *options, struct error *err)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context || !SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION))
        return error_start(err, "OpenSSL does not start: no memory, or a wrong openssl.cnf");
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(tls->context, no_password);
    if (options->resumes) {
        SSL_CTX_set_session_cache_mode(tls->context,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(tls->context, keep_session);
    }
    if (set_trust(tls->context, options, err) < 0 || set_identity(tls->context, options, err) < 0 ||
        set_alpn(tls->context, options->alpn, err) < 0)
        return -1;
    return set_expected(tls, options->server_name, err);
}

struct link_layer *link_tls_new(const struct link_tls_options *options, struct error *err)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls) {
        error_start(err, "no memory for TLS");
        return NULL;
    }
    tls->layer = (struct link_layer){.handshake = handshake,
                                     .send = tls_send,
                                     .recv = tls_recv,
                                     .half_close = tls_half_close,
                                     .moved = moved,
                                     .close = tls_close,
                                     .forget = forget,
                                     .describe = describe,
                                     .free = free_layer};
    tls->has_desks = pthread_key_create(&tls->desks, free_desk) == 0;
    if (!tls->has_desks)
        error_start(err, "no memory for TLS");
    if (!tls->has_desks || open_context(tls, options, err) < 0) {
        free_layer(&tls->layer);
        return NULL;
    }
    return &tls->layer;
}

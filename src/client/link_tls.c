/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenSSL reads ahead, so that a small message costs one recv(2) and not two (a record's head, then
 * its body); what it then holds is told by has_more, since poll(2) cannot. A write is at most one
 * record: it goes whole, or is held whole, and the owner offers it again. Of a held record the wire
 * (tls_wire.h) keeps what the kernel did not take, so that a server's KeyUpdate can be answered.
 */
#include "client/link_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tls_wire.h"

#define RECORD_BYTES 16384 /* RFC 8446, 5.1 */
#define ALPN_MAX 256       /* bytes of the whole list */

struct tls {
    struct link_layer layer;
    SSL_CTX *context;
    char *server_name;
    bool is_address; /* and not a name: no SNI (RFC 6066, 3) */
};

/* ---- what went wrong ---- */

/* OpenSSL's words for the certificate; the words of ours say what to do. */
static struct ending ending_of_certificate(long verdict)
{
    const char *hint = "--cacert names whom to trust, -k takes any certificate";
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        hint = "--servername names whom to expect, -k takes any certificate";
    else if (verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID)
        hint = "-k takes any certificate; is the clock right?";
    return (struct ending){
        .outcome = OUTCOME_TLS, .reason = X509_verify_cert_error_string(verdict), .hint = hint};
}

static struct ending ending_of_reason(const struct link *link, unsigned long code)
{
    bool is_early = link->state == LINK_HANDSHAKING;
    struct ending ending = {.outcome = OUTCOME_TLS, .reason = ERR_reason_error_string(code)};
    switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return ending_of_certificate(SSL_get_verify_result(link->ssl));
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        ending.end = is_early ? STREAM_END_FIN : STREAM_END_TRUNCATED;
        ending.reason = is_early ? "it ended the connection in the handshake"
                                 : "it ended without close_notify, so more may have been to come";
        break;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_HELLO_REQUEST:
        ending.hint = is_early ? "is it a port without TLS?" : NULL;
        break;
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        ending.hint = "--cert and --key show one";
        break;
    default:
        break;
    }
    if (!ending.reason)
        ending.reason = "OpenSSL names no reason";
    return ending;
}

/* Why an SSL_* call failed that does not want to be called again. Leaves OpenSSL's queue empty, as
 * the next call needs it. */
static struct ending ending_of(const struct link *link, int kind, int error)
{
    struct ending ending = {.end = STREAM_END_FIN}; /* SSL_ERROR_ZERO_RETURN: a close_notify */
    if (kind == SSL_ERROR_SYSCALL) {
        ending = ending_of_errno(error ? error : ECONNRESET);
        if (link->state == LINK_HANDSHAKING) {
            ending.outcome = OUTCOME_TLS;
            ending.hint = "in the handshake";
        }
    } else if (kind != SSL_ERROR_ZERO_RETURN) {
        ending = ending_of_reason(link, ERR_peek_error());
    }
    ERR_clear_error();
    return ending;
}

static enum link_step fail(struct link *link, int kind, int error)
{
    return link_end(link, ending_of(link, kind, error));
}

/* What poll must say before the call can go on, or 0 where it cannot at all. */
static short wanted_by(int kind)
{
    return kind == SSL_ERROR_WANT_READ ? POLLIN : kind == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
}

/* ---- a link's life ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct link *link = SSL_get_app_data(ssl);
    SSL_SESSION_free(link->session);
    link->session = session;
    return 1; /* it is ours now */
}

static bool begin(struct link *link)
{
    const struct tls *tls = (const struct tls *)link->plan->layer;
    link->ssl = SSL_new(tls->context);
    BIO *wire = link->ssl ? tls_wire_new(link->fd, NULL, NULL) : NULL;
    if (!wire)
        return false;
    SSL_set_bio(link->ssl, wire, wire);
    SSL_set_app_data(link->ssl, link);
    SSL_set_connect_state(link->ssl);
    if (link->session)
        (void)SSL_set_session(link->ssl, link->session);
    return tls->is_address || SSL_set_tlsext_host_name(link->ssl, tls->server_name);
}

/* Sends what the wire keeps: 0, or -errno (-EAGAIN: poll for POLLOUT first). */
static int send_kept(struct link *link)
{
    return tls_wire_flush(SSL_get_wbio(link->ssl));
}

static enum link_step handshake(struct link *link)
{
    if (!link->ssl && !begin(link))
        return fail(link, SSL_ERROR_SSL, 0);
    int result = SSL_do_handshake(link->ssl);
    int error = errno, kind = SSL_get_error(link->ssl, result);
    if ((result == 1 || wanted_by(kind)) && send_kept(link) == -EAGAIN) {
        link->recv_waits = POLLOUT;
        return LINK_WAIT;
    }
    if (result == 1) {
        link->recv_waits = POLLIN;
        link->has_more = SSL_has_pending(link->ssl);
        link->is_resumed = SSL_session_reused(link->ssl);
        return LINK_DONE;
    }
    link->recv_waits = wanted_by(kind);
    return link->recv_waits ? LINK_WAIT : fail(link, kind, error);
}

/* Nothing goes any more, not even what reading would answer. A server that refuses us says why in
 * an alert, and closes: that is read then (RFC 8446, 4.4.2.4: a certificate is judged after the
 * client's handshake is done). */
static void fail_send(struct link *link, int kind, int error)
{
    link->held = 0;
    tls_wire_end(SSL_get_wbio(link->ssl));
    link_fail_send(link, ending_of(link, kind, error));
}

/* Writes one record, and sends it. How many bytes that was; -1 and what went wrong in *kind and
 * *error. */
static ssize_t send_record(struct link *link, const void *bytes, size_t length, int *kind,
                           int *error)
{
    size_t written;
    if (!link->held) {
        int result = SSL_write_ex(link->ssl, bytes, length, &written);
        *error = errno;
        *kind = SSL_get_error(link->ssl, result);
        if (*kind != SSL_ERROR_NONE)
            return -1;
        link->held = (uint16_t)written;
    }
    int failure = send_kept(link);
    if (failure) {
        *kind = failure == -EAGAIN ? SSL_ERROR_WANT_WRITE : SSL_ERROR_SYSCALL;
        *error = -failure;
        return -1;
    }
    written = link->held;
    link->held = 0;
    return (ssize_t)written;
}

static ssize_t tls_send(struct link *link, const void *bytes, size_t length)
{
    size_t total = 0;
    link->send_waits = POLLOUT;
    while (total < length) {
        int kind, error;
        size_t some = length - total < RECORD_BYTES ? length - total : RECORD_BYTES;
        ssize_t sent = send_record(link, (const char *)bytes + total, some, &kind, &error);
        if (sent < 0 && wanted_by(kind)) {
            link->send_waits = wanted_by(kind);
            break;
        }
        if (sent < 0) {
            fail_send(link, kind, error);
            break;
        }
        total += (size_t)sent;
    }
    return (ssize_t)total;
}

static ssize_t tls_recv(struct link *link, void *bytes, size_t size)
{
    size_t total = 0, came;
    link->has_more = false;
    int failure = link_cannot_send(link) ? 0 : send_kept(link); /* an answer to a KeyUpdate */
    if (failure && failure != -EAGAIN)
        fail_send(link, SSL_ERROR_SYSCALL, -failure);
    while (total < size && !link->is_ended) {
        int result = SSL_read_ex(link->ssl, (char *)bytes + total, size - total, &came);
        int error = errno, kind = SSL_get_error(link->ssl, result);
        if (kind == SSL_ERROR_NONE) {
            total += came;
            link->has_more = SSL_has_pending(link->ssl);
            if (!link->has_more)
                break;
            continue;
        }
        link->has_more = false;
        link->recv_waits = wanted_by(kind) ? wanted_by(kind) : POLLIN;
        if (tls_wire_is_full(SSL_get_rbio(link->ssl)))
            link->recv_waits = POLLOUT;
        if (wanted_by(kind))
            return (ssize_t)total;
        (void)fail(link, kind, error);
    }
    /* What came before the end is told first. */
    if (link->is_ended && total > 0)
        link->has_more = true;
    return link->is_ended && total == 0 ? -1 : (ssize_t)total;
}

static enum link_step tls_half_close(struct link *link)
{
    bool has_notified = SSL_get_shutdown(link->ssl) & SSL_SENT_SHUTDOWN;
    int result = has_notified ? 0 : SSL_shutdown(link->ssl);
    int error = errno, kind = result < 0 ? SSL_get_error(link->ssl, result) : SSL_ERROR_NONE;
    int failure = result < 0 ? 0 : send_kept(link);
    link->send_waits = POLLOUT;
    if (failure == -EAGAIN)
        return LINK_WAIT;
    if (result >= 0 && !failure)
        tls_wire_end(SSL_get_wbio(link->ssl));
    else
        fail_send(link, result < 0 ? kind : SSL_ERROR_SYSCALL, result < 0 ? error : -failure);
    return LINK_DONE;
}

static void tls_close(struct link *link)
{
    SSL_free(link->ssl);
    link->ssl = NULL;
}

static void forget(struct link *link)
{
    SSL_SESSION_free(link->session);
    link->session = NULL;
}

static void describe(const struct link *link, char *out, size_t size)
{
    const unsigned char *alpn;
    unsigned length;
    SSL_get0_alpn_selected(link->ssl, &alpn, &length);
    bool is_verified = SSL_get_verify_mode(link->ssl) != SSL_VERIFY_NONE;
    snprintf(out, size, "%s, %s, certificate %s%s%.*s", SSL_get_version(link->ssl),
             SSL_get_cipher_name(link->ssl), is_verified ? "verified" : "not verified",
             length ? ", ALPN " : "", (int)length, length ? (const char *)alpn : "");
}

static void free_layer(struct link_layer *layer)
{
    struct tls *tls = (struct tls *)layer;
    SSL_CTX_free(tls->context);
    free(tls->server_name);
    free(tls);
}

/* ---- the options ---- */

/* Says what is wrong with a file: the system's reason where it cannot be read, else OpenSSL's. */
static int refuse_file(const char *option, const char *path, const char *expected,
                       struct error *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    if (access(path, R_OK) < 0)
        return error_usage(err, "--%s: cannot read '%s': %s", option, path, strerror(errno));
    return error_usage(err, "--%s: '%s' is not %s in PEM form: %s", option, path, expected,
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
        return options->key ? error_usage(err, "--key: needs --cert, whose key it is") : 0;
    if (SSL_CTX_use_certificate_chain_file(context, options->cert) != 1)
        return refuse_file("cert", options->cert, "a certificate", err);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1)
        return 0;
    if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH) {
        ERR_clear_error();
        return error_usage(err, "--key: '%s' is not the key of '%s'", key, options->cert);
    }
    if (!options->key) {
        ERR_clear_error();
        return error_usage(err,
                           "--cert: '%s' has no private key with it, and no --key says where "
                           "it is",
                           key);
    }
    return refuse_file("key", key, "a private key without a password", err);
}

/* "h2,echo/1" as TLS wants it: each with its length before it (RFC 7301, 3.1). */
static int set_alpn(SSL_CTX *context, const char *list, struct error *err)
{
    unsigned char wire[ALPN_MAX];
    unsigned used = 0;
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t length = strcspn(at, ",");
        if (length == 0 || used + 1 + length > sizeof(wire))
            return error_usage(err,
                               "--alpn: '%s' is not a list like h2,http/1.1 of at most %d "
                               "bytes",
                               list, ALPN_MAX - 1);
        wire[used++] = (unsigned char)length;
        memcpy(wire + used, at, length);
        used += (unsigned)length;
    }
    if (used && SSL_CTX_set_alpn_protos(context, wire, used) != 0)
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
    return error_usage(err, "--servername: '%s' is not a host's name or address", name);
}

/* Nobody is asked for a password: a client in a test must not wait for a person. */
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
    SSL_CTX_set_read_ahead(tls->context, 1);
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
                                     .close = tls_close,
                                     .forget = forget,
                                     .describe = describe,
                                     .free = free_layer};
    if (open_context(tls, options, err) < 0) {
        free_layer(&tls->layer);
        return NULL;
    }
    return &tls->layer;
}

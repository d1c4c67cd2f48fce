/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/alpn.h"

/* Mozilla's recommendations (Server Side TLS 5.7): "modern" is TLS 1.3 alone; "intermediate" adds
 * TLS 1.2 with forward secrecy and authenticated encryption. Finite-field Diffie-Hellman is left
 * out: no client in use lacks elliptic curves, and its CPU cost helps an attacker. */
#define INTERMEDIATE_CIPHERS                                     \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

struct tls_context {
    SSL_CTX *ssl;
    unsigned char alpn[ALPN_MAX]; /* RFC 7301's form: a length before each name */
    unsigned alpn_bytes;
    _Atomic uint32_t references;
};

/* OpenSSL's text for its last error. Empties the error queue, which belongs to the whole thread. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *words = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return words ? words : "OpenSSL gives no reason";
}

/* ---- files ---- */

static void refuse_unread(struct error *err, const char *what, const char *path)
{
    error_unread(err, errno, path);
    error_prefix(err, "%s: ", what);
}

/* Opens a regular file only, so that the start cannot block on a pipe. */
static FILE *open_file(const char *what, const char *path, struct stat *status, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    if (fd < 0 || fstat(fd, status) < 0)
        refuse_unread(err, what, path);
    else if (!S_ISREG(status->st_mode))
        error_usage(err, "%s: '%s' is not a file", what, path);
    else if (!(file = fdopen(fd, "r")))
        refuse_unread(err, what, path);
    if (!file && fd >= 0)
        close(fd);
    return file;
}

static int check_readable(const char *what, const char *path, struct error *err)
{
    struct stat status;
    FILE *file = open_file(what, path, &status, err);
    if (file)
        fclose(file);
    return file ? 0 : -1;
}

/* Prevents OpenSSL from asking for a passphrase at the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *arg)
{
    (void)out;
    (void)size;
    (void)is_writing;
    *(bool *)arg = true;
    return -1;
}

static int use_key(SSL_CTX *ssl, const struct tls_settings *settings, struct error *err)
{
    const char *path = settings->key ? settings->key : settings->cert;
    struct stat status;
    FILE *file = open_file("key", path, &status, err);
    if (!file)
        return -1;
    if (status.st_mode & (S_IRWXO | S_IWGRP)) {
        fclose(file);
        return error_usage(
            err,
            "key: '%s' has mode %04o: it must not be open to others nor writable for "
            "its group; chmod 600 or 640 is expected",
            path, (unsigned)status.st_mode & 07777);
    }
    bool is_encrypted = false;
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, no_passphrase, &is_encrypted);
    fclose(file);
    if (!key && is_encrypted) {
        ERR_clear_error();
        return error_usage(err, "key: '%s' has a passphrase: a key without one is expected", path);
    }
    if (!key)
        return error_usage(err, "key: '%s' holds no private key in PEM form: %s", path, reason());
    int is_used = SSL_CTX_use_PrivateKey(ssl, key);
    EVP_PKEY_free(key);
    if (is_used != 1 || SSL_CTX_check_private_key(ssl) != 1) {
        ERR_clear_error(); /* for a key of another type OpenSSL reports a missing certificate */
        return error_usage(err, "key: '%s' does not belong to the certificate '%s'", path,
                           settings->cert);
    }
    return 0;
}

static int use_cert(SSL_CTX *ssl, const char *path, struct error *notice, struct error *err)
{
    if (!path)
        return error_usage(err,
                           "cert: a tls:// listener needs a certificate; cert=FILE is expected");
    if (check_readable("cert", path, err) < 0)
        return -1;
    if (SSL_CTX_use_certificate_chain_file(ssl, path) != 1)
        return error_usage(err, "cert: '%s' holds no usable certificate in PEM form: %s", path,
                           reason());
    const X509 *cert = SSL_CTX_get0_certificate(ssl);
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        error_usage(notice, "cert: '%s' has expired: clients will refuse it", path);
    else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        error_usage(notice, "cert: '%s' is not valid yet: clients will refuse it", path);
    return 0;
}

static int use_client_ca(SSL_CTX *ssl, const struct tls_settings *settings, struct error *err)
{
    const char *path = settings->client_ca;
    if (settings->client_cert == TLS_CLIENT_CERT_NONE)
        return path ? error_usage(err, "client-ca: client-cert=require or client-cert=optional is "
                                       "expected beside it")
                    : 0;
    if (!path)
        return error_usage(err, "client-cert: client-ca=FILE is expected beside it: who may have "
                                "signed a client's certificate");
    if (check_readable("client-ca", path, err) < 0)
        return -1;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || SSL_CTX_load_verify_file(ssl, path) != 1)
        return error_usage(err, "client-ca: '%s' holds no certificate in PEM form: %s", path,
                           reason());
    SSL_CTX_set_client_CA_list(ssl, names);
    bool is_required = settings->client_cert == TLS_CLIENT_CERT_REQUIRE;
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    return 0;
}

/* ---- negotiation ---- */

static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_bytes,
                   const unsigned char *offered, unsigned offered_bytes, void *arg)
{
    const struct tls_context *context = arg;
    unsigned char *name;
    (void)ssl;
    if (SSL_select_next_proto(&name, chosen_bytes, context->alpn, context->alpn_bytes, offered,
                              offered_bytes) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2 */
    *chosen = name;
    return SSL_TLSEXT_ERR_OK;
}

static int set_alpn(struct tls_context *context, const char *list, struct error *err)
{
    int length = alpn_encode(list, context->alpn);
    if (length < 0)
        return error_usage(err,
                           "alpn: '%.100s' is not a list of protocols like http/1.1:echo, of at "
                           "most %d bytes",
                           list, ALPN_MAX - 1);
    context->alpn_bytes = (unsigned)length;
    SSL_CTX_set_alpn_select_cb(context->ssl, on_alpn, context);
    return 0;
}

static bool set_profile(SSL_CTX *ssl, enum tls_profile profile)
{
    int oldest = profile == TLS_PROFILE_MODERN ? TLS1_3_VERSION : TLS1_2_VERSION;
    return SSL_CTX_set_min_proto_version(ssl, oldest) == 1 &&
           SSL_CTX_set_cipher_list(ssl, INTERMEDIATE_CIPHERS) == 1 &&
           SSL_CTX_set1_groups_list(ssl, GROUPS) == 1;
}

static void set_rules(SSL_CTX *ssl)
{
    static const unsigned char ID[] = "evechod";
    /* By default a FIN without close_notify is fatal in OpenSSL, and the bytes owed could not be
     * sent any more. With this option OpenSSL treats it as an end, and the stream, which watches
     * for close_notify, distinguishes the two. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* So an idle connection keeps no record buffers. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_early_data(ssl, 0); /* early data can be replayed */
    SSL_CTX_set_recv_max_early_data(ssl, 0);
    /* The client stores the sessions, as tickets; the server has no cache. Tickets of TLS 1.3 are
     * sent after the handshake. If a client closes before it has read one, its kernel sends a
     * reset. So none is sent with the handshake; the stream sends one before its first echo. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_session_id_context(ssl, ID, sizeof(ID) - 1);
}

/* ---- life ---- */

static int fill(struct tls_context *context, const struct tls_settings *settings,
                struct error *notice, struct error *err)
{
    SSL_CTX *ssl = context->ssl;
    set_rules(ssl);
    if (!set_profile(ssl, (enum tls_profile)settings->profile))
        return error_start(err, "tls-profile: OpenSSL refuses it: %s", reason());
    if (use_cert(ssl, settings->cert, notice, err) < 0 || use_key(ssl, settings, err) < 0 ||
        use_client_ca(ssl, settings, err) < 0)
        return -1;
    return settings->alpn ? set_alpn(context, settings->alpn, err) : 0;
}

struct tls_context *tls_context_new(const struct tls_settings *settings, struct error *notice,
                                    struct error *err)
{
    *notice = (struct error){0};
    struct tls_context *context = calloc(1, sizeof(*context));
    if (context)
        context->ssl = SSL_CTX_new(TLS_server_method());
    if (!context || !context->ssl) {
        free(context);
        error_start(err, "no memory for TLS: %s", reason());
        return NULL;
    }
    atomic_init(&context->references, 1);
    if (fill(context, settings, notice, err) < 0) {
        tls_context_unref(context);
        return NULL;
    }
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (!context || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

SSL *tls_accept_new(struct tls_context *context)
{
    SSL *ssl = SSL_new(context->ssl);
    if (ssl)
        SSL_set_accept_state(ssl);
    ERR_clear_error();
    return ssl;
}

const char *tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

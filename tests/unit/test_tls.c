/* SPDX-License-Identifier: BSD-2-Clause */
/* Contexts from valid and invalid files; the test makes its own keys and certificates. */
#include "unit.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "said.h"
#include "tls/tls.h"

#define DAY_S (24L * 3600)

static char folder[] = "/tmp/test_tls.XXXXXX";
static char cert[64], key[64], other_key[64], expired[64], early[64], locked[64], junk[64];

static EVP_PKEY *make_key(const char *path, const char *passphrase)
{
    EVP_PKEY *made = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");
    assert_int_equal(PEM_write_PrivateKey(file, made, passphrase ? EVP_aes_128_cbc() : NULL, NULL,
                                          0, NULL, (void *)(uintptr_t)passphrase),
                     1);
    fclose(file);
    chmod(path, 0600);
    return made;
}

static void make_cert(const char *path, EVP_PKEY *with, long from_s, long until_s)
{
    X509 *made = X509_new();
    X509_NAME *name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"t", -1, -1, 0);
    X509_set_issuer_name(made, name);
    X509_gmtime_adj(X509_getm_notBefore(made), from_s);
    X509_gmtime_adj(X509_getm_notAfter(made), until_s);
    X509_set_pubkey(made, with);
    assert_true(X509_sign(made, with, EVP_sha256()) > 0);
    FILE *file = fopen(path, "w");
    assert_int_equal(PEM_write_X509(file, made), 1);
    fclose(file);
    X509_free(made);
}

static void path_of(char *out, const char *name)
{
    snprintf(out, 64, "%s/%s", folder, name);
}

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    path_of(cert, "cert.pem");
    path_of(key, "key.pem");
    path_of(other_key, "other.pem");
    path_of(expired, "expired.pem");
    path_of(early, "early.pem");
    path_of(locked, "locked.pem");
    path_of(junk, "junk.pem");
    EVP_PKEY *made = make_key(key, NULL);
    make_cert(cert, made, -DAY_S, DAY_S);
    make_cert(expired, made, -2 * DAY_S, -DAY_S);
    make_cert(early, made, DAY_S, 2 * DAY_S);
    EVP_PKEY_free(made);
    EVP_PKEY_free(make_key(other_key, NULL));
    EVP_PKEY_free(make_key(locked, "secret"));
    FILE *file = fopen(junk, "w");
    fputs("this is no PEM\n", file);
    fclose(file);
    return chmod(junk, 0600);
}

static int remove_files(void **state)
{
    const char *const paths[] = {cert, key, other_key, expired, early, locked, junk};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        unlink(paths[i]);
    return rmdir(folder);
}

static void assert_refused(const struct tls_settings *settings, const char *words)
{
    struct error notice, err = {0};
    assert_null(tls_context_new(settings, &notice, &err));
    assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
    if (!strstr(said(&err), words))
        fail_msg("'%s' does not say '%s'", said(&err), words);
}

static void assert_taken(const struct tls_settings *settings, const char *words)
{
    struct error notice, err = {0};
    struct tls_context *context = tls_context_new(settings, &notice, &err);
    if (!context)
        fail_msg("refused: %s", said(&err));
    if (*words ? !strstr(said(&notice), words) : error_is_set(&notice))
        fail_msg("the notice is '%s', and not '%s'", said(&notice), words);
    tls_context_unref(context);
}

static void test_right(void **state)
{
    (void)state;
    assert_taken(&(struct tls_settings){.cert = cert, .key = key}, "");
    assert_taken(&(struct tls_settings){.cert = cert, .key = key, .profile = TLS_PROFILE_MODERN},
                 "");
    assert_taken(&(struct tls_settings){.cert = cert, .key = key, .alpn = (char *)"h2:http/1.1"},
                 "");
    assert_taken(
        &(struct tls_settings){
            .cert = cert, .key = key, .client_ca = cert, .client_cert = TLS_CLIENT_CERT_REQUIRE},
        "");
}

static void test_dates(void **state)
{
    (void)state;
    assert_taken(&(struct tls_settings){.cert = expired, .key = key}, "has expired");
    assert_taken(&(struct tls_settings){.cert = early, .key = key}, "not valid yet");
}

static void test_wrong_files(void **state)
{
    (void)state;
    assert_refused(&(struct tls_settings){.key = key}, "cert: a tls:// listener needs");
    assert_refused(&(struct tls_settings){.cert = (char *)"/no/such", .key = key},
                   "cert: cannot read '/no/such': No such file");
    assert_refused(&(struct tls_settings){.cert = (char *)"/tmp", .key = key}, "is not a file");
    assert_refused(&(struct tls_settings){.cert = junk, .key = key}, "no usable certificate");
    assert_refused(&(struct tls_settings){.cert = cert, .key = (char *)"/no/such"},
                   "key: cannot read '/no/such': No such file");
    assert_refused(&(struct tls_settings){.cert = cert, .key = junk}, "no private key in PEM");
    assert_refused(&(struct tls_settings){.cert = cert, .key = other_key}, "does not belong to");
    assert_refused(&(struct tls_settings){.cert = cert, .key = locked}, "has a passphrase");
    assert_refused(&(struct tls_settings){.cert = cert},
                   "0644"); /* the key is expected in that file */
}

static void test_key_permissions(void **state)
{
    static const mode_t WRONG[] = {0604, 0602, 0601, 0620, 0666}, RIGHT[] = {0600, 0400, 0640};
    const struct tls_settings settings = {.cert = cert, .key = key};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        chmod(key, WRONG[i]);
        assert_refused(&settings, "chmod 600");
    }
    for (size_t i = 0; i < COUNT_OF(RIGHT); i++) {
        chmod(key, RIGHT[i]);
        assert_taken(&settings, "");
    }
    chmod(key, 0600);
}

static void test_clients(void **state)
{
    struct tls_settings settings = {
        .cert = cert, .key = key, .client_cert = TLS_CLIENT_CERT_OPTIONAL};
    (void)state;
    assert_refused(&settings, "client-ca=FILE is expected");
    settings.client_ca = junk;
    assert_refused(&settings, "holds no certificate");
    settings.client_ca = (char *)"/no/such";
    assert_refused(&settings, "client-ca: cannot read");
    settings.client_ca = cert;
    settings.client_cert = TLS_CLIENT_CERT_NONE;
    assert_refused(&settings, "client-cert=require or client-cert=optional");
}

static void test_alpn(void **state)
{
    struct tls_settings settings = {.cert = cert, .key = key};
    static const char *const WRONG[] = {"", ":", "a:", ":a", "a::b", ",", "a,", ",a", "a,:b"};
    char list[257];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        settings.alpn = (char *)(uintptr_t)WRONG[i];
        assert_refused(&settings, "alpn: ");
    }
    settings.alpn = (char *)(uintptr_t) "h2,http/1.1:echo";
    assert_taken(&settings, "");
    memset(list, 'x', sizeof(list) - 1);
    list[256] = '\0';
    settings.alpn = list;
    assert_refused(&settings, "at most");
    list[254] = '\0'; /* with its length, 255 bytes */
    assert_taken(&settings, "");
}

static void test_references(void **state)
{
    struct error notice, err;
    (void)state;
    assert_null(tls_context_ref(NULL));
    tls_context_unref(NULL);
    struct tls_context *context =
        tls_context_new(&(struct tls_settings){.cert = cert, .key = key}, &notice, &err);
    SSL *ssl = tls_accept_new(tls_context_ref(context));
    assert_non_null(ssl);
    tls_context_unref(context);
    tls_context_unref(context); /* the SSL holds its own reference */
    assert_true(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION);
    assert_true(SSL_get_options(ssl) & SSL_OP_NO_COMPRESSION);
    assert_int_equal(SSL_get_mode(ssl) & SSL_MODE_ENABLE_PARTIAL_WRITE, 0);
    assert_int_equal(SSL_get_max_early_data(ssl), 0);
    SSL_free(ssl);
    assert_true(strstr(tls_library(), "OpenSSL 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),           cmocka_unit_test(test_dates),
        cmocka_unit_test(test_wrong_files),     cmocka_unit_test(test_clients),
        cmocka_unit_test(test_key_permissions), cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Two codecs in memory, a service's and its client's, each with its own room and a certificate made
 * here. Records of one are copied to the other's wire, and fed from there. */
#ifndef TESTS_TLS_PAIR_H
#define TESTS_TLS_PAIR_H

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/tls.h"
#include "tls/tls_codec.h"

static struct tls_context *pair_server;
static SSL_CTX *pair_client;

/* Key and certificate in one file, which is removed after it was read. */
static inline int tls_pair_setup(void **state)
{
    (void)state;
    char path[] = "/tmp/tls_pair.XXXXXX";
    struct tls_settings settings = {.cert = path};
    struct error notice, err;
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"t", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    if (!file || X509_sign(cert, key, EVP_sha256()) <= 0 || PEM_write_X509(file, cert) != 1 ||
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 || fclose(file) != 0)
        return -1;
    pair_server = tls_context_new(&settings, &notice, &err);
    pair_client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(pair_client, SSL_MODE_RELEASE_BUFFERS);
    unlink(path);
    X509_free(cert);
    EVP_PKEY_free(key);
    return pair_server && pair_client ? 0 : -1;
}

static inline int tls_pair_teardown(void **state)
{
    (void)state;
    tls_context_unref(pair_server);
    SSL_CTX_free(pair_client);
    return 0;
}

struct tls_end {
    struct tls_codec codec;
    struct tls_room *room;
    unsigned char *wire; /* received and not fed yet */
    size_t wire_length, wire_room;
};

static inline int tls_end_open(struct tls_end *end, SSL *ssl)
{
    *end = (struct tls_end){.room = tls_room_new()};
    return end->room && ssl ? tls_codec_open(&end->codec, end->room, ssl) : -1;
}

static inline void tls_end_close(struct tls_end *end)
{
    tls_codec_close(&end->codec);
    tls_room_free(end->room);
    free(end->wire);
}

static inline SSL *tls_pair_connect(int version)
{
    SSL *ssl = SSL_new(pair_client);
    SSL_set_connect_state(ssl);
    if (version) {
        SSL_set_min_proto_version(ssl, version);
        SSL_set_max_proto_version(ssl, version);
    }
    return ssl;
}

static inline void tls_end_hear(struct tls_end *end, const unsigned char *bytes, size_t length)
{
    if (end->wire_length + length > end->wire_room) {
        end->wire_room = 2 * (end->wire_length + length);
        end->wire = realloc(end->wire, end->wire_room);
    }
    if (length > 0)
        memcpy(end->wire + end->wire_length, bytes, length);
    end->wire_length += length;
}

/* Copies the records of one to the other's wire; returns their bytes. */
static inline size_t tls_carry(struct tls_end *from, struct tls_end *to)
{
    size_t length = from->room->records_length;
    tls_end_hear(to, from->room->records, length);
    tls_room_clear(from->room);
    return length;
}

/* Feeds the codec like a transport: kept records, or else at most `most` bytes of the wire, which
 * `fed` holds. False if there are none. */
static inline bool tls_end_feed(struct tls_end *end, unsigned char *fed, size_t most)
{
    size_t length = end->wire_length < most ? end->wire_length : most;
    if (tls_codec_has_more(&end->codec)) {
        tls_codec_feed(&end->codec, NULL, 0);
        return true;
    }
    if (length == 0)
        return false;
    memcpy(fed, end->wire, length);
    end->wire_length -= length;
    memmove(end->wire, end->wire + length, end->wire_length);
    tls_codec_feed(&end->codec, fed, length);
    return true;
}

/* One step of the handshake: 1, 0 or -errno. */
static inline int tls_end_shake(struct tls_end *end, size_t most)
{
    static unsigned char fed[256 * 1024];
    if (!tls_end_feed(end, fed, most < sizeof(fed) ? most : sizeof(fed)))
        tls_codec_feed(&end->codec, NULL, 0); /* the client sends first */
    int result = tls_codec_shake(&end->codec);
    int failure = tls_codec_rest(&end->codec);
    return failure ? failure : result;
}

/* One read, as tls_codec_read(); -EAGAIN if nothing was received, too. */
static inline ssize_t tls_end_read(struct tls_end *end, size_t most)
{
    static unsigned char fed[256 * 1024];
    if (!tls_end_feed(end, fed, most < sizeof(fed) ? most : sizeof(fed)))
        return -EAGAIN;
    ssize_t came = tls_codec_read(&end->codec);
    int failure = tls_codec_rest(&end->codec);
    return failure ? failure : came;
}

#endif

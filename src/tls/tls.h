/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS settings shared by connections: certificates, keys, versions, ciphers and protocols.
 *
 *     settings --tls_context_new()--> context, shared by the connections of a listener
 *
 * A context never changes, and each policy that uses it holds a reference. A reload reads the files
 * again and makes new contexts. If the program was built without TLS (tls_none.c),
 * tls_context_new() fails.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"

enum tls_client_cert { TLS_CLIENT_CERT_NONE, TLS_CLIENT_CERT_OPTIONAL, TLS_CLIENT_CERT_REQUIRE };
enum tls_profile { TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_MODERN };

struct tls_settings {
    char *cert;           /* PEM: the certificate and its intermediates */
    char *key;            /* PEM, no passphrase; NULL: in the certificate's file */
    char *client_ca;      /* PEM: the CAs that clients' certificates are checked against */
    char *alpn;           /* protocols, the preferred first: http/1.1:echo (alpn.h) */
    uint64_t client_cert; /* enum tls_client_cert */
    uint64_t profile;     /* enum tls_profile */
};

struct ssl_st;
struct tls_context;

/* Reads the files. *notice is a warning for the user, or empty. Returns a context with one
 * reference; or NULL, and the error names the file and the reason. */
struct tls_context *tls_context_new(const struct tls_settings *settings, struct error *notice,
                                    struct error *err) MUST_CHECK;

/* Take and drop a reference, from any thread. Dropping the last one frees the context; NULL is
 * allowed. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* Makes OpenSSL's SSL for the server's side of one connection, which the caller owns; NULL if
 * memory is short. */
struct ssl_st *tls_accept_new(struct tls_context *context) MUST_CHECK;

/* The library's name and version for --version, or NULL if the program was built without TLS. */
const char *tls_library(void);

#endif

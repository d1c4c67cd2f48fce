/* SPDX-License-Identifier: BSD-2-Clause */
/* What TLS needs before a connection comes: certificates, keys, and what is agreed to.
 *
 *     settings --tls_context_new()--> context, shared by the connections of a listener
 *
 * A context never changes, and each policy that uses it holds a reference; a reload reads the files
 * again and makes new ones. Where the build left TLS out (tls_none.c) making a context is refused.
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
    char *cert;           /* PEM: the certificate, and those between it and its root */
    char *key;            /* PEM, without a passphrase; NULL: in the certificate's file */
    char *client_ca;      /* PEM: who may have signed a client's certificate */
    char *alpn;           /* protocols, the best first, with colons between: http/1.1:echo */
    uint64_t client_cert; /* enum tls_client_cert */
    uint64_t profile;     /* enum tls_profile */
};

struct ssl_st;
struct tls_context;

/* Reads the files. *notice is what the user should know and what is no failure, or empty. A context
 * with one reference; or NULL, and the error names the file and the reason. */
struct tls_context *tls_context_new(const struct tls_settings *settings, struct error *notice,
                                    struct error *err) MUST_CHECK;

/* From any thread. The last one to leave frees it; NULL is allowed. */
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

/* The server's side of one connection, OpenSSL's SSL; NULL without memory. */
struct ssl_st *tls_accept_new(struct tls_context *context) MUST_CHECK;

/* The library's name and version for --version, or NULL where the build left TLS out. */
const char *tls_library(void);

#endif

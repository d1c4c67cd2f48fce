/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS for links, by the codec that serves the daemon too (tls/tls_codec.h). */
#ifndef CLIENT_LINK_TLS_H
#define CLIENT_LINK_TLS_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "client/link.h"

/* As the command line has it, in curl's words. NULL: not given. */
struct link_tls_options {
    const char *cacert;      /* PEM, whom to trust; NULL: whom the system trusts */
    const char *cert, *key;  /* PEM, who we are; the key may be in the certificate's file */
    const char *server_name; /* whom to ask for, and whose certificate is expected */
    const char *alpn;        /* names, with commas between */
    bool is_insecure;        /* any certificate will do */
    bool resumes;            /* a link's next handshake resumes its last session */
};

/* Returns NULL, with the wrong option in *err, or if TLS is not built in. Free it with
 * layer->free(), in the thread that made it, after every other thread that used it has ended. */
struct link_layer *link_tls_new(const struct link_tls_options *options,
                                struct error *err) MUST_CHECK;

#endif

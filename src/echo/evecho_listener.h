/* SPDX-License-Identifier: BSD-2-Clause */
/* One endpoint for an echo service to serve, with its settings (echo/evecho.h). */
#ifndef ECHO_EVECHO_LISTENER_H
#define ECHO_EVECHO_LISTENER_H

#include <stdint.h>

#include "echo/policy.h"
#include "net/endpoint.h"
#include "tls/tls.h"

/* An endpoint to serve. The texts must live until evecho_open() or evecho_reload() returns. */
struct evecho_listener {
    const char *text; /* as the user wrote it, for messages */
    const char *file; /* the file that contains it; NULL: the command line */
    unsigned line;
    uint64_t attributes; /* for the caller; not used here */
    struct endpoint endpoint;
    struct policy_values policy;
    struct tls_settings tls; /* for a tls:// endpoint */
};

#endif

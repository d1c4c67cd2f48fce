/* SPDX-License-Identifier: BSD-2-Clause */
/* Replaces tls.c if the program is built without TLS: tls_context_new() always fails. */
#include <stddef.h>

#include "tls/tls.h"

struct tls_context *tls_context_new(const struct tls_settings *settings, struct error *notice,
                                    struct error *err)
{
    (void)settings;
    *notice = (struct error){0};
    error_usage(err, "tls:// is not built into this version (./configure --without-tls)");
    return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    (void)context;
}

const char *tls_library(void)
{
    return NULL;
}

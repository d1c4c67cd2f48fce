/* SPDX-License-Identifier: BSD-2-Clause */
/* Instead of link_tls.c in a build without TLS. */
#include "client/link_tls.h"

struct link_layer *link_tls_new(const struct link_tls_options *options, struct error *err)
{
    (void)options;
    error_usage(err, "tls:// is not built into this version (it was configured --without-tls)");
    return NULL;
}

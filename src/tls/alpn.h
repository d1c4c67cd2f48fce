/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of application protocols as users write it, and as TLS sends it (RFC 7301). */
#ifndef TLS_ALPN_H
#define TLS_ALPN_H

#include "base/attr.h"

#define ALPN_MAX 255 /* bytes of a list in TLS's form */

/* "h2,http/1.1:echo", the names with commas or colons between them, to the same names with the
 * length of each before it; `out` has room for ALPN_MAX. Returns how many bytes, or -1 if a name is
 * empty or they are too many. */
int alpn_encode(const char *list, unsigned char *out) MUST_CHECK;

#endif

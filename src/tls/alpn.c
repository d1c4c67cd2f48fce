/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/alpn.h"

#include <stddef.h>
#include <string.h>

#define SEPARATORS ",:"

int alpn_encode(const char *list, unsigned char *out)
{
    size_t used = 0;
    for (const char *name = list; name;) {
        size_t length = strcspn(name, SEPARATORS);
        if (length == 0 || used + 1 + length > ALPN_MAX)
            return -1;
        out[used++] = (unsigned char)length;
        memcpy(out + used, name, length);
        used += length;
        name = name[length] ? name + length + 1 : NULL;
    }
    return (int)used;
}

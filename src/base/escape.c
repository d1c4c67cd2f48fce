/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/escape.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HEX_MAX 7 /* \u00HH and its NUL */

static size_t escape_with(char *out, size_t size, const char *bytes, size_t length,
                          const char *prefix, bool (*is_plain)(unsigned char))
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        char piece[HEX_MAX];
        size_t piece_length = 1;
        if (!is_plain(byte))
            piece_length = (size_t)snprintf(piece, sizeof(piece), "%s%02x", prefix, byte);
        if (used + piece_length >= size)
            break;
        if (piece_length == 1)
            out[used] = (char)byte;
        else
            memcpy(out + used, piece, piece_length);
        used += piece_length;
    }
    out[used] = '\0';
    return used;
}

static bool is_printable(unsigned char byte)
{
    return byte >= 0x20 && byte <= 0x7e;
}

static bool is_quotable(unsigned char byte)
{
    return is_printable(byte) && byte != '\\' && byte != '"';
}

size_t escape_value(char *out, size_t size, const char *bytes, size_t length)
{
    return escape_with(out, size, bytes, length, "\\x", is_quotable);
}

size_t escape_line(char *out, size_t size, const char *bytes, size_t length)
{
    return escape_with(out, size, bytes, length, "\\x", is_printable);
}

size_t escape_json(char *out, size_t size, const char *bytes, size_t length)
{
    return escape_with(out, size, bytes, length, "\\u00", is_quotable);
}

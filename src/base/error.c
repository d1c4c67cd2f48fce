/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

PRINTF_LIKE(3, 0)
static void set_text(struct error *err, enum exit_code code, const char *format, va_list args)
{
    char raw[sizeof(err->text)];
    int length = vsnprintf(raw, sizeof(raw), format, args);
    if (length < 0)
        length = 0;
    if ((size_t)length >= sizeof(raw))
        length = sizeof(raw) - 1;
    err->exit_code = code;
    escape_line(err->text, sizeof(err->text), raw, (size_t)length);
}

int error_usage(struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_text(err, EXIT_CODE_USAGE, format, args);
    va_end(args);
    return -1;
}

int error_start(struct error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_text(err, EXIT_CODE_START, format, args);
    va_end(args);
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char whole[2 * sizeof(err->text)];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(whole, sizeof(err->text), format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(err->text))
        length = 0;
    memcpy(whole + length, err->text, strlen(err->text) + 1);
    whole[sizeof(err->text) - 1] = '\0';
    memcpy(err->text, whole, strlen(whole) + 1);
    return -1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

PRINTF_LIKE(2, 0)
static void set_message(struct error *err, const char *format, va_list args)
{
    if (vsnprintf(err->message, sizeof(err->message), format, args) < 0)
        err->message[0] = '\0';
}

int error_usage(struct error *err, const char *format, ...)
{
    va_list args;
    *err = (struct error){.exit_code = EXIT_CODE_USAGE};
    va_start(args, format);
    set_message(err, format, args);
    va_end(args);
    return -1;
}

int error_start(struct error *err, const char *format, ...)
{
    va_list args;
    *err = (struct error){.exit_code = EXIT_CODE_START};
    va_start(args, format);
    set_message(err, format, args);
    va_end(args);
    return -1;
}

int error_option(struct error *err, const char *option, const char *format, ...)
{
    va_list args;
    *err = (struct error){.exit_code = EXIT_CODE_USAGE, .option = option};
    va_start(args, format);
    set_message(err, format, args);
    va_end(args);
    return -1;
}

int error_system(struct error *err, int number, const char *format, ...)
{
    va_list args;
    *err = (struct error){.exit_code = EXIT_CODE_START, .number = number};
    va_start(args, format);
    set_message(err, format, args);
    va_end(args);
    return -1;
}

int error_unread(struct error *err, int number, const char *path)
{
    error_usage(err, "cannot read '%s'", path);
    err->number = number;
    return -1;
}

int error_blame(struct error *err, const char *option, const char *value)
{
    err->option = option;
    err->has_value = value != NULL;
    snprintf(err->value, sizeof(err->value), "%s", value ? value : "");
    return -1;
}

int error_hint(struct error *err, const char *hint)
{
    err->hint = hint;
    return -1;
}

int error_place(struct error *err, const char *file, unsigned line)
{
    snprintf(err->file, sizeof(err->file), "%s", file);
    err->line = line;
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    char behind[sizeof(err->message)];
    memcpy(behind, err->message, sizeof(behind));
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof(err->message))
        used = 0; /* a text that does not fit is left out */
    snprintf(err->message + used, sizeof(err->message) - (size_t)used, "%s", behind);
    return -1;
}

bool error_is_set(const struct error *err)
{
    return err->exit_code != EXIT_CODE_OK;
}

/* "--listen 'VALUE': " or, in a file, "FILE:LINE: listen: 'VALUE': ". */
static void print_place(const struct error *err, char *out, size_t size)
{
    char where[sizeof(err->file) + 16] = "", value[sizeof(err->value) + 8] = "";
    if (err->line)
        snprintf(where, sizeof(where), "%s:%u: ", err->file, err->line);
    if (err->has_value)
        snprintf(value, sizeof(value), "%s '%.200s'", err->line ? ":" : "", err->value);
    snprintf(out, size, "%s%s%s%s%s", where, err->option && !err->line ? "--" : "",
             err->option ? err->option : "", err->option ? value : "", err->option ? ": " : "");
}

const char *error_text(const struct error *err, char *out, size_t size)
{
    char place[sizeof(err->file) + sizeof(err->value) + 64], raw[ERROR_TEXT_MAX];
    print_place(err, place, sizeof(place));
    snprintf(raw, sizeof(raw), "%s%s%s%s%s%s", place, err->message, err->number ? ": " : "",
             err->number ? strerror(err->number) : "", err->hint ? "; " : "",
             err->hint ? err->hint : "");
    escape_line(out, size, raw, strlen(raw));
    return out;
}

int error_report(const struct error *err, const char *program)
{
    char text[ERROR_TEXT_MAX];
    fprintf(stderr, "%s: %s\n", program, error_text(err, text, sizeof(text)));
    return (int)err->exit_code;
}

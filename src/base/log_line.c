/* SPDX-License-Identifier: BSD-2-Clause */
/* One event as one line of text or JSON: pure, so that every byte of it can be tested. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/log.h"

#define TAIL_ROOM 3 /* "}", '\n' and NUL */
#define FIELD_MAX 1024
#define VALUE_MAX 700

const char *log_level_word(enum log_level level)
{
    static const char *const WORDS[] = {"error", "warn", "notice", "info", "debug"};
    return WORDS[level];
}

static void format_time(char *out, size_t size, uint64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t length = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + length, size - length, ".%03uZ", (unsigned)(unix_ms % 1000));
}

/* A text value goes bare where nobody could misread it, and quoted elsewhere. */
static bool is_bare(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"\\=", text[i]))
            return false;
    }
    return length > 0;
}

static int format_field(char *out, size_t size, enum log_format format,
                        const struct log_field *field)
{
    bool is_json = format == LOG_FORMAT_JSON;
    const char *before = is_json ? ",\"" : " ";
    const char *between = is_json ? "\":" : "=";
    char value[VALUE_MAX];
    switch (field->kind) {
    case LOG_KIND_NUMBER:
        return snprintf(out, size, "%s%s%s%" PRIu64, before, field->key, between, field->number);
    case LOG_KIND_MS:
        return snprintf(out, size, "%s%s%s%" PRIu64 ".%03u", before, field->key, between,
                        field->number / 1000, (unsigned)(field->number % 1000));
    case LOG_KIND_TEXT:
        break;
    }
    if (is_json)
        escape_json(value, sizeof(value), field->text, field->text_length);
    else
        escape_value(value, sizeof(value), field->text, field->text_length);
    const char *quote = is_json || !is_bare(field->text, field->text_length) ? "\"" : "";
    return snprintf(out, size, "%s%s%s%s%s%s", before, field->key, between, quote, value, quote);
}

size_t log_line(char *out, size_t size, enum log_format format, uint64_t unix_ms,
                enum log_level level, const char *message, const struct log_field *fields,
                size_t count)
{
    bool is_json = format == LOG_FORMAT_JSON;
    char time_text[40];
    format_time(time_text, sizeof(time_text), unix_ms);
    int head =
        snprintf(out, size - TAIL_ROOM,
                 is_json ? "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"" : "%s %s %s",
                 time_text, log_level_word(level), message);
    size_t used = head < 0 ? 0 : (size_t)head;
    if (used > size - TAIL_ROOM - 1)
        used = size - TAIL_ROOM - 1;
    for (size_t i = 0; i < count; i++) {
        char field[FIELD_MAX];
        int length = format_field(field, sizeof(field), format, &fields[i]);
        if (length < 0 || (size_t)length >= sizeof(field) ||
            used + (size_t)length + TAIL_ROOM > size)
            continue;
        memcpy(out + used, field, (size_t)length);
        used += (size_t)length;
    }
    if (is_json)
        out[used++] = '}';
    out[used++] = '\n';
    out[used] = '\0';
    return used;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Formats one event as one line of text or JSON. Pure functions, so that every byte can be
 * tested. */
#include <string.h>
#include <time.h>

#include "base/digits.h"
#include "base/escape.h"
#include "base/log.h"

#define TAIL_ROOM 3 /* "}", '\n' and NUL */
#define VALUE_MAX 700

const char *log_level_word(enum log_level level)
{
    static const char *const WORDS[] = {"error", "warn", "notice", "info", "debug"};
    return WORDS[level];
}

/* A line under construction. Fields are copied without snprintf(3), which took a twentieth of the
 * whole cost of a short connection. */
struct line {
    char *out;
    size_t size, used;
    bool is_short_of_room; /* something did not fit, so the field that it belongs to is removed */
    bool is_json;
};

static void put(struct line *line, const char *bytes, size_t length)
{
    if (length > line->size - line->used)
        line->is_short_of_room = true;
    if (line->is_short_of_room)
        return;
    memcpy(line->out + line->used, bytes, length);
    line->used += length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_char(struct line *line, char c)
{
    if (line->used == line->size)
        line->is_short_of_room = true;
    if (!line->is_short_of_room)
        line->out[line->used++] = c;
}

static void put_number(struct line *line, uint64_t number, size_t digits_min)
{
    char digits[DIGITS_MAX];
    put(line, digits, digits_put(digits, number, digits_min));
}

/* Lines of one second share the work of naming it, a tenth of a line's price. */
static void put_time(struct line *line, uint64_t unix_ms)
{
    static _Thread_local struct {
        time_t seconds;
        size_t length;
        char text[sizeof("2026-01-31T12:00:00.") + 20]; /* a year may be longer */
    } last;
    time_t seconds = (time_t)(unix_ms / 1000);
    if (last.length == 0 || seconds != last.seconds) {
        struct tm utc;
        gmtime_r(&seconds, &utc);
        last.length = strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S.", &utc);
        last.seconds = seconds;
    }
    put(line, last.text, last.length);
    put_number(line, unix_ms % 1000, 3);
    put_char(line, 'Z');
}

/* True if a text value is unambiguous without quotes. */
static bool is_bare(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return length > 0;
}

static void put_value(struct line *line, const char *text, size_t length)
{
    char escaped[VALUE_MAX];
    bool is_plain = length < sizeof(escaped) && is_bare(text, length);
    if (!is_plain && line->is_json)
        length = escape_json(escaped, sizeof(escaped), text, length);
    else if (!is_plain)
        length = escape_value(escaped, sizeof(escaped), text, length);
    bool is_quoted = !is_plain || line->is_json;
    if (is_quoted)
        put_char(line, '"');
    put(line, is_plain ? text : escaped, length);
    if (is_quoted)
        put_char(line, '"');
}

/* Appends the whole field, or nothing. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->used;
    put_char(line, line->is_json ? ',' : ' ');
    if (line->is_json)
        put_char(line, '"');
    put_text(line, field->key);
    if (line->is_json)
        put_char(line, '"');
    put_char(line, line->is_json ? ':' : '=');
    switch (field->kind) {
    case LOG_KIND_NUMBER:
        put_number(line, field->number, 1);
        break;
    case LOG_KIND_MS:
        put_number(line, field->number / 1000, 1);
        put_char(line, '.');
        put_number(line, field->number % 1000, 3);
        break;
    case LOG_KIND_TEXT:
        put_value(line, field->text, field->text_length);
        break;
    }
    if (line->is_short_of_room) {
        line->used = before;
        line->is_short_of_room = false;
    }
}

static void put_head(struct line *line, uint64_t unix_ms, enum log_level level, const char *message)
{
    put_text(line, line->is_json ? "{\"time\":\"" : "");
    put_time(line, unix_ms);
    put_text(line, line->is_json ? "\",\"level\":\"" : " ");
    put_text(line, log_level_word(level));
    put_text(line, line->is_json ? "\",\"message\":\"" : " ");
    put_text(line, message);
    put_text(line, line->is_json ? "\"" : "");
}

size_t log_line(char *out, size_t size, enum log_format format, uint64_t unix_ms,
                enum log_level level, const char *message, const struct log_field *fields,
                size_t count)
{
    struct line line = {.out = out, .size = size - TAIL_ROOM, .is_json = format == LOG_FORMAT_JSON};
    put_head(&line, unix_ms, level, message);
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key)
            put_field(&line, &fields[i]);
    }
    line.size = size;
    put_text(&line, line.is_json ? "}\n" : "\n");
    out[line.used] = '\0';
    return line.used;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

#define NUMBER_MAX 32

static void put(struct json_writer *writer, const char *bytes, size_t length)
{
    size_t room = writer->size - 1 - writer->used;
    size_t count = length < room ? length : room;
    memcpy(writer->out + writer->used, bytes, count);
    writer->used += count;
    writer->out[writer->used] = '\0';
}

static void put_word(struct json_writer *writer, const char *word)
{
    put(writer, word, strlen(word));
}

/* Only json_write_begin() leaves an opening bracket as the last byte: a text ends with its quote.
 */
static void put_key(struct json_writer *writer, const char *key)
{
    char last = writer->used > 0 ? writer->out[writer->used - 1] : '{';
    if (last != '{' && last != '[')
        put_word(writer, ",");
    if (!key)
        return;
    put_word(writer, "\"");
    put_word(writer, key);
    put_word(writer, "\":");
}

static void write_word(struct json_writer *writer, const char *key, const char *word)
{
    put_key(writer, key);
    put_word(writer, word);
}

void json_write_text(struct json_writer *writer, const char *key, const char *bytes, size_t length)
{
    char escaped[JSON_WRITER_TEXT_MAX];
    length = escape_json(escaped, sizeof(escaped), bytes, length);
    write_word(writer, key, "\"");
    put(writer, escaped, length);
    put_word(writer, "\"");
}

void json_write_string(struct json_writer *writer, const char *key, const char *text)
{
    json_write_text(writer, key, text, strlen(text));
}

void json_write_number(struct json_writer *writer, const char *key, uint64_t number)
{
    char text[NUMBER_MAX];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    write_word(writer, key, text);
}

void json_write_ms(struct json_writer *writer, const char *key, uint64_t ms)
{
    char text[NUMBER_MAX];
    snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64, ms / 1000, ms % 1000);
    write_word(writer, key, text);
}

void json_write_bool(struct json_writer *writer, const char *key, bool value)
{
    write_word(writer, key, value ? "true" : "false");
}

void json_write_null(struct json_writer *writer, const char *key)
{
    write_word(writer, key, "null");
}

void json_write_begin(struct json_writer *writer, const char *key, char bracket)
{
    put_key(writer, key);
    put(writer, &bracket, 1);
}

void json_write_end(struct json_writer *writer, char bracket)
{
    put(writer, &bracket, 1);
}

bool json_writer_is_full(const struct json_writer *writer)
{
    return writer->used == writer->size - 1;
}

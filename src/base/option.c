/* SPDX-License-Identifier: BSD-2-Clause */
/* Parses the values of options and stores them in a target; option_read.c reads the command line,
 * the file and the attributes. */
#include "base/option.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/option_value.h"
#include "base/units.h"

#define MODE_MAX 0777

static void *field_of(const struct option_row *row, void *target)
{
    return (char *)target + row->offset;
}

static uint64_t *number_of(const struct option_row *row, void *target)
{
    return field_of(row, target);
}

/* Describes a valid value, for the message about a wrong one. */
static const char *expected(const struct option_row *row, char *out, size_t size)
{
    static const char *const KINDS[] = {
        [OPTION_COUNT] = "a number like 64 or 10k",
        [OPTION_SIZE] = "a size like 64, 256k, 1M or 1G",
        [OPTION_TIME] = "a time like 250ms, 1.5s, 5m or 1h",
        [OPTION_RATE] = "a rate like 0.5, 64 or 10k",
        [OPTION_MODE] = "octal permissions like 0660",
    };
    if (row->kind != OPTION_WORD) {
        snprintf(out, size, "%s%s%s", KINDS[row->kind], row->words ? ", or " : "",
                 row->words ? row->words[0] : "");
        return out;
    }
    size_t used = (size_t)snprintf(out, size, "one of");
    for (const char *const *word = row->words; *word && used < size; word++)
        used += (size_t)snprintf(out + used, size - used, "%s %s", word == row->words ? "" : ",",
                                 *word);
    return out;
}

static int parse_word(const char *const *words, const char *text, uint64_t *value)
{
    for (uint64_t i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return 0;
        }
    }
    return -1;
}

static int parse_mode(const char *text, uint64_t *mode)
{
    char *end;
    if (*text < '0' || *text > '7')
        return -1;
    *mode = strtoul(text, &end, 8);
    return *end == '\0' && *mode <= MODE_MAX ? 0 : -1;
}

static int parse_number(const struct option_row *row, const char *text, uint64_t *value)
{
    switch (row->kind) {
    case OPTION_WORD:
        return parse_word(row->words, text, value);
    case OPTION_SIZE:
        return units_parse_size(text, value);
    case OPTION_TIME:
        return units_parse_time(text, value);
    case OPTION_RATE:
        return units_parse_rate(text, value);
    case OPTION_MODE:
        return parse_mode(text, value);
    default:
        return units_parse_count(text, value);
    }
}

static void format_number(const struct option_row *row, char *out, size_t size, uint64_t value)
{
    if (row->kind == OPTION_SIZE)
        units_format_size(out, size, value);
    else if (row->kind == OPTION_TIME)
        units_format_time(out, size, value);
    else if (row->kind == OPTION_RATE)
        units_format_rate(out, size, value);
    else
        units_format_count(out, size, value);
}

static int set_number(const struct option_row *row, void *target, const char *text,
                      struct error *err)
{
    uint64_t value = 0;
    char hint[160], low[UNITS_TEXT_MAX], high[UNITS_TEXT_MAX];
    if (row->kind != OPTION_WORD && row->words && strcmp(text, row->words[0]) == 0) {
        *number_of(row, target) = row->kind == OPTION_TIME ? 0 : OPTION_AUTO;
        return 0;
    }
    if (parse_number(row, text, &value) < 0)
        return error_usage(err, "'%s' is not %s", text, expected(row, hint, sizeof(hint)));
    uint64_t max = row->max ? row->max : OPTION_NO_MAX;
    format_number(row, low, sizeof(low), row->min);
    format_number(row, high, sizeof(high), max);
    if (value < row->min)
        return error_usage(err, "'%s' is too small: at least %s is expected", text, low);
    if (value > max)
        return error_usage(err, "'%s' is too large: at most %s is expected", text, high);
    *number_of(row, target) = value;
    return 0;
}

static int list_append(struct option_list *list, const char *text, struct error *err)
{
    size_t count = list->count + 1;
    char **items = realloc(list->items, count * sizeof(*items));
    if (items)
        list->items = items;
    unsigned *lines = realloc(list->lines, count * sizeof(*lines));
    if (lines)
        list->lines = lines;
    char *copy = strdup(text);
    if (!items || !lines || !copy) {
        free(copy);
        return error_start(err, "no memory");
    }
    lines[list->count] = 0;
    items[list->count++] = copy;
    return 0;
}

static int set_text(char **field, const char *text, struct error *err)
{
    char *copy = strdup(text);
    if (!copy)
        return error_start(err, "no memory");
    free(*field);
    *field = copy;
    return 0;
}

int option_value_set(const struct option_row *row, void *target, const char *text,
                     struct error *err)
{
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field_of(row, target) = true;
        return 0;
    case OPTION_TEXT:
        if (!*text)
            return error_usage(err, "an empty value; %s is expected", row->argument);
        if (row->max && strlen(text) > row->max)
            return error_usage(err, "%zu bytes; at most %" PRIu64 " are expected", strlen(text),
                               row->max);
        return set_text(field_of(row, target), text, err);
    case OPTION_LIST:
        return list_append(field_of(row, target), text, err);
    default:
        return set_number(row, target, text, err);
    }
}

void option_list_clear(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    free(list->lines);
    *list = (struct option_list){0};
}

void option_value_clear(const struct option_row *row, void *target)
{
    if (row->kind == OPTION_TEXT) {
        char **text = field_of(row, target);
        free(*text);
        *text = NULL;
    } else if (row->kind == OPTION_LIST) {
        option_list_clear(field_of(row, target));
    }
}

static bool is_same_list(const struct option_list *one, const struct option_list *other)
{
    if (one->count != other->count)
        return false;
    for (size_t i = 0; i < one->count; i++) {
        if (strcmp(one->items[i], other->items[i]) != 0)
            return false;
    }
    return true;
}

static bool is_same_text(const char *one, const char *other)
{
    return one == other || (one && other && strcmp(one, other) == 0);
}

bool option_is_same(const struct option_row *row, const void *one, const void *other)
{
    const void *a = (const char *)one + row->offset, *b = (const char *)other + row->offset;
    switch (row->kind) {
    case OPTION_FLAG:
        return *(const bool *)a == *(const bool *)b;
    case OPTION_TEXT:
        return is_same_text(*(char *const *)a, *(char *const *)b);
    case OPTION_LIST:
        return is_same_list(a, b);
    default:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    }
}

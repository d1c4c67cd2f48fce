/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads options from defaults, the command line, a file and attributes, and prints --help. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/option.h"
#include "base/option_value.h"

#define HELP_COLUMN 34
#define HELP_WIDTH 100
#define LINE_MAX_BYTES 4096
#define ANYWHERE 0U /* for find_row() */

static bool is_global(const struct option_row *row)
{
    return !(row->use & OPTION_NOT_GLOBAL);
}

/* Sets a row from an origin, unless a stronger one has set it. A stronger origin replaces a whole
 * list. */
static int set_row(struct option_set *set, size_t index, const char *text,
                   enum option_origin origin, struct error *err)
{
    const struct option_row *row = &set->rows[index];
    if (origin < set->origins[index]) {
        /* The value is not used, but a wrong one must still be refused: parse it into a copy of the
         * field. */
        if (row->kind == OPTION_LIST || row->kind == OPTION_TEXT || row->kind == OPTION_FLAG)
            return 0;
        uint64_t unused;
        struct option_row beside = *row;
        beside.offset = 0;
        return option_value_set(&beside, &unused, text, err);
    }
    if (row->kind == OPTION_LIST && origin > set->origins[index])
        option_value_clear(row, set->target);
    if (option_value_set(row, set->target, text, err) < 0)
        return -1;
    if (row->kind == OPTION_LIST) {
        struct option_list *list =
            (struct option_list *)(void *)((char *)set->target + row->offset);
        list->lines[list->count - 1] = set->line;
    }
    set->origins[index] = origin;
    return 0;
}

int option_set_defaults(struct option_set *set, struct error *err)
{
    for (size_t i = 0; i < set->count; i++) {
        set->origins[i] = OPTION_DEFAULT;
        set->lines[i] = 0;
        if (set->rows[i].initial && set_row(set, i, set->rows[i].initial, OPTION_DEFAULT, err) < 0)
            return error_prefix(err, "the default of %s: ", set->rows[i].name);
    }
    return 0;
}

void option_set_clear(struct option_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        option_value_clear(&set->rows[i], set->target);
}

/* ---- the command line ---- */

/* getopt_long() needs its own tables. A long option's code is its row's index plus LONG_CODE, above
 * all letters. */
#define LONG_CODE 256

static void fill_tables(const struct option_set *set, struct option *longs, char *shorts)
{
    size_t used = 0;
    *shorts++ = ':'; /* distinguish a missing value from an unknown option */
    for (size_t i = 0; i < set->count; i++) {
        const struct option_row *row = &set->rows[i];
        bool has_value = row->kind != OPTION_FLAG;
        if (!is_global(row))
            continue;
        longs[used++] = (struct option){row->name, has_value ? required_argument : no_argument,
                                        NULL, LONG_CODE + (int)i};
        if (row->letter) {
            *shorts++ = row->letter;
            if (has_value)
                *shorts++ = ':';
        }
    }
    longs[used] = (struct option){0};
    *shorts = '\0';
}

static size_t index_of_code(const struct option_set *set, int code)
{
    for (size_t i = 0; code < LONG_CODE && i < set->count; i++) {
        if (set->rows[i].letter == code)
            return i;
    }
    return (size_t)(code - LONG_CODE);
}

/* Reports the error that getopt_long() found. optopt holds the code of a known option, or 0 for an
 * unknown word. */
static int complain(const struct option_set *set, int code, char **argv, struct error *err)
{
    const char *word = argv[optind - 1];
    if (code == ':') {
        const struct option_row *row = &set->rows[index_of_code(set, optopt)];
        return error_usage(err, "--%s needs a value: %s", row->name, row->argument);
    }
    if (optopt >= LONG_CODE)
        return error_usage(err, "'%s': --%s takes no value", word,
                           set->rows[index_of_code(set, optopt)].name);
    if (optopt > 0)
        return error_usage(err, "unknown option '-%c'; --help lists them all", optopt);
    return error_usage(err, "unknown or ambiguous option '%s'; --help lists them all", word);
}

int option_set_command(struct option_set *set, int argc, char **argv, struct error *err)
{
    struct option longs[OPTION_ROWS_MAX + 1];
    char shorts[2 * OPTION_ROWS_MAX + 2];
    fill_tables(set, longs, shorts);
    optind = 0; /* glibc and musl: reset, in case of an earlier call */
    opterr = 0;
    for (;;) {
        int code = getopt_long(argc, argv, shorts, longs, NULL);
        if (code == -1)
            break;
        if (code == '?' || code == ':')
            return complain(set, code, argv, err);
        size_t index = index_of_code(set, code);
        if (set_row(set, index, optarg ? optarg : "", OPTION_COMMAND, err) < 0)
            return error_blame(err, set->rows[index].name, NULL);
    }
    if (set->argument_name && optind < argc)
        set->argument = argv[optind++];
    if (optind < argc)
        return error_usage(err, "unexpected argument '%s'; %s%s is expected", argv[optind],
                           set->argument_name ? "one " : "nothing but options",
                           set->argument_name ? set->argument_name : "");
    return 0;
}

/* ---- name = value ---- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

static int find_row(const struct option_set *set, const char *name, unsigned use)
{
    for (size_t i = 0; i < set->count; i++) {
        if ((use == ANYWHERE || set->rows[i].use & use) && strcmp(set->rows[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

/* A flag in a file is written `name = yes`. */
static int set_flag(struct option_set *set, size_t index, const char *value, struct error *err)
{
    if (strcmp(value, "no") == 0)
        return 0;
    if (strcmp(value, "yes") != 0)
        return error_usage(err, "'%s' is neither yes nor no", value);
    return set_row(set, index, value, OPTION_FILE, err);
}

/* Reports a name that may not be used in a file. */
static int refuse_name(const struct option_set *set, const char *name, struct error *err)
{
    int index = find_row(set, name, ANYWHERE);
    if (index < 0)
        return error_usage(err, "unknown name '%.60s'; it takes the long names of --help", name);
    return error_option(err, set->rows[index].name, "expected %s alone",
                        is_global(&set->rows[index]) ? "on the command line"
                                                     : "behind an endpoint and a comma");
}

static int set_line(struct option_set *set, char *line, unsigned number, struct error *err)
{
    char *text = trim(line);
    if (*text == '\0' || *text == '#')
        return 0;
    char *equals = strchr(text, '=');
    if (!equals)
        return error_usage(err, "'%.60s': expected 'name = value'", text);
    *equals = '\0';
    const char *name = trim(text), *value = trim(equals + 1);
    int index = find_row(set, name, OPTION_IN_FILE);
    if (index < 0)
        return refuse_name(set, name, err);
    const struct option_row *row = &set->rows[index];
    if (set->lines[index] && row->kind != OPTION_LIST)
        return error_option(err, row->name, "already set on line %u", set->lines[index]);
    set->lines[index] = set->line = number;
    int result = row->kind == OPTION_FLAG ? set_flag(set, (size_t)index, value, err)
                                          : set_row(set, (size_t)index, value, OPTION_FILE, err);
    set->line = 0;
    return result < 0 ? error_blame(err, row->name, NULL) : 0;
}

/* A file read with read(2) alone. A reload reads it inside the sandbox, and stdio makes further
 * system calls that differ between C libraries. */
struct reader {
    int fd;
    int failure; /* errno of a failed read; the file then counts as ended */
    size_t at, filled;
    char bytes[LINE_MAX_BYTES];
};

/* Returns EOF at the end of the file. */
static int next_byte(struct reader *reader)
{
    if (reader->at == reader->filled) {
        ssize_t got;
        do
            got = read(reader->fd, reader->bytes, sizeof(reader->bytes));
        while (got < 0 && errno == EINTR);
        if (got < 0)
            reader->failure = errno;
        if (got <= 0)
            return EOF;
        reader->at = 0;
        reader->filled = (size_t)got;
    }
    return (unsigned char)reader->bytes[reader->at++];
}

/* Reads one line without its '\n'. Returns 1, 0 at the end, or -1 if it cannot be a line of
 * options. */
static int read_line(struct reader *reader, char *line, struct error *err)
{
    size_t length = 0;
    for (int byte = next_byte(reader); byte != '\n'; byte = next_byte(reader)) {
        if (byte == EOF) {
            line[length] = '\0';
            return length > 0 && !reader->failure;
        }
        if (byte == '\0')
            return error_usage(err, "a NUL byte: this is no configuration file");
        if (length == LINE_MAX_BYTES - 1)
            return error_usage(err, "a line of more than %d bytes", LINE_MAX_BYTES - 1);
        line[length++] = (char)byte;
    }
    line[length] = '\0';
    return 1;
}

int option_set_file(struct option_set *set, const char *path, struct error *err)
{
    struct reader reader = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (reader.fd < 0) {
        error_unread(err, errno, path);
        return error_blame(err, "config", NULL);
    }
    char line[LINE_MAX_BYTES];
    unsigned number = 1;
    int result;
    while ((result = read_line(&reader, line, err)) > 0) {
        result = set_line(set, line, number, err);
        if (result < 0)
            break;
        number++;
    }
    if (result < 0)
        error_place(err, path, number);
    else if (reader.failure) {
        error_unread(err, reader.failure, path);
        result = error_blame(err, "config", NULL);
    }
    close(reader.fd);
    return result;
}

void option_set_locate(const struct option_set *set, const char *path, struct error *err)
{
    for (size_t i = 0; err->option && !err->line && i < set->count; i++) {
        if (set->origins[i] == OPTION_FILE && strcmp(set->rows[i].name, err->option) == 0)
            error_place(err, path, set->lines[i]);
    }
}

int option_set_attribute(const struct option_set *set, void *target, const char *text,
                         uint64_t *seen, struct error *err)
{
    char name[64];
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= sizeof(name))
        return error_usage(err, "attribute '%.60s': expected name=value", text);
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    int index = find_row(set, name, OPTION_AS_ATTRIBUTE);
    if (index < 0)
        return error_usage(err, "unknown attribute '%.60s'; the man page lists them", name);
    const struct option_row *row = &set->rows[index];
    if (*seen & UINT64_C(1) << index && row->kind != OPTION_LIST)
        return error_usage(err, "%s: given twice", name);
    *seen |= UINT64_C(1) << index;
    if (row->kind == OPTION_TEXT && equals[1]) {
        *(const char **)(void *)((char *)target + row->offset) = equals + 1;
        return 0;
    }
    if (option_value_set(row, target, equals + 1, err) < 0)
        return error_prefix(err, "%s: ", name);
    return 0;
}

/* ---- which kinds a row applies to ---- */

uint64_t option_set_given(const struct option_set *set)
{
    uint64_t given = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (set->origins[i] == OPTION_COMMAND)
            given |= UINT64_C(1) << i;
    }
    return given;
}

/* "tcp://, tls:// or unix:" */
static const char *name_kinds(const struct option_set *set, unsigned kinds, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (const struct option_kinds *row = set->kinds; row->kinds && used < size; row++) {
        if (row->kinds & ~kinds)
            continue;
        kinds &= ~row->kinds;
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 used == 0 ? ""
                                 : kinds   ? ", "
                                           : " or ",
                                 row->name);
    }
    return out;
}

int option_set_check(const struct option_set *set, uint64_t given, unsigned kinds,
                     struct error *err)
{
    char right[160], wrong[64];
    for (size_t i = 0; i < set->count; i++) {
        unsigned expected = set->rows[i].use / OPTION_FOR(1);
        if (given & UINT64_C(1) << i && expected && !(expected & kinds))
            return error_option(err, set->rows[i].name, "expected only for %s, not %s",
                                name_kinds(set, expected, right, sizeof(right)),
                                name_kinds(set, kinds, wrong, sizeof(wrong)));
    }
    return 0;
}

/* ---- --help ---- */

static void print_wrapped(const char *text, size_t column, FILE *out)
{
    size_t at = column;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (at + word + 1 > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        }
        fprintf(out, "%.*s", (int)word, text);
        at += word;
        text += word;
        for (; *text == ' '; text++, at++)
            fputc(' ', out);
    }
}

static void print_row(const struct option_row *row, FILE *out)
{
    char head[HELP_WIDTH], text[512];
    if (is_global(row))
        snprintf(head, sizeof(head), "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
                 row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
                 row->argument ? " " : "", row->argument ? row->argument : "");
    else
        snprintf(head, sizeof(head), "      %s=%s", row->name, row->argument);
    if (strlen(head) + 2 > HELP_COLUMN)
        fprintf(out, "%s\n%*s", head, HELP_COLUMN, "");
    else
        fprintf(out, "%-*s", HELP_COLUMN, head);
    snprintf(text, sizeof(text), row->initial ? "%s [%s]" : "%s", row->help, row->initial);
    print_wrapped(text, HELP_COLUMN, out);
    fputc('\n', out);
}

void option_print_help(const struct option_set *set, FILE *out)
{
    bool has_attributes = false;
    for (size_t i = 0; i < set->count; i++) {
        if (is_global(&set->rows[i]))
            print_row(&set->rows[i], out);
    }
    for (size_t i = 0; i < set->count; i++) {
        if (is_global(&set->rows[i]))
            continue;
        if (!has_attributes)
            fputs("\nAfter an endpoint and a comma, for that listener only:\n", out);
        has_attributes = true;
        print_row(&set->rows[i], out);
    }
}

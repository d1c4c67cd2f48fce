/* SPDX-License-Identifier: BSD-2-Clause */
/* Options as one table: the command line, the configuration file, a listener's attributes, the
 * defaults, --help and the check against the man page all use the same rows.
 *
 *     rows --defaults--> target <--file-- (origin: FILE) <--command line-- (origin: COMMAND)
 *
 * A value is set if its origin is at least as strong as that of the present value, so the command
 * line wins whichever is read first.
 */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"

/* The field of the target that a row fills, by kind. */
enum option_kind {
    OPTION_FLAG,  /* bool; takes no value */
    OPTION_TEXT,  /* char *, owned by the target, NULL if never set */
    OPTION_LIST,  /* struct option_list, each use adds an item */
    OPTION_WORD,  /* uint64_t, an index into the row's words */
    OPTION_COUNT, /* uint64_t */
    OPTION_SIZE,  /* uint64_t, bytes */
    OPTION_TIME,  /* uint64_t, milliseconds */
    OPTION_RATE,  /* uint64_t, thousandths of one a second */
    OPTION_MODE,  /* uint64_t, octal file permissions */
};

/* Places besides the command line where a row may be used. */
enum option_use {
    OPTION_IN_FILE = 1 << 0,      /* in the configuration file */
    OPTION_AS_ATTRIBUTE = 1 << 1, /* as a listener's attribute */
    OPTION_AT_RELOAD = 1 << 2,    /* a reload can change it */
    OPTION_NOT_GLOBAL = 1 << 3,   /* only an attribute, not an option */
};

/* Also in a row's `use`: the kinds of endpoint that the row applies to, a set of at most 24 bits
 * that the program defines. A row without any applies to all. */
#define OPTION_FOR(kinds) ((unsigned)(kinds) << 8)

/* The name of a set of kinds. */
struct option_kinds {
    unsigned kinds;
    const char *name;
};

/* The value of OPTION_COUNT's word "auto", if the row has one. */
#define OPTION_AUTO UINT64_MAX
#define OPTION_NO_MAX (UINT64_MAX - 1)
#define OPTION_ROWS_MAX 64

struct option_row {
    const char *name;
    char letter; /* 0: none */
    enum option_kind kind;
    unsigned use;
    const char *argument;     /* the value's name in --help */
    const char *initial;      /* the default, as a user would write it; NULL: none */
    uint64_t min, max;        /* of a number, or of a text's length; max 0: no limit */
    const char *const *words; /* OPTION_WORD: all words, then NULL; OPTION_COUNT: the word for
                                 OPTION_AUTO; OPTION_TIME: the word for 0 */
    size_t offset;            /* of the field in the target */
    const char *help;
};

struct option_list {
    char **items;
    unsigned *lines; /* in the configuration file; 0: not from the file */
    size_t count;
};

enum option_origin { OPTION_DEFAULT, OPTION_FILE, OPTION_COMMAND };

struct option_set {
    const struct option_row *rows;
    size_t count;
    const struct option_kinds *kinds; /* names for OPTION_FOR(), the widest first; ends with a 0 */
    void *target;                     /* zeroed by its owner before option_set_defaults() */
    enum option_origin origins[OPTION_ROWS_MAX];
    unsigned lines[OPTION_ROWS_MAX]; /* the file's line that set it, to refuse a second one */
    unsigned line;                   /* of the file while it is read, else 0 */
    const char *argument_name;       /* the name of the one operand; NULL: no operand is allowed */
    const char *argument;            /* the operand, in argv; NULL if it was not given */
};

/* Fills the target with every row's default. Returns -1 if memory is short. */
int option_set_defaults(struct option_set *set, struct error *err) MUST_CHECK;

/* Frees the values that option_set_* stored in the target. */
void option_set_clear(struct option_set *set);

/* Reads a command line with getopt_long(3). argv[0] is the program's name; argv may be permuted. */
int option_set_command(struct option_set *set, int argc, char **argv, struct error *err) MUST_CHECK;

/* Reads `name = value` lines; `#` starts a comment, blank lines are skipped. Errors name file:line.
 */
int option_set_file(struct option_set *set, const char *path, struct error *err) MUST_CHECK;

/* For a failure found after the file was read: if the file set the option at fault, adds the file
 * and line to the error. */
void option_set_locate(const struct option_set *set, const char *path, struct error *err);

/* Sets one attribute, a name=value text, in a copy of the target. The copy owns none of its texts:
 * a text value points into `text`. *seen, 0 at first, has a bit for each row set so far: a row
 * other than a list is refused if set twice. */
int option_set_attribute(const struct option_set *set, void *target, const char *text,
                         uint64_t *seen, struct error *err) MUST_CHECK;

/* Frees a list's items and leaves it empty. */
void option_list_clear(struct option_list *list);

/* The rows that the command line set, a bit for each. */
uint64_t option_set_given(const struct option_set *set);

/* Returns 0 if each row in `given`, a bit for each, applies to at least one of `kinds`. Otherwise
 * -1, and the error names the option. */
int option_set_check(const struct option_set *set, uint64_t given, unsigned kinds,
                     struct error *err) MUST_CHECK;

/* True if the row's value is the same in both targets. */
bool option_is_same(const struct option_row *row, const void *one, const void *other);

/* Prints --help: one paragraph a row. Rows that are only attributes come last. */
void option_print_help(const struct option_set *set, FILE *out);

#endif

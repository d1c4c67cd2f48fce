/* SPDX-License-Identifier: BSD-2-Clause */
/* Options as one table: the command line, the configuration file, a listener's attributes, the
 * defaults, --help and the check against the man page all come from the same rows.
 *
 *     rows --defaults--> target <--file-- (origin: FILE) <--command line-- (origin: COMMAND)
 *
 * A value is set where its origin is at least as strong as that of the value already there, so the
 * command line wins whatever is read first.
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
    OPTION_TEXT,  /* char *, owned by the target, NULL where never set */
    OPTION_LIST,  /* struct option_list, one item each time */
    OPTION_WORD,  /* uint64_t, an index into the row's words */
    OPTION_COUNT, /* uint64_t */
    OPTION_SIZE,  /* uint64_t, bytes */
    OPTION_TIME,  /* uint64_t, milliseconds */
    OPTION_MODE,  /* uint64_t, octal file permissions */
};

/* Where a row may be used, besides the command line. */
enum option_use {
    OPTION_IN_FILE = 1 << 0,      /* in the configuration file */
    OPTION_AS_ATTRIBUTE = 1 << 1, /* as a listener's attribute */
    OPTION_AT_RELOAD = 1 << 2,    /* a reload can change it */
    OPTION_NOT_GLOBAL = 1 << 3,   /* an attribute alone, no option */
};

/* In a row's `use` as well: the kinds of endpoint that it means something to, a set of the
 * program's own bits, at most 24. A row without one means something everywhere. */
#define OPTION_FOR(kinds) ((unsigned)(kinds) << 8)

/* What a set of kinds is called. */
struct option_kinds {
    unsigned kinds;
    const char *name;
};

/* What OPTION_COUNT's word "auto" stands for, where the row has one. */
#define OPTION_AUTO UINT64_MAX
#define OPTION_NO_MAX (UINT64_MAX - 1)
#define OPTION_ROWS_MAX 64

struct option_row {
    const char *name;
    char letter; /* or 0 */
    enum option_kind kind;
    unsigned use;
    const char *argument;     /* what --help calls the value */
    const char *initial;      /* the default, in the words a user would write; NULL: none */
    uint64_t min, max;        /* of numbers, and of a text's length; max 0: none */
    const char *const *words; /* OPTION_WORD: all, then NULL; OPTION_COUNT: that of OPTION_AUTO;
                                 OPTION_TIME: that of 0 */
    size_t offset;            /* of the field in the target */
    const char *help;
};

struct option_list {
    char **items;
    unsigned *lines; /* of the configuration file; 0: from elsewhere */
    size_t count;
};

enum option_origin { OPTION_DEFAULT, OPTION_FILE, OPTION_COMMAND };

struct option_set {
    const struct option_row *rows;
    size_t count;
    const struct option_kinds *kinds; /* names for OPTION_FOR(), the widest first, then a 0 */
    void *target;                     /* zeroed by its owner before option_set_defaults() */
    enum option_origin origins[OPTION_ROWS_MAX];
    unsigned lines[OPTION_ROWS_MAX]; /* where the file set it, to refuse a second time */
    unsigned line;                   /* of the file, while it is read; else 0 */
    const char *argument_name;       /* what one word besides the options is; NULL: none may be */
    const char *argument;            /* that word, in argv; NULL where it was not given */
};

/* Fills the target with every row's default. -1 without memory. */
int option_set_defaults(struct option_set *set, struct error *err) MUST_CHECK;

/* Frees what option_set_* put into the target. */
void option_set_clear(struct option_set *set);

/* Reads a command line by getopt_long(3), argv[0] being the program's name; argv may be permuted.
 */
int option_set_command(struct option_set *set, int argc, char **argv, struct error *err) MUST_CHECK;

/* Reads `name = value` lines; `#` starts a comment, blank lines are skipped. Errors name file:line.
 */
int option_set_file(struct option_set *set, const char *path, struct error *err) MUST_CHECK;

/* For a failure met after the file was read: if the file set the option at fault, the error gets
 * its place. */
void option_set_locate(const struct option_set *set, const char *path, struct error *err);

/* Sets one attribute, a name=value text, in a copy of the target, which owns none of its texts: a
 * value that is a text points into `text`. *seen, 0 at first, has a bit for each row set so far:
 * but for lists none is set twice. */
int option_set_attribute(const struct option_set *set, void *target, const char *text,
                         uint64_t *seen, struct error *err) MUST_CHECK;

/* Frees what a list holds and leaves it empty. */
void option_list_clear(struct option_list *list);

/* The rows that the command line set, a bit for each. */
uint64_t option_set_given(const struct option_set *set);

/* 0 if each row in `given`, a bit for each, means something to one of `kinds` at least. Else -1;
 * the error has the option's name. */
int option_set_check(const struct option_set *set, uint64_t given, unsigned kinds,
                     struct error *err) MUST_CHECK;

/* True where the row's value is the same in both targets. */
bool option_is_same(const struct option_row *row, const void *one, const void *other);

/* One paragraph a row, as --help prints it; what is no option but an attribute alone comes last. */
void option_print_help(const struct option_set *set, FILE *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* One failure: as data for whoever decides something, and in words for a person.
 *
 * A function that can fail while the program starts or reloads takes a `struct error *` and returns
 * 0 or -1. Who decides reads the fields; the text is made from them by error_text() alone, and
 * nobody looks into it:
 *
 *     evechod.conf:7: listen: 'unix:/run/echo': cannot listen: Permission denied; what to do
 *     file:line       option  value        message        reason (number)    hint
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* Exit codes of both programs (evechod(8) and evecho(1), EXIT STATUS). */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1, /* evecho: a check failed */
    EXIT_CODE_USAGE = 2,  /* the words are wrong */
    EXIT_CODE_START = 3,  /* the system refuses */
    EXIT_CODE_OWED = 4,   /* evechod: drained with bytes owed */
    EXIT_CODE_UNTRIED = 5 /* evecho: nothing failed, and not everything could be tried */
};

#define ERROR_TEXT_MAX 1280 /* bytes of a whole text, with its NUL; what is longer is cut */

struct error {
    enum exit_code exit_code; /* EXIT_CODE_OK: nothing is wrong */
    int number;               /* the errno with which the system refused; 0: it did not */
    const char *option;       /* the name of the option at fault, static; or NULL */
    const char *hint;         /* what would help, static; or NULL */
    unsigned line;            /* of the file that the option was written in; 0: in none */
    char file[256];           /* its path */
    bool has_value;           /* the text shows the option's value */
    char value[256];
    char message[512];
};

/* Each begins a new error and returns -1, so `return error_usage(...)`. */
int error_usage(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
int error_start(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* As error_usage(); the option whose value is wrong is known. */
int error_option(struct error *err, const char *option, const char *format, ...) PRINTF_LIKE(3, 4);

/* As error_start(); the reason is an errno. */
int error_system(struct error *err, int number, const char *format, ...) PRINTF_LIKE(3, 4);

/* A file that an option names cannot be read: a wrong option, with an errno for the reason. */
int error_unread(struct error *err, int number, const char *path);

/* Each adds to an error that is there, and returns -1. `option` and `hint` are static; `value` may
 * be NULL. */
int error_blame(struct error *err, const char *option, const char *value);
int error_hint(struct error *err, const char *hint);
int error_place(struct error *err, const char *file, unsigned line);

/* Puts words ("worker 1 of 2: ") before the message; too many words are left out. */
int error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* True if there is an error, or a notice in the form of one. */
bool error_is_set(const struct error *err);

/* Writes all that is known into out, as one line without '\n' in which bytes that are not printable
 * ASCII are escaped; returns out. */
const char *error_text(const struct error *err, char *out, size_t size);

/* Says it on standard error, after the program's name; returns the exit code. */
int error_report(const struct error *err, const char *program);

#endif

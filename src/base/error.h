/* SPDX-License-Identifier: BSD-2-Clause */
/* One failure: fields for the code that handles it, and a text for a person.
 *
 * A function that can fail while the program starts or reloads takes a `struct error *` and returns
 * 0 or -1. Code that handles the error reads the fields. Only error_text() makes the text from
 * them, and no code parses it:
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
    EXIT_CODE_USAGE = 2,  /* a wrong option or value */
    EXIT_CODE_START = 3,  /* the system refused */
    EXIT_CODE_OWED = 4,   /* evechod: drained with bytes owed */
    EXIT_CODE_UNTRIED = 5 /* evecho: nothing failed, but something could not be tried */
};

#define ERROR_TEXT_MAX 1280 /* bytes of a whole text, with its NUL; a longer one is cut */

struct error {
    enum exit_code exit_code; /* EXIT_CODE_OK: no error */
    int number;               /* the errno of the failed system call; 0: none */
    const char *option;       /* the name of the option at fault, static, or NULL */
    const char *hint;         /* how to fix it, static, or NULL */
    unsigned line;            /* of the file that set the option; 0: no file did */
    char file[256];           /* its path */
    bool has_value;           /* the text shows the option's value */
    char value[256];
    char message[512];
};

/* Each starts a new error and returns -1, so callers write `return error_usage(...)`. */
int error_usage(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
int error_start(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* As error_usage(), if the option whose value is wrong is known. */
int error_option(struct error *err, const char *option, const char *format, ...) PRINTF_LIKE(3, 4);

/* As error_start(), if the reason is an errno. */
int error_system(struct error *err, int number, const char *format, ...) PRINTF_LIKE(3, 4);

/* A file named by an option cannot be read: an error_usage() with an errno as its reason. */
int error_unread(struct error *err, int number, const char *path);

/* Each adds to an existing error and returns -1. `option` and `hint` are static; `value` may be
 * NULL. */
int error_blame(struct error *err, const char *option, const char *value);
int error_hint(struct error *err, const char *hint);
int error_place(struct error *err, const char *file, unsigned line);

/* Puts words ("worker 1 of 2: ") before the message; words that do not fit are cut. */
int error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* True if an error, or a notice in the form of one, is set. */
bool error_is_set(const struct error *err);

/* Writes the whole text into out and returns out: one line without '\n', with bytes that are not
 * printable ASCII escaped. */
const char *error_text(const struct error *err, char *out, size_t size);

/* Prints the text on standard error, after the program's name. Returns the exit code. */
int error_report(const struct error *err, const char *program);

#endif

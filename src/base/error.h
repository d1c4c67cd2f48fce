/* SPDX-License-Identifier: BSD-2-Clause */
/* One failure, in words for a person: what, where, the system's reason, what would be right.
 *
 * A function that can fail while the program starts or reloads takes a `struct error *` and returns
 * 0 or -1. The text has no final newline and is at most one line; whoever reports it adds the rest.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

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

struct error {
    enum exit_code exit_code;
    char text[512];
};

/* Fills *err with a formatted text and an exit code; returns -1, so `return error_usage(...)`.
 * Bytes of the text that are not printable ASCII are escaped, so the text is always one line. */
int error_usage(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
int error_start(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts a formatted place ("file:line: ") before the text already there; returns -1. */
int error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Long lines for people: folded between words on a terminal, whole in a file. */
#ifndef CLIENT_WRAP_H
#define CLIENT_WRAP_H

#include <stddef.h>
#include <stdio.h>

/* Columns of the terminal that a stream leads to; 0: it is none. */
size_t wrap_width(FILE *out);

/* Prints `first`, the text and an end of line. If that is longer than `width` (0: without a limit),
 * it goes on behind `rest` on lines of its own. A longer word stays whole. */
void wrap_print(const char *first, const char *rest, const char *text, size_t width, FILE *out);

#endif

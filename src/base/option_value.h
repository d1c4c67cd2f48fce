/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by option.c and option_read.c: one row's value in a target. */
#ifndef BASE_OPTION_VALUE_H
#define BASE_OPTION_VALUE_H

#include "base/option.h"

/* Parses a text and stores its value in the row's field. The error does not name the option. */
int option_value_set(const struct option_row *row, void *target, const char *text,
                     struct error *err) MUST_CHECK;

/* Frees the memory that the field owns and leaves it empty. */
void option_value_clear(const struct option_row *row, void *target);

#endif

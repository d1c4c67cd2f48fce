/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of an error, as printed for a person. It is valid until the next call. */
#ifndef TESTS_UNIT_SAID_H
#define TESTS_UNIT_SAID_H

#include "base/error.h"

static inline const char *said(const struct error *err)
{
    static char text[ERROR_TEXT_MAX];
    return error_text(err, text, sizeof(text));
}

#endif

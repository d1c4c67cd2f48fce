/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/reason.h"

const char *reason_word(enum reason reason)
{
    static const char *const WORDS[] = {
#define REASON_WORD(NAME, word, text) word,
        REASONS(REASON_WORD)
#undef REASON_WORD
    };
    return WORDS[reason];
}

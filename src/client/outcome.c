/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/outcome.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *outcome_word(enum outcome outcome)
{
    static const char *const WORDS[] = {
#define OUTCOME_WORD(NAME, word) word,
        OUTCOMES(OUTCOME_WORD)
#undef OUTCOME_WORD
    };
    return WORDS[outcome];
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const NAMES[] = {
#define OUTCOME_NAME(NAME, word) #NAME,
        OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
    };
    return NAMES[outcome];
}

enum outcome outcome_of_errno(int error)
{
    switch (error) {
    case 0:
        return OUTCOME_OK;
    case ECONNREFUSED:
    case ENOENT: /* a Unix path that is not there */
    case EACCES:
        return OUTCOME_REFUSED;
    case ETIMEDOUT:
        return OUTCOME_TIMEOUT;
    case ECONNRESET:
    case EPIPE:
        return OUTCOME_RESET;
    default:
        return OUTCOME_OTHER;
    }
}

const char *stream_end_word(enum outcome_end end)
{
    static const char *const WORDS[] = {"open", "FIN", "RST", "timeout",
                                        "TLS without close_notify"};
    return WORDS[end];
}

struct ending ending_of_errno(int error)
{
    bool is_reset = error == ECONNRESET || error == EPIPE;
    return (struct ending){.outcome = outcome_of_errno(error),
                           .end = is_reset ? STREAM_END_RST : STREAM_END_NONE,
                           .error = error};
}

const char *ending_text(const struct ending *ending, char *out, size_t size)
{
    const char *what = ending->reason                       ? ending->reason
                       : ending->error                      ? strerror(ending->error)
                       : ending->outcome == OUTCOME_TIMEOUT ? "no answer in time"
                                                            : "ended too early";
    snprintf(out, size, "%s%s%s%s", ending->outcome == OUTCOME_TLS ? "TLS: " : "", what,
             ending->hint ? "; " : "", ending->hint ? ending->hint : "");
    return out;
}

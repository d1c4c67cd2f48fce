/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/counters.h"

const char *counter_name(enum counter counter)
{
    static const char *const NAMES[] = {
#define COUNTER_NAME(NAME, name) name,
        COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
#define REASON_NAME(NAME, word, text) "closed_" word,
            REASONS(REASON_NAME)
#undef REASON_NAME
    };
    return NAMES[counter];
}

void counters_sum(struct counters *sum, const struct counters *one)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        counter_add(sum, (enum counter)i, counter_get(one, (enum counter)i));
}

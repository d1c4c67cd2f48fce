/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/counters.h"

#include <stddef.h>

const struct counter_about *counter_about(enum counter counter)
{
    static const struct counter_about ABOUT[] = {
#define COUNTER_ABOUT(NAME, word, type, metric, text) {word, metric, COUNTER_TYPE_##type, text},
        COUNTERS(COUNTER_ABOUT)
#undef COUNTER_ABOUT
#define REASON_ABOUT(NAME, word, text) {"closed_" word, NULL, COUNTER_TYPE_COUNTER, text},
            REASONS(REASON_ABOUT)
#undef REASON_ABOUT
    };
    return &ABOUT[counter];
}

static void add(_Atomic uint64_t *at, uint64_t amount)
{
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

void counter_add_lifetime(struct counters *counters, uint64_t ms)
{
    unsigned bucket = 0;
    while (bucket < LIFETIME_BOUNDS && ms > lifetime_bound_ms(bucket))
        bucket++;
    add(&counters->lifetimes[bucket], 1);
    add(&counters->lifetime_ms, ms);
}

void counters_sum(struct counters *sum, const struct counters *one)
{
    for (int i = 0; i < COUNTER_COUNT; i++)
        counter_add(sum, (enum counter)i, counter_get(one, (enum counter)i));
    for (int i = 0; i < LIFETIME_BUCKETS; i++)
        add(&sum->lifetimes[i], atomic_load_explicit(&one->lifetimes[i], memory_order_relaxed));
    add(&sum->lifetime_ms, atomic_load_explicit(&one->lifetime_ms, memory_order_relaxed));
}

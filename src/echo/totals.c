/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/totals.h"

#include "base/log.h"

static void add_listener(const struct totals *totals, size_t listener, struct counters *sum)
{
    for (size_t i = 0; i < totals->worker_count; i++)
        counters_sum(sum, worker_counters(totals->workers[i], listener));
    counters_sum(sum, acceptor_datagram_counters(totals->acceptor, listener));
}

void totals_sum_listener(const struct totals *totals, size_t listener, struct counters *sum)
{
    *sum = (struct counters){0};
    add_listener(totals, listener, sum);
}

void totals_sum(const struct totals *totals, struct counters *sum)
{
    *sum = (struct counters){0};
    for (size_t i = 0; i < acceptor_count(totals->acceptor); i++)
        add_listener(totals, i, sum);
    counters_sum(sum, acceptor_counters(totals->acceptor));
    counter_add(sum, COUNTER_LOG_DROPPED, log_dropped());
}

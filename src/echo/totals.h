/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters of the whole service, added up from the sets that its threads write. */
#ifndef ECHO_TOTALS_H
#define ECHO_TOTALS_H

#include <stddef.h>

#include "echo/acceptor.h"
#include "echo/counters.h"
#include "echo/worker.h"

struct totals {
    struct worker *const *workers;
    size_t worker_count;
    const struct acceptor *acceptor;
};

/* Everything; *sum is overwritten. */
void totals_sum(const struct totals *totals, struct counters *sum);

/* What one listener's connections, or datagrams, have counted; *sum is overwritten. */
void totals_sum_listener(const struct totals *totals, size_t listener, struct counters *sum);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The service's metrics in Prometheus' text format 0.0.4. A pure function of a snapshot.
 *
 * Counters end in _total, names contain their unit, and labels come only from the configuration and
 * this program's own lists, never from a peer. So the number of series depends only on the
 * listeners and the reasons.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "echo/counters.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_listener {
    const char *name; /* each is unique */
    struct counters counters;
};

struct metrics {
    const char *version;
    struct counters sum; /* of the whole service */
    const struct metrics_listener *listeners;
    size_t listener_count;
    uint64_t open_connections, connection_limit, workers, descriptor_limit;
    uint64_t started_ms; /* Unix time */
    bool is_draining, is_full;
};

/* Writes the whole page; the caller checks ferror(3). */
void metrics_write(FILE *out, const struct metrics *metrics);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The service's numbers as Prometheus reads them (text format 0.0.4). A pure function of a
 * snapshot.
 *
 * Counters end in _total, names have their unit, and labels come from the configuration and the
 * lists of this program alone, never from a peer: so there are as many series as there are
 * listeners and reasons, whoever connects.
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
    const char *name; /* no two are the same */
    struct counters counters;
};

struct metrics {
    const char *version;
    struct counters sum; /* of everything */
    const struct metrics_listener *listeners;
    size_t listener_count;
    uint64_t open_connections, connection_limit, workers, descriptor_limit;
    uint64_t started_ms; /* Unix time */
    bool is_draining, is_full;
};

/* Writes the whole page; whether it could be written is for ferror(3) to tell. */
void metrics_write(FILE *out, const struct metrics *metrics);

#endif

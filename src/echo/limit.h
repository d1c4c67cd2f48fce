/* SPDX-License-Identifier: BSD-2-Clause */
/* The service's limits across all workers: connections in all and from one source, bytes owed in
 * all. Verdicts only: who asks acts on them.
 *
 * Connections are admitted by the acceptor and released by whichever worker ends them, so counts
 * are shared: one atomic for all, a locked table for the sources, touched once a connection each.
 * Bytes owed are summed from the workers' own counters, only where something is owed at all.
 */
#ifndef ECHO_LIMIT_H
#define ECHO_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "echo/counters.h"
#include "net/address.h"

enum limit_verdict {
    LIMIT_ADMITTED,
    LIMIT_ALL,    /* as many connections as there may be */
    LIMIT_SOURCE, /* as many from this source as there may be */
    LIMIT_MEMORY, /* no memory to count this source */
};

/* 0 means none. */
struct limit_values {
    uint64_t connections;
    uint64_t per_source;
    uint64_t owed_bytes;
    uint64_t source_prefix; /* bits of an IPv6 address that are one source; never changes */
};

struct limit;

/* Returns NULL without memory. Its source_prefix is that of these values for ever, since a
 * connection leaves the source that it came from. The counters' sets must live as long. */
struct limit *limit_new(const struct limit_values *values);
void limit_free(struct limit *limit);

/* A reload's new values; what is over them already stays. */
void limit_change(struct limit *limit, const struct limit_values *values);

/* For the end of the service: no limit on connections in all any more, so that those the kernel has
 * taken on already can be served. */
void limit_lift_connections(struct limit *limit);

/* Another set of counters to watch for bytes owed. Before the threads start. 0 or -1. */
int limit_watch(struct limit *limit, const struct counters *counters) MUST_CHECK;

/* Counts a new connection if it may be. A Unix peer is no source of its own. */
enum limit_verdict limit_admit(struct limit *limit, const struct address *peer) MUST_CHECK;

/* Names the source of a connection that was admitted as a Unix peer's, if it may be. */
enum limit_verdict limit_name_source(struct limit *limit, const struct address *peer) MUST_CHECK;

/* The peer is the one that was named last. */
void limit_release(struct limit *limit, const struct address *peer);

/* Places of the table of sources that were looked at since the start: what counting costs. */
uint64_t limit_steps(struct limit *limit);

/* True where no further connection would be admitted, whatever its source. */
bool limit_is_full(const struct limit *limit);
uint64_t limit_open(const struct limit *limit);

/* How many there may be in all; 0 is no limit. */
uint64_t limit_connections(const struct limit *limit);

/* True where all connections together owe as much as they may. */
bool limit_is_owed_out(const struct limit *limit);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The service's limits across all workers: all connections, connections from one source, and all
 * bytes owed. It only gives verdicts; the caller acts on them.
 *
 * The acceptor admits connections and any worker may release them, so the counts are shared: an
 * atomic for all connections, and a locked table of sources, each used twice a connection. Bytes
 * owed are summed from the workers' own counters, only if any are owed.
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
    LIMIT_ALL,    /* the limit on all connections is reached */
    LIMIT_SOURCE, /* the limit of this source is reached */
    LIMIT_MEMORY, /* memory is short to count this source */
};

/* 0 means no limit. */
struct limit_values {
    uint64_t connections;
    uint64_t per_source;
    uint64_t owed_bytes;
    uint64_t source_prefix; /* bits of an IPv6 address that form a source; never changes */
};

struct limit;

/* Returns NULL if memory is short. source_prefix can never change, since a connection must be
 * released from the source that admitted it. The sets of counters must outlive the limit. */
struct limit *limit_new(const struct limit_values *values);
void limit_free(struct limit *limit);

/* Sets a reload's new values; connections above them stay open. */
void limit_change(struct limit *limit, const struct limit_values *values);

/* For the end of the service: lifts the limit on all connections, so that those already queued in
 * the kernel can be served. */
void limit_lift_connections(struct limit *limit);

/* Adds a set of counters to the sum of bytes owed. Call it before the threads start. Returns 0 or
 * -1. */
int limit_watch(struct limit *limit, const struct counters *counters) MUST_CHECK;

/* Counts a new connection if the limits permit it. A Unix peer has no source. */
enum limit_verdict limit_admit(struct limit *limit, const struct address *peer) MUST_CHECK;

/* Sets the source of a connection that was admitted without one, if the limits permit it. */
enum limit_verdict limit_name_source(struct limit *limit, const struct address *peer) MUST_CHECK;

/* `peer` is the address last passed for this connection. */
void limit_release(struct limit *limit, const struct address *peer);

/* Places of the table of sources examined since the start: the cost of counting. */
uint64_t limit_steps(struct limit *limit);

/* True if no further connection would be admitted from any source. */
bool limit_is_full(const struct limit *limit);
uint64_t limit_open(const struct limit *limit);

/* The limit on all connections; 0: none. */
uint64_t limit_connections(const struct limit *limit);

/* True if all connections together owe as much as the limit. */
bool limit_is_owed_out(const struct limit *limit);

#endif

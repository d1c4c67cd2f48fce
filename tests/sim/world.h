/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker, its connections, their streams and libevent, all of them the real ones, among simulated
 * peers on a simulated kernel (kernel.h).
 *
 * In a gentle world calls come up short and late, no more, and each peer reads what comes and
 * finishes: there everything must come back and end cleanly. In a harsh one calls fail, memory runs
 * out, peers vanish, stop reading or reset, and the service drains: there a loss must be a reset,
 * counted, and nothing may outlast its deadlines.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdint.h>

#include "base/reason.h"

/* What all worlds together came to, so that a run shows that it went somewhere. */
extern struct world_seen {
    uint64_t connections, bytes, lost, resets, reasons[REASON_COUNT];
} world_seen;

/* Once in a process, before everything else of libevent's. */
void world_begin(void);

/* One world from its beginning to its end, after kernel_begin(); kernel_complaint() has what was
 * wrong. */
void world_live(void);

#endif

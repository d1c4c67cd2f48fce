/* SPDX-License-Identifier: BSD-2-Clause */
/* A real worker with real connections, streams and libevent serves simulated peers on a simulated
 * kernel (kernel.h).
 *
 * In a gentle world calls are short or late but do not fail, and each peer reads and finishes: all
 * bytes must be echoed, and every connection must end cleanly. In a harsh world calls fail, memory
 * runs out, peers vanish, stop reading or reset, and the service drains: a loss must be a counted
 * reset, and no connection may outlive its deadlines.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <stdint.h>

#include "base/reason.h"

/* Totals of all worlds, to show that a run did real work. */
extern struct world_seen {
    uint64_t connections, bytes, lost, resets, reasons[REASON_COUNT];
} world_seen;

/* Call once in a process, before any other libevent function. */
void world_begin(void);

/* Runs one world, after kernel_begin(); kernel_complaint() then returns the first fault. */
void world_live(void);

#endif

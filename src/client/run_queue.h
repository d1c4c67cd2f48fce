/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a thread was ready to run and had to wait for a processor, as the kernel counts it in
 * /proc/thread-self/schedstat (Documentation/scheduler/sched-stats.rst). A client that waits there
 * measures its own machine. */
#ifndef CLIENT_RUN_QUEUE_H
#define CLIENT_RUN_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct run_queue {
    int fd; /* -1: the kernel does not count */
    uint64_t before_ns;
};

/* Counts from now on, for the thread that calls. */
void run_queue_open(struct run_queue *queue);

/* Counts anew. */
void run_queue_restart(struct run_queue *queue);

/* False if the kernel does not count. */
bool run_queue_read(const struct run_queue *queue, uint64_t *waited_ns);

void run_queue_close(struct run_queue *queue);

#endif

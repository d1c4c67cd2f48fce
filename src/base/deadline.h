/* SPDX-License-Identifier: BSD-2-Clause */
/* Many deadlines behind one timer.
 *
 * A deadline is part of the object that waits for it; the queue is a binary heap of pointers to
 * them, and its owner arms one timer for the first. Deadlines are lazy: traffic only moves a stamp
 * in the object, and when the queued time comes the owner looks at the stamp and, if it was too
 * early, sets the deadline anew. So an echo costs no heap walk and no system call.
 */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct deadline {
    uint64_t due_ms; /* on the clock of the queue's owner */
    uint32_t place;  /* 1 + index in the heap; 0: not set */
};

struct deadline_queue {
    struct deadline **heap;
    size_t count;
    size_t room;
};

/* Frees the queue's memory; the deadlines are their owners'. A zeroed queue is empty and valid. */
void deadline_queue_clear(struct deadline_queue *queue);

/* Makes sure that `count` deadlines fit, so that setting one cannot fail. 0, or -1 without memory.
 */
int deadline_queue_reserve(struct deadline_queue *queue, size_t count) MUST_CHECK;

/* Sets or moves a deadline. Room must have been reserved for it. */
void deadline_set(struct deadline_queue *queue, struct deadline *deadline, uint64_t due_ms);

/* Takes a deadline out; one that is not set stays so. */
void deadline_unset(struct deadline_queue *queue, struct deadline *deadline);

/* The earliest, or NULL. */
struct deadline *deadline_first(const struct deadline_queue *queue);

#endif

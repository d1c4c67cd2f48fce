/* SPDX-License-Identifier: BSD-2-Clause */
/* Many deadlines behind one timer.
 *
 * A deadline is a member of the object that it belongs to. The queue is a binary heap of pointers
 * to deadlines; its owner arms one timer for the earliest. Deadlines are lazy: traffic only updates
 * a stamp in the object. If the timer fires and the stamp shows that the deadline has moved, the
 * owner sets it again. So an echo costs no heap operation and no system call.
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

/* Frees the queue's memory, not the deadlines: their objects own them. A zeroed queue is empty and
 * valid. */
void deadline_queue_clear(struct deadline_queue *queue);

/* Reserves room for `count` deadlines, so that setting one cannot fail. Returns 0, or -1 if memory
 * is short. */
int deadline_queue_reserve(struct deadline_queue *queue, size_t count) MUST_CHECK;

/* Sets or moves a deadline. Room must have been reserved for it. */
void deadline_set(struct deadline_queue *queue, struct deadline *deadline, uint64_t due_ms);

/* Removes a deadline from the queue; does nothing if it is not set. */
void deadline_unset(struct deadline_queue *queue, struct deadline *deadline);

/* The earliest deadline, or NULL if the queue is empty. */
struct deadline *deadline_first(const struct deadline_queue *queue);

#endif

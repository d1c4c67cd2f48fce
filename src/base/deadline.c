/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/deadline.h"

#include <assert.h>
#include <stdlib.h>

#define ROOM_FIRST 64

void deadline_queue_clear(struct deadline_queue *queue)
{
    free(queue->heap);
    *queue = (struct deadline_queue){0};
}

int deadline_queue_reserve(struct deadline_queue *queue, size_t count)
{
    size_t room = queue->room ? queue->room : ROOM_FIRST;
    while (room < count)
        room *= 2;
    if (room == queue->room)
        return 0;
    struct deadline **heap = realloc(queue->heap, room * sizeof(struct deadline *));
    if (!heap)
        return -1;
    queue->heap = heap;
    queue->room = room;
    return 0;
}

static void put(struct deadline_queue *queue, size_t index, struct deadline *deadline)
{
    queue->heap[index] = deadline;
    deadline->place = (uint32_t)index + 1;
}

/* Moves a deadline from a free place to its place in the heap's order: up, then down. */
static void settle(struct deadline_queue *queue, size_t index, struct deadline *deadline)
{
    while (index > 0 && queue->heap[(index - 1) / 2]->due_ms > deadline->due_ms) {
        put(queue, index, queue->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && queue->heap[child + 1]->due_ms < queue->heap[child]->due_ms)
            child++;
        if (queue->heap[child]->due_ms >= deadline->due_ms)
            break;
        put(queue, index, queue->heap[child]);
        index = child;
    }
    put(queue, index, deadline);
}

void deadline_set(struct deadline_queue *queue, struct deadline *deadline, uint64_t due_ms)
{
    size_t index = deadline->place;
    if (index == 0) {
        assert(queue->count < queue->room);
        index = ++queue->count;
    }
    deadline->due_ms = due_ms;
    settle(queue, index - 1, deadline);
}

void deadline_unset(struct deadline_queue *queue, struct deadline *deadline)
{
    if (deadline->place == 0)
        return;
    size_t index = deadline->place - 1;
    struct deadline *last = queue->heap[--queue->count];
    deadline->place = 0;
    if (last != deadline)
        settle(queue, index, last);
}

struct deadline *deadline_first(const struct deadline_queue *queue)
{
    return queue->count ? queue->heap[0] : NULL;
}

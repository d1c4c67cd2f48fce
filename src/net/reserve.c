/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/reserve.h"

#include <event2/event.h>
#include <stdlib.h>

/* bufferevent_openssl_socket_new() makes itself, two buffers and a callback's entry, then two
 * entries for the descriptor. The largest is below 1 KiB. */
#define BLOCKS 8
#define BLOCK_BYTES 1024

/* libevent's allocator is told nothing of who asks, so this is the thread's. */
static _Thread_local struct {
    void *blocks[BLOCKS];
    unsigned count;
    struct event *refused; /* or NULL */
} reserve;

/* Takes no memory, and is no more than an entry in the loop's queue. */
void reserve_on_refusal(void)
{
    if (reserve.refused)
        event_active(reserve.refused, 0, 0);
}

static void *refuse(void)
{
    reserve_on_refusal();
    return NULL;
}

/* Blocks come from malloc(), so free() and realloc() take them like any other. */
static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory)
        return memory;
    return bytes <= BLOCK_BYTES && reserve.count > 0 ? reserve.blocks[--reserve.count] : refuse();
}

static void *reallocate(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes);
    return memory || bytes == 0 ? memory : refuse();
}

void reserve_init(void)
{
    event_set_mem_functions(allocate, reallocate, free);
}

void reserve_tell(struct event *refused)
{
    reserve.refused = refused;
}

int reserve_fill(void)
{
    while (reserve.count < BLOCKS) {
        void *block = malloc(BLOCK_BYTES);
        if (!block) {
            reserve_drop();
            return -1;
        }
        reserve.blocks[reserve.count++] = block;
    }
    return 0;
}

void reserve_drop(void)
{
    while (reserve.count > 0)
        free(reserve.blocks[--reserve.count]);
}

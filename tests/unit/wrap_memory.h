/* SPDX-License-Identifier: BSD-2-Clause */
/* Wraps the allocations of the linked objects (--wrap, tests/local.am), so that they can fail and
 * leaks are detected. Libraries' own allocations are not wrapped. The test decides which fail:
 * is_out_of_memory(). */
#ifndef TESTS_WRAP_MEMORY_H
#define TESTS_WRAP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

static long live_blocks;

static bool is_out_of_memory(size_t bytes);

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t bytes)
{
    void *memory = is_out_of_memory(bytes) ? NULL : __real_malloc(bytes);
    live_blocks += memory != NULL;
    return memory;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    void *memory = is_out_of_memory(count * bytes) ? NULL : __real_calloc(count, bytes);
    live_blocks += memory != NULL;
    return memory;
}

void *__wrap_realloc(void *old, size_t bytes)
{
    void *memory = is_out_of_memory(bytes) ? NULL : __real_realloc(old, bytes);
    live_blocks += memory && !old;
    return memory;
}

void __wrap_free(void *memory)
{
    live_blocks -= memory != NULL;
    __real_free(memory);
}

#endif

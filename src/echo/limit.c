/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#define TABLE_FIRST 64 /* a power of two, like all sizes of the table */

/* A source and its number of connections; 0: an empty place. */
struct source {
    struct address address;
    uint32_t open;
};

/* Open addressing with linear probing, at most half full. */
struct table {
    struct source *places;
    size_t size;
    size_t used;
    uint64_t seed;  /* so that an attacker cannot choose sources that collide */
    uint64_t steps; /* places examined since the start */
};

struct limit {
    _Atomic uint64_t connections, per_source, owed_bytes;
    _Atomic uint64_t open;
    pthread_mutex_t lock;
    struct table sources;
    unsigned source_prefix;
    const struct counters **watched;
    size_t watched_count;
};

/* ---- the table of sources ---- */

static size_t home(const struct table *table, const struct address *source)
{
    return (size_t)address_hash(source, table->seed) & (table->size - 1);
}

/* The source's place, or the empty place for it. */
static struct source *find(struct table *table, const struct address *source)
{
    size_t i = home(table, source);
    for (table->steps++;
         table->places[i].open > 0 && !address_is_same_host(&table->places[i].address, source);
         table->steps++)
        i = (i + 1) & (table->size - 1);
    return &table->places[i];
}

static int grow(struct table *table)
{
    struct table larger = *table;
    larger.size = table->size ? 2 * table->size : TABLE_FIRST;
    larger.places = calloc(larger.size, sizeof(*larger.places));
    if (!larger.places)
        return -1;
    for (size_t i = 0; i < table->size; i++) {
        if (table->places[i].open > 0)
            *find(&larger, &table->places[i].address) = table->places[i];
    }
    free(table->places);
    *table = larger;
    return 0;
}

/* Closes the gap of a removed source. The entries that follow without a gap may have been displaced
 * past it. An entry moves back only if the gap is between its home and its place, since it would
 * not be found any more (Knuth 6.4, algorithm R). */
static void close_gap(struct table *table, const struct source *place)
{
    size_t mask = table->size - 1, gap = (size_t)(place - table->places);
    table->used--;
    for (size_t i = (gap + 1) & mask; table->places[i].open > 0; i = (i + 1) & mask) {
        size_t pushed = (i - home(table, &table->places[i].address)) & mask;
        table->steps++;
        if (pushed < ((i - gap) & mask))
            continue;
        table->places[gap] = table->places[i];
        gap = i;
    }
    table->places[gap].open = 0;
}

static enum limit_verdict admit_source(struct limit *limit, const struct address *source,
                                       uint64_t most)
{
    struct table *table = &limit->sources;
    if (2 * (table->used + 1) > table->size && grow(table) < 0)
        return LIMIT_MEMORY;
    struct source *place = find(table, source);
    if (most && place->open >= most)
        return LIMIT_SOURCE;
    if (place->open == 0) {
        place->address = *source;
        table->used++;
    }
    place->open++;
    return LIMIT_ADMITTED;
}

/* ---- the limits ---- */

struct limit *limit_new(const struct limit_values *values)
{
    struct limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return NULL;
    pthread_mutex_init(&limit->lock, NULL);
    if (getrandom(&limit->sources.seed, sizeof(limit->sources.seed), GRND_NONBLOCK) < 0)
        limit->sources.seed = (uintptr_t)limit;
    limit->source_prefix = (unsigned)values->source_prefix;
    limit_change(limit, values);
    return limit;
}

void limit_free(struct limit *limit)
{
    if (!limit)
        return;
    pthread_mutex_destroy(&limit->lock);
    free(limit->sources.places);
    free(limit->watched);
    free(limit);
}

void limit_change(struct limit *limit, const struct limit_values *values)
{
    atomic_store(&limit->connections, values->connections);
    atomic_store(&limit->per_source, values->per_source);
    atomic_store(&limit->owed_bytes, values->owed_bytes);
}

void limit_lift_connections(struct limit *limit)
{
    atomic_store(&limit->connections, 0);
}

int limit_watch(struct limit *limit, const struct counters *counters)
{
    size_t size = (limit->watched_count + 1) * sizeof(*limit->watched);
    const struct counters **watched = realloc(limit->watched, size);
    if (!watched)
        return -1;
    watched[limit->watched_count++] = counters;
    limit->watched = watched;
    return 0;
}

/* Sources are counted even without a limit, so that a reload can set one. */
enum limit_verdict limit_name_source(struct limit *limit, const struct address *peer)
{
    if (peer->family == AF_UNIX)
        return LIMIT_ADMITTED;
    const struct address source = address_source(peer, limit->source_prefix);
    pthread_mutex_lock(&limit->lock);
    enum limit_verdict verdict = admit_source(limit, &source, atomic_load(&limit->per_source));
    pthread_mutex_unlock(&limit->lock);
    return verdict;
}

enum limit_verdict limit_admit(struct limit *limit, const struct address *peer)
{
    enum limit_verdict verdict = limit_is_full(limit) ? LIMIT_ALL : limit_name_source(limit, peer);
    if (verdict == LIMIT_ADMITTED)
        atomic_fetch_add(&limit->open, 1);
    return verdict;
}

void limit_release(struct limit *limit, const struct address *peer)
{
    if (peer->family != AF_UNIX) {
        const struct address source = address_source(peer, limit->source_prefix);
        pthread_mutex_lock(&limit->lock);
        struct source *place = find(&limit->sources, &source);
        if (--place->open == 0)
            close_gap(&limit->sources, place);
        pthread_mutex_unlock(&limit->lock);
    }
    atomic_fetch_sub(&limit->open, 1);
}

uint64_t limit_steps(struct limit *limit)
{
    pthread_mutex_lock(&limit->lock);
    uint64_t steps = limit->sources.steps;
    pthread_mutex_unlock(&limit->lock);
    return steps;
}

uint64_t limit_open(const struct limit *limit)
{
    return atomic_load(&limit->open);
}

uint64_t limit_connections(const struct limit *limit)
{
    return atomic_load(&limit->connections);
}

bool limit_is_full(const struct limit *limit)
{
    uint64_t most = atomic_load(&limit->connections);
    return most && limit_open(limit) >= most;
}

bool limit_is_owed_out(const struct limit *limit)
{
    uint64_t most = atomic_load(&limit->owed_bytes), owed = 0;
    for (size_t i = 0; most && i < limit->watched_count; i++)
        owed += counter_get(limit->watched[i], COUNTER_OWED);
    return most && owed >= most;
}

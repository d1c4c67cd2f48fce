/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/bucket.h"

#include <stdbool.h>
#include <stdlib.h>

#define SETS 2048 /* a power of two */
#define WAYS 4    /* a set is one cache line */
#define NS_PER_S UINT64_C(1000000000)

/* A source's bucket. No source is 0, so a zeroed place is free, with a full bucket. */
struct place {
    uint64_t source;
    uint64_t full_ns; /* when the bucket will be full again */
};

struct buckets {
    uint64_t interval_ns; /* of one source; 0: no limit */
    uint64_t common_interval_ns;
    uint64_t common_full_ns;
    uint64_t seed;
    unsigned prefix;
    struct place (*sets)[WAYS];
};

/* A hash of the source that cannot be predicted without the seed. */
static uint64_t source_of(const struct buckets *buckets, const struct address *address)
{
    const struct address source = address_source(address, buckets->prefix);
    uint64_t number = address_hash(&source, buckets->seed);
    return number ? number : 1;
}

/* Takes a token and returns true, if the bucket has one. */
static bool take(uint64_t *full_ns, uint64_t interval_ns, uint64_t now_ns)
{
    uint64_t next_ns = (*full_ns > now_ns ? *full_ns : now_ns) + interval_ns;
    if (next_ns > now_ns + BUCKET_DEPTH_NS)
        return false;
    *full_ns = next_ns;
    return true;
}

/* The source's place: its own, or the fullest one of its set. */
static struct place *find(struct buckets *buckets, uint64_t source)
{
    struct place *set = buckets->sets[source & (SETS - 1)], *fullest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].source == source)
            return &set[i];
        if (set[i].full_ns < fullest->full_ns)
            fullest = &set[i];
    }
    fullest->source = source;
    return fullest;
}

struct buckets *buckets_new(uint64_t rate, unsigned prefix, uint64_t seed)
{
    struct buckets *buckets = calloc(1, sizeof(*buckets));
    if (buckets)
        buckets->sets = calloc(SETS, sizeof(*buckets->sets));
    if (!buckets || !buckets->sets) {
        buckets_free(buckets);
        return NULL;
    }
    buckets->seed = seed;
    buckets->prefix = prefix;
    buckets_set_rate(buckets, rate);
    return buckets;
}

void buckets_free(struct buckets *buckets)
{
    if (!buckets)
        return;
    free(buckets->sets);
    free(buckets);
}

void buckets_set_rate(struct buckets *buckets, uint64_t rate)
{
    buckets->interval_ns = rate ? NS_PER_S / rate : 0;
    buckets->common_interval_ns = buckets->interval_ns / BUCKET_SOURCES_AT_ONCE;
}

enum bucket_verdict buckets_take(struct buckets *buckets, const struct address *source,
                                 uint64_t now_ns)
{
    if (buckets->interval_ns == 0)
        return BUCKET_ADMITTED;
    struct place *place = find(buckets, source_of(buckets, source));
    if (!take(&place->full_ns, buckets->interval_ns, now_ns))
        return BUCKET_SOURCE;
    return take(&buckets->common_full_ns, buckets->common_interval_ns, now_ns) ? BUCKET_ADMITTED
                                                                               : BUCKET_ALL;
}

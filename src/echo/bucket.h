/* SPDX-License-Identifier: BSD-2-Clause */
/* Token buckets for unverified sources: a rate for each source, and one for all together.
 *
 * UDP sources can be forged for free, so memory is fixed, and no source may gain by being
 * forgotten. A bucket is one number, the time at which it will be full again (GCRA: a datagram
 * advances it by one interval, and is refused if that is more than DEPTH in the future). The table
 * has sets of four places. A new source takes the place with the fullest bucket, and inherits its
 * level. So a bucket that is not full is never reset by an eviction: all sources together get no
 * more than the table's places would.
 *
 * Pure functions: the caller passes the time. address_source() defines a source.
 */
#ifndef ECHO_BUCKET_H
#define ECHO_BUCKET_H

#include <stdint.h>

#include "net/address.h"

/* How many sources can use their full rate at once before the common bucket is empty. */
#define BUCKET_SOURCES_AT_ONCE 100
/* A bucket holds the tokens of this time: the largest burst after a silence. */
#define BUCKET_DEPTH_NS UINT64_C(1000000000)

enum bucket_verdict {
    BUCKET_ADMITTED,
    BUCKET_SOURCE, /* this source has used its rate */
    BUCKET_ALL,    /* all sources together have used theirs */
};

struct buckets;

/* `rate`: datagrams a second for each source; 0: no limit. The first `prefix` bits of an IPv6
 * address are its source. Because of the seed, sources cannot choose their places. NULL if memory
 * is short. */
struct buckets *buckets_new(uint64_t rate, unsigned prefix, uint64_t seed);
void buckets_free(struct buckets *buckets);

/* Sets a reload's rate; used tokens stay used. */
void buckets_set_rate(struct buckets *buckets, uint64_t rate);

/* Takes a token of the source's bucket and of the common one, if both have one. */
enum bucket_verdict buckets_take(struct buckets *buckets, const struct address *source,
                                 uint64_t now_ns);

#endif

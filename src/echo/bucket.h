/* SPDX-License-Identifier: BSD-2-Clause */
/* Token buckets for sources that nobody vouches for: a rate for each, and one for all.
 *
 * A UDP source costs nothing to invent, so memory is fixed, and no source may gain by being
 * forgotten. A bucket is one number, the time at which it will be full again (GCRA: a datagram
 * moves it on by one interval, and may not where that is more than DEPTH ahead). The table has sets
 * of four places; a new source takes the place whose bucket is the fullest, and what that bucket
 * lacks it lacks too. So a bucket that is not full is never reset, whoever pushes it out: all
 * sources together get no more than the table's places would.
 *
 * Pure: the time is passed in. What one source is, address_source() decides.
 */
#ifndef ECHO_BUCKET_H
#define ECHO_BUCKET_H

#include <stdint.h>

#include "net/address.h"

/* How many sources may use their rate at once before the common bucket is empty. */
#define BUCKET_SOURCES_AT_ONCE 100
/* A bucket holds what comes in together after so long a silence. */
#define BUCKET_DEPTH_NS UINT64_C(1000000000)

enum bucket_verdict {
    BUCKET_ADMITTED,
    BUCKET_SOURCE, /* this source had its rate */
    BUCKET_ALL,    /* all sources together had theirs */
};

struct buckets;

/* `rate` datagrams a second a source; 0: no limit. The first `prefix` bits of an IPv6 address are
 * its source. The seed keeps sources from choosing each other's places. NULL without memory. */
struct buckets *buckets_new(uint64_t rate, unsigned prefix, uint64_t seed);
void buckets_free(struct buckets *buckets);

/* A reload's rate; what sources have used already stays used. */
void buckets_set_rate(struct buckets *buckets, uint64_t rate);

/* Takes a token of the source's bucket and of the common one, if both have one. */
enum bucket_verdict buckets_take(struct buckets *buckets, const struct address *source,
                                 uint64_t now_ns);

#endif

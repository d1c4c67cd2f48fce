/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/histogram.h"

#include <math.h>

#define PERCENT_PARTS 1000000U
#define WHOLE_PARTS (100U * PERCENT_PARTS)

/* Values below 2 * PARTS have a bucket each; above that, each power of two has PARTS buckets. */
static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_PARTS)
        return (size_t)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_PART_BITS;
    return (size_t)(shift + 1) * HISTOGRAM_PARTS + (size_t)((value >> shift) - HISTOGRAM_PARTS);
}

static uint64_t highest_of(size_t bucket)
{
    if (bucket < HISTOGRAM_PARTS)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_PARTS) - 1;
    uint64_t part = bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS;
    return (part << shift) + (((uint64_t)1 << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    if (histogram->count == 0 || value < histogram->min)
        histogram->min = value;
    if (histogram->count == 0 || value > histogram->max)
        histogram->max = value;
    histogram->count++;
    histogram->sum += (double)value;
    histogram->sum_of_squares += (double)value * (double)value;
}

void histogram_merge(struct histogram *sum, const struct histogram *one)
{
    if (one->count == 0)
        return;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum->counts[i] += one->counts[i];
    if (sum->count == 0 || one->min < sum->min)
        sum->min = one->min;
    if (sum->count == 0 || one->max > sum->max)
        sum->max = one->max;
    sum->count += one->count;
    sum->sum += one->sum;
    sum->sum_of_squares += one->sum_of_squares;
}

void histogram_subtract(struct histogram *histogram, const struct histogram *earlier)
{
    uint64_t count = 0, max = 0, min = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t before = earlier->counts[i];
        histogram->counts[i] -= before < histogram->counts[i] ? before : histogram->counts[i];
        if (histogram->counts[i] == 0)
            continue;
        min = count == 0 ? highest_of(i) : min;
        max = highest_of(i);
        count += histogram->counts[i];
    }
    histogram->count = count;
    histogram->min = min > histogram->min ? min : histogram->min;
    histogram->max = max < histogram->max ? max : histogram->max;
    histogram->sum -= earlier->sum;
    histogram->sum_of_squares -= earlier->sum_of_squares;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    /* In whole millionths of a percent: 99.9 % of 1000 is 999, but the double 0.999 would give
     * more. */
    uint64_t parts = (uint64_t)llround(percent * PERCENT_PARTS), seen = 0;
    uint64_t wanted = histogram->count / WHOLE_PARTS * parts +
                      (histogram->count % WHOLE_PARTS * parts + WHOLE_PARTS - 1) / WHOLE_PARTS;
    if (wanted >= histogram->count)
        return histogram->count ? histogram->max : 0;
    if (wanted == 0)
        wanted = 1;
    size_t bucket = 0;
    while ((seen += histogram->counts[bucket]) < wanted)
        bucket++;
    uint64_t value = highest_of(bucket);
    return value < histogram->max ? value : histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count ? histogram->sum / (double)histogram->count : 0;
}

double histogram_stddev(const struct histogram *histogram)
{
    double mean = histogram_mean(histogram);
    if (histogram->count == 0)
        return 0;
    double variance = histogram->sum_of_squares / (double)histogram->count - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}

size_t histogram_next(const struct histogram *histogram, size_t from, uint64_t *value)
{
    while (from < HISTOGRAM_BUCKETS && histogram->counts[from] == 0)
        from++;
    if (from < HISTOGRAM_BUCKETS)
        *value = highest_of(from);
    return from;
}

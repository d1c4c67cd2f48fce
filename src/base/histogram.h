/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts values in buckets of fixed relative width, as suits latencies.
 *
 * The scale is log-linear: each power of two is divided into HISTOGRAM_PARTS equal buckets, and
 * values below that are exact. The value reported for a bucket is its highest, so it is at most
 * 1/HISTOGRAM_PARTS (0.8 %) above the true one and never below it. Histograms of several threads
 * merge by addition, without loss. Each takes about 57 KiB.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_PART_BITS 7
#define HISTOGRAM_PARTS (1 << HISTOGRAM_PART_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS)

/* A zeroed histogram is empty and valid. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t min, max; /* exact; meaningless if count is 0 */
    double sum, sum_of_squares;
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *sum, const struct histogram *one);

/* Subtracts an earlier state of the same histogram, so that only the values added since remain.
 * Minimum and maximum are then only as exact as the buckets. */
void histogram_subtract(struct histogram *histogram, const struct histogram *earlier);

/* The smallest reported value that at least `percent` (0 to 100) of all values do not exceed; the
 * exact maximum for 100. 0 if the histogram is empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

double histogram_mean(const struct histogram *histogram);
double histogram_stddev(const struct histogram *histogram);

/* Iterates over the non-empty buckets upwards: returns the next index at or above `from`, or
 * HISTOGRAM_BUCKETS if there is none; *value is the value reported for that bucket. */
size_t histogram_next(const struct histogram *histogram, size_t from, uint64_t *value);

#endif

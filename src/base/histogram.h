/* SPDX-License-Identifier: BSD-2-Clause */
/* Values counted in buckets of fixed relative width, as latencies want it.
 *
 * Log-linear: each power of two is cut into HISTOGRAM_PARTS equal buckets, and values below that
 * are exact. A reported value is the highest of its bucket, so it is at most 1/HISTOGRAM_PARTS (0.8
 * %) above the true one and never below it. Histograms of threads merge by addition, without loss.
 * About 57 KiB each.
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
    uint64_t min, max; /* exact; meaningless where count is 0 */
    double sum, sum_of_squares;
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *sum, const struct histogram *one);

/* Takes an earlier state of the same histogram out of a later one: what was added between is left.
 * Minimum and maximum are then as exact as the buckets. */
void histogram_subtract(struct histogram *histogram, const struct histogram *earlier);

/* The smallest reported value that at least `percent` (0 to 100) of all values do not exceed; the
 * exact maximum for 100. 0 where it is empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

double histogram_mean(const struct histogram *histogram);
double histogram_stddev(const struct histogram *histogram);

/* Walks the filled buckets upwards: returns the next index at or above `from`, or
 * HISTOGRAM_BUCKETS; *value is what that bucket reports. */
size_t histogram_next(const struct histogram *histogram, size_t from, uint64_t *value);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that know where they belong.
 *
 * A stream's bytes are 64-bit little-endian words, the word at offset 8i being seed + i * STEP with
 * an odd STEP: so any byte can be made from its offset alone (nothing sent is kept for comparing),
 * no two words of a stream are the same, and a word that came tells by one multiplication where it
 * was sent. Making and checking are one addition for eight bytes, which compilers turn into
 * vectors.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The seed of one of a run's streams, which is its first word too. For one `seed` it is a bijection
 * of `stream`: no two streams of a run begin with the same 8 bytes, nor, but for a chance of 2^-64,
 * two of runs with different seeds. */
uint64_t pattern_seed(uint64_t seed, uint64_t stream);

/* The size of a message of that number of the stream: min to max, the same for the same seed. */
uint64_t pattern_size(uint64_t seed, uint64_t number, uint64_t min, uint64_t max);

/* Writes the stream's bytes [offset, offset + length). */
void pattern_fill(uint64_t seed, uint64_t offset, unsigned char *out, size_t length);

/* How many of these bytes are the stream's from that offset on: `length` where all are. */
size_t pattern_match(uint64_t seed, uint64_t offset, const unsigned char *bytes, size_t length);

/* The byte at an offset. */
unsigned char pattern_byte(uint64_t seed, uint64_t offset);

/* Finds where bytes belong: at least PATTERN_LOCATE_BYTES of them, of any alignment. The offset
 * found is below `limit`. True where there is one. */
#define PATTERN_LOCATE_BYTES 24
bool pattern_locate(uint64_t seed, const unsigned char *bytes, size_t length, uint64_t limit,
                    uint64_t *offset);

#endif

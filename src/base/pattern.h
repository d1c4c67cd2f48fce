/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream of bytes in which each byte's offset can be computed from its neighbours.
 *
 * A stream's bytes are 64-bit little-endian words, the word at offset 8i being seed + i * STEP with
 * an odd STEP. So any byte can be made from its offset alone (no sent byte is kept for comparison),
 * no two words of a stream are equal, and one multiplication gives the offset at which a received
 * word was sent. Making and checking eight bytes costs one addition, which compilers vectorize.
 */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The seed of one of a run's streams; it is also the stream's first word. For one `seed` it is a
 * bijection of `stream`: no two streams of a run begin with the same 8 bytes. Two streams of runs
 * with different seeds do so with a probability of 2^-64. */
uint64_t pattern_seed(uint64_t seed, uint64_t stream);

/* The size of message `number` of the stream: min to max, the same each time for one seed. */
uint64_t pattern_size(uint64_t seed, uint64_t number, uint64_t min, uint64_t max);

/* Writes the stream's bytes [offset, offset + length). */
void pattern_fill(uint64_t seed, uint64_t offset, unsigned char *out, size_t length);

/* How many leading bytes equal the stream's from `offset` on: `length` if all do. */
size_t pattern_match(uint64_t seed, uint64_t offset, const unsigned char *bytes, size_t length);

/* The byte at an offset. */
unsigned char pattern_byte(uint64_t seed, uint64_t offset);

/* Finds the offset of some bytes in the stream: at least PATTERN_LOCATE_BYTES of them, at any
 * alignment. True if an offset below `limit` was found. */
#define PATTERN_LOCATE_BYTES 24
bool pattern_locate(uint64_t seed, const unsigned char *bytes, size_t length, uint64_t limit,
                    uint64_t *offset);

/* True if bytes, at least PATTERN_LOCATE_BYTES of them, are a pattern's of any seed. */
bool pattern_is_any(const unsigned char *bytes, size_t length);

#endif

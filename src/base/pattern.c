/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/pattern.h"

#include <endian.h>
#include <string.h>

#include "base/mix.h"

#define WORD sizeof(uint64_t)
#define STEP 0x9e3779b97f4a7c15U         /* odd: 2^64 divided by the golden ratio */
#define STEP_INVERSE 0xf1de83e19937733dU /* STEP * STEP_INVERSE = 1 mod 2^64 */
#define BLOCK_WORDS 32                   /* checked together, without a branch between */

uint64_t pattern_seed(uint64_t seed, uint64_t stream)
{
    return mix64(seed + (stream + 1) * STEP); /* adjacent numbers get unrelated seeds */
}

uint64_t pattern_size(uint64_t seed, uint64_t number, uint64_t min, uint64_t max)
{
    return min == max ? min : min + pattern_seed(seed, number) % (max - min + 1);
}

static uint64_t word_at(uint64_t seed, uint64_t index)
{
    return seed + index * STEP;
}

unsigned char pattern_byte(uint64_t seed, uint64_t offset)
{
    return (unsigned char)(word_at(seed, offset / WORD) >> (8 * (offset % WORD)));
}

/* Bytes up to the next word boundary, at most `length`. */
static size_t head_of(uint64_t offset, size_t length)
{
    size_t head = (size_t)(-offset % WORD);
    return head < length ? head : length;
}

void pattern_fill(uint64_t seed, uint64_t offset, unsigned char *out, size_t length)
{
    size_t head = head_of(offset, length), i = 0;
    for (; i < head; i++)
        out[i] = pattern_byte(seed, offset + i);
    uint64_t word = word_at(seed, (offset + i) / WORD);
    for (; i + WORD <= length; i += WORD, word += STEP) {
        uint64_t little = htole64(word);
        memcpy(out + i, &little, WORD);
    }
    for (; i < length; i++)
        out[i] = pattern_byte(seed, offset + i);
}

/* 0 if a whole block matches. */
static uint64_t block_difference(const unsigned char *bytes, uint64_t word)
{
    uint64_t difference = 0;
    for (size_t i = 0; i < BLOCK_WORDS; i++) {
        uint64_t little;
        memcpy(&little, bytes + i * WORD, WORD);
        difference |= le64toh(little) ^ (word + i * STEP);
    }
    return difference;
}

size_t pattern_match(uint64_t seed, uint64_t offset, const unsigned char *bytes, size_t length)
{
    size_t head = head_of(offset, length), i = 0;
    for (; i < head; i++) {
        if (bytes[i] != pattern_byte(seed, offset + i))
            return i;
    }
    uint64_t word = word_at(seed, (offset + i) / WORD);
    for (; i + BLOCK_WORDS * WORD <= length; i += BLOCK_WORDS * WORD, word += BLOCK_WORDS * STEP) {
        if (block_difference(bytes + i, word))
            break;
    }
    for (; i < length && bytes[i] == pattern_byte(seed, offset + i); i++)
        ;
    return i;
}

bool pattern_locate(uint64_t seed, const unsigned char *bytes, size_t length, uint64_t limit,
                    uint64_t *offset)
{
    if (length < PATTERN_LOCATE_BYTES)
        return false;
    for (size_t shift = 0; shift < WORD; shift++) {
        uint64_t little;
        memcpy(&little, bytes + shift, WORD);
        uint64_t index = (le64toh(little) - seed) * STEP_INVERSE;
        if (index > limit / WORD || index * WORD < shift)
            continue;
        uint64_t found = index * WORD - shift;
        if (found < limit &&
            pattern_match(seed, found, bytes, PATTERN_LOCATE_BYTES) == PATTERN_LOCATE_BYTES) {
            *offset = found;
            return true;
        }
    }
    return false;
}

bool pattern_is_any(const unsigned char *bytes, size_t length)
{
    for (size_t shift = 0; shift < WORD && length >= PATTERN_LOCATE_BYTES; shift++) {
        uint64_t little[2];
        memcpy(little, bytes + shift, sizeof(little));
        uint64_t word = le64toh(little[0]);
        /* As if it were a stream that begins a word earlier. */
        if (le64toh(little[1]) - word == STEP &&
            pattern_match(word - STEP, WORD - shift, bytes, PATTERN_LOCATE_BYTES) ==
                PATTERN_LOCATE_BYTES)
            return true;
    }
    return false;
}

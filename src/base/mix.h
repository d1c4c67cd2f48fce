/* SPDX-License-Identifier: BSD-2-Clause */
/* One word in, one that looks unrelated out: each bit of the input flips about half of the output's
 * (the finalizer of splitmix64; Steele, Lea, Flood: Fast splittable pseudorandom number generators,
 * 2014). It is a permutation, and no cryptographic hash: a secret seed goes in with the data where
 * strangers choose them. */
#ifndef BASE_MIX_H
#define BASE_MIX_H

#include <stdint.h>

static inline uint64_t mix64(uint64_t word)
{
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    return word ^ (word >> 31);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Mixes the bits of a word: each bit of the input flips about half of the output's (the finalizer
 * of splitmix64; Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). It is a
 * permutation, not a cryptographic hash: if a peer can choose the data, mix in a secret seed. */
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

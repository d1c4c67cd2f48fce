/* SPDX-License-Identifier: BSD-2-Clause */
/* What every fuzz target defines. libFuzzer calls it with bytes of its own making; in a build
 * without it replay.c does, with those that are kept in corpus/. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Once, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true of every input; unlike assert() it is there in every build. */
#define PROPERTY(is_true)                                                 \
    do {                                                                  \
        if (!(is_true)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #is_true); \
            abort();                                                      \
        }                                                                 \
    } while (0)

#define TEXT_MAX 4096

/* The bytes as a text, cut at the first NUL as any argument is. */
static inline const char *fuzz_text(char *out, const uint8_t *data, size_t size)
{
    size = size < TEXT_MAX - 1 ? size : TEXT_MAX - 1;
    memcpy(out, data, size);
    out[size] = '\0';
    return out;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Complete connections: the input controls the simulated kernel, the clock and the peers. */
#include "fuzz.h"

#include "../sim/kernel.h"
#include "../sim/world.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    world_begin();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kernel_begin(1, data, size);
    world_live();
    if (kernel_complaint()) {
        fprintf(stderr, "%s\n", kernel_complaint());
        abort();
    }
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Many worlds of tests/sim/world.h, each made by its seed.
 *
 *     SIM_SEEDS=N   how many (default 30000)
 *     SIM_FIRST=N   the first one (default 1); one alone is told call by call
 */
#include "unit.h"

#include <stdlib.h>

#include "../sim/kernel.h"
#include "../sim/rare.h"
#include "../sim/world.h"

#define SEEDS 30000

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* Fails if some event or path did not occur in any world: then nothing was proved. */
static void assert_everything_happened(void)
{
    static const enum reason REACHED[] = {
        REASON_EOF,   REASON_RESET,  REASON_ERROR,  REASON_IDLE,      REASON_STALL,    REASON_FLUSH,
        REASON_DRAIN, REASON_FORCED, REASON_MEMORY, REASON_TRUNCATED, REASON_HANDSHAKE};
    for (size_t i = 0; i < COUNT_OF(REACHED); i++) {
        if (world_seen.reasons[REACHED[i]] == 0)
            fail_msg("no connection ended for the reason '%s'", reason_word(REACHED[i]));
    }
    for (int i = 0; i < RARE_COUNT; i++) {
        if (rare_seen[i] == 0)
            fail_msg("no world came to %s", rare_text((enum rare)i));
    }
}

static void test_worlds(void **state)
{
    uint64_t seeds = number_from("SIM_SEEDS", SEEDS), first = number_from("SIM_FIRST", 1);
    (void)state;
    world_begin();
    kernel_trace(seeds == 1);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        kernel_begin(seed, NULL, 0);
        world_live();
        if (kernel_complaint())
            fail_msg("seed %llu: %s; ./dev simulate 1 %llu repeats it", (unsigned long long)seed,
                     kernel_complaint(), (unsigned long long)seed);
    }
    print_message("# %llu worlds, %llu connections, %llu bytes in, %llu lost, %llu resets;",
                  (unsigned long long)seeds, (unsigned long long)world_seen.connections,
                  (unsigned long long)world_seen.bytes, (unsigned long long)world_seen.lost,
                  (unsigned long long)world_seen.resets);
    for (int i = 0; i < REASON_COUNT; i++)
        print_message(" %s %llu", reason_word((enum reason)i),
                      (unsigned long long)world_seen.reasons[i]);
    print_message("\n");
    for (int i = 0; i < RARE_COUNT; i++)
        print_message("# %8llu %s\n", (unsigned long long)rare_seen[i], rare_text((enum rare)i));
    if (seeds >= SEEDS)
        assert_everything_happened();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

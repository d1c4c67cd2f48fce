/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/schedule.h"

#define NS_PER_S 1000000000U
#define NS_PER_MS 1000000U

uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t number)
{
    uint64_t round = number / schedule->count, index = number % schedule->count;
    uint64_t k = round * schedule->all + schedule->first + index;
    /* Computed in whole seconds plus the rest, so that no nanosecond is lost even in a long run. */
    return schedule->start_ns + 1000 * k / schedule->per_1000s * NS_PER_S +
           (1000 * k % schedule->per_1000s + 500) * NS_PER_S / schedule->per_1000s;
}

uint64_t schedule_opens_ns(const struct schedule *schedule, uint64_t index)
{
    uint64_t delay_ms = schedule->ramp_ms * (schedule->first + index) / schedule->all;
    return schedule->start_ns + delay_ms * NS_PER_MS;
}

bool schedule_find(struct schedule *schedule, uint64_t by_ns, uint64_t *due_ns)
{
    while ((*due_ns = schedule_due_ns(schedule, schedule->next)) <= by_ns) {
        if (*due_ns >= schedule_opens_ns(schedule, schedule->next % schedule->count))
            return true;
        schedule->next++;
    }
    return false;
}

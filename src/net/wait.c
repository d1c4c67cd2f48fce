/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/wait.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "base/clock.h"

#define NS_PER_S UINT64_C(1000000000)

int wait_until(struct pollfd *polled, nfds_t count, uint64_t until_ns)
{
    int ready;
    do {
        uint64_t now_ns = clock_now_ns(), left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
        const struct timespec left = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};
        ready = ppoll(polled, count, until_ns == WAIT_FOR_EVER ? NULL : &left, NULL);
    } while (ready < 0 && errno == EINTR);
    return ready;
}

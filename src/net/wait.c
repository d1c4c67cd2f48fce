/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* Called by its number, the same on every machine: glibc has the function since 2.35 alone, and
 * musl since 1.2.4. */
#define CALL_EPOLL_PWAIT2 441

/* Before Linux 5.11 the call is missing, and a container's filter may not know it. */
static _Atomic bool is_missing;

/* The kernel's struct timespec has 64 bits a member on 32-bit machines too. */
static int wait_at_once(int epoll_fd, struct epoll_event *events, int most, uint64_t wait_ns)
{
    const struct {
        int64_t seconds, nanoseconds;
    } wait = {(int64_t)(wait_ns / NS_PER_S), (int64_t)(wait_ns % NS_PER_S)};
    int count = (int)syscall(CALL_EPOLL_PWAIT2, epoll_fd, events, most, &wait, NULL, 0);
    if (count < 0 && (errno == ENOSYS || errno == EPERM))
        atomic_store(&is_missing, true);
    return count;
}

/* ppoll(2) knows nanoseconds since Linux 2.6.16, and an epoll descriptor can be polled. */
static int wait_in_two_steps(int epoll_fd, struct epoll_event *events, int most, uint64_t wait_ns)
{
    struct pollfd polled = {.fd = epoll_fd, .events = POLLIN};
    const struct timespec wait = {(time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S)};
    int count = ppoll(&polled, 1, &wait, NULL);
    return count > 0 ? epoll_wait(epoll_fd, events, most, 0) : count;
}

int wait_events(int epoll_fd, struct epoll_event *events, int most, uint64_t wait_ns)
{
    if (!atomic_load(&is_missing)) {
        int count = wait_at_once(epoll_fd, events, most, wait_ns);
        if (!atomic_load(&is_missing))
            return count;
    }
    return wait_in_two_steps(epoll_fd, events, most, wait_ns);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/run_queue.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* "on-cpu waited timeslices", in ns: all since the thread began. False if there is none. */
static bool read_all(int fd, uint64_t *waited_ns)
{
    char text[96];
    uint64_t ran_ns;
    ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return sscanf(text, "%" SCNu64 " %" SCNu64, &ran_ns, waited_ns) == 2 && ran_ns > 0;
}

void run_queue_open(struct run_queue *queue)
{
    *queue = (struct run_queue){.fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)};
    run_queue_restart(queue);
}

void run_queue_restart(struct run_queue *queue)
{
    if (!read_all(queue->fd, &queue->before_ns))
        queue->before_ns = 0;
}

bool run_queue_read(const struct run_queue *queue, uint64_t *waited_ns)
{
    uint64_t all_ns;
    if (!read_all(queue->fd, &all_ns))
        return false;
    *waited_ns = all_ns > queue->before_ns ? all_ns - queue->before_ns : 0;
    return true;
}

void run_queue_close(struct run_queue *queue)
{
    if (queue->fd >= 0)
        close(queue->fd);
    queue->fd = -1;
}

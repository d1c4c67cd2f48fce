/* SPDX-License-Identifier: BSD-2-Clause */
/* A pipe(7) that bytes of one socket pass on their way to another, by splice(2): the kernel hands
 * its pages on, and nothing copies them.
 *
 *     socket --pipe_take--> pipe --pipe_give--> socket
 *                                `--pipe_read--> memory (what the socket did not take)
 *
 * One loop's streams share one, so it must be empty again before the loop turns to another stream.
 * Bytes that would stay behind would be another stream's next ones; where they cannot be had out,
 * the pipe is closed for ever.
 */
#ifndef STREAM_PIPE_H
#define STREAM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"

struct pipe {
    int in, out; /* ends to write to and to read from; -1: closed */
};

/* 0 or -errno. */
int pipe_open(struct pipe *pipe) MUST_CHECK;
void pipe_close(struct pipe *pipe);

static inline bool pipe_is_open(const struct pipe *pipe)
{
    return pipe->in >= 0;
}

/* Takes at most so many bytes from a socket. Returns how many, -errno, or 0 where recv(2) has to
 * find out why there are none: nothing to read, the end, an urgent byte in front (which splice(2)
 * does not pass), or a socket that cannot be spliced. An error is told once, so it is not asked for
 * again. */
ssize_t pipe_take(struct pipe *pipe, int fd, size_t most) MUST_CHECK;

/* Hands at most so many on. Returns the bytes taken, or -errno. */
ssize_t pipe_give(struct pipe *pipe, int fd, size_t bytes) MUST_CHECK;

/* Reads the last `bytes` that are in it. 0, or -errno and the pipe is closed. */
int pipe_read(struct pipe *pipe, void *out, size_t bytes) MUST_CHECK;

#endif

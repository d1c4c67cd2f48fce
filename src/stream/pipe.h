/* SPDX-License-Identifier: BSD-2-Clause */
/* A pipe(7) between two sockets for splice(2): the kernel moves the pages, and nothing copies the
 * bytes.
 *
 *     socket --pipe_take--> pipe --pipe_give--> socket
 *                                `--pipe_read--> memory (bytes that the socket did not accept)
 *
 * The streams of a loop share one pipe, so it must be empty before the loop serves another stream:
 * leftover bytes would be sent to that stream's peer. If they cannot be read, the pipe is closed
 * for good.
 */
#ifndef STREAM_PIPE_H
#define STREAM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"

struct pipe {
    int in, out; /* its ends for writing and for reading; -1: closed */
};

/* Opens the pipe in place. Returns 0 or -errno. */
int pipe_open(struct pipe *pipe) MUST_CHECK;
void pipe_close(struct pipe *pipe);

static inline bool pipe_is_open(const struct pipe *pipe)
{
    return pipe->in >= 0;
}

/* Moves at most `most` bytes from a socket into the pipe. Returns their number, -errno, or 0 if the
 * caller must use recv(2) to find out why: nothing to read, the end, an urgent byte in front (which
 * splice(2) does not pass), or a socket that does not support splice(2). The kernel reports a
 * socket's error only once, so after -errno do not ask again. */
ssize_t pipe_take(struct pipe *pipe, int fd, size_t most) MUST_CHECK;

/* Moves at most `bytes` bytes to a socket. Returns the number that the socket accepted, or
 * -errno. */
ssize_t pipe_give(struct pipe *pipe, int fd, size_t bytes) MUST_CHECK;

/* Reads the last `bytes` bytes in the pipe. Returns 0; or -errno, and the pipe is closed. */
int pipe_read(struct pipe *pipe, void *out, size_t bytes) MUST_CHECK;

#endif

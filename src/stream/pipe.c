/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Each fragment of a packet uses the place of a page in a pipe, however few bytes it has. Every
 * user may have a pipe of this size (fs.pipe-max-size); if it is refused, the pipe stays
 * smaller. */
#define ROOM_BYTES (1024 * 1024)

int pipe_open(struct pipe *pipe)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) {
        *pipe = (struct pipe){-1, -1};
        return -errno;
    }
    *pipe = (struct pipe){.in = ends[1], .out = ends[0]};
    (void)fcntl(pipe->in, F_SETPIPE_SZ, ROOM_BYTES);
    return 0;
}

void pipe_close(struct pipe *pipe)
{
    if (pipe_is_open(pipe)) {
        close(pipe->in);
        close(pipe->out);
    }
    *pipe = (struct pipe){-1, -1};
}

ssize_t pipe_take(struct pipe *pipe, int fd, size_t most)
{
    ssize_t bytes = splice(fd, NULL, pipe->in, NULL, most, SPLICE_F_NONBLOCK);
    if (bytes >= 0)
        return bytes;
    bool is_no_answer = errno == EAGAIN || errno == EINTR || errno == EINVAL || errno == ENOSYS;
    return is_no_answer ? 0 : -errno;
}

ssize_t pipe_give(struct pipe *pipe, int fd, size_t bytes)
{
    ssize_t given = splice(pipe->out, NULL, fd, NULL, bytes, SPLICE_F_NONBLOCK);
    return given < 0 ? -errno : given;
}

int pipe_read(struct pipe *pipe, void *out, size_t bytes)
{
    for (size_t came = 0; came < bytes;) {
        ssize_t some = read(pipe->out, (unsigned char *)out + came, bytes - came);
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0) {
            int failure = some < 0 ? -errno : -EIO;
            pipe_close(pipe);
            return failure;
        }
        came += (size_t)some;
    }
    return 0;
}

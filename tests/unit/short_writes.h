/* SPDX-License-Identifier: BSD-2-Clause */
/* Defines send and writev instead of the C library's, so that single calls can be short or fail,
 * for libevent too. Include it in one file of a test only. */
#ifndef TESTS_SHORT_WRITES_H
#define TESTS_SHORT_WRITES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    int error;       /* of the next write, once */
    size_t most;     /* the most bytes of a write; 0: all */
    bool is_blocked; /* the kernel accepts nothing */
    unsigned calls;  /* proves that the calls were intercepted */
} writes;

static bool is_failing(void)
{
    writes.calls++;
    if (!writes.error && !writes.is_blocked)
        return false;
    errno = writes.error ? writes.error : EAGAIN;
    writes.error = 0;
    return true;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    if (is_failing())
        return -1;
    length = writes.most && writes.most < length ? writes.most : length;
    return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    struct iovec piece = pieces[0];
    if (is_failing())
        return -1;
    if (!writes.most)
        return syscall(SYS_writev, fd, pieces, count);
    piece.iov_len = writes.most < piece.iov_len ? writes.most : piece.iov_len;
    return syscall(SYS_writev, fd, &piece, 1);
}

#endif

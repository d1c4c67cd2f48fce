/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 5

/* True if the path still names the open file. */
static bool is_at(const char *path, const struct stat *open_file)
{
    struct stat named;
    return lstat(path, &named) == 0 && named.st_dev == open_file->st_dev &&
           named.st_ino == open_file->st_ino;
}

int lockfile_open_unlocked(const char *path, mode_t mode)
{
    struct stat status;
    int failure = 0;
    /* O_NONBLOCK: the start must not block on a FIFO. */
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0)
        return errno == EISDIR ? -EEXIST : -errno;
    if (fstat(fd, &status) < 0)
        failure = errno;
    else if (!S_ISREG(status.st_mode))
        failure = EEXIST;
    if (failure == 0)
        return fd;
    close(fd);
    return -failure;
}

/* Returns the descriptor of the locked file, or -errno; after -EAGAIN the caller retries. */
static int try_open(const char *path)
{
    struct stat status;
    int failure = 0, fd = lockfile_open_unlocked(path, 0600);
    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &status) < 0)
        failure = errno;
    else if (!is_at(path, &status))
        failure = EAGAIN; /* the previous holder has removed the file */
    if (failure == 0)
        return fd;
    close(fd);
    return -failure;
}

int lockfile_open(const char *path, unsigned wait_ms)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    int fd = try_open(path);
    for (unsigned waited_ms = 0; fd == -EAGAIN && waited_ms < wait_ms; waited_ms += RETRY_MS) {
        nanosleep(&pause, NULL);
        fd = try_open(path);
    }
    return fd;
}

int lockfile_name(const char *path, char *out, size_t size)
{
    return snprintf(out, size, "%s.lock", path) < (int)size ? 0 : -ENAMETOOLONG;
}

const char *lockfile_reason(int failure)
{
    return failure == EWOULDBLOCK ? "another process has locked it"
           : failure == ELOOP     ? "it is a symbolic link, which is not followed"
           : failure == EEXIST || failure == ENXIO /* a socket */
               ? "it is not a regular file"
               : strerror(failure);
}

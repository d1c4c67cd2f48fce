/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define ID_TEXT_MAX 24

/* The id that a file holds, 0 where it is empty, -1 where it holds anything else. */
static long read_id(int fd)
{
    char text[ID_TEXT_MAX + 1], *end;
    ssize_t length = read(fd, text, ID_TEXT_MAX);
    if (length <= 0)
        return length;
    text[length] = '\0';
    long id = strtol(text, &end, 10);
    return id > 0 && id <= INT_MAX && (*end == '\n' || *end == '\0') ? id : -1;
}

/* 0 where the file may become ours: a regular one, and empty or left over. Anything else that the
 * option names by mistake, as /dev/null, would be overwritten and in the end removed. */
static int check_file(int fd, const char *path, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_start(err, "--pid-file: cannot read '%s': %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_start(err, "--pid-file: '%s' is not a regular file", path);
    long other = read_id(fd);
    if (other < 0)
        return error_start(err, "--pid-file: '%s' holds something else than a process id", path);
    if (other > 0 && other != getpid() && (kill((pid_t)other, 0) == 0 || errno == EPERM))
        return error_start(err, "--pid-file: '%s' is that of process %ld, which still runs", path,
                           other);
    return 0;
}

int pidfile_write(struct pidfile *pidfile, const char *path, struct error *err)
{
    char text[ID_TEXT_MAX];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* O_NONBLOCK: a FIFO must not hold up the start. */
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    if (fd < 0)
        return error_start(err, "--pid-file: cannot write '%s': %s", path, strerror(errno));
    int result = check_file(fd, path, err);
    if (result == 0 && (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length ||
                        fstat(fd, &pidfile->status) < 0))
        result = error_start(err, "--pid-file: cannot write '%s': %s", path, strerror(errno));
    close(fd);
    if (result < 0)
        return -1;
    pidfile->path = strdup(path);
    return pidfile->path ? 0 : error_start(err, "--pid-file: no memory for its name");
}

static bool is_ours(const struct pidfile *pidfile)
{
    const struct stat *ours = &pidfile->status;
    struct stat now;
    return pidfile->path && stat(pidfile->path, &now) == 0 && now.st_dev == ours->st_dev &&
           now.st_ino == ours->st_ino && now.st_mtim.tv_sec == ours->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == ours->st_mtim.tv_nsec;
}

void pidfile_remove(struct pidfile *pidfile)
{
    if (is_ours(pidfile) && unlink(pidfile->path) < 0)
        log_event(LOG_LEVEL_WARN, "the pid file stays behind", LOG_TEXT("file", pidfile->path),
                  LOG_TEXT("error", strerror(errno)));
    free(pidfile->path);
    pidfile->path = NULL;
}

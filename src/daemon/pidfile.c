/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/pidfile.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lockfile.h"
#include "base/log.h"

#define ID_TEXT_MAX 24
#define LOCK_WAIT_MS 50 /* for a process that is just ending; one that serves never releases it */

/* The id in the file, 0 if it is empty, -1 if it contains anything else. */
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

static void cannot_write(const char *path, int failure, struct error *err)
{
    error_start(err, "cannot write '%s': %s", path, lockfile_reason(failure));
}

static void cannot_lock(const char *path, const char *lock_path, int failure, struct error *err)
{
    FILE *file = failure == EWOULDBLOCK ? fopen(path, "re") : NULL;
    long other = file ? read_id(fileno(file)) : 0;
    if (file)
        fclose(file);
    if (other > 0)
        error_start(err, "'%s' is locked by process %ld, which runs", path, other);
    else if (failure == EWOULDBLOCK)
        cannot_write(path, failure, err);
    else
        error_start(err, "cannot write '%s': cannot lock it by '%s': %s", path, lock_path,
                    lockfile_reason(failure));
}

/* The number in the file proves nothing, since another process may have that id now. The lock
 * decides. */
static int write_id(struct pidfile *pidfile, int fd, const char *path, struct error *err)
{
    char text[ID_TEXT_MAX];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* Another kind of file, named by mistake, would be overwritten, and removed at the end. */
    if (read_id(fd) < 0)
        return error_start(err, "'%s' holds something else than a process id", path);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length ||
        fstat(fd, &pidfile->status) < 0)
        return error_system(err, errno, "cannot write '%s'", path);
    return 0;
}

static int write_locked(struct pidfile *pidfile, const char *path, struct error *err)
{
    int fd = lockfile_open_unlocked(path, 0644);
    if (fd < 0) {
        cannot_write(path, -fd, err);
        return -1;
    }
    int result = write_id(pidfile, fd, path, err);
    close(fd);
    return result;
}

static void unlock(struct pidfile *pidfile)
{
    (void)unlink(pidfile->lock_path);
    close(pidfile->lock);
    free(pidfile->path);
    pidfile->path = NULL;
}

int pidfile_write(struct pidfile *pidfile, const char *path, struct error *err)
{
    int lock = lockfile_name(path, pidfile->lock_path, sizeof(pidfile->lock_path));
    if (lock == 0)
        lock = lockfile_open(pidfile->lock_path, LOCK_WAIT_MS);
    if (lock < 0) {
        cannot_lock(path, pidfile->lock_path, -lock, err);
        return error_blame(err, "pid-file", NULL);
    }
    pidfile->lock = lock;
    pidfile->path = strdup(path);
    if (!pidfile->path)
        error_start(err, "no memory for its name");
    if (pidfile->path && write_locked(pidfile, path, err) == 0)
        return 0;
    unlock(pidfile);
    return error_blame(err, "pid-file", NULL);
}

static bool is_ours(const struct pidfile *pidfile)
{
    const struct stat *ours = &pidfile->status;
    struct stat now;
    return lstat(pidfile->path, &now) == 0 && now.st_dev == ours->st_dev &&
           now.st_ino == ours->st_ino && now.st_mtim.tv_sec == ours->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == ours->st_mtim.tv_nsec;
}

void pidfile_remove(struct pidfile *pidfile, struct log *log)
{
    if (!pidfile->path)
        return;
    if (is_ours(pidfile) && unlink(pidfile->path) < 0)
        log_event(log, LOG_LEVEL_WARN, "the pid file stays behind", LOG_TEXT("file", pidfile->path),
                  LOG_TEXT("error", strerror(errno)));
    unlock(pidfile); /* last, so that the next process does not find our file */
}

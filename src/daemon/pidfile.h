/* SPDX-License-Identifier: BSD-2-Clause */
/* The file that holds our process id while we serve, locked for that time by PATH.lock beside it
 * (lockfile.h), because everybody may read it and could lock the file itself. Only the lock
 * proves that the process lives; the number in a file that was left behind may now belong to
 * another process. */
#ifndef DAEMON_PIDFILE_H
#define DAEMON_PIDFILE_H

#include <limits.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/error.h"

struct log;

struct pidfile {
    char *path; /* NULL: none was written */
    char lock_path[PATH_MAX];
    int lock; /* the lock file's descriptor */
    struct stat status;
};

/* Locks the path and writes the id and a newline. A file that was left behind, and so is not
 * locked, is reused. Follows no symbolic link. Returns 0 or -1. */
int pidfile_write(struct pidfile *pidfile, const char *path, struct error *err) MUST_CHECK;

/* Removes the file if it is still ours, and unlocks it. Opens nothing, since the sandbox may forbid
 * that. */
void pidfile_remove(struct pidfile *pidfile, struct log *log);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The file that holds our process id while we serve, locked as long (lockfile.h). The lock says
 * that the process lives; the number in a file that was left behind may be another's. */
#ifndef DAEMON_PIDFILE_H
#define DAEMON_PIDFILE_H

#include <sys/stat.h>

#include "base/attr.h"
#include "base/error.h"

struct log;

struct pidfile {
    char *path; /* NULL: none was written */
    int fd;     /* keeps the lock */
    struct stat status;
};

/* Locks the file and writes the id and a newline; a file left behind, which nobody has locked, is
 * taken over. Follows no symbolic link. 0 or -1. */
int pidfile_write(struct pidfile *pidfile, const char *path, struct error *err) MUST_CHECK;

/* Removes the file if it is still the one that we wrote, and unlocks it; opens nothing, which a
 * sandbox forbids. */
void pidfile_remove(struct pidfile *pidfile, struct log *log);

#endif

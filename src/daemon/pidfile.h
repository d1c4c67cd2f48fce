/* SPDX-License-Identifier: BSD-2-Clause */
/* The file that holds our process id while we serve. */
#ifndef DAEMON_PIDFILE_H
#define DAEMON_PIDFILE_H

#include <sys/stat.h>

#include "base/attr.h"
#include "base/error.h"

struct pidfile {
    char *path; /* NULL: none was written */
    struct stat status;
};

/* Writes the id and a newline; a file left by a process that is gone is replaced. 0 or
 * -1. */
int pidfile_write(struct pidfile *pidfile, const char *path, struct error *err) MUST_CHECK;

/* Removes the file if it is still the one that we wrote; opens nothing, which a sandbox forbids. */
void pidfile_remove(struct pidfile *pidfile);

#endif

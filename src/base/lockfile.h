/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that one process at a time has open and locked (flock(2)).
 *
 * The lock goes with its process, however that ends; a file that is left behind is locked by
 * nobody. Whoever holds the lock may remove the file, before closing it: those who wait for the
 * lock of a removed file notice, and try the one that has the name by then.
 */
#ifndef BASE_LOCKFILE_H
#define BASE_LOCKFILE_H

#include <sys/types.h>

#include "base/attr.h"

/* Opens the file for reading and writing, creates it where it is missing, and locks it; waits up to
 * so many milliseconds for another process to unlock it. Symbolic links are not followed, and
 * nothing is written. Returns the descriptor, which is the caller's and keeps the lock until it is
 * closed, or -errno: -EWOULDBLOCK where another process has the lock, -ELOOP for a symbolic link,
 * -EEXIST for anything else that is not a regular file. */
int lockfile_open(const char *path, mode_t mode, unsigned wait_ms) MUST_CHECK;

/* What these three mean, for a message; of any other errno what strerror(3) says. */
const char *lockfile_reason(int failure);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that one process at a time holds open and locked (flock(2)).
 *
 * Only the owner may open it (mode 0600): a user who can read a file can lock it for ever. So a
 * file that others must read is not a lock file itself, but has one beside it.
 *
 * The lock ends with its process, however the process ends; a file that is left behind is not
 * locked. The holder of the lock may remove the file before it closes it: a process that waited for
 * the lock notices that the file was removed, and tries again with the file that then has the name.
 */
#ifndef BASE_LOCKFILE_H
#define BASE_LOCKFILE_H

#include <sys/types.h>

#include "base/attr.h"

/* Opens the file for reading and writing, creates it if it is missing, and locks it. Waits up to
 * wait_ms milliseconds for another process to unlock it. Does not follow symbolic links and writes
 * nothing. Returns the descriptor, which the caller owns and which holds the lock until it is
 * closed, or -errno: -EWOULDBLOCK if another process holds the lock, -ELOOP for a symbolic link,
 * -EEXIST for anything else that is not a regular file. */
int lockfile_open(const char *path, unsigned wait_ms) MUST_CHECK;

/* Opens a file in the same way, creates it with that mode if it is missing, and does not lock it.
 */
int lockfile_open_unlocked(const char *path, mode_t mode) MUST_CHECK;

/* Writes the name of the file that locks `path`, PATH.lock, to out. Returns 0, or -ENAMETOOLONG. */
int lockfile_name(const char *path, char *out, size_t size) MUST_CHECK;

/* A text for these three errors; for any other errno, the text of strerror(3). */
const char *lockfile_reason(int failure);

#endif

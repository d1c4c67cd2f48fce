/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the sandbox. The build chooses for each its file or the *_none.c. */
#ifndef DAEMON_SANDBOX_PARTS_H
#define DAEMON_SANDBOX_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* The permitted uses of a file, and of the other files in its directory: rules are for directories,
 * since a replaced file (by an editor or a rotation) is another file. */
enum sandbox_use {
    SANDBOX_READ = 1,   /* opened for reading */
    SANDBOX_APPEND = 2, /* created, and opened for writing */
    SANDBOX_REMOVE = 4,
};

struct sandbox_file {
    const char *path;
    unsigned uses;
};

/* Restricts this thread, and threads started by it, to these files. If the kernel supports it, TCP
 * sockets cannot be bound or connected, and processes outside cannot be signalled or reached.
 * Returns the version of the kernel's interface (landlock(7)), or -errno. */
int sandbox_landlock(const struct sandbox_file *files, size_t count) MUST_CHECK;

/* Permits all threads only the system calls that serving needs: any other call ends the process, or
 * is only logged by the kernel if only_logs. Opening files fails unless is_open_confined. Returns 0
 * or -errno. */
int sandbox_seccomp(bool only_logs, bool is_open_confined) MUST_CHECK;

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sandbox is made of; each part is a file that the build chooses, or its *_none.c. */
#ifndef DAEMON_SANDBOX_PARTS_H
#define DAEMON_SANDBOX_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* What may be done with a file, and so with its neighbours: rules are for directories, since a file
 * that is replaced (an editor, a rotation) is another file. */
enum sandbox_use {
    SANDBOX_READ = 1,   /* opened for reading */
    SANDBOX_APPEND = 2, /* made, and opened for writing */
    SANDBOX_REMOVE = 4,
};

struct sandbox_file {
    const char *path;
    unsigned uses;
};

/* Restricts this thread, and those that it will start, to these files; no TCP socket can be bound
 * or connected and no process outside be reached, where the kernel knows how to forbid that.
 * Returns the version of the kernel's interface (landlock(7)), or -errno. */
int sandbox_landlock(const struct sandbox_file *files, size_t count) MUST_CHECK;

/* Lets all threads call what serving needs, and nothing else: another call ends the process, or is
 * only logged by the kernel. Opening files is refused unless it is confined. 0 or -errno. */
int sandbox_seccomp(bool only_logs, bool is_open_confined) MUST_CHECK;

#endif

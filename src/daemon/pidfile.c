/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/pidfile.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The id in a file, or 0. */
static long read_id(const char *path)
{
    long id = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld", &id) != 1)
        id = 0;
    fclose(file);
    return id;
}

int pidfile_write(struct pidfile *pidfile, const char *path, struct error *err)
{
    long other = read_id(path);
    if (other > 0 && other != getpid() && (kill((pid_t)other, 0) == 0 || errno == EPERM))
        return error_start(err, "--pid-file: '%s' is that of process %ld, which still runs", path,
                           other);
    FILE *file = fopen(path, "we");
    if (!file)
        return error_start(err, "--pid-file: cannot write '%s': %s", path, strerror(errno));
    bool is_written = fprintf(file, "%ld\n", (long)getpid()) > 0 && fflush(file) == 0 &&
                      fstat(fileno(file), &pidfile->status) == 0;
    if (fclose(file) != 0 || !is_written)
        return error_start(err, "--pid-file: cannot write '%s': %s", path, strerror(errno));
    pidfile->path = strdup(path);
    return pidfile->path ? 0 : error_start(err, "--pid-file: no memory for its name");
}

void pidfile_remove(struct pidfile *pidfile)
{
    const struct stat *ours = &pidfile->status;
    struct stat now;
    if (pidfile->path && stat(pidfile->path, &now) == 0 && now.st_dev == ours->st_dev &&
        now.st_ino == ours->st_ino && now.st_mtim.tv_sec == ours->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == ours->st_mtim.tv_nsec)
        (void)unlink(pidfile->path);
    free(pidfile->path);
    pidfile->path = NULL;
}

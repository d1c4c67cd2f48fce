/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/pidfile.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
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

int pidfile_write(const char *path, struct error *err)
{
    long other = read_id(path);
    if (other > 0 && other != getpid() && (kill((pid_t)other, 0) == 0 || errno == EPERM))
        return error_start(err, "--pid-file: '%s' is that of process %ld, which still runs", path,
                           other);
    FILE *file = fopen(path, "we");
    if (!file)
        return error_start(err, "--pid-file: cannot write '%s': %s", path, strerror(errno));
    int written = fprintf(file, "%ld\n", (long)getpid());
    if (fclose(file) != 0 || written < 0)
        return error_start(err, "--pid-file: cannot write '%s': %s", path, strerror(errno));
    return 0;
}

void pidfile_remove(const char *path)
{
    if (read_id(path) == getpid())
        (void)unlink(path);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void standard_descriptors_open(int flags)
{
    int fd;
    do
        fd = open("/dev/null", flags);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Standard output is the process's, and so is why it failed. */
static int output_failure;

void standard_flush(FILE *file)
{
    if (fflush(file) != 0 && file == stdout && output_failure == 0)
        output_failure = errno;
}

int standard_output_flush(void)
{
    standard_flush(stdout);
    if (output_failure == 0 && ferror(stdout))
        output_failure = EIO;
    return output_failure;
}

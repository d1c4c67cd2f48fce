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

int standard_output_flush(void)
{
    if (fflush(stdout) != 0)
        return errno;
    return ferror(stdout) ? EIO : 0;
}

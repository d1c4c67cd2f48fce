/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

void standard_write(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t written = write(STDOUT_FILENO, text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        left -= (size_t)written;
    }
}

/* A global, because standard output belongs to the process. */
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

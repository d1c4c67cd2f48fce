/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "daemon/sandbox_parts.h"

int sandbox_landlock(const struct sandbox_file *files, size_t count)
{
    (void)files;
    (void)count;
    return -ENOSYS;
}

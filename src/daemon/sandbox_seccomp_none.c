/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "daemon/sandbox_parts.h"

int sandbox_seccomp(bool only_logs, bool is_open_confined)
{
    (void)only_logs;
    (void)is_open_confined;
    return -ENOSYS;
}

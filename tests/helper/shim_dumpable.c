/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim_dumpable: a preloaded library under which a process stays dumpable.
 *
 * The daemon makes itself undumpable, so that its user's other processes cannot inspect it: from
 * then on root owns /proc/PID/fd, and only root can attach a tracer. Tests run by an ordinary user
 * need both.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/prctl.h>

int prctl(int option, ...) __attribute__((visibility("default")));

int prctl(int option, ...)
{
    int (*real)(int, ...) = (int (*)(int, ...))dlsym(RTLD_NEXT, "prctl");
    unsigned long args[4];
    va_list list;

    va_start(list, option);
    for (int i = 0; i < 4; i++)
        args[i] = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_SET_DUMPABLE && args[0] == 0)
        return 0;
    return real(option, args[0], args[1], args[2], args[3]);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leash: runs a command that can outlive neither its time nor its parent.
 *
 *     leash SECONDS COMMAND ARGUMENT...
 *
 * Of our descriptors it gets 0, 1 and 2 alone. It keeps our process id (so a test signals it and
 * looks at /proc without a wrapper in between): an alarm and a parent-death signal survive
 * execve(2). SIGALRM ends it at the latest.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 3 || atoi(argv[1]) <= 0) {
        fputs("usage: leash SECONDS COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    close_range(3, ~0U, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)atoi(argv[1]));
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}

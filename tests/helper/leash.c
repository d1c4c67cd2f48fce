/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leash: runs a command with a time limit, which also ends when its parent does.
 *
 *     leash SECONDS COMMAND ARGUMENT...
 *
 * The command inherits only descriptors 0, 1 and 2. It keeps our process id, so a test can signal
 * it and read its /proc directly: an alarm and a parent-death signal survive execve(2). SIGALRM
 * ends it at the latest.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* close_range(2) by its number, the same on every machine: glibc has it since 2.34, musl not. */
#define CALL_CLOSE_RANGE 436

int main(int argc, char **argv)
{
    if (argc < 3 || atoi(argv[1]) <= 0) {
        fputs("usage: leash SECONDS COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    syscall(CALL_CLOSE_RANGE, 3U, ~0U, 0U);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm((unsigned)atoi(argv[1]));
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 127;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* libevent's global hooks, for a program's main file alone: they belong to the process. */
#ifndef STREAM_LIBRARY_H
#define STREAM_LIBRARY_H

struct log;

/* Once in a process, before the first loop: libevent's warnings go to that log, and its fatal
 * errors end the process with our exit code instead of its own. A NULL log drops the warnings. */
void library_start(struct log *log);

/* Once, at the very end, before the log is closed. */
void library_stop(void);

#endif

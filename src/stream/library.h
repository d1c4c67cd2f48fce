/* SPDX-License-Identifier: BSD-2-Clause */
/* libevent's global hooks. They belong to the process, so only a program's main file uses them. */
#ifndef STREAM_LIBRARY_H
#define STREAM_LIBRARY_H

struct log;

/* Call once in a process, before the first loop. libevent's warnings then go to `log` (NULL
 * discards them), and its fatal errors end the process with our exit code instead of libevent's. */
void library_start(struct log *log);

/* Call once, at the end, before the log is closed. */
void library_stop(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The file that holds our process id while we serve. */
#ifndef DAEMON_PIDFILE_H
#define DAEMON_PIDFILE_H

#include "base/attr.h"
#include "base/error.h"

/* Writes the id and a newline; a file left by a process that is gone is replaced. 0 or -1. */
int pidfile_write(const char *path, struct error *err) MUST_CHECK;

/* Removes the file if it still holds our id. */
void pidfile_remove(const char *path);

#endif

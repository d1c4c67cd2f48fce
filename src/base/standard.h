/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors 0 to 2, which may be closed when a program starts, and errors of standard output. */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

#include <stdio.h>

/* If one of 0 to 2 is closed, the first socket would get its number, and printed text would be sent
 * to a peer. Opens the null device in its place with `flags`: with O_RDWR written text is
 * discarded, with O_PATH every use fails as on a closed descriptor. */
void standard_descriptors_open(int flags);

/* Writes a text to standard output with write(2) alone: stdio first queries the file's type, with
 * system calls that differ between C libraries and that a sandbox may refuse. If the text cannot be
 * written, the rest is dropped. stdio must hold no unflushed output. */
void standard_write(const char *text);

/* Flushes as fflush(3) does, and keeps the errno of the first failure of standard output: stdio
 * keeps only the fact that it failed. */
void standard_flush(FILE *file);

/* Flushes standard output. Returns 0 if all printed text was written, else the errno of the first
 * failure. */
int standard_output_flush(void);

#endif

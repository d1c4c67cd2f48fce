/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors 0 to 2, which a program may be started without, and what becomes of its output. */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

#include <stdio.h>

/* Where one of 0 to 2 is closed the first socket would take its number, and a peer what is printed.
 * The null device takes its place, opened with these flags: O_RDWR swallows what is written, O_PATH
 * refuses every use as a closed descriptor does. */
void standard_descriptors_open(int flags);

/* Writes a text to standard output by write(2) alone: stdio first asks what kind of file it is, by
 * system calls that differ between C libraries and that a sandbox may not know. The rest of a text
 * that cannot be written is dropped. Before it nothing may have been left unflushed by stdio. */
void standard_write(const char *text);

/* Flushes as fflush(3) does. Why standard output failed first is remembered, since stdio knows only
 * that it did. */
void standard_flush(FILE *file);

/* Whether all that was printed on standard output has left: 0, or the errno that says why not. */
int standard_output_flush(void);

#endif

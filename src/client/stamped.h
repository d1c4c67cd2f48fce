/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream that begins each line with the time of day, as ping -D does. */
#ifndef CLIENT_STAMPED_H
#define CLIENT_STAMPED_H

#include <stdio.h>

/* A stream whose lines go on to `out`, each behind the time at which its end was printed, in UTC
 * with microseconds. The caller closes it with fclose(3), before `out`; NULL without memory. */
FILE *stamped_open(FILE *out);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* How many descriptors this process may open (getrlimit(2), RLIMIT_NOFILE). */
#ifndef BASE_DESCRIPTORS_H
#define BASE_DESCRIPTORS_H

#include <stdint.h>

/* Raises the soft limit to the hard one, if that is permitted. Returns the limit now in force, or 0
 * if it cannot be read. */
uint64_t descriptors_raise(void);

/* The limit in force, or 0 if it cannot be read. */
uint64_t descriptors_limit(void);

#endif

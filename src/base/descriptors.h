/* SPDX-License-Identifier: BSD-2-Clause */
/* How many descriptors this process may have (getrlimit(2), RLIMIT_NOFILE). */
#ifndef BASE_DESCRIPTORS_H
#define BASE_DESCRIPTORS_H

#include <stdint.h>

/* Raises the soft limit to the hard one, where that may be done. Returns the limit that is now in
 * force, or 0 where the system does not tell. */
uint64_t descriptors_raise(void);

/* The limit in force, or 0. */
uint64_t descriptors_limit(void);

#endif

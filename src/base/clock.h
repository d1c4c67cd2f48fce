/* SPDX-License-Identifier: BSD-2-Clause */
/* The one clock for deadlines and measurements. It never jumps (CLOCK_MONOTONIC). */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed point; read in user space, no system call. */
uint64_t clock_now_ns(void);

/* Milliseconds on the same scale, as of the kernel's last tick (1 to 10 ms behind). The cheapest
 * clock to read, for stamps and deadlines. */
uint64_t clock_coarse_ms(void);

#endif

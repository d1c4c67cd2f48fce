/* SPDX-License-Identifier: BSD-2-Clause */
/* A little memory set aside for calls into libevent that cannot bear to be without: where its
 * allocator fails between reserve_fill() and reserve_drop(), it gets what was set aside. */
#ifndef NET_RESERVE_H
#define NET_RESERVE_H

#include <stddef.h>

#include "base/attr.h"

/* Before anything else of libevent is called. */
void reserve_init(void);

/* Sets aside, for this thread, what opening one TLS bufferevent takes. 0, or -1 without memory. */
int reserve_fill(void) MUST_CHECK;

/* Gives back what was not needed. */
void reserve_drop(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What libevent's allocator does where there is no memory. A little is set aside for calls that
 * cannot bear to be without: between reserve_fill() and reserve_drop() it gets that. Elsewhere it
 * is refused, and some of its code is silent about it: so its refusals are told, and so is what the
 * kernel refuses it. */
#ifndef NET_RESERVE_H
#define NET_RESERVE_H

#include <stddef.h>

#include "base/attr.h"

struct event;

/* Before anything else of libevent is called. */
void reserve_init(void);

/* Sets aside, for this thread, what opening one TLS bufferevent takes. 0, or -1 without memory. */
int reserve_fill(void) MUST_CHECK;

/* Gives back what was not needed. */
void reserve_drop(void);

/* Makes that event active wherever libevent is refused memory in this thread, which must be the one
 * that runs the event's loop. NULL: nobody is told. */
void reserve_tell(struct event *refused);

/* The same for what the allocator does not see: epoll_ctl(2) would not register a descriptor. */
void reserve_on_refusal(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* An event loop for one thread: libevent's base, deadlines, and wakers for other threads.
 *
 * No thread calls libevent for another thread's loop (libevent's own cross-thread calls need locks
 * and lose wake-ups). Instead it stores its message under a lock and calls waker_wake(), which
 * writes to an eventfd(2). All deadlines of a loop share one timer (base/deadline.h).
 */
#ifndef STREAM_LOOP_H
#define STREAM_LOOP_H

#include <stdint.h>

#include "base/attr.h"
#include "base/deadline.h"
#include "base/error.h"

struct event;
struct event_base;

struct loop {
    struct event_base *base;
    struct event *timer;
    uint64_t timer_due_ms; /* when the timer fires; UINT64_MAX: not set */
    struct deadline_queue deadlines;
    void (*on_due)(struct deadline *deadline); /* the deadline is no longer set */
};

/* Wakes a loop from other threads. */
struct waker {
    int fd;
    struct event *event;
    void (*on_wake)(void *owner); /* after one or more waker_wake() */
    void *owner;
};

/* Opens the loop in place, always with epoll: libevent's environment variables are ignored. Returns
 * 0 or -1. */
int loop_open(struct loop *loop, void (*on_due)(struct deadline *deadline),
              struct error *err) MUST_CHECK;

/* Runs the callbacks that libevent has deferred (they close descriptors) and frees everything. */
void loop_close(struct loop *loop);

/* Runs until loop_stop(), which only the loop's own thread may call. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* The deadlines' clock, in milliseconds. */
uint64_t loop_now_ms(void);

/* Sets or moves a deadline; room must be reserved for it (deadline_queue_reserve). */
void loop_set_deadline(struct loop *loop, struct deadline *deadline, uint64_t due_ms);

/* Opens a waker in place, on a loop of this thread; close it before its loop. Returns 0 or -1. */
int waker_open(struct waker *waker, struct loop *loop, void (*on_wake)(void *owner), void *owner,
               struct error *err) MUST_CHECK;
void waker_close(struct waker *waker);

/* May be called from any thread. */
void waker_wake(struct waker *waker);

#endif

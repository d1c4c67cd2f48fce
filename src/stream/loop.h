/* SPDX-License-Identifier: BSD-2-Clause */
/* One event loop for one thread: libevent's base, deadlines, and a way to wake it.
 *
 * No libevent call ever crosses threads (libevent's own cross-thread calls need locks and lose
 * wake-ups); other threads leave their message somewhere locked and call waker_wake(), which writes
 * an eventfd(2). All deadlines of a loop hang on one timer (base/deadline.h).
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
    uint64_t timer_due_ms; /* what the timer is armed for; UINT64_MAX: not armed */
    struct deadline_queue deadlines;
    void (*on_due)(struct deadline *deadline); /* it is no longer set */
};

/* A loop's door for other threads. */
struct waker {
    int fd;
    struct event *event;
    void (*on_wake)(void *owner); /* after one or more waker_wake() */
    void *owner;
};

/* Opens the loop in place: epoll, with no regard to libevent's environment variables. 0 or -1. */
int loop_open(struct loop *loop, void (*on_due)(struct deadline *deadline),
              struct error *err) MUST_CHECK;

/* Runs callbacks that libevent still owes (descriptors are closed there) and frees everything. */
void loop_close(struct loop *loop);

/* Runs until loop_stop(), which only the loop's own thread may call. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Milliseconds on the deadlines' clock. */
uint64_t loop_now_ms(void);

/* Sets or moves a deadline; room for it must be there (deadline_queue_reserve). */
void loop_set_deadline(struct loop *loop, struct deadline *deadline, uint64_t due_ms);

/* Opens a waker in place, on a loop of this thread; close it before its loop. 0 or -1. */
int waker_open(struct waker *waker, struct loop *loop, void (*on_wake)(void *owner), void *owner,
               struct error *err) MUST_CHECK;
void waker_close(struct waker *waker);

/* From any thread. */
void waker_wake(struct waker *waker);

#endif

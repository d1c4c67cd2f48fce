/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/* The descriptors that event_base_new() opens: epoll, and a socket pair for signals. If it cannot
 * open one, libevent calls exit(1), so loop_open() first checks that so many are free. */
#define BASE_DESCRIPTORS 4
#define FAR_S 86400

uint64_t loop_now_ms(void)
{
    return clock_coarse_ms();
}

static int try_descriptors(struct error *err)
{
    int tried[BASE_DESCRIPTORS], opened = 0;
    while (opened < BASE_DESCRIPTORS && (tried[opened] = eventfd(0, EFD_CLOEXEC)) >= 0)
        opened++;
    int failure = errno, is_enough = opened == BASE_DESCRIPTORS;
    while (opened > 0)
        close(tried[--opened]);
    if (is_enough)
        return 0;
    error_system(err, failure, "cannot open an event loop");
    return error_hint(err, "see ulimit -n");
}

/* Require epoll: no other method was tested or measured. */
static int open_base(struct loop *loop, struct error *err)
{
    struct event_config *config = event_config_new();
    if (config &&
        event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK) == 0)
        loop->base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    if (!loop->base)
        return error_system(err, errno, "cannot open an event loop");
    if (strcmp(event_base_get_method(loop->base), "epoll") != 0)
        return error_start(err, "the event loop is %s where epoll is expected",
                           event_base_get_method(loop->base));
    return 0;
}

static void arm_timer(struct loop *loop)
{
    const struct deadline *first = deadline_first(&loop->deadlines);
    uint64_t due_ms = first ? first->due_ms : UINT64_MAX;
    if (due_ms >= loop->timer_due_ms)
        return; /* the timer is set again when it fires */
    uint64_t now_ms = loop_now_ms();
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 1;
    struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000 * 1000)};
    /* The timer was added once at the start, so its memory is reserved. */
    if (event_add(loop->timer, &wait) == 0)
        loop->timer_due_ms = due_ms;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    (void)fd;
    (void)what;
    loop->timer_due_ms = UINT64_MAX;
    uint64_t now_ms = loop_now_ms();
    struct deadline *first;
    while ((first = deadline_first(&loop->deadlines)) && first->due_ms <= now_ms) {
        deadline_unset(&loop->deadlines, first);
        loop->on_due(first);
    }
    arm_timer(loop);
}

int loop_open(struct loop *loop, void (*on_due)(struct deadline *deadline), struct error *err)
{
    *loop = (struct loop){.timer_due_ms = UINT64_MAX, .on_due = on_due};
    if (try_descriptors(err) < 0)
        return -1;
    if (open_base(loop, err) < 0) {
        loop_close(loop);
        return -1;
    }
    loop->timer = evtimer_new(loop->base, on_timer, loop);
    /* Adding the timer now reserves its place in libevent's heap, so that setting it later needs no
     * memory. */
    if (!loop->timer || event_add(loop->timer, &(struct timeval){.tv_sec = FAR_S}) < 0) {
        loop_close(loop);
        return error_system(err, ENOMEM, "cannot open an event loop");
    }
    return 0;
}

void loop_close(struct loop *loop)
{
    if (loop->timer)
        event_free(loop->timer);
    if (loop->base)
        event_base_free(loop->base);
    deadline_queue_clear(&loop->deadlines);
    *loop = (struct loop){0};
}

void loop_run(struct loop *loop)
{
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
    (void)event_base_loopbreak(loop->base);
}

void loop_set_deadline(struct loop *loop, struct deadline *deadline, uint64_t due_ms)
{
    deadline_set(&loop->deadlines, deadline, due_ms);
    arm_timer(loop);
}

/* ---- wakers ---- */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct waker *waker = arg;
    uint64_t count;
    (void)what;
    (void)!read(fd, &count, sizeof(count)); /* reads all wake-ups at once; EAGAIN: none */
    waker->on_wake(waker->owner);
}

int waker_open(struct waker *waker, struct loop *loop, void (*on_wake_)(void *owner), void *owner,
               struct error *err)
{
    *waker = (struct waker){.on_wake = on_wake_, .owner = owner};
    waker->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (waker->fd >= 0)
        waker->event = event_new(loop->base, waker->fd, EV_READ | EV_PERSIST, on_wake, waker);
    if (waker->event && event_add(waker->event, NULL) == 0)
        return 0;
    error_system(err, errno, "cannot open a waker");
    waker_close(waker);
    return -1;
}

void waker_close(struct waker *waker)
{
    if (waker->event)
        event_free(waker->event);
    if (waker->fd >= 0)
        close(waker->fd);
    *waker = (struct waker){.fd = -1};
}

void waker_wake(struct waker *waker)
{
    const uint64_t one = 1;
    (void)!write(waker->fd, &one, sizeof(one)); /* fails only if a wake-up is pending already */
}

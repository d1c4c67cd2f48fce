/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "said.h"
#include "stream/library.h"
#include "stream/loop.h"

#define DEADLINES 5

static struct loop loop;
static struct deadline deadlines[DEADLINES];
static int order[DEADLINES], came;

static void on_due(struct deadline *deadline)
{
    order[came++] = (int)(deadline - deadlines);
    if (came == DEADLINES)
        loop_stop(&loop);
}

static void test_deadlines_in_order(void **state)
{
    static const uint64_t AFTER_MS[DEADLINES] = {40, 10, 30, 20, 10};
    struct error err;
    (void)state;
    assert_int_equal(loop_open(&loop, on_due, &err), 0);
    assert_int_equal(deadline_queue_reserve(&loop.deadlines, DEADLINES), 0);
    uint64_t start_ms = loop_now_ms();
    for (int i = 0; i < DEADLINES; i++)
        loop_set_deadline(&loop, &deadlines[i], start_ms + AFTER_MS[i]);
    loop_run(&loop);
    assert_true(loop_now_ms() >= start_ms + 40);
    for (int i = 1; i < DEADLINES; i++)
        assert_true(AFTER_MS[order[i - 1]] <= AFTER_MS[order[i]]);
    loop_close(&loop);
}

static _Atomic int woken;

static void on_wake(void *owner)
{
    (void)owner;
    atomic_fetch_add(&woken, 1);
    loop_stop(&loop);
}

static void *wake_from_thread(void *arg)
{
    waker_wake(arg);
    return NULL;
}

/* A wake-up is never lost, even before the loop runs. */
static void test_waker(void **state)
{
    struct waker waker;
    struct error err;
    pthread_t thread;
    (void)state;
    assert_int_equal(loop_open(&loop, on_due, &err), 0);
    assert_int_equal(waker_open(&waker, &loop, on_wake, NULL, &err), 0);
    waker_wake(&waker);
    waker_wake(&waker);
    loop_run(&loop);
    assert_int_equal(atomic_load(&woken), 1); /* two wake-ups become one */
    assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, &waker), 0);
    loop_run(&loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&woken), 2);
    waker_close(&waker);
    loop_close(&loop);
}

static void test_environment_has_no_effect(void **state)
{
    struct error err;
    (void)state;
    setenv("EVENT_NOEPOLL", "1", 1);
    assert_int_equal(loop_open(&loop, on_due, &err), 0);
    assert_string_equal(event_base_get_method(loop.base), "epoll");
    loop_close(&loop);
    unsetenv("EVENT_NOEPOLL");
}

/* libevent would end the process here; loop_open() returns an error. */
static void test_out_of_descriptors(void **state)
{
    struct rlimit before, none;
    struct waker waker;
    struct error err;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = open("/dev/null", O_RDONLY);
    none = before;
    none.rlim_cur = (rlim_t)lowest + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int result = loop_open(&loop, on_due, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result, -1);
    assert_non_null(strstr(said(&err), strerror(EMFILE)));
    assert_int_equal(loop_open(&loop, on_due, &err), 0);
    none.rlim_cur = (rlim_t)lowest + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    result = waker_open(&waker, &loop, on_wake, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(result, -1);
    loop_close(&loop);
    close(lowest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines_in_order),
        cmocka_unit_test(test_waker),
        cmocka_unit_test(test_environment_has_no_effect),
        cmocka_unit_test(test_out_of_descriptors),
    };
    library_start(NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    library_stop();
    return failed;
}

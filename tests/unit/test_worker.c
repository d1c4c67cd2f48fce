/* SPDX-License-Identifier: BSD-2-Clause */
/* The same messages to a worker with its own thread and to one in the caller's loop. */
#include "unit.h"

#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo/worker.h"

#define LIFE_S 60 /* of a test; it takes some milliseconds */

static struct {
    struct loop loop;
    struct waker waker;
    struct limit *limit;
    struct policy *policy;
    struct worker *worker;
    _Atomic uint64_t released;
} the;

static int first_threads; /* before any test: a sanitizer may have one */

static void on_wake(void *owner)
{
    (void)owner;
    loop_stop(&the.loop);
}

static void on_released(void *owner, uint64_t count)
{
    (void)owner;
    atomic_fetch_add(&the.released, count);
    waker_wake(&the.waker);
}

static void start(bool is_shared)
{
    struct error err;
    const struct worker_config config = {.loop = is_shared ? &the.loop : NULL,
                                         .path = STREAM_DIRECT,
                                         .listeners = 1,
                                         .name = "unit",
                                         .limit = the.limit,
                                         .on_released = on_released};
    the.worker = worker_new(&config, &err);
    assert_non_null(the.worker);
    assert_int_equal(worker_start(the.worker, &err), 0);
}

static int setup(void **state)
{
    struct error err;
    const struct policy_values values = {0};
    (void)state;
    alarm(LIFE_S);
    atomic_store(&the.released, 0);
    the.limit = limit_new(&(struct limit_values){0});
    the.policy = policy_new(&values, "unix:/t", 0);
    return the.limit && the.policy && loop_open(&the.loop, NULL, &err) == 0 &&
                   waker_open(&the.waker, &the.loop, on_wake, NULL, &err) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    worker_stop(the.worker);
    worker_free(the.worker);
    waker_close(&the.waker);
    loop_close(&the.loop);
    policy_unref(the.policy);
    limit_free(the.limit);
    return 0;
}

/* Passes one end of a pair to the worker; returns the other. */
static int give(void)
{
    int ends[2];
    struct conn_arrival arrival = {.peer = {.family = AF_UNIX}, .policy = policy_ref(the.policy)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    arrival.fd = ends[0];
    assert_int_equal(limit_admit(the.limit, &arrival.peer), LIMIT_ADMITTED);
    assert_int_equal(worker_give(the.worker, &arrival), 0);
    return ends[1];
}

static void wait_until_released(uint64_t count)
{
    while (atomic_load(&the.released) < count)
        loop_run(&the.loop);
    assert_int_equal(worker_load(the.worker), 0);
    assert_int_equal(limit_open(the.limit), 0);
}

/* More connections than the inbox holds at first: all are echoed and released. */
static void echoes(bool is_shared)
{
    enum { PEERS = 100 };
    int peers[PEERS];
    char byte;
    start(is_shared);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = give();
        assert_int_equal(write(peers[i], "x", 1), 1);
        assert_int_equal(shutdown(peers[i], SHUT_WR), 0);
    }
    wait_until_released(PEERS);
    for (int i = 0; i < PEERS; i++) {
        assert_int_equal(read(peers[i], &byte, 1), 1);
        assert_int_equal(byte, 'x');
        assert_int_equal(read(peers[i], &byte, 1), 0);
        close(peers[i]);
    }
}

static void test_echoes_in_the_callers_loop(void **state)
{
    (void)state;
    echoes(true);
}

static void test_echoes_in_a_thread(void **state)
{
    (void)state;
    echoes(false);
}

static void test_obeys_at_once_in_the_callers_thread(void **state)
{
    struct conn_list list;
    (void)state;
    start(true);
    int peer = give();
    worker_request_list(the.worker, &the.waker);
    assert_true(worker_take_list(the.worker, &list));
    assert_int_equal(list.open, 1);
    conn_list_clear(&list);
    for (int i = 0; i < 3; i++)
        assert_true(worker_is_alive(the.worker));
    worker_abort_all(the.worker, REASON_FORCED);
    wait_until_released(1);
    close(peer);
}

static void test_obeys_in_its_own_thread(void **state)
{
    struct conn_list list;
    (void)state;
    start(false);
    int peer = give();
    worker_request_list(the.worker, &the.waker);
    while (!worker_take_list(the.worker, &list))
        loop_run(&the.loop);
    assert_int_equal(list.open, 1);
    conn_list_clear(&list);
    for (int answers = 0; answers < 3;) /* each arrives after the thread has run */
        answers += worker_is_alive(the.worker);
    worker_abort_all(the.worker, REASON_FORCED);
    wait_until_released(1);
    close(peer);
}

static int thread_count(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* A joined thread is still listed for a moment. The alarm ends a test that waits for ever. */
static void wait_for_threads(int count)
{
    while (thread_count() != count)
        sched_yield();
}

/* A stop waits for the thread; then the caller owns the worker again. */
static void test_stops_twice(void **state)
{
    (void)state;
    wait_for_threads(first_threads);
    start(false);
    wait_for_threads(first_threads + 1);
    worker_stop(the.worker);
    worker_stop(the.worker);
    wait_for_threads(first_threads);
    (void)worker_is_alive(the.worker);
    assert_true(worker_is_alive(the.worker));
}

static void test_starts_no_thread_for_the_callers_loop(void **state)
{
    (void)state;
    wait_for_threads(first_threads);
    start(true);
    wait_for_threads(first_threads);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_echoes_in_the_callers_loop),
        TEST(test_echoes_in_a_thread),
        TEST(test_obeys_at_once_in_the_callers_thread),
        TEST(test_obeys_in_its_own_thread),
        TEST(test_stops_twice),
        TEST(test_starts_no_thread_for_the_callers_loop),
    };
    first_threads = thread_count();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

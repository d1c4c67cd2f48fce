/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdbool.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/run_queue.h"

#define TICKS_NS UINT64_C(1000000000)

/* The counts never decrease, and begin with 0 at a restart. */
static void test_it_counts_from_the_restart_on(void **state)
{
    struct run_queue queue;
    uint64_t first_ns = 0, second_ns = 0;
    const uint64_t until_ns = clock_now_ns() + TICKS_NS;
    (void)state;
    run_queue_open(&queue);
    /* The kernel adds up a thread's time at its ticks: a young one may have none yet. */
    bool is_known = run_queue_read(&queue, &first_ns);
    while (!is_known && clock_now_ns() < until_ns)
        is_known = run_queue_read(&queue, &first_ns);
    if (!is_known) {
        print_message("# this kernel does not count\n");
        run_queue_close(&queue);
        return;
    }
    assert_true(run_queue_read(&queue, &second_ns));
    assert_true(second_ns >= first_ns);
    queue.before_ns = 0;
    assert_true(run_queue_read(&queue, &first_ns));
    queue.before_ns = first_ns + 3600000000000U; /* a clock that is ahead makes no huge number */
    assert_true(run_queue_read(&queue, &second_ns));
    assert_int_equal(second_ns, 0);
    run_queue_restart(&queue);
    assert_true(queue.before_ns >= first_ns && queue.before_ns < first_ns + 3600000000000U);
    run_queue_close(&queue);
}

static void test_a_kernel_that_does_not_count_is_no_error(void **state)
{
    struct run_queue queue = {.fd = -1};
    uint64_t waited_ns = 77;
    int pipes[2];
    (void)state;
    assert_false(run_queue_read(&queue, &waited_ns));
    run_queue_restart(&queue);
    run_queue_close(&queue);
    assert_int_equal(pipe(pipes), 0);
    queue.fd = pipes[0]; /* pread(2) fails */
    assert_false(run_queue_read(&queue, &waited_ns));
    run_queue_close(&queue);
    close(pipes[1]);
    assert_int_equal(waited_ns, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_counts_from_the_restart_on),
        cmocka_unit_test(test_a_kernel_that_does_not_count_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

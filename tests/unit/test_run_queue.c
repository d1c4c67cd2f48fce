/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <unistd.h>

#include "client/run_queue.h"

/* The counts never decrease, and begin with 0 at a restart. */
static void test_it_counts_from_the_restart_on(void **state)
{
    struct run_queue queue;
    uint64_t first_ns = 0, second_ns = 0;
    (void)state;
    run_queue_open(&queue);
    if (!run_queue_read(&queue, &first_ns))
        skip(); /* the kernel does not count */
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

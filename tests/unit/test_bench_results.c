/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <string.h>

#include "client/bench_results.h"

static struct bench_results results, sum;

static void begin(bool is_open_loop)
{
    memset(&results, 0, sizeof(results));
    results.start_ns = results.end_ns = 100;
    results.is_open_loop = is_open_loop;
}

/* Whatever became of a message, its latency is the time that it waited. */
static void test_all_are_in_the_latency(void **state)
{
    (void)state;
    begin(true);
    bench_results_add_echo(&results, 100, 110, 130);
    bench_results_add_unanswered(&results, 110, 150);
    bench_results_add_unsent(&results, 120, 180);
    assert_int_equal(results.completed, 1);
    assert_int_equal(results.unanswered, 1);
    assert_int_equal(results.unsent, 1);
    assert_int_equal(results.corrected.count, 3);
    assert_int_equal(results.corrected.min, 30);
    assert_int_equal(results.corrected.max, 60);
    assert_int_equal(results.uncorrected.count, 1);
    assert_int_equal(results.uncorrected.max, 20);
    assert_int_equal(results.late.max, 10);
    assert_int_equal(results.end_ns, 180);
}

static void test_a_closed_loop_has_nothing_to_correct(void **state)
{
    (void)state;
    begin(false);
    bench_results_add_unanswered(&results, 110, 150);
    bench_results_add_unsent(&results, 120, 180);
    assert_int_equal(results.unanswered, 1);
    assert_int_equal(results.unsent, 1);
    assert_int_equal(results.corrected.count, 0);
}

static void test_the_warm_up_counts_nowhere(void **state)
{
    (void)state;
    begin(true);
    results.errors[OUTCOME_RESET] = results.errors[OUTCOME_MISMATCH] = 1;
    results.opened = results.established = 2;
    bench_results_add_echo(&results, 100, 110, 130);
    bench_results_restart(&results, 200);
    assert_int_equal(results.warm_up_ns, 100);
    assert_true(results.is_open_loop);
    bench_results_add_echo(&results, 199, 200, 230);
    bench_results_add_unanswered(&results, 199, 230);
    bench_results_add_unsent(&results, 199, 230);
    assert_int_equal(results.completed + results.unanswered + results.unsent, 0);
    assert_int_equal(results.corrected.count, 0);
    assert_int_equal(results.end_ns, 200);
    assert_int_equal(results.errors[OUTCOME_RESET], 0);
    assert_int_equal(results.errors[OUTCOME_MISMATCH], 1);
    assert_int_equal(results.opened, 2);
    assert_int_equal(results.established, 2);
}

/* What comes behind the end moves it no more. A schedule's rate has it, a closed loop's has not. */
static void test_the_rate(void **state)
{
    (void)state;
    for (int is_open_loop = 0; is_open_loop < 2; is_open_loop++) {
        begin(is_open_loop);
        results.received_bytes = 64;
        bench_results_add_echo(&results, 100, 110, 130);
        bench_results_stop(&results, 1100);
        bench_results_add_echo(&results, 150, 150, 5000);
        results.received_bytes = 128;
        bench_results_settle(&results);
        assert_int_equal(results.completed, 2);
        assert_int_equal(results.end_ns, 1100);
        assert_int_equal(results.rated_echoes, is_open_loop ? 2 : 1);
        assert_int_equal(results.rated_bytes, is_open_loop ? 128 : 64);
    }
}

static void test_threads_add_up(void **state)
{
    (void)state;
    memset(&sum, 0, sizeof(sum));
    for (uint64_t i = 0; i < 2; i++) {
        begin(true);
        results.start_ns += i;
        results.seen_ns = 700 + i;
        bench_results_add_echo(&results, 110, 110, 130 + i);
        bench_results_add_unanswered(&results, 110, 150);
        bench_results_settle(&results);
        bench_results_merge(&sum, &results);
    }
    assert_int_equal(sum.completed, 2);
    assert_int_equal(sum.rated_echoes, 2);
    assert_int_equal(sum.unanswered, 2);
    assert_int_equal(sum.corrected.count, 4);
    assert_int_equal(sum.start_ns, 100);
    assert_int_equal(sum.end_ns, 150);
    assert_int_equal(sum.seen_ns, 701);
    assert_true(sum.is_open_loop);
    assert_false(sum.is_stopped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_in_the_latency),
        cmocka_unit_test(test_a_closed_loop_has_nothing_to_correct),
        cmocka_unit_test(test_the_warm_up_counts_nowhere),
        cmocka_unit_test(test_the_rate),
        cmocka_unit_test(test_threads_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench_results.h"

static struct bench_results results, sum;

static void begin(bool is_open_loop)
{
    memset(&results, 0, sizeof(results));
    results.start_ns = results.end_ns = 100;
    results.is_open_loop = is_open_loop;
}

/* Every message has a latency, whatever its outcome: the time that it waited. */
static void test_all_are_in_the_latency(void **state)
{
    (void)state;
    begin(true);
    bench_results_add_echo(&results, 100, 110, 10, 130);
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

static void test_the_warm_up_is_not_counted(void **state)
{
    (void)state;
    begin(true);
    results.errors[OUTCOME_RESET] = results.errors[OUTCOME_MISMATCH] = 1;
    results.opened = results.established = 2;
    bench_results_add_echo(&results, 100, 110, 10, 130);
    bench_results_restart(&results, 200);
    assert_int_equal(results.warm_up_ns, 100);
    assert_true(results.is_open_loop);
    bench_results_add_echo(&results, 199, 200, 1, 230);
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

/* An answer after the end does not move the end. The rate of a schedule counts it, that of a closed
 * loop does not. */
static void test_the_rate(void **state)
{
    (void)state;
    for (int is_open_loop = 0; is_open_loop < 2; is_open_loop++) {
        begin(is_open_loop);
        results.received_bytes = 64;
        bench_results_add_echo(&results, 100, 110, 10, 130);
        bench_results_stop(&results, 1100);
        bench_results_add_echo(&results, 150, 150, 0, 5000);
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
        bench_results_add_echo(&results, 110, 110, 0, 130 + i);
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

static void test_waits_have_their_causes(void **state)
{
    const uint64_t late[WAIT_CAUSES] = {[WAIT_CLIENT] = 2000000, [WAIT_PIPELINE] = BENCH_LATE_NS};
    const uint64_t absent[WAIT_CAUSES] = {[WAIT_CONNECTION] = 3000000, [WAIT_CLIENT] = 4000000};
    (void)state;
    memset(&sum, 0, sizeof(sum));
    for (int is_open_loop = 0; is_open_loop < 2; is_open_loop++) {
        begin(is_open_loop);
        bench_results_add_waits(&results, 100, 9000000, late);
        bench_results_add_waits(&results, 100, 9000000, absent);
        bench_results_add_waits(&results, 99, 9000000, absent); /* of the warm-up */
        bench_results_merge(&sum, &results);
    }
    bench_results_merge(&sum, &results);
    assert_int_equal(sum.waits[WAIT_CLIENT].count, 4);
    assert_int_equal(sum.waits[WAIT_CLIENT].total_ns, 12000000);
    assert_int_equal(sum.waits[WAIT_CLIENT].max_ns, 4000000);
    assert_int_equal(sum.waits[WAIT_CONNECTION].count, 2);
    assert_int_equal(sum.waits[WAIT_PIPELINE].count, 0);
}

static void keep(enum outcome outcome, uint64_t connection)
{
    const struct failure failure = {.how = {.outcome = outcome}, .connection = connection};
    bench_results_keep_failure(&results, &failure);
}

static bool has_kept(const struct bench_results *in, enum outcome outcome, uint64_t connection)
{
    for (uint32_t i = 0; i < in->failures_kept; i++) {
        if (in->failures[i].how.outcome == outcome && in->failures[i].connection == connection)
            return true;
    }
    return false;
}

/* However many of other classes came before. */
static void test_the_first_failure_of_each_class_is_kept(void **state)
{
    (void)state;
    begin(false);
    for (uint64_t i = 1; i <= 1000; i++)
        keep(OUTCOME_RESET, i);
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++) {
        keep((enum outcome)i, 2000);
        keep((enum outcome)i, 2001);
        assert_int_equal(has_kept(&results, (enum outcome)i, 2000), i != OUTCOME_RESET);
        assert_false(has_kept(&results, (enum outcome)i, 2001));
    }
    assert_true(has_kept(&results, OUTCOME_RESET, 1));
    assert_true(has_kept(&results, OUTCOME_RESET, BENCH_FAILURES_KEPT));
    assert_false(has_kept(&results, OUTCOME_RESET, BENCH_FAILURES_KEPT + 1));
    bench_results_restart(&results, 200);
    assert_true(has_kept(&results, OUTCOME_MISMATCH, 2000));
    assert_int_equal(results.failures_kept, 1);
}

/* So does the report of all threads, whichever of them is merged first. */
static void test_the_first_failure_of_each_class_survives_a_merge(void **state)
{
    (void)state;
    memset(&sum, 0, sizeof(sum));
    begin(false);
    for (uint64_t i = 1; i <= BENCH_FAILURES_KEPT; i++)
        keep(OUTCOME_RESET, i);
    bench_results_merge(&sum, &results);
    begin(false);
    keep(OUTCOME_FIN, 1);
    keep(OUTCOME_FIN, 2);
    keep(OUTCOME_MISMATCH, 1);
    bench_results_merge(&sum, &results);
    assert_true(has_kept(&sum, OUTCOME_RESET, BENCH_FAILURES_KEPT));
    assert_true(has_kept(&sum, OUTCOME_FIN, 1));
    assert_false(has_kept(&sum, OUTCOME_FIN, 2));
    assert_true(has_kept(&sum, OUTCOME_MISMATCH, 1));
}

/* Whatever the network reported, and however often, hides no report of another class. */
static void test_the_first_network_error_of_each_class_is_kept(void **state)
{
    (void)state;
    begin(true);
    memset(&sum, 0, sizeof(sum));
    bench_results_keep_network(&results, &(struct udp_error){.error = ECONNREFUSED, .mtu = 1});
    bench_results_keep_network(&results, &(struct udp_error){.error = ECONNREFUSED, .mtu = 2});
    bench_results_keep_network(&results, &(struct udp_error){.error = EHOSTUNREACH, .mtu = 3});
    bench_results_merge(&sum, &results);
    results.network[OUTCOME_REFUSED].mtu = 4;
    bench_results_merge(&sum, &results);
    assert_int_equal(sum.network[OUTCOME_REFUSED].mtu, 1);
    assert_int_equal(sum.network[outcome_of_errno(EHOSTUNREACH)].mtu, 3);
}

/* All numbers differ, so that a mix-up is detected. */
static void fill(struct bench_results *out, uint64_t from)
{
    uint64_t *const numbers[] = {&out->waits[WAIT_CLIENT].count,
                                 &out->waits[WAIT_CLIENT].total_ns,
                                 &out->waits[WAIT_CLIENT].max_ns,
                                 &out->waits[WAIT_CONNECTION].count,
                                 &out->waits[WAIT_CONNECTION].total_ns,
                                 &out->waits[WAIT_CONNECTION].max_ns,
                                 &out->waits[WAIT_PIPELINE].count,
                                 &out->waits[WAIT_PIPELINE].total_ns,
                                 &out->waits[WAIT_PIPELINE].max_ns,
                                 &out->starved_ns,
                                 &out->starved_max_ns,
                                 &out->connects.slow,
                                 &out->resumed,
                                 &out->completed,
                                 &out->sent_bytes,
                                 &out->received_bytes,
                                 &out->rated_echoes,
                                 &out->rated_bytes,
                                 &out->opened,
                                 &out->opened_meanwhile,
                                 &out->established,
                                 &out->given_up,
                                 &out->unsent,
                                 &out->unanswered,
                                 &out->warm_up_ns,
                                 &out->start_ns,
                                 &out->end_ns,
                                 &out->seen_ns,
                                 &out->datagrams.sent,
                                 &out->datagrams.right,
                                 &out->datagrams.late,
                                 &out->datagrams.lost,
                                 &out->datagrams.duplicates,
                                 &out->datagrams.wrong,
                                 &out->datagrams.reordered,
                                 &out->datagrams.own_drops,
                                 &out->datagrams.bad_checksums};
    struct histogram *const histograms[] = {&out->corrected, &out->uncorrected, &out->late,
                                            &out->connects.connect, &out->connects.handshake};
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        *numbers[i] = from++;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        out->errors[i] = from++;
    for (int i = 0; i < BENCH_SLICES; i++)
        out->slices[i] = from++;
    for (size_t i = 0; i < COUNT_OF(histograms); i++) {
        histogram_add(histograms[i], from++);
        histogram_add(histograms[i], from++ * 1000003);
    }
    out->is_open_loop = out->is_interrupted = out->is_starvation_known = true;
}

static int load(struct bench_results *out, const char *text, struct error *err)
{
    FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    assert_non_null(file);
    int result = bench_results_load(out, file, err);
    fclose(file);
    return result;
}

static char *save(const struct bench_results *out)
{
    struct error err;
    char *text;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    assert_non_null(file);
    assert_int_equal(bench_results_save(out, file, &err), 0);
    fclose(file);
    return text;
}

static void test_saved_results_are_loaded_whole(void **state)
{
    static struct bench_results loaded, loaded_sum, one;
    struct error err;
    (void)state;
    memset(&sum, 0, sizeof(sum));
    memset(&loaded_sum, 0, sizeof(loaded_sum));
    for (uint64_t i = 0; i < 2; i++) {
        fill(&one, 1000 + i * 7919);
        char *text = save(&one);
        assert_int_equal(load(&loaded, text, &err), 0);
        assert_memory_equal(&loaded, &one, sizeof(one));
        bench_results_merge(&sum, &one);
        bench_results_merge(&loaded_sum, &loaded);
        free(text);
    }
    assert_memory_equal(&loaded_sum, &sum, sizeof(sum));
}

static void test_invalid_results_are_refused(void **state)
{
    static const struct {
        const char *text, *changed, *named;
    } cases[] = {
        {"evecho-results/1", "evecho-results/2", "schema"},
        {"\"completed\":1013", "\"completed\":-101", "completed"},
        {"\"completed\":1013", "\"completes\":1013", "completed"},
        {"\"is_stopped\":false", "\"is_stopped\":12345", "is_stopped"},
        {"\"count\":2", "\"count\":3", "count"},
        {"[[", "[{", "expected"}, /* no longer JSON */
        {"\"slices\":[1", "\"slices\":{1", "expected"},
    };
    struct error err;
    (void)state;
    fill(&results, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = save(&results);
        char *at = strstr(text, cases[i].text);
        assert_non_null(at);
        memcpy(at, cases[i].changed, strlen(cases[i].changed));
        assert_int_equal(load(&sum, text, &err), -1);
        if (!strstr(err.message, cases[i].named))
            fail_msg("'%s' for %s", err.message, cases[i].changed);
        free(text);
    }
    assert_int_equal(load(&sum, "{", &err), -1);
    assert_int_equal(load(&sum, "[]", &err), -1);
}

/* It would be written past the histogram's end. */
static void test_a_bucket_beyond_the_last_is_refused(void **state)
{
    static char changed[65536];
    const char opening[] = "\"buckets\":[[";
    struct error err;
    (void)state;
    fill(&results, 1000);
    char *text = save(&results);
    const char *index = strstr(text, opening);
    assert_non_null(index);
    index += strlen(opening);
    for (int i = -1; i < 1; i++) {
        int length = snprintf(changed, sizeof(changed), "%.*s%d%s", (int)(index - text), text,
                              i < 0 ? HISTOGRAM_BUCKETS - 1 : HISTOGRAM_BUCKETS,
                              index + strcspn(index, ","));
        assert_in_range(length, 1, sizeof(changed) - 1);
        assert_int_equal(load(&sum, changed, &err), -(i == 0));
    }
    assert_non_null(strstr(err.message, "buckets"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_in_the_latency),
        cmocka_unit_test(test_a_closed_loop_has_nothing_to_correct),
        cmocka_unit_test(test_the_warm_up_is_not_counted),
        cmocka_unit_test(test_the_rate),
        cmocka_unit_test(test_threads_add_up),
        cmocka_unit_test(test_waits_have_their_causes),
        cmocka_unit_test(test_the_first_failure_of_each_class_is_kept),
        cmocka_unit_test(test_the_first_failure_of_each_class_survives_a_merge),
        cmocka_unit_test(test_the_first_network_error_of_each_class_is_kept),
        cmocka_unit_test(test_saved_results_are_loaded_whole),
        cmocka_unit_test(test_invalid_results_are_refused),
        cmocka_unit_test(test_a_bucket_beyond_the_last_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

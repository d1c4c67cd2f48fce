/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "client/require.h"

static struct bench_results results;
static struct requirements list;
static struct error err;

static int parse(const char *text, unsigned kinds)
{
    err = (struct error){0};
    return require_parse(text, kinds, &list, &err);
}

static void begin(void)
{
    memset(&results, 0, sizeof(results));
    for (uint64_t i = 1; i <= 10000; i++) {
        histogram_add(&results.corrected, i * 1000);
        histogram_add(&results.connects.connect, i * 2000);
    }
    results.completed = results.rated_echoes = 10000;
    results.established = 7;
    results.end_ns = 2000000000;
}

/* The threshold, which is just met, and by a little not. */
static void test_each_has_its_value_and_verdict(void **state)
{
    static const struct {
        const char *met, *missed;
    } ROWS[] = {
        {"p50=5.1ms", "p50=4900us"},
        {"p75=7600us", "p75=7.4ms"},
        {"p95=9.6ms", "p95=9.4ms"},
        {"p999=10.1ms", "p999=9.9ms"},
        {"p9999=10.1ms", "p9999=9.98ms"},
        {"p01=110us", "p01=99us"},
        {"max=10ms", "max=9999us"},
        {"mean=5.1ms", "mean=0.005s"},
        {"connect-p50=10.1ms", "connect-p50=9900us"},
        {"connect-p99=0.02s", "connect-p99=19ms"},
        {"connect-max=20ms", "connect-max=19999us"},
        {"connect-mean=1m", "connect-mean=10ms"},
        {"connect-slow=3", "connect-slow=2"},
        {"errors=2", "errors=1"},
        {"rate=5k", "rate=5.2k"},
        {"connections=7", "connections=8"},
    };
    (void)state;
    begin();
    results.connects.slow = 3;
    results.errors[OUTCOME_RESET] = 2;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        assert_int_equal(parse(ROWS[i].met, ENDPOINTS_TCP), 0);
        require_judge(&list, &results);
        if (list.missed != 0)
            fail_msg("%s is missed: %g", ROWS[i].met, list.items[0].found);
        assert_int_equal(parse(ROWS[i].missed, ENDPOINTS_TCP), 0);
        require_judge(&list, &results);
        if (list.missed != 1)
            fail_msg("%s is met: %g", ROWS[i].missed, list.items[0].found);
    }
}

static void test_a_rate_may_be_below_one_a_second(void **state)
{
    (void)state;
    begin();
    results.rated_echoes = 9;
    results.end_ns = UINT64_C(20000000000);
    assert_int_equal(parse("rate=0.5", ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.missed, 0);
    assert_int_equal(parse("rate=0.55", ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.missed, 1);
}

static void test_a_time_needs_its_unit(void **state)
{
    static const char *const BARE[][2] = {
        {"p99=5", "p99=5: give a unit, for example 5ms"},
        {"max=0", "max=0: give a unit, for example 0ms"},
        {"connect-p99=0.5", "connect-p99=0.5: give a unit, for example 0.5ms"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(BARE); i++) {
        assert_int_equal(parse(BARE[i][0], ENDPOINTS_TCP), -1);
        assert_string_equal(err.message, BARE[i][1]);
    }
    assert_int_equal(parse("p99=5us,p50=0.25ms,max=1.5s,mean=2m,p90=1h", ENDPOINTS_TCP), 0);
    static const double NS[] = {5000, 250000, 1.5e9, 120e9, 3600e9};
    for (size_t i = 0; i < COUNT_OF(NS); i++)
        assert_true(list.items[i].wanted == NS[i]);
}

static void test_invalid_lists_are_refused(void **state)
{
    static const char *const WRONG[] = {
        "",
        "p99",
        "=1ms",
        "p=1ms",
        "p5=1ms",
        "p100=1ms",
        "p1000=1ms",
        "p9x=1ms",
        "p99=ms",
        "p99=.5ms",
        "p99=5.ms",
        "p99=1e3ms",
        "p99=-1ms",
        "p99= 1ms",
        "p99=1ms ",
        "p99=1ns",
        "p99=0x1ms",
        "p99=5u",
        "p99=nans",
        "p99=1.2.3s",
        "connect-=1ms",
        "connect=1ms",
        "rate=fast",
        "rate=0.5/m",
        "errors=0.5",
        "errors=-1",
        "p99=1s,",
        ",p99=1s",
        "p99=1s,,",
        "connect-slow=1ms",
        "p99=1s,p99=2s",
        "p99=9999999999999999h",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        if (parse(WRONG[i], ENDPOINTS_TCP) == 0)
            fail_msg("'%s' passes", WRONG[i]);
        assert_true(err.message[0] != '\0');
    }
}

static void test_a_value_that_an_endpoint_lacks_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("loss=1%", ENDPOINTS_UDP), 0);
    assert_int_equal(parse("loss=1%", ENDPOINTS_TCP), -1);
    assert_int_equal(parse("connect-p99=1s", ENDPOINTS_UNIX), 0);
    assert_int_equal(parse("connect-p99=1s", ENDPOINTS_UDP), -1);
    assert_int_equal(parse("connect-slow=1", ENDPOINTS_UDP), -1);
    assert_int_equal(parse("handshake-p99=1s", ENDPOINTS_TLS), 0);
    assert_int_equal(parse("handshake-p99=1s", ENDPOINTS_TCP), -1);
}

static void test_without_measurements_no_time_is_met(void **state)
{
    (void)state;
    begin();
    memset(&results.connects, 0, sizeof(results.connects));
    assert_int_equal(parse("connect-p99=1h", ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.missed, 1);
    assert_false(list.items[0].is_known);
    results.completed = 0;
    assert_int_equal(parse("p99=1h,connect-slow=0", ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.missed, 1);
}

static void test_unanswered_messages_are_judged_unless_named(void **state)
{
    (void)state;
    begin();
    results.unanswered = 3;
    assert_int_equal(parse(NULL, ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.count, 0);
    assert_int_equal(parse("errors=0", ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.missed, 1);
    assert_true(list.items[1].is_implied);
    assert_int_equal(parse("errors=0,unanswered=3", ENDPOINTS_TCP), 0);
    require_judge(&list, &results);
    assert_int_equal(list.missed, 0);
}

static void test_as_text_and_json(void **state)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    (void)state;
    begin();
    results.unanswered = 1;
    assert_non_null(out);
    assert_int_equal(parse("max=10ms,errors=0,rate=9k,handshake-p99=2s", ENDPOINTS_TLS), 0);
    require_judge(&list, &results);
    require_print(&list, false, out);
    fclose(out);
    assert_string_equal(text,
                        "pass: max is 10.000 ms; at most 10.000 ms was required\n"
                        "pass: errors is 0; at most 0 was required\n"
                        "fail: rate is 5000/s; at least 9000/s was required\n"
                        "fail: handshake-p99 is not known, as nothing was measured; at most "
                        "2000.000 ms was required\n"
                        "fail: unanswered is 1; at most 0 was required, as unanswered= was not "
                        "given\n");
    free(text);
    json_t *json = require_json(&list);
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_string_equal(
        text, "[{\"name\":\"max\",\"bound\":\"at most\",\"threshold\":10000000,\"value\":10000000,"
              "\"unit\":\"ns\",\"verdict\":\"pass\"},"
              "{\"name\":\"errors\",\"bound\":\"at most\",\"threshold\":0,\"value\":0,"
              "\"unit\":\"count\",\"verdict\":\"pass\"},"
              "{\"name\":\"rate\",\"bound\":\"at least\",\"threshold\":9000.0,\"value\":5000.0,"
              "\"unit\":\"per_s\",\"verdict\":\"fail\"},"
              "{\"name\":\"handshake-p99\",\"bound\":\"at most\",\"threshold\":2000000000,"
              "\"value\":null,\"unit\":\"ns\",\"verdict\":\"fail\"},"
              "{\"name\":\"unanswered\",\"bound\":\"at most\",\"threshold\":0,\"value\":1,"
              "\"unit\":\"count\",\"verdict\":\"fail\"}]");
    free(text);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_has_its_value_and_verdict),
        cmocka_unit_test(test_a_rate_may_be_below_one_a_second),
        cmocka_unit_test(test_a_time_needs_its_unit),
        cmocka_unit_test(test_invalid_lists_are_refused),
        cmocka_unit_test(test_a_value_that_an_endpoint_lacks_is_refused),
        cmocka_unit_test(test_without_measurements_no_time_is_met),
        cmocka_unit_test(test_unanswered_messages_are_judged_unless_named),
        cmocka_unit_test(test_as_text_and_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

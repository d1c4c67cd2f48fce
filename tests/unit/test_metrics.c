/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/metrics.h"
#include "echo/conn_list.h"
#include "stream/transport.h"

/* ---- metrics ---- */

static char *written(const struct metrics *metrics)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    metrics_write(out, metrics);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), length);
    return text;
}

static void has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at += length) {
        if ((at == text || at[-1] == '\n') && at[length] == '\n')
            return;
    }
    fail_msg("no line '%s' in:\n%s", line, text);
}

/* Names must be valid for Prometheus and its guidelines. */
static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_about *about = counter_about((enum counter)i);
        assert_true(strlen(about->text) > 0);
        assert_null(strpbrk(about->text, "\\\n"));
        if (!about->metric)
            continue;
        size_t length = strlen(about->metric);
        const char *total = length > 6 ? about->metric + length - 6 : "";
        assert_int_equal(strspn(about->metric, "abcdefghijklmnopqrstuvwxyz_"), length);
        assert_int_equal(about->type == COUNTER_TYPE_COUNTER, strcmp(total, "_total") == 0);
        for (int j = 0; j < i; j++) {
            const char *other = counter_about((enum counter)j)->metric;
            assert_true(!other || strcmp(about->metric, other) != 0);
        }
    }
}

static void test_numbers(void **state)
{
    struct metrics_listener listeners[] = {{.name = "tcp://127.0.0.1:7007"}, {.name = "unix:/x"}};
    struct metrics metrics = {.version = "1.2.3",
                              .listeners = listeners,
                              .listener_count = 2,
                              .open_connections = 11,
                              .workers = 4,
                              .descriptor_limit = 1024,
                              .started_ms = 1700000000007};
    (void)state;
    counter_add(&metrics.sum, COUNTER_BYTES_IN, UINT64_MAX);
    counter_add(&metrics.sum, COUNTER_OWED, 17);
    counter_add(&metrics.sum, counter_of_reason(REASON_STALL), 3);
    counter_add(&listeners[1].counters, COUNTER_BYTES_OUT, 5);
    counter_add(&listeners[1].counters, COUNTER_CLOSED, 2);
    counter_add_lifetime(&metrics.sum, 1);
    counter_add_lifetime(&metrics.sum, 17);
    counter_add_lifetime(&metrics.sum, 10000000);
    char *text = written(&metrics);
    has_line(text, "evechod_build_info{version=\"1.2.3\"} 1");
    has_line(text, "evechod_start_time_seconds 1700000000.007");
    has_line(text, "evechod_ready 1");
    has_line(text, "evechod_draining 0");
    has_line(text, "evechod_workers 4");
    has_line(text, "evechod_descriptor_limit 1024");
    has_line(text, "evechod_connections_open 11");
    has_line(text, "# TYPE evechod_owed_bytes gauge");
    has_line(text, "evechod_owed_bytes 17");
    has_line(text, "# TYPE evechod_received_bytes_total counter");
    has_line(text, "evechod_received_bytes_total 18446744073709551615");
    has_line(text, "evechod_connections_closed_total{reason=\"stall\"} 3");
    has_line(text, "evechod_connections_closed_total{reason=\"eof\"} 0");
    has_line(text, "evechod_connection_lifetime_seconds_bucket{le=\"0.001\"} 1");
    has_line(text, "evechod_connection_lifetime_seconds_bucket{le=\"0.016\"} 1");
    has_line(text, "evechod_connection_lifetime_seconds_bucket{le=\"0.064\"} 2");
    has_line(text, "evechod_connection_lifetime_seconds_bucket{le=\"4194.304\"} 2");
    has_line(text, "evechod_connection_lifetime_seconds_bucket{le=\"+Inf\"} 3");
    has_line(text, "evechod_connection_lifetime_seconds_sum 10000.018");
    has_line(text, "evechod_connection_lifetime_seconds_count 3");
    has_line(text, "evechod_listener_sent_bytes_total{listener=\"tcp://127.0.0.1:7007\"} 0");
    has_line(text, "evechod_listener_sent_bytes_total{listener=\"unix:/x\"} 5");
    has_line(text, "evechod_listener_connections_closed_total{listener=\"unix:/x\"} 2");
    free(text);
    metrics.is_draining = true;
    text = written(&metrics);
    has_line(text, "evechod_ready 0");
    has_line(text, "evechod_draining 1");
    free(text);
}

/* For any path, a label stays one label on one line. */
static void test_label(void **state)
{
    struct metrics_listener listener = {.name = "unix:/a\"b\\c\nd\xff"};
    const struct metrics metrics = {.version = "1", .listeners = &listener, .listener_count = 1};
    (void)state;
    char *text = written(&metrics);
    has_line(text, "evechod_listener_sent_bytes_total{listener="
                   "\"unix:/a\\\\x22b\\\\x5cc\\\\x0ad\\\\xff\"} 0");
    free(text);
}

/* ---- the list ---- */

static char *told(const struct conn_list *lists, size_t count)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    conn_list_write(out, lists, count);
    assert_int_equal(fclose(out), 0);
    return text;
}
static void test_conn_list(void **state)
{
    struct policy policy = {.listener_name = (char[]){"unix:/\"x"}};
    const struct conn conn = {.id = 7,
                              .peer = {.family = AF_INET, .port = 99, .bytes = {127, 0, 0, 1}},
                              .policy = &policy,
                              .stream = {.transport = &TRANSPORT_TCP},
                              .account = {.in = 10, .out = 7},
                              .state = CONN_PAUSED,
                              .opened_ms = loop_now_ms()};
    struct conn_list lists[2];
    (void)state;
    conn_list_begin(&lists[0], 0);
    conn_list_begin(&lists[1], 0);
    char *text = told(lists, 2);
    assert_string_equal(text, "{\"connections\":[],\n\"open\":0,\"truncated\":false}\n");
    free(text);
    conn_list_begin(&lists[1], 2);
    for (int i = 0; i < 3; i++)
        conn_list_add(&lists[1], &conn); /* the third has no room */
    conn_list_add(&lists[0], &conn);
    lists[1].entries[0].open_ms = 1234;
    lists[1].count = 1;
    text = told(lists, 2);
    assert_string_equal(text,
                        "{\"connections\":[\n"
                        "{\"id\":7,\"peer\":\"127.0.0.1:99\",\"listener\":\"unix:/\\u0022x\","
                        "\"state\":\"paused\",\"in\":10,\"out\":7,\"owed\":3,"
                        "\"seconds\":1.234,\"tls\":null}],\n\"open\":2,\"truncated\":true}\n");
    free(text);
    conn_list_clear(&lists[1]);
}

static void test_conn_list_is_bounded(void **state)
{
    struct policy policy = {.listener_name = (char[]){"x"}};
    const struct conn conn = {
        .peer = {.family = AF_INET}, .policy = &policy, .stream = {.transport = &TRANSPORT_TCP}};
    struct conn_list lists[2];
    size_t lines = 0;
    (void)state;
    for (int i = 0; i < 2; i++) {
        conn_list_begin(&lists[i], CONN_LIST_MAX + 1);
        for (int j = 0; j < CONN_LIST_MAX + 1; j++)
            conn_list_add(&lists[i], &conn);
        assert_int_equal(lists[i].count, CONN_LIST_MAX);
    }
    char *text = told(lists, 2);
    for (const char *at = text; (at = strstr(at, "\"id\"")); at++)
        lines++;
    assert_int_equal(lines, CONN_LIST_MAX);
    assert_non_null(strstr(text, "\"open\":2002,\"truncated\":true}"));
    free(text);
    for (int i = 0; i < 2; i++)
        conn_list_clear(&lists[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_conn_list),
        cmocka_unit_test(test_conn_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

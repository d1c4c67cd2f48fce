/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "said.h"

#define TIME_MS UINT64_C(1767225600123) /* 2026-01-01T00:00:00.123Z */

#define WINDOW_OVER_MS 11000 /* more than a limited line's window */

/* The clock of this test: the real one plus ahead_ms. */
static _Atomic uint64_t ahead_ms;

uint64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t clock_coarse_ms(void)
{
    return clock_now_ns() / 1000000U + atomic_load(&ahead_ms);
}

static const struct log_field FIELDS[] = {
    {.key = "id", .kind = LOG_KIND_NUMBER, .number = 7},
    {.key = "peer", .text = "a b\n", .text_length = 4},
    {.key = "plain", .text = "x:1", .text_length = 3},
    {.key = "empty", .text = "", .text_length = 0},
    {.key = "seconds", .kind = LOG_KIND_MS, .number = 1005},
    {.key = NULL, .text = "left out", .text_length = 8},
    {.key = "most", .kind = LOG_KIND_NUMBER, .number = UINT64_MAX},
};

static void test_text_line(void **state)
{
    char line[LOG_LINE_MAX];
    (void)state;
    size_t length = log_line(line, sizeof(line), LOG_FORMAT_TEXT, TIME_MS, LOG_LEVEL_WARN, "it is",
                             FIELDS, COUNT_OF(FIELDS));
    assert_string_equal(line, "2026-01-01T00:00:00.123Z warn it is id=7 peer=\"a b\\x0a\" "
                              "plain=x:1 empty=\"\" seconds=1.005 "
                              "most=18446744073709551615\n");
    assert_int_equal(length, strlen(line));
}

/* A line shares the time's text with the line before it, if that is of the same second. */
static void test_times(void **state)
{
    static const struct {
        uint64_t unix_ms;
        const char *time;
    } TIMES[] = {
        {TIME_MS, "2026-01-01T00:00:00.123Z"},         {TIME_MS + 876, "2026-01-01T00:00:00.999Z"},
        {TIME_MS + 877, "2026-01-01T00:00:01.000Z"},   {TIME_MS, "2026-01-01T00:00:00.123Z"},
        {TIME_MS - 124, "2025-12-31T23:59:59.999Z"},   {0, "1970-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };
    char line[LOG_LINE_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(TIMES); i++) {
        log_line(line, sizeof(line), LOG_FORMAT_TEXT, TIMES[i].unix_ms, LOG_LEVEL_INFO, "m", NULL,
                 0);
        assert_memory_equal(line, TIMES[i].time, strlen(TIMES[i].time));
        assert_string_equal(line + strlen(TIMES[i].time), " info m\n");
    }
}

static void test_json_line(void **state)
{
    char line[LOG_LINE_MAX];
    (void)state;
    log_line(line, sizeof(line), LOG_FORMAT_JSON, TIME_MS, LOG_LEVEL_INFO, "it is", FIELDS,
             COUNT_OF(FIELDS) - 1); /* the last number is too large for jansson */
    json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "time")),
                        "2026-01-01T00:00:00.123Z");
    assert_string_equal(json_string_value(json_object_get(root, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(root, "message")), "it is");
    assert_string_equal(json_string_value(json_object_get(root, "peer")), "a b\n");
    assert_int_equal(json_integer_value(json_object_get(root, "id")), 7);
    assert_true(json_is_real(json_object_get(root, "seconds")));
    json_decref(root);
}

/* Any bytes in a field give one printable line, and valid JSON. */
static void test_any_bytes(void **state)
{
    uint64_t seed = 99;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char bytes[300], line[LOG_LINE_MAX];
        size_t length = unit_random(&seed) % sizeof(bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)unit_random(&seed);
        struct log_field field = {.key = "peer", .text = bytes, .text_length = length};
        for (int format = 0; format < 2; format++) {
            size_t used = log_line(line, sizeof(line), (enum log_format)format, TIME_MS,
                                   LOG_LEVEL_INFO, "m", &field, 1);
            assert_int_equal(line[used - 1], '\n');
            for (size_t i = 0; i + 1 < used; i++)
                assert_in_range(line[i], 0x20, 0x7e);
        }
        json_t *root = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(root);
        json_decref(root);
    }
}

/* If a line is too long, whole fields are left out, and it is still one line. */
static void test_overflow(void **state)
{
    char text[400], line[200];
    struct log_field fields[4];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        fields[i] = (struct log_field){.key = "k", .text = text, .text_length = 60};
    size_t used = log_line(line, sizeof(line), LOG_FORMAT_JSON, TIME_MS, LOG_LEVEL_INFO, "m",
                           fields, COUNT_OF(fields));
    assert_true(used < sizeof(line));
    assert_memory_equal(line + used - 2, "}\n", 2);
}

/* For every buffer size: valid JSON with the fields that fit, each of them complete. */
static void test_every_room(void **state)
{
    char whole[LOG_LINE_MAX], line[LOG_LINE_MAX];
    const struct log_field fields[] = {
        {.key = "most", .kind = LOG_KIND_NUMBER, .number = INT64_MAX},
        {.key = "peer", .text = "a\"b", .text_length = 3},
        {.key = "seconds", .kind = LOG_KIND_MS, .number = 60},
    };
    (void)state;
    size_t length = log_line(whole, sizeof(whole), LOG_FORMAT_JSON, TIME_MS, LOG_LEVEL_INFO, "m",
                             fields, COUNT_OF(fields));
    assert_non_null(strstr(whole, ",\"most\":9223372036854775807,"));
    assert_non_null(strstr(whole, ",\"seconds\":0.060}\n"));
    for (size_t room = 90; room <= length + 1; room++) {
        memset(line, '#', sizeof(line));
        size_t used = log_line(line, room, LOG_FORMAT_JSON, TIME_MS, LOG_LEVEL_INFO, "m", fields,
                               COUNT_OF(fields));
        assert_true(used < room && line[used] == '\0' && line[room] == '#');
        json_t *root = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        const char *peer = json_string_value(json_object_get(root, "peer"));
        assert_true(!peer || strcmp(peer, "a\"b") == 0);
        json_decref(root);
    }
    assert_string_equal(line, whole);
}

/* ---- the writer ---- */

static char path[32];

static int setup(void **state)
{
    (void)state;
    strcpy(path, "/tmp/test_log.XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    return fd < 0 ? -1 : 0;
}

static struct log *the_log;

static void close_log(void)
{
    log_close(the_log);
    the_log = NULL;
}

static int teardown(void **state)
{
    (void)state;
    close_log();
    return unlink(path);
}

static void open_log(enum log_level level, const char *target)
{
    struct error err;
    const struct log_config config = {.level = level, .target = target, .program = "test"};
    the_log = log_open(&config, &err);
    if (!the_log || log_start(the_log, &err) < 0)
        fail_msg("%s", said(&err));
}

/* Counts the lines of the file that have a text. */
static int lines_with(const char *text)
{
    char line[LOG_LINE_MAX];
    int count = 0;
    FILE *file = fopen(path, "r");
    while (fgets(line, sizeof(line), file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

static void test_levels_and_order(void **state)
{
    (void)state;
    open_log(LOG_LEVEL_NOTICE, path);
    for (int i = 0; i < 5000; i++)
        log_event(the_log, LOG_LEVEL_NOTICE, "line", LOG_NUMBER("number", (uint64_t)i));
    log_event(the_log, LOG_LEVEL_INFO, "too small");
    assert_int_equal(log_dropped(the_log), 0);
    close_log();
    assert_int_equal(lines_with("notice line number="), 5000);
    assert_int_equal(lines_with("too"), 0);
}

static void test_repeated_lines(void **state)
{
    (void)state;
    open_log(LOG_LEVEL_INFO, path);
    for (int i = 0; i < 1000; i++) {
        log_limited(the_log, LOG_LEVEL_WARN, "the same", LOG_NUMBER("number", (uint64_t)i));
        log_limited(the_log, LOG_LEVEL_WARN, "another");
    }
    close_log();
    assert_int_equal(lines_with("warn the same number=0"), 1);
    assert_int_equal(lines_with("warn the same repeated=999"), 1);
    assert_int_equal(lines_with("warn another repeated=999"), 1);
    assert_int_equal(lines_with("the same"), 2);
}

static void wait_for_dropped(uint64_t count)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 20000 && log_dropped(the_log) < count; i++)
        nanosleep(&moment, NULL);
    assert_true(log_dropped(the_log) >= count);
}

static void test_full_disk(void **state)
{
    (void)state;
    open_log(LOG_LEVEL_INFO, "/dev/full");
    for (int i = 0; i < 10; i++)
        log_event(the_log, LOG_LEVEL_INFO, "nowhere");
    wait_for_dropped(10);
    close_log();
}

/* With a pipe without a reader, log_event() returns at once, lines beyond the queue are dropped,
 * and log_close() stops waiting. The writer thread remains, so this runs in a process of its
 * own. */
static void test_blocked_pipe(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        open_log(LOG_LEVEL_INFO, "stderr");
        for (int i = 0; i < 60000; i++)
            log_event(the_log, LOG_LEVEL_INFO, "a line that is long enough to fill what there is",
                      LOG_NUMBER("number", (uint64_t)i));
        uint64_t dropped = log_dropped(the_log);
        close_log();
        _exit(dropped > 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_reopen(void **state)
{
    struct error err;
    char moved[64];
    struct log_config config = {.level = LOG_LEVEL_DEBUG, .target = path, .program = "test"};
    (void)state;
    open_log(LOG_LEVEL_INFO, path);
    log_event(the_log, LOG_LEVEL_INFO, "before");
    snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(log_reopen(the_log, &config, &err), 0);
    log_event(the_log, LOG_LEVEL_DEBUG, "after");
    close_log();
    assert_int_equal(lines_with("debug after"), 1);
    unlink(moved);
}

static void open_without_writer(void)
{
    struct error err;
    const struct log_config config = {.level = LOG_LEVEL_INFO, .target = path, .program = "test"};
    the_log = log_open(&config, &err);
    if (!the_log)
        fail_msg("%s", said(&err));
}

/* The number of events of a limited message in the file: its lines and the repeated counts. */
static uint64_t events_told(const char *message)
{
    char line[LOG_LINE_MAX];
    uint64_t count = 0;
    FILE *file = fopen(path, "r");
    while (fgets(line, sizeof(line), file)) {
        const char *repeated = strstr(line, " repeated=");
        if (strstr(line, message))
            count += repeated ? strtoull(repeated + strlen(" repeated="), NULL, 10) : 1;
    }
    fclose(file);
    return count;
}

static void repeat(int times)
{
    for (int i = 0; i < times; i++)
        log_limited(the_log, LOG_LEVEL_WARN, "the same");
}

/* If the writer does not run when a window ends, the next event of that message reports the count
 * first. */
static void test_count_of_a_window_that_is_over(void **state)
{
    (void)state;
    open_without_writer();
    for (int window = 0; window < 3; window++) {
        repeat(10);
        atomic_fetch_add(&ahead_ms, WINDOW_OVER_MS + 5000);
    }
    close_log();
    assert_int_equal(lines_with("the same repeated=27"), 1);
    assert_int_equal(lines_with("within_seconds=48."), 1);
    assert_int_equal(events_told("the same"), 30);
}

static void fill_queue(void)
{
    char text[600];
    uint64_t before = log_dropped(the_log);
    memset(text, 'x', sizeof(text));
    while (log_dropped(the_log) < before + 1000) /* fills the queue almost to the last byte */
        log_event(the_log, LOG_LEVEL_INFO, "filler",
                  LOG_BYTES("text", text, log_dropped(the_log) > before ? 1 : sizeof(text)));
}

/* If neither a count nor a first line fits, both wait for room. */
static void test_count_with_a_full_queue(void **state)
{
    (void)state;
    open_without_writer();
    repeat(7);
    fill_queue();
    uint64_t dropped = log_dropped(the_log);
    log_limited(the_log, LOG_LEVEL_WARN, "another");
    log_limited(the_log, LOG_LEVEL_WARN, "another");
    atomic_fetch_add(&ahead_ms, WINDOW_OVER_MS);
    repeat(4);
    log_limited(the_log, LOG_LEVEL_WARN, "another");
    atomic_fetch_add(&ahead_ms, WINDOW_OVER_MS);
    repeat(2);
    assert_int_equal(log_dropped(the_log), dropped);
    close_log();
    assert_int_equal(events_told("the same"), 13);
    assert_int_equal(events_told("another"), 3);
}

/* With a writer that runs at the same time. */
static void test_count_in_a_flood(void **state)
{
    enum { EVENTS = 300000 };
    (void)state;
    open_log(LOG_LEVEL_INFO, path);
    for (int i = 0; i < EVENTS; i++) {
        log_limited(the_log, LOG_LEVEL_WARN, "the same");
        if (i % 1000 == 999)
            atomic_fetch_add(&ahead_ms, WINDOW_OVER_MS);
    }
    assert_int_equal(log_dropped(the_log), 0);
    close_log();
    assert_int_equal(events_told("the same"), EVENTS);
}

/* A count that could not be written is reported again later. */
static void test_count_that_was_not_written(void **state)
{
    struct error err;
    char name[64];
    const struct log_config config = {.level = LOG_LEVEL_INFO, .target = name, .program = "test"};
    (void)state;
    snprintf(name, sizeof(name), "%s.link", path);
    assert_int_equal(symlink("/dev/full", name), 0);
    open_log(LOG_LEVEL_INFO, name);
    uint64_t dropped = log_dropped(the_log);
    repeat(10);
    wait_for_dropped(dropped + 1); /* the first line */
    atomic_fetch_add(&ahead_ms, WINDOW_OVER_MS);
    repeat(5);
    wait_for_dropped(dropped + 3); /* the count and another first line */
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink(path, name), 0);
    assert_int_equal(log_reopen(the_log, &config, &err), 0);
    close_log();
    unlink(name);
    assert_int_equal(events_told("the same"), 9 + 4); /* two lines were dropped, and counted so */
}

static void test_reopen_that_fails(void **state)
{
    struct error err;
    char name[64];
    const struct log_config config = {.level = LOG_LEVEL_DEBUG, .target = name, .program = "test"};
    (void)state;
    snprintf(name, sizeof(name), "%s.link", path);
    assert_int_equal(symlink(path, name), 0);
    open_log(LOG_LEVEL_INFO, name);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink("/none/log", name), 0);
    assert_int_equal(log_reopen(the_log, &config, &err), -1);
    assert_non_null(strstr(said(&err), "cannot open"));
    log_event(the_log, LOG_LEVEL_DEBUG, "after");
    close_log();
    unlink(name);
    assert_int_equal(lines_with("debug after"), 1); /* in the same file, at the new level */
}

/* Lines logged before a failed start are written even if the writer never started. */
static void test_no_writer(void **state)
{
    struct error err;
    const struct log_config config = {.level = LOG_LEVEL_INFO, .target = path, .program = "test"};
    (void)state;
    the_log = log_open(&config, &err);
    assert_non_null(the_log);
    log_event(the_log, LOG_LEVEL_INFO, "early");
    close_log();
    assert_int_equal(lines_with("info early"), 1);
}

static void test_targets_that_cannot_be_opened(void **state)
{
    struct error err;
    const struct log_config config = {.target = "/none/log", .program = "test"};
    (void)state;
    assert_null(log_open(&config, &err));
    assert_int_equal(err.exit_code, EXIT_CODE_START);
    assert_non_null(strstr(said(&err), "--log-target: cannot open '/none/log'"));
    log_event(the_log, LOG_LEVEL_ERROR, "nowhere"); /* the log is closed */
    log_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_line),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_every_room),
        TEST(test_levels_and_order),
        TEST(test_repeated_lines),
        TEST(test_full_disk),
        TEST(test_blocked_pipe),
        TEST(test_reopen),
        TEST(test_count_of_a_window_that_is_over),
        TEST(test_count_with_a_full_queue),
        TEST(test_count_in_a_flood),
        TEST(test_count_that_was_not_written),
        TEST(test_reopen_that_fails),
        TEST(test_no_writer),
        TEST(test_targets_that_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

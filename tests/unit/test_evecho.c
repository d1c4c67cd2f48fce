/* SPDX-License-Identifier: BSD-2-Clause */
/* Echo services as a library: two of them in one program and one loop, each with its own log,
 * policies, limits and counters. */
#include "unit.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "echo/evecho.h"
#include "echo/service.h"
#include "stream/stream.h"

#define LIFE_S 60 /* of a test; it takes some milliseconds */

struct one {
    struct evecho *echo;
    struct log *log;
    char log_path[64];
    bool is_drained;
};

static struct {
    struct loop loop;
    struct one services[2];
    int drained; /* services that must be drained before the loop stops */
} the;

static void on_drained(void *owner)
{
    struct one *one = owner;
    assert_false(one->is_drained);
    one->is_drained = true;
    if (--the.drained == 0)
        loop_stop(&the.loop);
}

static uint64_t service_of(const char *word)
{
    uint64_t index = 0;
    while (strcmp(SERVICE_WORDS[index], word) != 0)
        index++;
    return index;
}

static struct evecho_listener listener_of(const char *text, uint64_t service)
{
    struct error err;
    const char *attributes;
    struct evecho_listener listener = {
        .text = text,
        .policy = {.buffer_bytes = 1 << 20, .backlog = 16, .mode = 0600, .service = service}};
    assert_int_equal(endpoint_parse(text, &listener.endpoint, &attributes, &err), 0);
    return listener;
}

static void open_one(struct one *one, const struct evecho_listener *listener, size_t workers,
                     uint64_t connections)
{
    struct error err;
    strcpy(one->log_path, "/tmp/test_evecho.XXXXXX");
    int fd = mkstemp(one->log_path);
    assert_true(fd >= 0);
    close(fd);
    const struct log_config log = {
        .level = LOG_LEVEL_INFO, .target = one->log_path, .program = "test"};
    one->log = log_open(&log, &err);
    assert_non_null(one->log);
    one->is_drained = false;
    one->echo = evecho_open(listener, 1, one->log, &err);
    assert_non_null(one->echo);
    const struct evecho_config config = {.name = "unit",
                                         .workers = workers,
                                         .path = STREAM_DIRECT,
                                         .limits = {.connections = connections},
                                         .on_drained = on_drained,
                                         .owner = one};
    assert_int_equal(evecho_start(one->echo, &the.loop, &config, &err), 0);
    assert_int_equal(evecho_start_threads(one->echo, &err), 0);
}

static void close_one(struct one *one)
{
    if (!one->echo)
        return;
    evecho_stop(one->echo);
    evecho_free(one->echo);
    one->echo = NULL;
    log_close(one->log);
    one->log = NULL;
    unlink(one->log_path);
}

/* Runs the loop until `count` draining services have drained. */
static void run_until_drained(int count)
{
    the.drained = count;
    loop_run(&the.loop);
}

static int setup(void **state)
{
    struct error err;
    (void)state;
    alarm(LIFE_S);
    return loop_open(&the.loop, NULL, &err);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        close_one(&the.services[i]);
    loop_close(&the.loop);
    return 0;
}

/* Connects and sends some bytes and a FIN; the loop need not run meanwhile. */
static int connect_and_send(const struct evecho *echo, const char *bytes)
{
    const char *name = evecho_socket_name(echo, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)atoi(strrchr(name, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    return fd;
}

static size_t read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    for (ssize_t n; (n = read(fd, text + length, size - length)) > 0;)
        length += (size_t)n;
    close(fd);
    return length;
}

static int lines_in(const char *path, const char *text)
{
    char line[LOG_LINE_MAX];
    int count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

/* Closes the log, which writes it, and counts the lines with a text. */
static int logged(struct one *one, const char *text)
{
    log_close(one->log);
    one->log = NULL;
    return lines_in(one->log_path, text);
}

static uint64_t counted(const struct evecho *echo, enum counter counter)
{
    struct counters sum;
    assert_true(evecho_sum(echo, &sum));
    return counter_get(&sum, counter);
}

static void two_services(size_t workers)
{
    const struct evecho_listener echoes = listener_of("tcp://127.0.0.1:0", service_of("echo"));
    const struct evecho_listener discards = listener_of("tcp://127.0.0.1:0", service_of("discard"));
    struct one *first = &the.services[0], *second = &the.services[1];
    char text[64];
    open_one(first, &echoes, workers, 10);
    open_one(second, &discards, 1, 10);
    int peer = connect_and_send(first->echo, "hello");
    int other = connect_and_send(second->echo, "thrown away");

    /* The first service drains; the second continues in the same loop. */
    evecho_drain(first->echo);
    run_until_drained(1);
    assert_true(first->is_drained);
    assert_int_equal(read_all(peer, text, sizeof(text)), 5);
    assert_memory_equal(text, "hello", 5);
    assert_false(second->is_drained);
    int third = connect_and_send(second->echo, "more");
    evecho_drain(second->echo);
    run_until_drained(1);
    assert_int_equal(read_all(other, text, sizeof(text)), 0);
    assert_int_equal(read_all(third, text, sizeof(text)), 0);

    evecho_stop_threads(first->echo);
    assert_int_equal(counted(first->echo, COUNTER_BYTES_OUT), 5);
    assert_int_equal(counted(first->echo, COUNTER_SUNK), 0);
    assert_int_equal(counted(second->echo, COUNTER_SUNK), 15);
    assert_int_equal(counted(second->echo, COUNTER_ACCEPTED), 2);
    evecho_stop(first->echo);
    evecho_stop(second->echo);
    assert_int_equal(logged(first, "connection closed"), 1);
    assert_int_equal(logged(second, "connection closed"), 2);
}

static void test_two_services_in_one_loop(void **state)
{
    (void)state;
    two_services(1);
}

static void test_one_service_with_threads_beside_another(void **state)
{
    (void)state;
    two_services(3);
}

static void test_an_abort_ends_only_its_service(void **state)
{
    const struct evecho_listener echoes = listener_of("tcp://127.0.0.1:0", service_of("echo"));
    struct one *first = &the.services[0], *second = &the.services[1];
    char text[64];
    (void)state;
    open_one(first, &echoes, 1, 0);
    open_one(second, &echoes, 1, 0);
    int peer = connect_and_send(second->echo, "stays");
    evecho_drain(first->echo);
    evecho_abort(first->echo, REASON_FORCED);
    assert_true(first->is_drained);
    evecho_drain(second->echo);
    run_until_drained(1);
    assert_int_equal(read_all(peer, text, sizeof(text)), 5);
}

/* Each service has its own limit: the first one's single place is in use. */
static void test_limits_are_each_services_own(void **state)
{
    const struct evecho_listener echoes = listener_of("tcp://127.0.0.1:0", service_of("echo"));
    struct one *first = &the.services[0], *second = &the.services[1];
    (void)state;
    open_one(first, &echoes, 1, 1);
    open_one(second, &echoes, 1, 0);
    assert_int_equal(evecho_connections_max(first->echo), 1);
    assert_int_equal(evecho_connections_max(second->echo), 0);
    const struct limit_values limits = {.connections = 7};
    struct error err;
    assert_int_equal(evecho_reload(first->echo, &echoes, 1, &limits, 0, &err), 0);
    assert_int_equal(evecho_connections_max(first->echo), 7);
    assert_int_equal(evecho_connections_max(second->echo), 0);
}

static void test_a_socket_in_use_is_refused_with_its_listener(void **state)
{
    struct error err = {0};
    char text[128], message[ERROR_TEXT_MAX];
    const struct evecho_listener first = listener_of("tcp://127.0.0.1:0", service_of("echo"));
    (void)state;
    open_one(&the.services[0], &first, 1, 0);
    snprintf(text, sizeof(text), "%s", evecho_socket_name(the.services[0].echo, 0));
    const struct evecho_listener again = listener_of(text, service_of("echo"));
    assert_null(evecho_open(&again, 1, NULL, &err));
    assert_non_null(strstr(error_text(&err, message, sizeof(message)), text));
}

/* Without a log the service works and logs nothing. */
static void test_no_log(void **state)
{
    struct error err;
    const struct evecho_listener echoes = listener_of("tcp://127.0.0.1:0", service_of("echo"));
    struct one *one = &the.services[0];
    char text[8];
    (void)state;
    one->is_drained = false;
    one->echo = evecho_open(&echoes, 1, NULL, &err);
    assert_non_null(one->echo);
    const struct evecho_config config = {
        .name = "unit", .workers = 1, .on_drained = on_drained, .owner = one};
    assert_int_equal(evecho_start(one->echo, &the.loop, &config, &err), 0);
    int peer = connect_and_send(one->echo, "x");
    evecho_drain(one->echo);
    run_until_drained(1);
    assert_int_equal(read_all(peer, text, sizeof(text)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_services_in_one_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_service_with_threads_beside_another, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_abort_ends_only_its_service, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_are_each_services_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_socket_in_use_is_refused_with_its_listener, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_no_log, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

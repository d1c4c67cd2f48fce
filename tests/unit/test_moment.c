/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/moment.h"

static void test_a_moment_as_text_and_fields(void **state)
{
    const struct moment moment = {.time_ns = UINT64_C(1791571234123456789),
                                  .lived_ns = UINT64_C(806400000),
                                  .local_port = 51234,
                                  .phase = MOMENT_HALF_CLOSED};
    char text[MOMENT_TEXT_MAX];
    (void)state;
    assert_string_equal(moment_text(&moment, text, sizeof(text)),
                        "18:40:34.123456Z, local port 51234, lived 0.806 s, phase half-closed");
    json_t *object = json_object();
    moment_add_json(object, &moment);
    assert_string_equal(json_string_value(json_object_get(object, "time")),
                        "2026-10-09T18:40:34.123456Z");
    assert_int_equal(json_integer_value(json_object_get(object, "local_port")), 51234);
    assert_true(json_real_value(json_object_get(object, "lived_s")) == 0.8064);
    assert_string_equal(json_string_value(json_object_get(object, "phase")), "half-closed");
    json_decref(object);
}

static void test_unknown_values_are_null(void **state)
{
    static const char *const NAMES[] = {"time", "local_port", "lived_s", "phase"};
    json_t *object = json_object();
    (void)state;
    moment_add_json(object, &(struct moment){0});
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        assert_true(json_is_null(json_object_get(object, NAMES[i])));
    json_decref(object);
}

/* Every IP family has a port; a Unix socket has none. */
static void test_the_port_of_a_socket(void **state)
{
    const struct sockaddr_in any = {.sin_family = AF_INET};
    const struct sockaddr_in6 any6 = {.sin6_family = AF_INET6};
    const struct sockaddr *const addresses[] = {(const struct sockaddr *)&any,
                                                (const struct sockaddr *)&any6};
    const socklen_t lengths[] = {sizeof(any), sizeof(any6)};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        int fd = socket(addresses[i]->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue; /* a machine without IPv6 */
        struct sockaddr_storage storage;
        socklen_t length = sizeof(storage);
        assert_int_equal(bind(fd, addresses[i], lengths[i]), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &length), 0);
        uint64_t before_ns = clock_now_ns();
        struct moment moment = moment_now(fd, before_ns, MOMENT_IDLE);
        assert_int_equal(moment.local_port, ntohs(((struct sockaddr_in *)&storage)->sin_port));
        assert_true(moment.lived_ns <= clock_now_ns() - before_ns);
        close(fd);
    }
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(moment_now(fds[0], 0, MOMENT_IDLE).local_port, 0);
    assert_int_equal(moment_now(-1, 0, MOMENT_IDLE).local_port, 0);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_moment_as_text_and_fields),
        cmocka_unit_test(test_unknown_values_are_null),
        cmocka_unit_test(test_the_port_of_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

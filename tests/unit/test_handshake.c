/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/handshake.h"

#define PORT 1 /* tcpmux: no listener */

/* Handshakes in progress need a path that drops ACKs: network.bats tests that. */
static void test_no_handshake_on_an_unused_port(void **state)
{
    (void)state;
    int fd = handshake_open();
    if (handshake_look(fd, AF_INET, PORT) == HANDSHAKES_UNKNOWN) {
        print_message("# this system does not report handshakes\n");
        close(fd);
        return;
    }
    for (int i = 0; i < 100; i++) { /* each answer was read to its end */
        assert_int_equal(handshake_look(fd, AF_INET, PORT), HANDSHAKES_NONE);
        assert_int_not_equal(handshake_look(fd, AF_INET6, PORT), HANDSHAKES_SOME);
    }
    close(fd);
}

static void test_no_descriptor_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(handshake_look(-1, AF_INET, PORT), HANDSHAKES_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_handshake_on_an_unused_port),
        cmocka_unit_test(test_no_descriptor_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

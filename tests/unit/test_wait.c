/* SPDX-License-Identifier: BSD-2-Clause */
/* Waits for descriptors until a time, and for the signals that end a command. */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/interrupt.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)
#define LONG_NS (60000 * NS_PER_MS)

static int pipes[2];

static int set_up(void **state)
{
    (void)state;
    return pipe(pipes);
}

static int tear_down(void **state)
{
    (void)state;
    close(pipes[0]);
    return close(pipes[1]);
}

static void test_ready_descriptors_end_a_wait(void **state)
{
    struct pollfd polled[] = {{.fd = -1, .events = POLLIN}, {.fd = pipes[0], .events = POLLIN}};
    (void)state;
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(wait_until(polled, 2, clock_now_ns() + LONG_NS), 1);
    assert_int_equal(polled[1].revents, POLLIN);
    assert_int_equal(wait_until(polled, 2, WAIT_FOR_EVER), 1);
    assert_int_equal(wait_until(polled, 2, 0), 1); /* a time in the past: does not wait */
}

static void test_a_wait_lasts_until_its_time(void **state)
{
    struct pollfd polled = {.fd = pipes[0], .events = POLLIN};
    uint64_t until_ns = clock_now_ns() + NS_PER_MS / 2;
    (void)state;
    assert_int_equal(wait_until(&polled, 1, until_ns), 0);
    assert_true(clock_now_ns() >= until_ns);
    assert_int_equal(wait_until(&polled, 1, 0), 0);
}

static volatile sig_atomic_t signals_handled;

static void on_signal(int number)
{
    (void)number;
    signals_handled++;
}

static void test_a_signal_does_not_end_a_wait(void **state)
{
    struct pollfd polled = {.fd = pipes[0], .events = POLLIN};
    const struct sigaction action = {.sa_handler = on_signal};
    const struct itimerval soon = {.it_value = {.tv_usec = 1000}};
    uint64_t until_ns = clock_now_ns() + 20 * NS_PER_MS;
    (void)state;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(wait_until(&polled, 1, until_ns), 0);
    assert_true(clock_now_ns() >= until_ns);
    assert_int_equal(signals_handled, 1);
}

static void test_an_interrupt_is_reported_once(void **state)
{
    struct interrupt interrupt;
    (void)state;
    interrupt_open(&interrupt, true);
    struct pollfd polled = {.fd = interrupt.fd, .events = POLLIN};
    assert_int_equal(interrupt_read(&interrupt), 0);
    assert_int_equal(raise(SIGQUIT), 0);
    assert_int_equal(wait_until(&polled, 1, 0), 1);
    assert_int_equal(interrupt_read(&interrupt), SIGQUIT);
    assert_false(interrupt.has_come);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(interrupt_read(&interrupt), SIGINT);
    assert_true(interrupt.has_come);
    assert_int_equal(interrupt_read(&interrupt), 0);
    interrupt_close(&interrupt);
}

static void test_a_second_interrupt_ends_the_program(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct interrupt interrupt;
        interrupt_open(&interrupt, false);
        raise(SIGINT);
        int first = interrupt_read(&interrupt);
        raise(SIGINT);
        (void)interrupt_read(&interrupt);
        _exit(first == SIGINT ? 100 : 101);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), INTERRUPT_EXIT_TWICE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ready_descriptors_end_a_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_lasts_until_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_signal_does_not_end_a_wait, set_up, tear_down),
        cmocka_unit_test(test_an_interrupt_is_reported_once),
        cmocka_unit_test(test_a_second_interrupt_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Short waits on epoll, with the kernel's call for them and without it. */
#include "unit.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/wait.h"

#define CALL_EPOLL_PWAIT2 441
#define SHORT_NS 100000U
#define TRIES 200

static int epoll_fd, event_fd;

static int set_up(void **state)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    (void)state;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event);
}

static int tear_down(void **state)
{
    (void)state;
    close(event_fd);
    return close(epoll_fd);
}

static void test_events_end_a_wait(void **state)
{
    struct epoll_event events[4];
    const uint64_t one = 1;
    (void)state;
    assert_int_equal(write(event_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(wait_events(epoll_fd, events, 4, UINT64_C(60) * 1000000000), 1);
    assert_int_equal(events[0].data.u64, 7);
}

/* By the millisecond each of them would last one. */
static void test_a_wait_is_as_short_as_asked(void **state)
{
    struct epoll_event events[4];
    uint64_t shortest_ns = UINT64_MAX;
    (void)state;
    for (int i = 0; i < TRIES; i++) {
        uint64_t start_ns = clock_now_ns();
        assert_int_equal(wait_events(epoll_fd, events, 4, SHORT_NS), 0);
        uint64_t took_ns = clock_now_ns() - start_ns;
        assert_true(took_ns >= SHORT_NS);
        shortest_ns = took_ns < shortest_ns ? took_ns : shortest_ns;
    }
    assert_true(shortest_ns < 1000000);
}

static void test_what_fails_is_told(void **state)
{
    struct epoll_event events[4];
    (void)state;
    assert_int_equal(wait_events(event_fd, events, 4, SHORT_NS), -1);
    assert_true(errno == EINVAL);
}

/* As a kernel before 5.11 answers. */
static int refuse_the_call(void **state)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_EPOLL_PWAIT2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {COUNT_OF(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        print_message("# no seccomp here: only the kernel's own way is tried\n");
    return set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_events_end_a_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_is_as_short_as_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_fails_is_told, set_up, tear_down),
        /* From here on the call is missing. */
        cmocka_unit_test_setup_teardown(test_events_end_a_wait, refuse_the_call, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_is_as_short_as_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A plain link: opening, bytes, and every way to end. */
#include "link_peer.h"

#include <errno.h>
#include <stdio.h>

#include "net/sock.h"

/* An open link and its other end. */
struct pair {
    struct link_plan plan;
    struct link link;
    int listening, peer;
};

static void open_pair(struct pair *pair)
{
    pair->listening = link_peer_listen(&pair->plan);
    link_init(&pair->link);
    assert_int_equal(link_start(&pair->link, &pair->plan), LINK_WAIT);
    assert_int_equal(link_waits(&pair->link, POLLIN), POLLOUT);
    link_peer_open(&pair->link);
    pair->peer = accept(pair->listening, NULL, NULL);
    assert_true(pair->peer >= 0);
}

static void close_pair(struct pair *pair)
{
    link_clear(&pair->link);
    close(pair->listening);
    if (pair->peer >= 0)
        close(pair->peer);
}

static void test_bytes_and_a_clean_end(void **state)
{
    struct pair pair = {0};
    char bytes[16];
    (void)state;
    open_pair(&pair);
    assert_int_equal(link_recv(&pair.link, bytes, sizeof(bytes)), 0);
    assert_int_equal(link_send(&pair.link, "hello", 5), 5);
    assert_int_equal(recv(pair.peer, bytes, sizeof(bytes), 0), 5);
    assert_int_equal(send(pair.peer, bytes, 5, 0), 5);
    link_peer_await(&pair.link);
    assert_int_equal(link_recv(&pair.link, bytes, sizeof(bytes)), 5);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    assert_int_equal(recv(pair.peer, bytes, sizeof(bytes), 0), 0);
    shutdown(pair.peer, SHUT_WR);
    link_peer_await(&pair.link);
    assert_int_equal(link_recv(&pair.link, bytes, sizeof(bytes)), -1);
    assert_int_equal(pair.link.ending.end, STREAM_END_FIN);
    assert_int_equal(pair.link.ending.outcome, OUTCOME_OK);
    close_pair(&pair);
}

static void test_a_reset(void **state)
{
    struct pair pair = {0};
    char byte;
    (void)state;
    open_pair(&pair);
    sock_reset(pair.peer);
    pair.peer = -1;
    link_peer_await(&pair.link);
    assert_int_equal(link_recv(&pair.link, &byte, 1), -1);
    assert_int_equal(pair.link.ending.end, STREAM_END_RST);
    assert_int_equal(pair.link.ending.outcome, OUTCOME_RESET);
    assert_int_equal(pair.link.ending.error, ECONNRESET);
    close_pair(&pair);
}

static void test_a_half_close_after_a_reset(void **state)
{
    struct pair pair = {0};
    char bytes[8];
    (void)state;
    open_pair(&pair);
    assert_int_equal(send(pair.peer, "why", 3, 0), 3);
    sock_reset(pair.peer);
    pair.peer = -1;
    link_peer_await(&pair.link);
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    assert_int_equal(link_recv(&pair.link, bytes, sizeof(bytes)), 3);
    assert_int_equal(link_recv(&pair.link, bytes, sizeof(bytes)), -1);
    assert_int_equal(pair.link.ending.end, STREAM_END_RST);
    assert_int_equal(pair.link.ending.outcome, OUTCOME_RESET);
    assert_int_equal(pair.link.ending.error, ECONNRESET);
    close_pair(&pair);
}

/* Sends until that fails. */
static void send_until_it_fails(struct link *link)
{
    struct pollfd polled = {.fd = link->fd};
    while (!link_cannot_send(link)) {
        assert_true(link_send(link, "x", 1) >= 0);
        (void)poll(&polled, 1, 10); /* for a reset that is on its way */
    }
    assert_int_equal(link_send(link, "x", 1), 0);
    assert_true(link_has_more(link));
    assert_int_equal(link_waits(link, POLLOUT), 0);
}

/* Reads the bytes received before the end, then checks how it ended. */
static void assert_read_to_the_end(struct link *link, enum outcome_end end, enum outcome outcome)
{
    char bytes[2];
    assert_int_equal(link_recv(link, bytes, 2), 2);
    assert_memory_equal(bytes, "wh", 2);
    assert_true(link_has_more(link));
    assert_int_equal(link_half_close(link), LINK_DONE);
    assert_int_equal(link_recv(link, bytes, 2), 1);
    assert_memory_equal(bytes, "y", 1);
    assert_int_equal(link_recv(link, bytes, 2), -1);
    assert_int_equal(link->ending.end, end);
    assert_int_equal(link->ending.outcome, outcome);
}

/* The peer has sent "why" and closed; the link sends to it, and is read to its end. */
static void send_to_one_that_is_gone(bool by_reset, enum outcome_end end, enum outcome outcome)
{
    struct pair pair = {0};
    open_pair(&pair);
    assert_int_equal(send(pair.peer, "why", 3, 0), 3);
    if (by_reset)
        sock_reset(pair.peer);
    else
        close(pair.peer);
    pair.peer = -1;
    link_peer_await(&pair.link);
    send_until_it_fails(&pair.link);
    assert_read_to_the_end(&pair.link, end, outcome);
    assert_int_equal(pair.link.ending.error, by_reset ? ECONNRESET : 0);
    close_pair(&pair);
}

static void test_a_send_that_meets_a_reset(void **state)
{
    (void)state;
    send_to_one_that_is_gone(true, STREAM_END_RST, OUTCOME_RESET);
}

/* The reset only answers bytes sent after the FIN: the stream had ended with the FIN. */
static void test_a_send_after_a_fin(void **state)
{
    (void)state;
    send_to_one_that_is_gone(false, STREAM_END_FIN, OUTCOME_OK);
}

/* A send on a Unix socket fails with EPIPE after any end; a read reports which end it was. */
static void test_a_send_to_a_unix_peer_that_is_gone(void **state)
{
    (void)state;
    for (int is_reset = 0; is_reset < 2; is_reset++) {
        struct link_plan plan = {0};
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        struct link link = {.plan = &plan,
                            .fd = fds[0],
                            .state = LINK_OPEN,
                            .recv_waits = POLLIN,
                            .send_waits = POLLOUT};
        assert_int_equal(send(fds[1], "why", 3, 0), 3);
        if (is_reset)
            assert_int_equal(send(fds[0], "unread", 6, 0), 6);
        close(fds[1]);
        send_until_it_fails(&link);
        assert_read_to_the_end(&link, is_reset ? STREAM_END_RST : STREAM_END_FIN,
                               is_reset ? OUTCOME_RESET : OUTCOME_OK);
        link_clear(&link);
    }
}

static void test_our_reset(void **state)
{
    struct pair pair = {0};
    char byte;
    (void)state;
    open_pair(&pair);
    link_reset(&pair.link);
    assert_int_equal(recv(pair.peer, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close_pair(&pair);
}

static void test_no_listener_is_refused(void **state)
{
    struct link_plan plan = {0};
    struct link link;
    (void)state;
    close(link_peer_listen(&plan));
    link_init(&link);
    assert_false(link_connect(&link, &plan, LINK_PEER_MS));
    assert_int_equal(link.ending.outcome, OUTCOME_REFUSED);
    link_clear(&link);
}

static void test_a_full_kernel(void **state)
{
    static char bytes[65536];
    struct pair pair = {0};
    ssize_t sent;
    (void)state;
    open_pair(&pair);
    do {
        sent = link_send(&pair.link, bytes, sizeof(bytes));
        assert_true(sent >= 0);
    } while (sent > 0);
    assert_int_equal(pair.link.held, 0);
    close_pair(&pair);
}

static void test_the_greeting_names_both_ends(void **state)
{
    struct pair pair = {.plan = {.proxy = PROXY_V1}};
    struct sockaddr_in own;
    socklen_t length = sizeof(own);
    char expected[128], came[128] = "";
    (void)state;
    open_pair(&pair);
    assert_int_equal(getsockname(pair.link.fd, (struct sockaddr *)&own, &length), 0);
    snprintf(expected, sizeof(expected), "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n",
             ntohs(own.sin_port),
             ntohs(((struct sockaddr_in *)&pair.plan.target.address)->sin_port));
    assert_true(recv(pair.peer, came, sizeof(came) - 1, 0) > 0);
    assert_string_equal(came, expected);
    close_pair(&pair);
}

static void test_a_greeting_of_two_families(void **state)
{
    struct link_plan plan = {.proxy = PROXY_V2, .proxy_source = {.family = AF_INET6}};
    struct link link;
    char text[256];
    (void)state;
    int listening = link_peer_listen(&plan);
    link_init(&link);
    assert_false(link_connect(&link, &plan, LINK_PEER_MS));
    assert_int_equal(link.ending.outcome, OUTCOME_OTHER);
    assert_non_null(strstr(ending_text(&link.ending, text, sizeof(text)), "--proxy-dst"));
    link_clear(&link);
    close(listening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_and_a_clean_end),
        cmocka_unit_test(test_a_reset),
        cmocka_unit_test(test_a_half_close_after_a_reset),
        cmocka_unit_test(test_a_send_that_meets_a_reset),
        cmocka_unit_test(test_a_send_after_a_fin),
        cmocka_unit_test(test_a_send_to_a_unix_peer_that_is_gone),
        cmocka_unit_test(test_our_reset),
        cmocka_unit_test(test_no_listener_is_refused),
        cmocka_unit_test(test_a_full_kernel),
        cmocka_unit_test(test_the_greeting_names_both_ends),
        cmocka_unit_test(test_a_greeting_of_two_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

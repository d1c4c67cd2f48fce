/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/datagram.h"

/* ---- the wrapped system call ---- */

static struct {
    int error;             /* of every call with a run, while it is set */
    unsigned calls, parts; /* calls, and the messages sent by them */
} sends;

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    for (unsigned i = 0; sends.error && i < count; i++) {
        if (messages[i].msg_hdr.msg_iovlen > 1) {
            errno = sends.error;
            return -1;
        }
    }
    sends.calls++;
    sends.parts += count;
    return (int)syscall(SYS_sendmmsg, fd, messages, count, flags);
}

#define WAIT_MS 5000
#define SMALL_BYTES 100

static struct address loopback4(uint8_t last, uint16_t port)
{
    return (struct address){.family = AF_INET, .port = port, .bytes = {127, 0, 0, last}};
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &length), 0);
    return address_from_sockaddr((struct sockaddr *)&storage).port;
}

static int open_on(const struct address *address)
{
    int fd = datagram_open(address);
    assert_true(fd >= 0);
    return fd;
}

static void send_to(int fd, const struct address *to, const void *bytes, size_t length)
{
    struct sockaddr_storage storage;
    socklen_t size = address_to_sockaddr(to, &storage);
    assert_int_equal(sendto(fd, bytes, length, 0, (struct sockaddr *)&storage, size), length);
}

/* Waits for a datagram; returns its sender too. */
static ssize_t receive_one(int fd, void *bytes, size_t size, struct address *from)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
    ssize_t got = recvfrom(fd, bytes, size, 0, (struct sockaddr *)&storage, &length);
    *from = address_from_sockaddr((struct sockaddr *)&storage);
    return got;
}

static int receive_batch(struct datagram_batch *batch, int fd)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
    return datagram_receive(batch, fd);
}

static void send_all(struct datagram_batch *batch, int fd)
{
    uint64_t bytes = 0;
    while (datagram_unsent(batch) > 0)
        assert_true(datagram_send(batch, fd, &bytes) > 0);
}

static void test_answers_from_the_address_asked(void **state)
{
    const struct address any = {.family = AF_INET}, client = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    int server = open_on(&any), peer = open_on(&client);
    (void)state;
    assert_int_equal(datagram_receive(batch, server), 0);
    for (uint8_t last = 1; last < 5; last++) {
        const struct address asked = loopback4(last, port_of(server));
        char back[16];
        struct address from;
        send_to(peer, &asked, "hello", 5);
        assert_int_equal(receive_batch(batch, server), 1);
        const struct datagram *datagram = datagram_at(batch, 0);
        assert_int_equal(datagram->length, 5);
        assert_int_equal(datagram->peer.port, port_of(peer));
        assert_true(address_is_same_host(&datagram->local, &asked));
        assert_false(datagram->is_to_many || datagram->is_truncated);
        datagram_answer(batch, 0, datagram->length);
        send_all(batch, server);
        assert_int_equal(receive_one(peer, back, sizeof(back), &from), 5);
        assert_memory_equal(back, "hello", 5);
        assert_memory_equal(&from, &asked, sizeof(from));
    }
    datagram_batch_free(batch);
    datagram_batch_free(NULL);
    close(server);
    close(peer);
}

static void test_sizes(void **state)
{
    static const size_t SIZES[] = {0, 1, 1472, 1473, 8193, 65507};
    static unsigned char out[DATAGRAM_BYTES_MAX], back[DATAGRAM_BYTES_MAX];
    const struct address local = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    int server = open_on(&local), peer = open_on(&local);
    const struct address asked = loopback4(1, port_of(server));
    uint64_t random = 1;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(SIZES); i++) {
        struct address from;
        for (size_t j = 0; j < SIZES[i]; j++)
            out[j] = (unsigned char)unit_random(&random);
        send_to(peer, &asked, out, SIZES[i]);
        assert_int_equal(receive_batch(batch, server), 1);
        datagram_answer(batch, 0, datagram_at(batch, 0)->length);
        send_all(batch, server);
        assert_int_equal(receive_one(peer, back, sizeof(back), &from), SIZES[i]);
        assert_memory_equal(out, back, SIZES[i]);
    }
    datagram_batch_free(batch);
    close(server);
    close(peer);
}

static void test_truncation_is_marked(void **state)
{
    const struct address local = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(SMALL_BYTES);
    int server = open_on(&local), peer = open_on(&local);
    const struct address asked = loopback4(1, port_of(server));
    static const unsigned char bytes[SMALL_BYTES + 1];
    (void)state;
    send_to(peer, &asked, bytes, SMALL_BYTES);
    send_to(peer, &asked, bytes, SMALL_BYTES + 1);
    assert_int_equal(receive_batch(batch, server), 2);
    assert_false(datagram_at(batch, 0)->is_truncated);
    assert_true(datagram_at(batch, 1)->is_truncated);
    datagram_batch_free(batch);
    close(server);
    close(peer);
}

/* More than a batch; every second one is answered, and one answer is dropped. */
static void test_batches(void **state)
{
    const struct address local = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    int server = open_on(&local), peer = open_on(&local);
    const struct address asked = loopback4(1, port_of(server));
    uint64_t bytes = 0;
    (void)state;
    for (uint8_t i = 0; i < DATAGRAM_BATCH + 3; i++)
        send_to(peer, &asked, &i, 1);
    assert_int_equal(receive_batch(batch, server), DATAGRAM_BATCH);
    for (int i = 0; i < DATAGRAM_BATCH; i += 2)
        datagram_answer(batch, i, 1);
    assert_int_equal(datagram_unsent(batch), DATAGRAM_BATCH / 2);
    assert_int_equal(datagram_first_unsent(batch)->bytes[0], 0);
    datagram_skip(batch);
    assert_int_equal(datagram_send(batch, server, &bytes), DATAGRAM_BATCH / 2 - 1);
    assert_int_equal(bytes, DATAGRAM_BATCH / 2 - 1);
    assert_int_equal(datagram_unsent(batch), 0);
    for (uint8_t i = 2; i < DATAGRAM_BATCH; i = (uint8_t)(i + 2)) {
        struct address from;
        uint8_t back;
        assert_int_equal(receive_one(peer, &back, 1, &from), 1);
        assert_int_equal(back, i);
    }
    assert_int_equal(receive_batch(batch, server), 3);
    datagram_batch_free(batch);
    close(server);
    close(peer);
}

/* Sends datagrams of these sizes, answers them together, and checks that each returns unchanged. */
static void echo_sizes(struct datagram_batch *batch, const size_t *sizes, int count)
{
    static unsigned char out[DATAGRAM_BATCH][DATAGRAM_BYTES_MAX], back[DATAGRAM_BYTES_MAX];
    const struct address local = loopback4(1, 0);
    int server = open_on(&local), peer = open_on(&local);
    const struct address asked = loopback4(1, port_of(server));
    uint64_t random = 1;
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            out[i][j] = (unsigned char)unit_random(&random);
        send_to(peer, &asked, out[i], sizes[i]);
    }
    assert_int_equal(receive_batch(batch, server), count);
    for (int i = 0; i < count; i++)
        datagram_answer(batch, i, datagram_at(batch, i)->length);
    sends.calls = sends.parts = 0;
    send_all(batch, server);
    for (int i = 0; i < count; i++) {
        struct address from;
        assert_int_equal(receive_one(peer, back, sizeof(back), &from), sizes[i]);
        assert_memory_equal(out[i], back, sizes[i]);
        assert_int_equal(from.port, port_of(server));
    }
    close(server);
    close(peer);
}

/* Answers of one length are sent as one message; each arrives as a datagram of its own. */
static void test_runs(void **state)
{
    static const struct {
        int count;
        size_t sizes[10];
        unsigned messages;
    } ROWS[] = {{10, {64, 64, 64, 64, 64, 64, 64, 64, 64, 64}, 1},
                {5, {1200, 1200, 1200, 1200, 7}, 1}, /* the last may be shorter */
                {5, {100, 7, 100, 100, 101}, 3},     /* and ends the run */
                {4, {0, 0, 5, 0}, 4},                /* an empty one is in no run */
                {3, {30000, 30000, 30000}, 2},       /* no more than one packet holds */
                {2, {65507, 65507}, 2}};
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        echo_sizes(batch, ROWS[i].sizes, ROWS[i].count);
        assert_int_equal(sends.parts, ROWS[i].messages);
    }
    datagram_batch_free(batch);
}

/* If the kernel refuses to split, it is tried once, or once for each size above
 * SEGMENT_BYTES_SURE. */
static void test_runs_that_are_refused(void **state)
{
    static const size_t SMALL[] = {64, 64, 64}, LARGE[] = {9000, 9000, 9000};
    static const int ERRORS[] = {EINVAL, EIO, EMSGSIZE};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ERRORS); i++) {
        struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
        bool is_by_size = ERRORS[i] != EIO;
        sends.error = ERRORS[i];
        echo_sizes(batch, LARGE, 3);
        assert_int_equal(sends.parts, 3);
        sends.error = 0;
        echo_sizes(batch, SMALL, 3); /* runs of other sizes are still sent together */
        assert_int_equal(sends.parts, is_by_size ? 1 : 3);
        sends.error = ERRORS[i];
        echo_sizes(batch, SMALL, 3);
        sends.error = 0;
        echo_sizes(batch, SMALL, 3);
        assert_int_equal(sends.parts, 3);
        datagram_batch_free(batch);
    }
}

/* Two alternating peers each receive their own answers, in order. */
static void test_runs_of_two_peers(void **state)
{
    const struct address local = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    int server = open_on(&local), peers[] = {open_on(&local), open_on(&local)};
    const struct address asked = loopback4(1, port_of(server));
    (void)state;
    for (uint8_t i = 0; i < 8; i++)
        send_to(peers[i / 2 % 2], &asked, &i, 1);
    assert_int_equal(receive_batch(batch, server), 8);
    for (int i = 0; i < 8; i++)
        datagram_answer(batch, i, 1);
    send_all(batch, server);
    for (uint8_t i = 0; i < 8; i++) {
        struct address from;
        uint8_t back;
        assert_int_equal(receive_one(peers[i / 2 % 2], &back, 1, &from), 1);
        assert_int_equal(back, i);
    }
    datagram_batch_free(batch);
    close(server);
    close(peers[0]);
    close(peers[1]);
}

static void test_broadcast_is_marked(void **state)
{
    const struct address any = {.family = AF_INET}, client = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    const int on = 1;
    int server = open_on(&any), peer = open_on(&client);
    const struct address everybody = {
        .family = AF_INET, .port = port_of(server), .bytes = {127, 255, 255, 255}};
    (void)state;
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
    send_to(peer, &everybody, "x", 1);
    assert_int_equal(receive_batch(batch, server), 1);
    assert_true(datagram_at(batch, 0)->is_to_many);
    datagram_batch_free(batch);
    close(server);
    close(peer);
}

/* An inherited dual-stack socket: an IPv4 peer is reported as IPv4, and answered. */
static void test_both_families(void **state)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    const struct address client = loopback4(1, 0);
    const int off = 0;
    int server = socket(AF_INET6, SOCK_DGRAM, 0);
    (void)state;
    if (server < 0 || setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
        bind(server, (const struct sockaddr *)&any, sizeof(any)) < 0) {
        if (server >= 0)
            close(server);
        print_message("# no IPv6 here\n");
        return;
    }
    datagram_set_options(server, AF_INET6);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    int peer = open_on(&client);
    const struct address asked = loopback4(9, port_of(server));
    struct address from;
    char back[4];
    send_to(peer, &asked, "x", 1);
    assert_int_equal(receive_batch(batch, server), 1);
    const struct datagram *datagram = datagram_at(batch, 0);
    assert_int_equal(datagram->peer.family, AF_INET);
    assert_true(address_is_same_host(&datagram->local, &asked));
    assert_false(datagram->is_to_many);
    datagram_answer(batch, 0, 1);
    send_all(batch, server);
    assert_int_equal(receive_one(peer, back, sizeof(back), &from), 1);
    assert_memory_equal(&from, &asked, sizeof(from));
    datagram_batch_free(batch);
    close(server);
    close(peer);
}

/* Datagrams dropped by the kernel are reported with the next one received. */
static void test_kernel_drops(void **state)
{
    const struct address local = loopback4(1, 0);
    struct datagram_batch *batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    const int little = 4096;
    int server = open_on(&local), peer = open_on(&local), received = 0, count;
    const struct address asked = loopback4(1, port_of(server));
    static const unsigned char bytes[1000];
    (void)state;
    assert_true(datagram_room(server) > 0);
    assert_int_equal(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
    for (int i = 0; i < 100; i++)
        send_to(peer, &asked, bytes, sizeof(bytes));
    while ((count = datagram_receive(batch, server)) > 0)
        received += count;
    assert_in_range(received, 1, 99);
    assert_int_equal(datagram_drops(server), 100 - received);
    send_to(peer, &asked, bytes, sizeof(bytes));
    assert_int_equal(receive_batch(batch, server), 1);
    assert_int_equal(datagram_kernel_drops(batch), 100 - received);
    datagram_batch_free(batch);
    close(server);
    close(peer);
}

static void test_refusals(void **state)
{
    const struct address local = loopback4(1, 0),
                         nowhere = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
    (void)state;
    int fd = open_on(&local);
    const struct address taken = loopback4(1, port_of(fd));
    assert_int_equal(datagram_open(&taken), -EADDRINUSE);
    assert_int_equal(datagram_open(&nowhere), -EADDRNOTAVAIL);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    struct datagram_batch *batch = datagram_batch_new(SMALL_BYTES);
    assert_int_equal(datagram_receive(batch, fd), -EBADF);
    datagram_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_from_the_address_asked),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_truncation_is_marked),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_runs_that_are_refused),
        cmocka_unit_test(test_runs_of_two_peers),
        cmocka_unit_test(test_broadcast_is_marked),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_kernel_drops),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/sock.h"
#include "said.h"

static char folder[32], path[64];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_sock.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/s", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct endpoint endpoint_of(const char *text)
{
    struct endpoint endpoint;
    struct error err;
    const char *attributes;
    assert_int_equal(endpoint_parse(text, &endpoint, &attributes, &err), 0);
    return endpoint;
}

static int listen_on(const char *text, struct sock_listening *out, struct error *err)
{
    const struct sock_options options = {.backlog = 16, .mode = 0640, .keepalive_ms = 60000};
    struct endpoint endpoint = endpoint_of(text);
    struct error notice;
    return sock_listen(&endpoint, &options, out, &notice, err);
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

/* Connects, waiting at most timeout_ms. Returns a connected descriptor or -errno. */
static int dial_wait(const struct dial_target *target, int timeout_ms)
{
    int fd = dial_start(target);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    if (fd < 0)
        return fd;
    int ready = poll(&writable, 1, timeout_ms);
    int failure = ready > 0 ? dial_result(fd) : ready == 0 ? -ETIMEDOUT : -errno;
    if (failure == 0)
        return fd;
    close(fd);
    return failure;
}

/* Connects to a listener by its name. */
static int dial(const char *name)
{
    struct dial_target targets[DIAL_TARGETS_MAX];
    struct error err;
    struct endpoint endpoint = endpoint_of(name);
    assert_int_equal(dial_resolve(&endpoint, AF_UNSPEC, targets, &err), 1);
    return dial_wait(&targets[0], 2000);
}

static void test_one_port_for_both_families(void **state)
{
    struct sock_listening socks[SOCK_LISTENING_MAX];
    struct error err;
    (void)state;
    int count = listen_on("tcp://localhost:0", socks, &err);
    assert_in_range(count, 1, 2);
    assert_null(strstr(socks[0].name, ":0"));
    if (count == 2)
        assert_string_equal(strrchr(socks[0].name, ':'), strrchr(socks[1].name, ':'));
    for (int i = 0; i < count; i++) {
        assert_true(fcntl(socks[i].fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(socks[i].fd, F_GETFD) & FD_CLOEXEC);
        sock_close(&socks[i]);
    }
}

/* Accepted sockets inherit the listener's options. */
static void test_options_are_inherited(void **state)
{
    struct sock_listening sock;
    struct error err;
    (void)state;
    assert_int_equal(listen_on("tcp://127.0.0.1:0", &sock, &err), 1);
    int client = dial(sock.name);
    assert_true(client >= 0);
    int fd = accept(sock.fd, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_OOBINLINE), 1);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    sock_set_accepted(&sock, fd, 1500);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 2);
    sock_set_accepted(&sock, fd, 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(client, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(send(client, "abc", 3, 0), 3);
    assert_int_equal(recv(fd, (char[1]){0}, 1, MSG_PEEK), 1);
    assert_int_equal(sock_unread(fd), 3);
    sock_reset(fd);
    char byte;
    assert_int_equal(fcntl(client, F_SETFL, 0), 0);
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(sock_unread(-1), 0);
    close(client);
    sock_close(&sock);
}

static void test_a_port_in_use(void **state)
{
    struct sock_listening one, other;
    struct error err;
    (void)state;
    assert_int_equal(listen_on("tcp://127.0.0.1:0", &one, &err), 1);
    assert_int_equal(listen_on(one.name, &other, &err), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_START);
    assert_non_null(strstr(said(&err), one.name));
    assert_non_null(strstr(said(&err), strerror(EADDRINUSE)));
    sock_close(&one);
    assert_int_equal(listen_on("tcp://192.0.2.1:0", &other, &err), -1);
    assert_int_equal(listen_on("tcp://nobody.invalid:0", &other, &err), -1);
}

static void test_unix_mode_is_independent_of_the_umask(void **state)
{
    struct sock_listening sock;
    struct error err;
    struct stat status;
    (void)state;
    mode_t before = umask(0777);
    assert_int_equal(listen_on(path, &sock, &err), 1);
    umask(before);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    int client = dial(path);
    assert_true(client >= 0);
    close(client);
    sock_close(&sock);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_unix_stale_and_live(void **state)
{
    struct sock_listening sock, other;
    struct error err;
    (void)state;
    assert_int_equal(listen_on(path, &sock, &err), 1);
    assert_int_equal(listen_on(path, &other, &err), -1);
    assert_non_null(strstr(said(&err), "Address already in use"));
    close(sock.fd); /* like kill -9: the path remains */
    assert_int_equal(listen_on(path, &other, &err), 1);
    /* The path now belongs to another socket, and must not be removed. */
    sock.fd = dup(other.fd);
    sock_close(&sock);
    assert_int_equal(access(path, F_OK), 0);
    sock_close(&other);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_unix_other_files_stay(void **state)
{
    struct sock_listening sock;
    struct error err;
    char target[80];
    (void)state;
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listen_on(path, &sock, &err), -1);
    assert_non_null(strstr(said(&err), "not a socket"));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    snprintf(target, sizeof(target), "%s-elsewhere", path);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(listen_on(path, &sock, &err), -1);
    assert_int_equal(listen_on("unix:/none/s", &sock, &err), -1);
    assert_non_null(strstr(said(&err), "No such file"));
}

static void test_inherited(void **state)
{
    struct sock_listening one, adopted;
    struct error err;
    char text[32];
    (void)state;
    assert_int_equal(listen_on("tcp://127.0.0.1:0", &one, &err), 1);
    assert_int_equal(fcntl(one.fd, F_SETFL, 0), 0); /* blocking, as systemd may pass it */
    snprintf(text, sizeof(text), "fd:%d", one.fd);
    assert_int_equal(listen_on(text, &adopted, &err), 1);
    assert_string_equal(adopted.name, one.name);
    assert_true(fcntl(one.fd, F_GETFL) & O_NONBLOCK);
    sock_close(&one);
    assert_int_equal(listen_on("unix:@test_sock_inherited", &one, &err), 1);
    snprintf(text, sizeof(text), "fd:%d", one.fd);
    assert_int_equal(listen_on(text, &adopted, &err), 1);
    assert_string_equal(adopted.name, "unix:@test_sock_inherited");
    sock_close(&one);
    assert_int_equal(listen_on("fd:999", &adopted, &err), -1);
    assert_non_null(strstr(said(&err), "Bad file descriptor"));
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    snprintf(text, sizeof(text), "fd:%d", datagrams);
    assert_int_equal(listen_on(text, &adopted, &err), -1);
    assert_non_null(strstr(said(&err), "not a listening stream socket"));
    close(datagrams);
}

static void test_unix_peers(void **state)
{
    int pair[2];
    char text[200];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(sock_unix_peer(pair[0], text, sizeof(text)), 5);
    assert_string_equal(text, "unix:");
    close(pair[0]);
    close(pair[1]);
    assert_true(sock_backlog_max() > 0);
}

/* Accepts all connections; returns their number. */
static int accept_all(int fd)
{
    int count = 0;
    for (int accepted; (accepted = accept(fd, NULL, NULL)) >= 0; count++)
        close(accepted);
    return count;
}

/* Connects once before the stop and once after it; returns the result of the late connect. */
static int late_comer(const char *text, bool is_filter_refused, struct sock_listening *listening)
{
    int yes = 1;
    struct error err;
    struct dial_target targets[DIAL_TARGETS_MAX];
    struct endpoint endpoint;
    assert_int_equal(listen_on(text, listening, &err), 1);
    int early = dial(listening->name);
    endpoint = endpoint_of(listening->name);
    assert_int_equal(dial_resolve(&endpoint, AF_UNSPEC, targets, &err), 1);
    if (is_filter_refused)
        assert_int_equal(setsockopt(listening->fd, SOL_SOCKET, SO_LOCK_FILTER, &yes, sizeof(yes)),
                         0);
    sock_stop_new(listening);
    int late = dial_wait(&targets[0], 50);
    assert_int_equal(accept_all(listening->fd), 1);
    close(early);
    return late;
}

static void test_new_connections_are_refused_after_a_stop(void **state)
{
    struct sock_listening listening;
    (void)state;
    /* Some kernels do not let an ordinary user attach a filter: then it is refused at once. */
    int late = late_comer("tcp://127.0.0.1:0", false, &listening);
    if (geteuid() == 0 || late != -ECONNREFUSED)
        assert_int_equal(late, -ETIMEDOUT);
    sock_close(&listening);
    assert_int_equal(late_comer("tcp://127.0.0.1:0", true, &listening), -ECONNREFUSED);
    sock_close(&listening);
    char text[80];
    snprintf(text, sizeof(text), "unix:%s", path);
    /* The path is removed; otherwise another start would replace it. */
    assert_int_equal(late_comer(text, false, &listening), -ENOENT);
    sock_close(&listening);
}

/* The addresses of both families, one or none of them; fd: and Unix sockets have no family. */
static void test_dial_families(void **state)
{
    struct dial_target targets[DIAL_TARGETS_MAX];
    struct error err;
    struct endpoint endpoint = endpoint_of("localhost:7");
    (void)state;
    assert_int_equal(dial_resolve(&endpoint, AF_UNSPEC, targets, &err), 2);
    assert_string_equal(targets[0].name, "tcp://127.0.0.1:7");
    assert_string_equal(targets[1].name, "tcp://[::1]:7");
    assert_int_equal(dial_resolve(&endpoint, AF_INET, targets, &err), 1);
    assert_string_equal(targets[0].name, "tcp://127.0.0.1:7");
    assert_int_equal(dial_resolve(&endpoint, AF_INET6, targets, &err), 1);
    assert_string_equal(targets[0].name, "tcp://[::1]:7");
    endpoint = endpoint_of("127.0.0.1:7");
    assert_int_equal(dial_resolve(&endpoint, AF_INET6, targets, &err), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_START);
    assert_non_null(strstr(said(&err), "'127.0.0.1' has no IPv6 address, and -6 wants one"));
}

static void test_dial_refused(void **state)
{
    struct sock_listening sock;
    struct error err;
    struct dial_target targets[DIAL_TARGETS_MAX];
    (void)state;
    assert_int_equal(listen_on("tcp://127.0.0.1:0", &sock, &err), 1);
    sock_close(&sock);
    assert_int_equal(dial(sock.name), -ECONNREFUSED);
    assert_int_equal(dial("unix:/none/s"), -ENOENT);
    struct endpoint endpoint = endpoint_of("fd:3");
    assert_int_equal(dial_resolve(&endpoint, AF_UNSPEC, targets, &err), -1);
    assert_int_equal(err.exit_code, EXIT_CODE_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_port_for_both_families),
        TEST(test_options_are_inherited),
        TEST(test_a_port_in_use),
        TEST(test_unix_mode_is_independent_of_the_umask),
        TEST(test_unix_stale_and_live),
        TEST(test_unix_other_files_stay),
        TEST(test_inherited),
        TEST(test_unix_peers),
        TEST(test_new_connections_are_refused_after_a_stop),
        TEST(test_dial_families),
        TEST(test_dial_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

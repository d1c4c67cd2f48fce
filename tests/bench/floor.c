/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor: the cost of an echo without anything else. One epoll loop, one 64 KiB buffer, one read
 * and one write for each echo. Bytes that the kernel does not accept are stored for that
 * connection, which is not read meanwhile. No limits, no deadlines, no counters, no log.
 *
 *     floor [PORT] */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 65536
#define EVENTS 256
#define FDS_MAX 65536

struct rest {
    char *bytes;
    size_t first, length;
};

static struct rest rests[FDS_MAX];
static int epoll_fd;

static void watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

static void end(int fd)
{
    free(rests[fd].bytes);
    rests[fd] = (struct rest){0};
    close(fd);
}

static void on_readable(int fd)
{
    static char buffer[BUFFER_BYTES];
    ssize_t length = read(fd, buffer, sizeof(buffer));
    if (length <= 0) {
        if (length == 0 || errno != EAGAIN)
            end(fd);
        return;
    }
    ssize_t sent = write(fd, buffer, (size_t)length);
    if (sent < 0 && errno != EAGAIN) {
        end(fd);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    if (sent < length) {
        struct rest *rest = &rests[fd];
        rest->length = (size_t)(length - sent);
        rest->first = 0;
        rest->bytes = malloc(rest->length);
        memcpy(rest->bytes, buffer + sent, rest->length);
        watch(fd, EPOLLOUT);
    }
}

static void on_writable(int fd)
{
    struct rest *rest = &rests[fd];
    ssize_t sent = write(fd, rest->bytes + rest->first, rest->length);
    if (sent < 0 && errno != EAGAIN) {
        end(fd);
        return;
    }
    rest->first += sent > 0 ? (size_t)sent : 0;
    rest->length -= sent > 0 ? (size_t)sent : 0;
    if (rest->length == 0) {
        free(rest->bytes);
        rest->bytes = NULL;
        watch(fd, EPOLLIN);
    }
}

static void on_listener(int listener)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int open_listener(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("floor");
        exit(3);
    }
    printf("listening tcp://127.0.0.1:%u\nready\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    struct rlimit limit;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
    setrlimit(RLIMIT_NOFILE, &limit);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_listener(argc > 1 ? argv[1] : "0");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                on_listener(fd);
            else if (events[i].events & EPOLLOUT)
                on_writable(fd);
            else
                on_readable(fd);
        }
    }
}

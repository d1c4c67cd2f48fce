/* SPDX-License-Identifier: BSD-2-Clause */
/* The minimal client: one epoll loop, one message in flight on each connection; received bytes are
 * counted and not checked. The cost of evecho bench above it is the price of checking.
 *
 *     load PORT CONNECTIONS BYTES SECONDS     prints: echoes=N cpu_ns=N
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX (1U << 20)
#define FDS_MAX 65536
#define EVENTS 256

static char buffer[BYTES_MAX];
static size_t unsent[FDS_MAX], awaited[FDS_MAX];
static int epoll_fd;

static unsigned long long now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}

static void give(int fd)
{
    ssize_t sent = send(fd, buffer, unsent[fd], MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        perror("load: send");
        exit(1);
    }
    unsent[fd] -= sent > 0 ? (size_t)sent : 0;
    if (unsent[fd] > 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    if (argc != 5)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1, connections = atoi(argv[2]);
    const size_t bytes = strtoul(argv[3], NULL, 10);
    unsigned long long end_ns, echoes = 0;
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
            perror("load: connect");
            return 1;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
        unsent[fd] = awaited[fd] = bytes;
    }
    end_ns = now_ns(CLOCK_MONOTONIC) + strtoull(argv[4], NULL, 10) * 1000000000ULL;
    for (int fd = 0; fd < FDS_MAX; fd++) {
        if (unsent[fd])
            give(fd);
    }
    while (now_ns(CLOCK_MONOTONIC) < end_ns) {
        int count = epoll_wait(epoll_fd, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (events[i].events & EPOLLOUT && unsent[fd])
                give(fd);
            ssize_t came = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
            if (came == 0 || (came < 0 && errno != EAGAIN)) {
                fprintf(stderr, "load: a connection ended\n");
                return 1;
            }
            awaited[fd] -= came > 0 ? (size_t)came : 0;
            if (awaited[fd] == 0) {
                echoes++;
                unsent[fd] = awaited[fd] = bytes;
                give(fd);
            }
        }
    }
    printf("echoes=%llu cpu_ns=%llu\n", echoes, now_ns(CLOCK_PROCESS_CPUTIME_ID));
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection an echo: so many clients at a time connect, send a message, read it back and end,
 * each by its FIN (and then waits for the server's) or by a reset (SO_LINGER of no time). What
 * comes back is counted and not looked at.
 *
 *     churn PORT CLIENTS BYTES SECONDS COUNT fin|rst     prints: connections=N bad=N seconds=N
 *
 * It ends after so many seconds or so many connections; 0 of either is no limit. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BYTES_MAX (1U << 20)
#define FDS_MAX 65536
#define EVENTS 256

static char buffer[BYTES_MAX];
static size_t awaited[FDS_MAX]; /* bytes of the echo; 0: the server's FIN */
static struct sockaddr_in server;
static size_t bytes;
static bool is_reset;
static unsigned long long count, begun, ended, bad;
static int epoll_fd;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Connects on one machine's own address at once, so it may block. */
static void begin(void)
{
    const int on = 1;
    if (count && begun == count)
        return;
    begun++;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || fd >= FDS_MAX || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
        fail("churn: connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (send(fd, buffer, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        fail("churn: send");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    awaited[fd] = bytes;
}

static void end(int fd, bool is_good)
{
    const struct linger at_once = {.l_onoff = 1};
    if (is_reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    ended++;
    bad += !is_good;
    begin();
}

static void on_readable(int fd)
{
    ssize_t came = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (came < 0 && errno == EAGAIN)
        return;
    if (came <= 0 || (size_t)came > awaited[fd]) {
        end(fd, came == 0 && awaited[fd] == 0);
        return;
    }
    awaited[fd] -= (size_t)came;
    if (awaited[fd] == 0 && is_reset)
        end(fd, true);
    else if (awaited[fd] == 0)
        shutdown(fd, SHUT_WR);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    if (argc != 7)
        return 2;
    server = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bytes = strtoul(argv[3], NULL, 10);
    count = strtoull(argv[5], NULL, 10);
    is_reset = strcmp(argv[6], "rst") == 0;
    double start_s = now_s(), end_s = start_s + (atoi(argv[4]) ? atoi(argv[4]) : 1e9);
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < atoi(argv[2]); i++)
        begin();
    while (ended < begun) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, 1000);
        if (now_s() > end_s)
            count = begun; /* those under way are the last */
        for (int i = 0; i < ready; i++)
            on_readable(events[i].data.fd);
    }
    printf("connections=%llu bad=%llu seconds=%.6f\n", ended, bad, now_s() - start_s);
    return 0;
}

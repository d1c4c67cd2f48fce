/* SPDX-License-Identifier: BSD-2-Clause */
/* A load of datagrams at minimal cost, which reports the number of answers.
 *
 *     udp_load PORT RATE SECONDS SIZE
 *
 * Sends RATE a second on a schedule, in bursts of the datagrams due; 0: BURST at a time, the next
 * when half of the answers are received or none arrives for a while. Prints sent=, back= and
 * seconds=. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BURST 64
#define BYTES_MAX 65507
#define ROOM_BYTES (4 << 20)
#define LAST_MS 200 /* for answers in flight at the end */

static struct mmsghdr out[BURST], in[BURST];
static struct iovec out_iov, in_iovs[BURST];
static char bytes[BYTES_MAX], trash[BURST][2048];

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int open_socket(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int room = ROOM_BYTES;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        perror("udp_load");
        exit(3);
    }
    return fd;
}

static uint64_t receive(int fd, int wait_ms)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    uint64_t back = 0;
    while (poll(&readable, 1, wait_ms) > 0) {
        int count = recvmmsg(fd, in, BURST, MSG_DONTWAIT, NULL);
        if (count <= 0)
            break;
        back += (uint64_t)count;
        wait_ms = 0;
    }
    return back;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    int fd = open_socket((uint16_t)atoi(argv[1]));
    uint64_t rate = strtoull(argv[2], NULL, 10), sent = 0, back = 0;
    uint64_t start_ns = now_ns(), end_ns = start_ns + strtoull(argv[3], NULL, 10) * 1000000000U;
    out_iov = (struct iovec){bytes, strtoul(argv[4], NULL, 10)};
    for (int i = 0; i < BURST; i++) {
        in_iovs[i] = (struct iovec){trash[i], sizeof(trash[i])};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &out_iov, .msg_iovlen = 1};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &in_iovs[i], .msg_iovlen = 1};
    }
    for (uint64_t now; (now = now_ns()) < end_ns;) {
        uint64_t due = rate ? (uint64_t)((double)(now - start_ns) / 1e9 * (double)rate) : sent;
        uint64_t want = rate ? due - sent : sent - back <= BURST / 2 ? BURST : 0;
        int count = want ? sendmmsg(fd, out, want < BURST ? (unsigned)want : BURST, 0) : 0;
        sent += count > 0 ? (uint64_t)count : 0;
        uint64_t came = receive(fd, rate ? 0 : 20);
        back += came;
        if (!rate && came == 0)
            sent = back; /* lost: continue without them */
    }
    double seconds = (double)(now_ns() - start_ns) / 1e9;
    for (uint64_t came = 1; back < sent && came > 0; back += came)
        came = receive(fd, LAST_MS);
    printf("sent=%llu\nback=%llu\nseconds=%.3f\n", (unsigned long long)sent,
           (unsigned long long)back, seconds);
    return 0;
}

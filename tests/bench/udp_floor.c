/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor of UDP: the cost of an echo without anything else. One blocking loop, one recvmmsg and
 * one sendmmsg for each batch: no rules, no limits, no counters, no choice of the source address.
 *
 *     udp_floor [BATCH] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BATCH_MAX 256
#define BYTES_MAX 65536
#define DISTANCE (BYTES_MAX + 64)
#define ROOM_BYTES (4 << 20)

static struct mmsghdr messages[BATCH_MAX];
static struct iovec iovs[BATCH_MAX];
static struct sockaddr_in peers[BATCH_MAX];

static int open_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    const int room = ROOM_BYTES;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    if (bind(fd, (struct sockaddr *)&address, length) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("udp_floor");
        exit(3);
    }
    printf("listening udp://127.0.0.1:%u\nready\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    unsigned batch = argc > 1 ? (unsigned)atoi(argv[1]) : 32;
    char *memory = malloc((size_t)BATCH_MAX * DISTANCE);
    int fd = open_socket();
    for (unsigned i = 0; i < batch; i++)
        messages[i].msg_hdr =
            (struct msghdr){.msg_name = &peers[i], .msg_iov = &iovs[i], .msg_iovlen = 1};
    for (;;) {
        for (unsigned i = 0; i < batch; i++) {
            iovs[i] = (struct iovec){memory + (size_t)i * DISTANCE, BYTES_MAX};
            messages[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        }
        int count = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
        for (int i = 0; i < count; i++)
            iovs[i].iov_len = messages[i].msg_len;
        if (count > 0)
            (void)!sendmmsg(fd, messages, (unsigned)count, 0);
    }
}

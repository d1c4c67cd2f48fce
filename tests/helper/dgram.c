/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dgram: sends datagrams and reports the answers.
 *
 *     dgram [-b ADDRESS:PORT] [-f ADDRESS:PORT] [-n COUNT] [-s SIZE] [-g GAP_US] [-w WAIT_MS] [-B]
 *           ENDPOINT
 *
 * Sends all datagrams first, GAP_US apart, then waits until as many answers have arrived or none
 * arrives for WAIT_MS. Datagram i begins with its number, if it has room for it, followed by a
 * pattern. -b binds the socket, which is never connected, so that the address of each answer is
 * known. -B permits broadcast addresses. -f forges the sender's IPv4 address and port (a raw
 * socket) and does not wait for answers. Prints sent=, back=, right= (complete and correct), from=
 * (the address of the last answer), answerers= (how many times that changed) and longest=.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include "wire.h"

#define SIZE_MAX_BYTES 65507
#define LIFE_SECONDS 60
#define SEED 1

struct plan {
    struct wire_address to, bind, forged;
    int is_bound, is_forged, may_broadcast;
    long count, gap_us, wait_ms;
    size_t size;
};

static void make(uint8_t *bytes, size_t size, uint64_t number)
{
    wire_fill(SEED + number, 0, bytes, size);
    if (size >= sizeof number)
        memcpy(bytes, &number, sizeof number);
}

static int is_right(const uint8_t *bytes, size_t length, const struct plan *plan)
{
    static uint8_t expected[SIZE_MAX_BYTES];
    uint64_t number = 0;

    if (length != plan->size)
        return 0;
    if (length >= sizeof number)
        memcpy(&number, bytes, sizeof number);
    if (number >= (uint64_t)plan->count)
        return 0;
    make(expected, length, number);
    return memcmp(bytes, expected, length) == 0;
}

static const char *text_of(const struct sockaddr_storage *from)
{
    static char text[INET6_ADDRSTRLEN + 16];
    char host[INET6_ADDRSTRLEN];

    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)from;
        inet_ntop(AF_INET, &in4->sin_addr, host, sizeof host);
        snprintf(text, sizeof text, "%s:%u", host, ntohs(in4->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, sizeof text, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
    return text;
}

/* The kernel fills in fields that are 0: length and checksum of the IP header. */
static int send_forged(int fd, const struct plan *plan, const uint8_t *bytes)
{
    static uint8_t packet[sizeof(struct iphdr) + sizeof(struct udphdr) + SIZE_MAX_BYTES];
    const struct sockaddr_in *from = (const struct sockaddr_in *)&plan->forged.sa;
    const struct sockaddr_in *to = (const struct sockaddr_in *)&plan->to.sa;
    struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
    struct udphdr udp = {.source = from->sin_port,
                         .dest = to->sin_port,
                         .len = htons((uint16_t)(sizeof(struct udphdr) + plan->size))};

    ip.saddr = from->sin_addr.s_addr;
    ip.daddr = to->sin_addr.s_addr;
    memcpy(packet, &ip, sizeof ip);
    memcpy(packet + sizeof ip, &udp, sizeof udp);
    memcpy(packet + sizeof ip + sizeof udp, bytes, plan->size);
    return sendto(fd, packet, sizeof ip + sizeof udp + plan->size, 0,
                  (const struct sockaddr *)&plan->to.sa, plan->to.len) < 0;
}

static int open_socket(const struct plan *plan)
{
    int one = 1, room = 4 << 20;
    int fd = plan->is_forged ? socket(AF_INET, SOCK_RAW, IPPROTO_RAW)
                             : socket(plan->to.sa.ss_family, SOCK_DGRAM, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    if (plan->may_broadcast)
        setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
    if (plan->is_bound && bind(fd, (const struct sockaddr *)&plan->bind.sa, plan->bind.len) != 0)
        return -1;
    return fd;
}

static int send_all(int fd, const struct plan *plan)
{
    static uint8_t bytes[SIZE_MAX_BYTES];
    const struct timespec gap = {0, plan->gap_us * 1000};

    for (long i = 0; i < plan->count; i++) {
        make(bytes, plan->size, (uint64_t)i);
        if (plan->is_forged ? send_forged(fd, plan, bytes)
                            : sendto(fd, bytes, plan->size, 0,
                                     (const struct sockaddr *)&plan->to.sa, plan->to.len) < 0) {
            perror("dgram: send");
            return TOOL_NO_CONNECTION;
        }
        if (plan->gap_us)
            nanosleep(&gap, NULL);
    }
    return TOOL_OK;
}

static void await_answers(int fd, const struct plan *plan)
{
    static uint8_t bytes[SIZE_MAX_BYTES + 1];
    struct sockaddr_storage from, last = {0};
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    long back = 0, right = 0, answerers = 0;
    ssize_t longest = -1;

    while (back < plan->count && poll(&readable, 1, (int)plan->wait_ms) > 0) {
        socklen_t size = sizeof from;
        memset(&from, 0, sizeof from);
        ssize_t length = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
        if (length < 0)
            continue;
        back++;
        right += is_right(bytes, (size_t)length, plan);
        longest = length > longest ? length : longest;
        answerers += memcmp(&from, &last, sizeof from) != 0;
        last = from;
    }
    printf("sent=%ld\nback=%ld\nright=%ld\nanswerers=%ld\nlongest=%zd\n", plan->count, back, right,
           answerers, longest);
    if (back > 0)
        printf("from=%s\n", text_of(&last));
}

static int read_plan(struct plan *plan, int argc, char **argv)
{
    int option;

    *plan = (struct plan){.count = 1, .size = 64, .wait_ms = 1000};
    while ((option = getopt(argc, argv, "b:f:n:s:g:w:B")) != -1) {
        int bad = 0;
        switch (option) {
        case 'b':
            plan->is_bound = 1;
            bad = wire_inet_address(optarg, &plan->bind);
            break;
        case 'f':
            plan->is_forged = 1;
            bad = wire_inet_address(optarg, &plan->forged);
            break;
        case 'n':
            plan->count = atol(optarg);
            break;
        case 's':
            plan->size = (size_t)wire_size(optarg);
            break;
        case 'g':
            plan->gap_us = atol(optarg);
            break;
        case 'w':
            plan->wait_ms = atol(optarg);
            break;
        case 'B':
            plan->may_broadcast = 1;
            break;
        default:
            bad = 1;
        }
        if (bad || plan->size > SIZE_MAX_BYTES)
            return TOOL_USAGE;
    }
    return optind + 1 == argc && wire_address(argv[optind], &plan->to) == 0 ? TOOL_OK : TOOL_USAGE;
}

int main(int argc, char **argv)
{
    struct plan plan;
    int fd, code;

    alarm(LIFE_SECONDS);
    if (read_plan(&plan, argc, argv) != TOOL_OK) {
        fprintf(stderr, "usage: dgram [-b ADDRESS:PORT] [-f ADDRESS:PORT] [-n COUNT] [-s SIZE] "
                        "[-g GAP_US] [-w WAIT_MS] [-B] ENDPOINT\n");
        return TOOL_USAGE;
    }
    fd = open_socket(&plan);
    if (fd < 0) {
        perror("dgram");
        return TOOL_NO_CONNECTION;
    }
    code = send_all(fd, &plan);
    if (code == TOOL_OK && !plan.is_forged)
        await_answers(fd, &plan);
    return code;
}

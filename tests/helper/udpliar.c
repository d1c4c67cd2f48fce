/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udpliar: a UDP echo with deliberate faults, to test a checker.
 *
 *     udpliar [-o K] MODE N [M]
 *
 *     honest      no fault
 *     drop        datagram N of each source port is not answered
 *     mute        nor is any after it
 *     double      its answer is sent M times more
 *     swap        its answer is sent after that of the next one
 *     flip        one bit of byte M of its answer is flipped
 *     cut         each answer is cut to M bytes, as by small buffers
 *     long        its answer has M bytes more
 *     late        its answer is sent after M ms
 *     again       its answer is sent at once, and again after M ms
 *     corrected   its answer is sent with one bit of byte M flipped, and then correctly
 *     elsewhere   its answer is sent from another port
 *     wedge       an empty datagram is sent, and nothing is answered any more
 *     silent      nothing is answered
 *     leave       datagram N is the last one answered: then the port is closed
 *     foresee     the client's next datagram is sent with its answer
 *     replay      the M bytes of the first source port that sent as many are sent instead
 *
 * The first datagram of a source port has the number 0; N = -1 means every one. With -o it lies
 * only to source port K, counted from 1 in the order of their first datagrams.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <signal.h>

#include "wire.h"

#define LIFE_SECONDS 120
#define BYTES_MAX 65536
#define KEPT 64                  /* datagrams of a replay */
#define STEP 0x9e3779b97f4a7c15U /* from one word of the client's pattern to the next */

struct lie {
    const char *mode;
    long number, m;
    long only; /* the source port to lie to; 0: all */
};

struct kept {
    char bytes[BYTES_MAX];
    size_t length;
    int is_kept;
};

static long seen[65536];  /* datagrams of each source port */
static long order[65536]; /* number of each source port, from 1 */

static int is(const struct lie *lie, const char *mode)
{
    return strcmp(lie->mode, mode) == 0;
}

static void put(int fd, const char *bytes, size_t length, const struct sockaddr_in *to)
{
    (void)!sendto(fd, bytes, length, 0, (const struct sockaddr *)to, sizeof *to);
}

static void put_late(int fd, const struct lie *lie, const char *bytes, size_t length,
                     const struct sockaddr_in *to)
{
    const struct timespec wait = {lie->m / 1000, lie->m % 1000 * 1000000};

    if (fork() != 0)
        return;
    alarm(LIFE_SECONDS);
    nanosleep(&wait, NULL);
    put(fd, bytes, length, to);
    _exit(0);
}

/* Sends the client's next datagram: the 8 bytes of its flow, the number, and a pattern made of
 * both. */
static void put_foreseen(int fd, const char *bytes, size_t length, const struct sockaddr_in *to)
{
    uint64_t words[BYTES_MAX / sizeof(uint64_t)], flow, number;
    memcpy(&flow, bytes, sizeof flow);
    memcpy(&number, bytes + sizeof flow, sizeof number);
    number = le64toh(number) + 1;
    uint64_t word = ~le64toh(flow) + (number + 1) * STEP;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9U;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebU;
    word ^= word >> 31;
    words[0] = flow;
    words[1] = htole64(number);
    for (size_t i = 2; i * sizeof word < length; i++, word += STEP)
        words[i] = htole64(word);
    put(fd, (const char *)words, length, to);
}

/* Sends the datagram of the first source port in place of another's of the same number. */
static void replay(int fd, char *bytes, size_t length, long number, const struct sockaddr_in *to)
{
    static struct kept first[KEPT];
    static in_port_t port;
    struct kept *kept = &first[number % KEPT];
    port = port ? port : to->sin_port;
    if (port == to->sin_port)
        memcpy(kept->bytes, bytes, length);
    put(fd, kept->bytes, length, to);
}

/* Answers the datagram with the fault. */
static void tell_lie(int fd, const struct lie *lie, char *bytes, size_t length,
                     const struct sockaddr_in *to)
{
    if (is(lie, "drop"))
        return;
    if (is(lie, "late") || is(lie, "again"))
        put_late(fd, lie, bytes, length, to);
    if (is(lie, "late"))
        return;
    if (is(lie, "elsewhere")) {
        int other = socket(AF_INET, SOCK_DGRAM, 0);
        put(other, bytes, length, to);
        close(other);
        return;
    }
    for (long i = 0; is(lie, "double") && i < lie->m; i++)
        put(fd, bytes, length, to);
    if ((is(lie, "flip") || is(lie, "corrected")) && (size_t)lie->m < length)
        bytes[lie->m] ^= 4;
    if (is(lie, "long")) {
        memset(bytes + length, '!', (size_t)lie->m);
        length += (size_t)lie->m;
    }
    put(fd, bytes, length, to);
    if (is(lie, "leave"))
        exit(0);
    if (is(lie, "foresee"))
        put_foreseen(fd, bytes, length, to);
    if (is(lie, "corrected") && (size_t)lie->m < length) {
        bytes[lie->m] ^= 4;
        put(fd, bytes, length, to);
    }
}

static void serve(int fd, const struct lie *lie)
{
    static char bytes[2 * BYTES_MAX];
    static struct kept kept;
    long ports = 0;
    int is_wedged = 0;

    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(fd, bytes, BYTES_MAX, 0, (struct sockaddr *)&from, &size);
        if (got < 0)
            continue;
        size_t length = (size_t)got;
        uint16_t port = ntohs(from.sin_port);
        long number = seen[port]++;
        if (number == 0)
            order[port] = ++ports;
        if (lie->only && order[port] != lie->only) {
            put(fd, bytes, length, &from);
            continue;
        }
        is_wedged |= is(lie, "wedge") && length == 0;
        if (is_wedged || is(lie, "silent") || (is(lie, "mute") && number >= lie->number))
            continue;
        if (is(lie, "cut") && length > (size_t)lie->m)
            length = (size_t)lie->m;
        if (is(lie, "swap") && number == lie->number) {
            memcpy(kept.bytes, bytes, length);
            kept.length = length;
            kept.is_kept = 1;
            continue;
        }
        if (is(lie, "replay") && length == (size_t)lie->m)
            replay(fd, bytes, length, number, &from);
        else if (number == lie->number || lie->number < 0)
            tell_lie(fd, lie, bytes, length, &from);
        else
            put(fd, bytes, length, &from);
        if (kept.is_kept)
            put(fd, kept.bytes, kept.length, &from);
        kept.is_kept = 0;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct lie lie = {"", -1, 1, 0};

    if (argc > 2 && strcmp(argv[1], "-o") == 0) {
        lie.only = atol(argv[2]);
        argv += 2;
        argc -= 2;
    }
    lie.mode = argc > 1 ? argv[1] : "";
    lie.number = argc > 2 ? atol(argv[2]) : -1;
    lie.m = argc > 3 ? atol(argv[3]) : 1;
    if (argc < 3) {
        fprintf(stderr, "usage: udpliar [-o K] MODE N [M]\n");
        return TOOL_USAGE;
    }
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        perror("udpliar");
        return TOOL_NO_CONNECTION;
    }
    printf("listening udp://127.0.0.1:%u\nready\n", ntohs(address.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    alarm(LIFE_SECONDS);
    serve(fd, &lie);
}

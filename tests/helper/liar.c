/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo that lies on purpose, at a chosen offset of every connection's stream, so that a checker
 * can be checked: liar [-l tcp://127.0.0.1:PORT] [-o K] MODE OFFSET [N]
 *
 *     honest            no lie at all
 *     drop, double      N bytes from OFFSET on never come, or come twice
 *     swap              the byte at OFFSET and the next change places
 *     flip              one bit of the byte at OFFSET
 *     delay             N ms pass before the byte at OFFSET leaves
 *     slow              no lie: every byte takes N us (OFFSET is 0)
 *     truncate, reset   a FIN, or a reset, where the byte at OFFSET should come
 *     extra             N bytes that nobody sent, before the byte at OFFSET
 *     mute              the byte at OFFSET and all behind it never come, and no end
 *     late-MODE         that lie about one byte, after N ms
 *
 * With -o only connection K lies, counted from 1, and all others are served honestly.
 *
 * One process a connection: it lies about bytes, so its own reading and writing is as plain as can
 * be.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIFE_SECONDS 120
#define CHUNK 65536
#define SLICE_US 10000
#define LATE "late-"
#define WAIT_MS 50 /* for the rest of what a lie takes, where a client has sent less so far */

struct lie {
    const char *mode;
    size_t offset, n;
};

static int is(const struct lie *lie, const char *mode)
{
    return strcmp(lie->mode, mode) == 0;
}

static void put(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            _exit(0);
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* A path with a bandwidth: some hundredths of a second at a time. */
static void put_slowly(int fd, const char *bytes, size_t length, size_t byte_us)
{
    size_t most = byte_us < SLICE_US ? SLICE_US / byte_us : 1;
    while (length > 0) {
        size_t some = length < most ? length : most, us = some * byte_us;
        struct timespec wait = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
        nanosleep(&wait, NULL);
        put(fd, bytes, some);
        bytes += some;
        length -= some;
    }
}

static void wait_ms(size_t ms)
{
    const struct timespec wait = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

static void end_with_reset(int fd)
{
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    _exit(0);
}

/* The stream's bytes from OFFSET on, of which `length` are here. Returns how many were dealt with.
 */
static size_t tell_lie(int fd, const struct lie *lie, char *bytes, size_t length)
{
    size_t n = lie->n < length ? lie->n : length;
    if (strncmp(lie->mode, LATE, strlen(LATE)) == 0) {
        const struct lie then = {lie->mode + strlen(LATE), lie->offset, 1};
        wait_ms(lie->n);
        return tell_lie(fd, &then, bytes, length);
    }
    if (is(lie, "drop"))
        return n;
    if (is(lie, "double")) {
        put(fd, bytes, n);
    } else if (is(lie, "swap") && length > 1) {
        char first = bytes[0];
        bytes[0] = bytes[1];
        bytes[1] = first;
    } else if (is(lie, "flip")) {
        bytes[0] ^= 4;
    } else if (is(lie, "delay")) {
        wait_ms(lie->n);
    } else if (is(lie, "truncate")) {
        shutdown(fd, SHUT_WR);
        while (recv(fd, bytes, 1, 0) > 0)
            ;
        _exit(0);
    } else if (is(lie, "reset")) {
        end_with_reset(fd);
    } else if (is(lie, "extra")) {
        for (size_t i = 0; i < lie->n; i++)
            put(fd, "!", 1);
    } else if (is(lie, "mute")) {
        while (recv(fd, bytes, 1, 0) > 0)
            ;
        pause();
    }
    return 0;
}

static void serve(int fd, const struct lie *lie)
{
    static char bytes[2 * CHUNK];
    size_t stream = 0; /* offset of bytes[0] */
    ssize_t length;
    int has_lied = 0;
    while ((length = recv(fd, bytes, CHUNK, 0)) > 0) {
        size_t done = 0, left = (size_t)length;
        if (is(lie, "slow")) {
            put_slowly(fd, bytes, left, lie->n);
            continue;
        }
        if (!has_lied && stream + left > lie->offset) {
            done = lie->offset - stream;
            put(fd, bytes, done);
            while (left - done < lie->n + 1 && left < sizeof(bytes)) {
                struct pollfd readable = {.fd = fd, .events = POLLIN};
                ssize_t more = poll(&readable, 1, WAIT_MS) > 0
                                   ? recv(fd, bytes + left, sizeof(bytes) - left, 0)
                                   : 0;
                if (more <= 0)
                    break;
                left += (size_t)more;
            }
            done += tell_lie(fd, lie, bytes + done, left - done);
            has_lied = 1;
        }
        put(fd, bytes + done, left - done);
        stream += left;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    const int on = 1;
    long only = 0;
    for (; argc > 2 && argv[1][0] == '-'; argv += 2, argc -= 2) {
        const char *colon = strrchr(argv[2], ':');
        if (strcmp(argv[1], "-o") == 0)
            only = atol(argv[2]);
        else
            address.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : "0"));
    }
    if (argc < 3) {
        fprintf(stderr, "usage: liar [-l ENDPOINT] [-o K] MODE OFFSET [N]\n");
        return 2;
    }
    struct lie lie = {argv[1], strtoul(argv[2], NULL, 10),
                      argc > 3 ? strtoul(argv[3], NULL, 10) : 1};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 512) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
        perror("liar");
        return 3;
    }
    printf("listening tcp://127.0.0.1:%u\nready\n", ntohs(address.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    alarm(LIFE_SECONDS);
    for (long number = 1;; number++) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        if (only && number != only)
            lie.mode = "honest";
        else
            lie.mode = argv[1];
        if (fork() == 0) {
            close(listener);
            alarm(LIFE_SECONDS);
            serve(fd, &lie);
            _exit(0);
        }
        close(fd);
    }
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h: shared by the test tools. It uses nothing of the program under test, so that a bug in the
 * program's own endpoint or pattern code cannot hide itself.
 *
 * Endpoints have the server's form ("tcp://127.0.0.1:7007", "unix:/path", "unix:@name"). The
 * pattern codes each byte's place in the stream: word i of a stream is a mix of the seed and i, so
 * that a lost, duplicated or swapped byte is detected at the first wrong offset.
 */
#ifndef TESTS_HELPER_WIRE_H
#define TESTS_HELPER_WIRE_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Exit codes of every tool here. */
enum {
    TOOL_OK = 0,
    TOOL_BROKEN = 1, /* an expectation failed */
    TOOL_USAGE = 2,
    TOOL_NO_CONNECTION = 3,
    TOOL_LIFE_OVER = 4,
};

struct wire_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

static inline uint64_t wire_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* The eight bytes of word `index`: a splitmix64 step. */
static inline uint64_t wire_word(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint8_t wire_byte(uint64_t seed, uint64_t offset)
{
    return (uint8_t)(wire_word(seed, offset / 8) >> (offset % 8 * 8));
}

static inline void wire_fill(uint64_t seed, uint64_t offset, uint8_t *to, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint64_t word = wire_word(seed, (offset + i) / 8);
        unsigned place = (unsigned)((offset + i) % 8);

        for (; place < 8 && i < len; place++, i++)
            to[i] = (uint8_t)(word >> (place * 8));
    }
}

/* Parses 64, 64k, 1M, 1G: powers of 1024. -1 if the text is not a size. */
static inline int64_t wire_size(const char *text)
{
    char *end;
    long long n;

    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    n = strtoll(text, &end, 10);
    if (*end == 'k')
        n <<= 10, end++;
    else if (*end == 'M')
        n <<= 20, end++;
    else if (*end == 'G')
        n <<= 30, end++;
    return *end == '\0' ? n : -1;
}

static inline int wire_unix_address(const char *path, struct wire_address *to)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&to->sa;
    size_t len = strlen(path);

    if (len >= sizeof un->sun_path)
        return -1;
    memset(to, 0, sizeof *to);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len);
    to->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (path[0] == '@') {
        un->sun_path[0] = '\0';
        to->len--;
    }
    return 0;
}

/* Parses numeric addresses and names, "[v6]:port" or "host:port"; the port may be left out for a
 * bind. */
static inline int wire_inet_address(const char *text, struct wire_address *to)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[256];
    const char *port = strrchr(text, ':');
    size_t len = port != NULL ? (size_t)(port - text) : strlen(text);

    if (len >= sizeof host)
        return -1;
    memcpy(host, text, len);
    host[len] = '\0';
    if (host[0] == '[' && len > 1 && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
    if (getaddrinfo(host, port != NULL ? port + 1 : "0", &hints, &found) != 0)
        return -1;
    memcpy(&to->sa, found->ai_addr, found->ai_addrlen);
    to->len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* The address after this one. */
static inline void wire_next_address(struct wire_address *addr)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)&addr->sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr->sa;
    int is_6 = addr->sa.ss_family == AF_INET6;
    uint8_t *bytes = is_6 ? in6->sin6_addr.s6_addr : (uint8_t *)&in4->sin_addr;

    for (int i = is_6 ? 16 : 4; i > 0 && ++bytes[i - 1] == 0; i--)
        ;
}

static inline int wire_address(const char *endpoint, struct wire_address *to)
{
    if (strncmp(endpoint, "unix:", 5) == 0)
        return wire_unix_address(endpoint + 5, to);
    if (strncmp(endpoint, "tcp://", 6) == 0 || strncmp(endpoint, "udp://", 6) == 0)
        endpoint += 6;
    return wire_inet_address(endpoint, to);
}

/* A non-blocking stream socket with Nagle's algorithm off, so that one write is one segment. */
static inline int wire_socket(const struct wire_address *addr)
{
    int one = 1;
    int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && addr->sa.ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Connects within the time. Returns 0 or an errno. */
static inline int wire_connect(int fd, const struct wire_address *to, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof error;

    if (connect(fd, (const struct sockaddr *)&to->sa, to->len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (poll(&p, 1, wait_ms) != 1)
        return ETIMEDOUT;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

/* Makes the next close() send a reset instead of a FIN. */
static inline void wire_reset_on_close(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

#endif

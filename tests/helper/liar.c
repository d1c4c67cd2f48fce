/* SPDX-License-Identifier: BSD-2-Clause */
/* liar: an echo with deliberate faults at a chosen offset of every connection's stream, to test a
 * checker: liar [-l tcp://127.0.0.1:PORT] [-o K] MODE OFFSET [N]
 *
 *     honest            no fault
 *     drop, double      N bytes from OFFSET on are lost, or sent twice
 *     swap              the byte at OFFSET and the next are swapped
 *     flip              one bit of the byte at OFFSET is flipped
 *     delay             the byte at OFFSET is sent N ms late
 *     slow              no fault: every byte takes N us (OFFSET is 0)
 *     truncate, reset   a FIN, or a reset, instead of the byte at OFFSET
 *     extra             N foreign bytes before the byte at OFFSET
 *     mute              the byte at OFFSET and all after it are lost, and no end is sent
 *     deaf              urgent bytes are dropped, as by most proxies (OFFSET is 0)
 *     stuck             reads past an urgent byte only when more arrives, or, with N = 2, never
 *     tired             connection OFFSET (the round trip's is 0) and all later ones are mute
 *     far               no fault: each piece is echoed N ms late, as on a long path
 *     late-MODE         that fault of one byte, after N ms
 *     spoil             after N ms one bit of the byte at OFFSET is flipped; then a reset once that
 *                       byte is acknowledged
 *     behind            N foreign bytes right after the first OFFSET bytes
 *     foresee           the same, with the N bytes that the client will send there
 *     parting           N foreign bytes before its own end
 *     replay            each connection receives the bytes of the first one instead of its own
 *     rerun             honest until SIGUSR1; then each connection receives the bytes of the one
 *                       that had its number before
 *
 * With -o only connection K is lied to, counted from 1; all others are served honestly.
 *
 * One process serves one connection. Its faults are in the bytes, so its reading and writing are as
 * simple as possible.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#define LIFE_SECONDS 120
#define CHUNK 65536
#define SLICE_US 10000
#define LATE "late-"
#define WAIT_MS 50 /* wait for the rest of the bytes that a lie needs */
#define KEPT 1048576
#define RUN_MAX 32               /* connections of a run that are stored */
#define STEP 0x9e3779b97f4a7c15U /* from one word of the client's pattern to the next */

struct lie {
    const char *mode;
    size_t offset, n;
};

/* The first connection's bytes, for the connections after it. */
static struct {
    size_t length;
    pid_t owner;
    char bytes[KEPT];
} * kept;

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

/* Simulates a path's bandwidth: sends pieces of some hundredths of a second. */
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

static void put_extra(int fd, size_t n)
{
    while (n-- > 0)
        put(fd, "!", 1);
}

static void end_once_acknowledged(int fd)
{
    int unacknowledged = 1;
    while (ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged > 0)
        wait_ms(1);
    end_with_reset(fd);
}

/* Sends the bytes that the client will send from `offset` on, computed from its first word. */
static void put_foreseen(int fd, uint64_t word, size_t offset, size_t n)
{
    for (size_t i = offset; i < offset + n; i++) {
        char byte = (char)((word + i / 8 * STEP) >> (8 * (i % 8)));
        put(fd, &byte, 1);
    }
}

/* Lies about the stream's bytes from OFFSET on, of which `length` have been received. Returns the
 * number of bytes used. */
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
        put_extra(fd, lie->n);
    } else if (is(lie, "spoil")) {
        bytes[0] ^= 4;
        wait_ms(lie->n);
        put(fd, bytes, 1);
        end_once_acknowledged(fd);
    } else if (is(lie, "mute")) {
        while (recv(fd, bytes, 1, 0) > 0)
            ;
        pause();
    }
    return 0;
}

/* An echo that lies as soon as OFFSET bytes are back. */
static void serve_ahead(int fd, const struct lie *lie)
{
    static char bytes[CHUNK];
    size_t stream = 0, skip = 0;
    uint64_t word = 0;
    ssize_t length = 0;
    int has_lied = 0;
    do {
        size_t left = (size_t)length, some = skip < left ? skip : left;
        for (size_t i = 0; i < left && stream + i < sizeof(word); i++)
            ((char *)&word)[stream + i] = bytes[i];
        put(fd, bytes + some, left - some);
        skip -= some;
        stream += left;
        if (has_lied || stream < lie->offset)
            continue;
        has_lied = 1;
        if (is(lie, "behind")) {
            put_extra(fd, lie->n);
        } else {
            put_foreseen(fd, le64toh(word), stream, lie->n);
            skip = lie->n;
        }
    } while ((length = recv(fd, bytes, sizeof(bytes), 0)) > 0);
}

static volatile sig_atomic_t is_run_over;

static void on_run_over(int number)
{
    (void)number;
    is_run_over = 1;
}

/* Stores a connection of the first run; the connection of the same number in the second run
 * receives its bytes. */
static void serve_rerun(int fd, long number, int is_second)
{
    static char bytes[CHUNK];
    char *mine = kept[number % RUN_MAX].bytes;
    size_t stream = 0;
    ssize_t length;
    while ((length = recv(fd, bytes, sizeof(bytes), 0)) > 0 && stream + (size_t)length <= KEPT) {
        if (!is_second)
            memcpy(mine + stream, bytes, (size_t)length);
        put(fd, mine + stream, (size_t)length);
        stream += (size_t)length;
    }
}

static void serve_replay(int fd)
{
    static char bytes[CHUNK];
    size_t stream = 0;
    ssize_t length;
    while ((length = recv(fd, bytes, sizeof(bytes), 0)) > 0 && stream + (size_t)length <= KEPT) {
        if (!kept->owner)
            kept->owner = getpid();
        if (kept->owner == getpid())
            memcpy(kept->bytes + stream, bytes, (size_t)length);
        put(fd, kept->bytes + stream, (size_t)length);
        stream += (size_t)length;
    }
}

/* Reads once whenever more bytes arrive, like a program that takes a short read for the end of the
 * data. The kernel ends a read at an urgent mark, so the bytes after it stay unread. With N = 2
 * they stay unread for ever. */
static void serve_stuck(int fd, const struct lie *lie)
{
    static char bytes[CHUNK];
    const struct timespec all_has_come = {0, WAIT_MS * 1000000};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int epoll_fd = epoll_create1(0);
    ssize_t length;
    nanosleep(&all_has_come, NULL);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    while (epoll_wait(epoll_fd, &event, 1, -1) > 0) {
        length = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (length == 0)
            return;
        put(fd, bytes, length > 0 ? (size_t)length : 0);
        if (lie->n > 1 && sockatmark(fd) == 1)
            pause();
    }
}

struct piece {
    uint64_t due_ms;
    size_t length;
    struct piece *next;
    char bytes[];
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Simulates a long path: sends each piece N ms after it was received, while it receives others. */
static void serve_late(int fd, const struct lie *lie)
{
    static char bytes[CHUNK];
    struct piece *first = NULL, **last = &first;
    int has_ended = 0;
    while (!has_ended || first) {
        struct pollfd readable = {.fd = has_ended ? -1 : fd, .events = POLLIN};
        uint64_t now = now_ms();
        int wait_ms = !first ? -1 : first->due_ms > now ? (int)(first->due_ms - now) : 0;
        if (poll(&readable, 1, wait_ms) > 0) {
            ssize_t length = recv(fd, bytes, sizeof(bytes), 0);
            has_ended = length <= 0;
            struct piece *piece = malloc(sizeof(*piece) + sizeof(bytes));
            if (!piece)
                _exit(1);
            piece->due_ms = now_ms() + lie->n;
            piece->length = has_ended ? 0 : (size_t)length;
            piece->next = NULL;
            memcpy(piece->bytes, bytes, piece->length);
            *last = piece;
            last = &piece->next;
        }
        if (first && first->due_ms <= now_ms()) {
            struct piece *piece = first;
            put(fd, piece->bytes, piece->length);
            first = piece->next;
            last = first ? last : &first;
            free(piece);
        }
    }
}

static void serve(int fd, const struct lie *lie)
{
    static char bytes[2 * CHUNK];
    size_t stream = 0; /* offset of bytes[0] */
    ssize_t length;
    int has_lied = 0;
    while ((length = recv(fd, bytes, CHUNK, 0)) > 0) {
        size_t done = 0, left = (size_t)length;
        if (is(lie, "deaf")) {
            put(fd, bytes, left);
            continue;
        }
        if (is(lie, "slow")) {
            put_slowly(fd, bytes, left, lie->n);
            continue;
        }
        if (!has_lied && stream + left > lie->offset && !is(lie, "parting")) {
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
    if (is(lie, "parting"))
        put_extra(fd, lie->n);
}

static void serve_as(int fd, const struct lie *lie, long number, int is_second)
{
    if (is(lie, "replay"))
        serve_replay(fd);
    else if (is(lie, "rerun"))
        serve_rerun(fd, number, is_second);
    else if (is(lie, "behind") || is(lie, "foresee"))
        serve_ahead(fd, lie);
    else if (is(lie, "far"))
        serve_late(fd, lie);
    else if (is(lie, "stuck"))
        serve_stuck(fd, lie);
    else
        serve(fd, lie);
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
    if (!is(&lie, "deaf") && !is(&lie, "stuck"))
        setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 512) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
        perror("liar");
        return 3;
    }
    printf("listening tcp://127.0.0.1:%u\nready\n", ntohs(address.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    kept = mmap(NULL, RUN_MAX * sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    alarm(LIFE_SECONDS);
    int is_second = 0;
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_run_over}, NULL);
    for (long number = 1;; number++) {
        int fd = accept(listener, NULL, NULL);
        if (is_run_over && !is_second)
            number = is_second = 1;
        if (fd < 0) {
            number--;
            continue;
        }
        if (only && number != only)
            lie.mode = "honest";
        else
            lie.mode = argv[1];
        if (is(&lie, "tired") && number > (long)lie.offset + 1)
            lie = (struct lie){"mute", 0, 1};
        if (fork() == 0) {
            close(listener);
            alarm(LIFE_SECONDS);
            serve_as(fd, &lie, number, is_second);
            _exit(0);
        }
        close(fd);
    }
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canary: checks that a server still serves other clients in time.
 *
 *     canary [-t SECONDS] [-p PERIOD_MS] [-w WAIT_MS] ENDPOINT
 *
 * Sends eight bytes on one connection every 10 ms without waiting for the previous echo, and checks
 * the bytes received, until it reads a line or the end on standard input. An echo that has not
 * arrived after WAIT_MS (2000) counts as lost. Exits 0 if none is lost.
 */
#include <signal.h>
#include <stdbool.h>

#include "wire.h"

#define PINGS_MAX 60000
#define WORD 8
#define SEED 0xca9a

static struct {
    int fd;
    unsigned period_ms, wait_ms;
    uint64_t sent_at[PINGS_MAX]; /* in us; after the echo, the round-trip time */
    unsigned sent;
    uint64_t got; /* bytes */
    uint64_t worst_us;
    unsigned late;
    const char *why;
} canary = {.period_ms = 10, .wait_ms = 2000};

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int report(void)
{
    unsigned answered = (unsigned)(canary.got / WORD);
    unsigned lost = canary.sent - answered + canary.late;

    qsort(canary.sent_at, answered, sizeof canary.sent_at[0], by_size);
    printf("sent=%u\ngot=%u\nlost=%u\np50_us=%llu\np99_us=%llu\nmax_us=%llu\nverdict=%s\n",
           canary.sent, answered, lost,
           (unsigned long long)(answered > 0 ? canary.sent_at[answered / 2] : 0),
           (unsigned long long)(answered > 0 ? canary.sent_at[answered - 1 - answered / 100] : 0),
           (unsigned long long)canary.worst_us,
           canary.why != NULL ? canary.why
           : lost > 0         ? "answers lost"
                              : "ok");
    fflush(stdout);
    return canary.why != NULL || lost > 0 ? TOOL_BROKEN : TOOL_OK;
}

static void on_life_over(int signal)
{
    (void)signal;
    canary.why = "life over";
    report();
    _exit(TOOL_LIFE_OVER);
}

static void ping(void)
{
    uint8_t word[WORD];

    if (canary.sent == PINGS_MAX)
        return;
    wire_fill(SEED, (uint64_t)canary.sent * WORD, word, WORD);
    canary.sent_at[canary.sent] = wire_now_us();
    if (send(canary.fd, word, WORD, MSG_NOSIGNAL) != WORD) {
        canary.why = "cannot send";
        return;
    }
    canary.sent++;
}

static void take(void)
{
    uint8_t bytes[4096], want[4096];
    ssize_t n = recv(canary.fd, bytes, sizeof bytes, 0);
    unsigned before = (unsigned)(canary.got / WORD);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        canary.why = n == 0 ? "eof" : "reset";
        return;
    }
    wire_fill(SEED, canary.got, want, (size_t)n);
    if (memcmp(bytes, want, (size_t)n) != 0) {
        canary.why = "wrong bytes";
        return;
    }
    canary.got += (uint64_t)n;
    for (unsigned i = before; i < canary.got / WORD; i++) {
        canary.sent_at[i] = wire_now_us() - canary.sent_at[i];
        if (canary.sent_at[i] > canary.worst_us)
            canary.worst_us = canary.sent_at[i];
        if (canary.sent_at[i] > (uint64_t)canary.wait_ms * 1000)
            canary.late++;
    }
    if (before == 0 && canary.got >= WORD) {
        puts("canary sings");
        fflush(stdout);
    }
}

static void sing(void)
{
    uint64_t next = wire_now_us(), stop_at = 0;

    while (canary.why == NULL) {
        struct pollfd p[2] = {{.fd = canary.fd, .events = POLLIN},
                              {.fd = stop_at == 0 ? STDIN_FILENO : -1, .events = POLLIN}};
        uint64_t now = wire_now_us();

        if (stop_at == 0 && now >= next) {
            ping();
            next += (uint64_t)canary.period_ms * 1000;
        }
        if (stop_at != 0 && (now >= stop_at || canary.got == (uint64_t)canary.sent * WORD))
            return;
        now = wire_now_us();
        poll(p, 2, stop_at != 0 ? 5 : next > now ? (int)((next - now) / 1000) + 1 : 0);
        if (p[0].revents != 0)
            take();
        if (p[1].revents != 0)
            stop_at = wire_now_us() + (uint64_t)canary.wait_ms * 1000;
    }
}

static int connect_to(const char *endpoint)
{
    struct wire_address addr;

    if (wire_address(endpoint, &addr) != 0)
        return EINVAL;
    canary.fd = wire_socket(&addr);
    return wire_connect(canary.fd, &addr, 5000);
}

int main(int argc, char **argv)
{
    unsigned life = 120;
    int option, error;

    while ((option = getopt(argc, argv, "t:p:w:")) != -1) {
        if (option == 't')
            life = (unsigned)atoi(optarg);
        else if (option == 'p')
            canary.period_ms = (unsigned)atoi(optarg);
        else if (option == 'w')
            canary.wait_ms = (unsigned)atoi(optarg);
        else
            return TOOL_USAGE;
    }
    if (optind != argc - 1)
        return TOOL_USAGE;
    signal(SIGALRM, on_life_over);
    alarm(life);
    error = connect_to(argv[optind]);
    if (error != 0) {
        printf("connect=%s\n", strerror(error));
        return TOOL_NO_CONNECTION;
    }
    sing();
    return report();
}

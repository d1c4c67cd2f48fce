/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer: one raw socket that runs a script step by step and checks every byte received.
 *
 *     peer [-t SECONDS] [-i MS] [-w MS] [-s SEED] ENDPOINT STEP...
 *
 * It sends the position-coded pattern of wire.h (or the bytes of text: and oob: steps). The byte
 * received at an offset must be the byte sent there, and no byte may be received that was not sent.
 * It prints its facts at the end as key=value lines. It exits 0 only if each byte was correct and
 * the stream ended as the script expects.
 */
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <linux/sockios.h>

#include "wire.h"

#define CHUNK 65536
#define FILL_DEFAULT (64LL << 20)
#define TEXTS_MAX 64

enum end { END_OPEN, END_EOF, END_RESET, END_TIMEOUT, END_CLOSED };

static const char *const END_WORDS[] = {"open", "eof", "reset", "timeout", "closed"};

/* Literal bytes of a step, instead of the pattern. */
struct text {
    uint64_t offset;
    const char *bytes;
    size_t len;
};

static struct peer {
    const char *endpoint;
    struct wire_address addr;
    int fd; /* -1 until a step needs the connection */
    bool is_unix;
    int rcvbuf;
    const char *bind_to;
    uint64_t seed;
    int idle_ms; /* without progress for so long while some is due, the step fails */
    int hold_ms; /* without progress for so long while writing, the server has stopped reading */
    uint64_t sent, got;
    enum end end;
    bool end_expected;
    struct text texts[TEXTS_MAX];
    size_t text_count;
    char why[256]; /* the first expectation that failed */
    uint64_t started_us;
} peer = {.fd = -1, .idle_ms = 10000, .hold_ms = 400, .seed = 1};

static void __attribute__((format(printf, 1, 2))) broken(const char *format, ...)
{
    va_list args;
    if (peer.why[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(peer.why, sizeof peer.why, format, args);
    va_end(args);
}

static __attribute__((noreturn)) void usage(const char *what, const char *value)
{
    fprintf(stderr, "peer: %s: %s\n", what, value);
    exit(TOOL_USAGE);
}

static __attribute__((noreturn)) void report(void)
{
    printf("sent=%llu\ngot=%llu\nend=%s\nseconds=%.3f\nverdict=%s\n", (unsigned long long)peer.sent,
           (unsigned long long)peer.got, END_WORDS[peer.end],
           (double)(wire_now_us() - peer.started_us) / 1e6, peer.why[0] != '\0' ? peer.why : "ok");
    exit(peer.why[0] != '\0' ? TOOL_BROKEN : TOOL_OK);
}

/* The byte expected at an offset: of a step's text if one is there, else of the pattern. */
static uint8_t expected_at(uint64_t offset)
{
    for (size_t i = 0; i < peer.text_count; i++) {
        const struct text *t = &peer.texts[i];

        if (offset >= t->offset && offset < t->offset + t->len)
            return (uint8_t)t->bytes[offset - t->offset];
    }
    return wire_byte(peer.seed, offset);
}

static void verify(const uint8_t *bytes, size_t len)
{
    static uint8_t want[CHUNK];
    size_t i = 0;

    if (peer.text_count == 0) {
        wire_fill(peer.seed, peer.got, want, len);
    } else {
        for (i = 0; i < len; i++)
            want[i] = expected_at(peer.got + i);
    }
    for (i = 0; i < len && bytes[i] == want[i] && peer.got + i < peer.sent; i++)
        ;
    peer.got += i;
    if (i == len)
        return;
    printf("first_bad=%llu\n", (unsigned long long)peer.got);
    broken("byte %llu of %llu sent is 0x%02x where 0x%02x is due", (unsigned long long)peer.got,
           (unsigned long long)peer.sent, bytes[i], want[i]);
    report();
}

static void set_end(enum end end)
{
    if (peer.end == END_OPEN)
        peer.end = end;
}

static void connect_now(void)
{
    int error;

    if (peer.fd >= 0 || peer.end != END_OPEN)
        return;
    peer.fd = wire_socket(&peer.addr);
    if (peer.rcvbuf > 0)
        setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &peer.rcvbuf, sizeof peer.rcvbuf);
    if (peer.bind_to != NULL) {
        struct wire_address from;

        if (peer.is_unix ? wire_unix_address(peer.bind_to, &from) != 0
                         : wire_inet_address(peer.bind_to, &from) != 0)
            usage("bind", peer.bind_to);
        if (bind(peer.fd, (struct sockaddr *)&from.sa, from.len) != 0)
            usage("bind", strerror(errno));
    }
    error = wire_connect(peer.fd, &peer.addr, peer.idle_ms);
    if (error == ECONNRESET) {
        set_end(END_RESET); /* before we checked */
    } else if (error != 0) {
        printf("connect=%s\n", strerror(error));
        exit(TOOL_NO_CONNECTION);
    }
}

/* Reads the available bytes. True if any were read or the stream ended. */
static bool take(size_t at_most)
{
    static uint8_t buffer[CHUNK];
    ssize_t n = recv(peer.fd, buffer, at_most < CHUNK ? at_most : CHUNK, 0);

    if (n > 0)
        verify(buffer, (size_t)n);
    else if (n == 0)
        set_end(END_EOF);
    else if (errno == EAGAIN || errno == EINTR)
        return false;
    else
        set_end(END_RESET);
    return true;
}

/* A failed write is the end of the stream; the remaining input shows how it ended. */
static void end_of_writing(int error)
{
    if (error == EPIPE && peer.is_unix) {
        while (peer.end == END_OPEN && take(CHUNK))
            ;
    }
    set_end(END_RESET);
}

/* Writes up to `limit` more bytes of the pattern. Returns their number, 0 if the socket is full. */
static size_t give(uint64_t limit)
{
    static uint8_t buffer[CHUNK];
    size_t len = limit < CHUNK ? (size_t)limit : CHUNK;
    ssize_t n;

    wire_fill(peer.seed, peer.sent, buffer, len);
    n = send(peer.fd, buffer, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        end_of_writing(errno);
    if (n < 0)
        return 0;
    peer.sent += (uint64_t)n;
    return (size_t)n;
}

static bool wait_for(short events, int ms)
{
    struct pollfd p = {.fd = peer.fd, .events = events};
    int n;

    do {
        n = poll(&p, 1, ms);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Writes and reads until so many bytes are sent and so many are received, or the stream ends. */
static void pump(uint64_t send_to, uint64_t read_to)
{
    while (peer.end == END_OPEN && (peer.sent < send_to || peer.got < read_to)) {
        bool moved = peer.sent < send_to && give(send_to - peer.sent) > 0;

        if (peer.end == END_OPEN && (peer.got < read_to || peer.sent < send_to))
            moved |= take(peer.got < read_to ? read_to - peer.got : CHUNK);
        if (peer.end != END_OPEN || moved)
            continue;
        if (!wait_for((short)(POLLIN | (peer.sent < send_to ? POLLOUT : 0)), peer.idle_ms)) {
            set_end(END_TIMEOUT);
            broken("nothing moved for %d ms with %llu of %llu bytes back", peer.idle_ms,
                   (unsigned long long)peer.got, (unsigned long long)peer.sent);
        }
    }
}

static void read_to_end(void)
{
    while (peer.end == END_OPEN) {
        if (take(CHUNK))
            continue;
        if (!wait_for(POLLIN, peer.idle_ms)) {
            set_end(END_TIMEOUT);
            broken("no end came within %d ms, %llu of %llu bytes back", peer.idle_ms,
                   (unsigned long long)peer.got, (unsigned long long)peer.sent);
        }
    }
    peer.end_expected = true;
}

/* ---- steps ---- */

static uint64_t size_of(const char *arg)
{
    int64_t n = wire_size(arg);

    if (n < 0)
        usage("a size is expected", arg);
    return (uint64_t)n;
}

static void step_rcvbuf(char *arg)
{
    peer.rcvbuf = (int)size_of(arg);
}

static void step_bind(char *arg)
{
    peer.bind_to = arg;
}

static void step_send(char *arg)
{
    pump(peer.sent + size_of(arg), 0);
}

static void step_echo(char *arg)
{
    uint64_t to = peer.sent + size_of(arg);

    pump(to, to);
}

static void step_read(char *arg)
{
    pump(0, peer.got + size_of(arg));
}

/* Sends literal bytes, all in one write, so that they arrive together. */
static void give_text(char *bytes, int flags)
{
    size_t len = strlen(bytes);

    if (peer.text_count == TEXTS_MAX)
        usage("too many texts", bytes);
    peer.texts[peer.text_count++] = (struct text){peer.sent, bytes, len};
    if (send(peer.fd, bytes, len, flags | MSG_NOSIGNAL) != (ssize_t)len) {
        end_of_writing(errno);
        return;
    }
    peer.sent += len;
}

static void step_text(char *arg)
{
    give_text(arg, 0);
}

static void step_oob(char *arg)
{
    give_text(arg, MSG_OOB);
}

/* Writes without reading until so many bytes are sent or none is accepted for hold_ms. */
static void step_fill(char *arg)
{
    uint64_t from = peer.sent;
    uint64_t to = from + (arg != NULL ? size_of(arg) : (uint64_t)FILL_DEFAULT);
    bool is_held = false;

    while (peer.end == END_OPEN && peer.sent < to && !is_held) {
        if (give(to - peer.sent) == 0)
            is_held = !wait_for(POLLOUT, peer.hold_ms);
    }
    printf("filled=%llu\nheld=%d\n", (unsigned long long)(peer.sent - from), is_held);
    fflush(stdout);
}

/* Spins until the server's program has read all our bytes (Unix), or its kernel has acknowledged
 * them (TCP). */
static bool is_taken(void)
{
    uint64_t until = wire_now_us() + (uint64_t)peer.hold_ms * 1000;
    int waiting = 0;

    for (int spins = 1; ioctl(peer.fd, SIOCOUTQ, &waiting) == 0 && waiting > 0; spins++) {
        if (spins % 64 == 0 && wire_now_us() > until)
            return false;
        if (spins % 64 == 0)
            sched_yield();
    }
    return true;
}

/* COUNT[:MICROSECONDS]: returns the count; *pause is the second number, or zero. */
static uint64_t count_and_pause(char *arg, struct timespec *pause)
{
    char *after = strchr(arg, ':');

    *pause = (struct timespec){0};
    if (after != NULL) {
        uint64_t us = size_of(after + 1);

        *after = '\0';
        pause->tv_sec = (time_t)(us / 1000000);
        pause->tv_nsec = (long)(us % 1000000) * 1000;
    }
    return size_of(arg);
}

/* drip:COUNT[:US]: writes byte by byte, and after each pauses or waits until it was read. */
static void step_drip(char *arg)
{
    struct timespec pause;
    bool is_proven = strchr(arg, ':') == NULL, is_held = false;
    uint64_t done = 0, count = count_and_pause(arg, &pause);

    while (peer.end == END_OPEN && done < count && !is_held) {
        if (give(1) == 0) {
            is_held = !wait_for(POLLOUT, peer.hold_ms);
            continue;
        }
        done++;
        if (is_proven)
            is_held = !is_taken();
        else
            nanosleep(&pause, NULL);
    }
    printf("dripped=%llu\nheld=%d\n", (unsigned long long)done, is_held);
    fflush(stdout);
}

/* sip:COUNT:US: reads slowly, byte by byte. */
static void step_sip(char *arg)
{
    struct timespec pause;
    uint64_t to = peer.got + count_and_pause(arg, &pause);

    while (peer.end == END_OPEN && peer.got < to) {
        pump(0, peer.got + 1);
        nanosleep(&pause, NULL);
    }
}

static void step_half_close(char *arg)
{
    (void)arg;
    shutdown(peer.fd, SHUT_WR);
}

static void step_close(char *arg)
{
    (void)arg;
    close(peer.fd);
    set_end(END_CLOSED);
    peer.end_expected = true;
}

static void step_reset(char *arg)
{
    wire_reset_on_close(peer.fd);
    step_close(arg);
}

/* The peer neither writes nor reads for a time. */
static void step_stall(char *arg)
{
    uint64_t ms = size_of(arg);
    struct timespec ts = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    nanosleep(&ts, NULL);
}

/* Waits for a line on standard input, so that the test can make checks before it. */
static void step_wait_line(char *arg)
{
    char line[256];

    (void)arg;
    if (fgets(line, sizeof line, stdin) == NULL)
        broken("standard input ended where a line was awaited");
}

static void step_say(char *arg)
{
    printf("%s\n", arg);
    fflush(stdout);
}

/* Reads to the end, which must be `wanted` (END_OPEN: any). If must_be_whole, a clean end must
 * follow all the bytes. */
static void end_with(enum end wanted, bool must_be_whole)
{
    read_to_end();
    if (wanted != END_OPEN && peer.end != wanted)
        broken("the end is %s where %s is due", END_WORDS[peer.end], END_WORDS[wanted]);
    if (must_be_whole && peer.end == END_EOF && peer.got != peer.sent)
        broken("a clean end after %llu of %llu bytes", (unsigned long long)peer.got,
               (unsigned long long)peer.sent);
}

static void step_read_all(char *arg)
{
    (void)arg;
    end_with(END_EOF, true);
}

static void step_read_end(char *arg)
{
    (void)arg;
    end_with(END_OPEN, true);
}

static void step_expect_reset(char *arg)
{
    (void)arg;
    end_with(END_RESET, false);
}

static void step_expect_eof(char *arg)
{
    (void)arg;
    end_with(END_EOF, false);
}

/* Waits for a reset without reading. */
static void step_await_reset(char *arg)
{
    struct pollfd p = {.fd = peer.fd, .events = 0};

    (void)arg;
    if (peer.end == END_OPEN && poll(&p, 1, peer.idle_ms) == 1)
        set_end(END_RESET);
    if (peer.end != END_RESET)
        broken("no reset came within %d ms", peer.idle_ms);
    peer.end_expected = true;
}

/* late:SIZE: sends bytes after the server's FIN. They need not be echoed: the result is only
 * reported. */
static void step_late(char *arg)
{
    struct pollfd p = {.fd = peer.fd, .events = 0};
    char bytes[1024] = {0};
    uint64_t left = size_of(arg);

    if (peer.end != END_EOF) {
        broken("late bytes before the other side's FIN");
        return;
    }
    while (left > 0) {
        ssize_t n = send(peer.fd, bytes, left < sizeof bytes ? left : sizeof bytes, MSG_NOSIGNAL);
        if (n < 0)
            break;
        left -= (uint64_t)n;
    }
    bool is_told = poll(&p, 1, peer.idle_ms) == 1 && (!peer.is_unix || p.revents & POLLERR);
    peer.end = is_told ? END_RESET : END_EOF; /* a Unix socket without unread bytes just hangs up */
}

enum { BEFORE = 1, AFTER = 2 }; /* runs without a connection; runs also after its end */

static const struct step {
    const char *name;
    void (*run)(char *arg);
    unsigned flags;
    const char *help;
} STEPS[] = {
    {"rcvbuf", step_rcvbuf, BEFORE, ":SIZE  receive buffer, before the connection"},
    {"bind", step_bind, BEFORE, ":ADDRESS  or a path: where we come from"},
    {"send", step_send, 0, ":SIZE  write, taking what comes back"},
    {"echo", step_echo, 0, ":SIZE  write, and read until all is back"},
    {"text", step_text, 0, ":TEXT  these very bytes"},
    {"oob", step_oob, 0, ":TEXT  its last byte urgent"},
    {"fill", step_fill, 0, "[:SIZE]  write without reading until held"},
    {"drip", step_drip, 0, ":COUNT[:US]  a byte a write, without reading"},
    {"sip", step_sip, 0, ":COUNT:US  read a byte at a time"},
    {"read", step_read, 0, ":SIZE  so many more bytes"},
    {"half-close", step_half_close, 0, ""},
    {"close", step_close, AFTER, ""},
    {"reset", step_reset, 0, ""},
    {"stall", step_stall, 0, ":MS  a peer that does nothing"},
    {"say", step_say, BEFORE | AFTER, ":TEXT  print a line now"},
    {"wait-line", step_wait_line, BEFORE | AFTER, "  read a line from standard input"},
    {"read-all", step_read_all, AFTER, "  everything sent, then eof"},
    {"read-end", step_read_end, AFTER, "  everything sent, then eof; or a reset"},
    {"expect-eof", step_expect_eof, AFTER, "  eof after whatever came"},
    {"expect-reset", step_expect_reset, AFTER, ""},
    {"await-reset", step_await_reset, AFTER, "  without reading"},
    {"late", step_late, AFTER, ":SIZE  bytes after the other side's FIN"},
};

static const struct step *find_step(const char *word, char **arg)
{
    size_t len = strcspn(word, ":");

    *arg = word[len] == ':' ? (char *)word + len + 1 : NULL;
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        if (strlen(STEPS[i].name) == len && strncmp(STEPS[i].name, word, len) == 0) {
            if (*arg == NULL && STEPS[i].help[0] == ':')
                usage("a step without its value", word);
            return &STEPS[i];
        }
    }
    usage("no such step", word);
}

static void run_step(char *word)
{
    char *arg;
    const struct step *step = find_step(word, &arg);

    if ((step->flags & BEFORE) == 0)
        connect_now();
    if (peer.end != END_OPEN && (step->flags & AFTER) == 0)
        return;
    if (peer.why[0] != '\0' && step->run != step_say)
        return;
    step->run(arg);
}

static int help(void)
{
    printf("peer [-t LIFE_SECONDS] [-i IDLE_MS] [-w HOLD_MS] [-s SEED] ENDPOINT STEP...\n");
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++)
        printf("  %s%s\n", STEPS[i].name, STEPS[i].help);
    return TOOL_OK;
}

static void read_options(int argc, char **argv)
{
    unsigned life = 120;
    int option;

    while ((option = getopt(argc, argv, "+t:i:w:s:h")) != -1) {
        if (option == 't')
            life = (unsigned)atoi(optarg);
        else if (option == 'i')
            peer.idle_ms = atoi(optarg);
        else if (option == 'w')
            peer.hold_ms = atoi(optarg);
        else if (option == 's')
            peer.seed = strtoull(optarg, NULL, 10);
        else
            exit(option == 'h' ? help() : TOOL_USAGE);
    }
    if (optind >= argc)
        usage("no endpoint", "(see -h)");
    peer.endpoint = argv[optind];
    peer.is_unix = strncmp(peer.endpoint, "unix:", 5) == 0;
    if (wire_address(peer.endpoint, &peer.addr) != 0)
        usage("no such endpoint", peer.endpoint);
    alarm(life); /* the default action ends the process */
}

int main(int argc, char **argv)
{
    char *unused;

    read_options(argc, argv);
    for (int i = optind + 1; i < argc; i++)
        find_step(argv[i], &unused);
    prctl(PR_SET_TIMERSLACK, 1);
    peer.started_us = wire_now_us();
    for (int i = optind + 1; i < argc; i++)
        run_step(argv[i]);
    if (peer.end != END_OPEN && !peer.end_expected)
        broken("the stream ended (%s) in mid-script", END_WORDS[peer.end]);
    report();
}

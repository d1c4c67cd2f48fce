/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crowd: many connections at once from one process.
 *
 *     crowd [-t SECONDS] [-n COUNT] [-m SIZE] [-j IN_FLIGHT] [-k] [-r] [-e] [-a]
 *           [-b ADDRESS [-B]] ENDPOINT
 *
 * Each connection sends a message of the position-coded pattern and checks its echo. Then all are
 * held open and the facts are printed. After a line on standard input each finishes: one more
 * message, a half-close, and the server's FIN. If the server closes first while they are held, they
 * close too, and are counted.
 *
 *     -k  do not hold: each finishes after its echo
 *     -r  finish with a reset
 *     -e  connect and send nothing
 *     -a  accept any outcome, and print the facts only
 *     -j  the most connections that wait for their first echo at one time
 *     -b  our source address
 *     -B  each from its own address: that of -b, the next, ...
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "wire.h"

#define MESSAGE_MAX 65536
#define EVENTS_MAX 512

enum state { UNBORN, CONNECTING, ECHOING, HELD, ENDING, FINISHING, DONE };

struct member {
    int fd;
    enum state state;
    uint32_t sent, got, due; /* `due` bytes in all so far */
};

static struct {
    const char *endpoint;
    struct wire_address addr, from;
    bool has_from, has_many, keep_going, resets, is_silent, is_any;
    unsigned count, message, in_flight_max;
    struct member *members;
    int epoll;
    /* facts */
    unsigned born, in_flight, held, done;
    unsigned echoed, finished, refused, reset, eof, bad, ended_held, reset_held;
    int refusal; /* errno of the last one refused */
    uint64_t started_us, first_us;
    bool is_released;
} crowd = {.count = 100, .message = 64, .in_flight_max = 400};

static __attribute__((noreturn)) void usage(const char *what)
{
    fprintf(stderr, "crowd: %s\n", what);
    exit(TOOL_USAGE);
}

static void print_facts(void)
{
    printf("connections=%u\nechoed=%u\nheld=%u\nfinished=%u\nrefused=%u\nreset=%u\neof=%u\nbad=%u\n"
           "ended_held=%u\nreset_held=%u\nrefusal=%s\nseconds=%.3f\n",
           crowd.count, crowd.echoed, crowd.held, crowd.finished, crowd.refused, crowd.reset,
           crowd.eof, crowd.bad, crowd.ended_held, crowd.reset_held,
           crowd.refusal ? strerror(crowd.refusal) : "",
           (double)(wire_now_us() - crowd.started_us) / 1e6);
    fflush(stdout);
}

static void on_life_over(int signal)
{
    (void)signal;
    print_facts();
    puts("verdict=life over");
    fflush(stdout);
    _exit(TOOL_LIFE_OVER);
}

static void leave(struct member *m, unsigned *fact)
{
    if (m->state == CONNECTING || m->state == ECHOING)
        crowd.in_flight--;
    if (m->state == HELD)
        crowd.held--;
    (*fact)++;
    crowd.done++;
    m->state = DONE;
    close(m->fd);
}

static void watch(struct member *m, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = m};

    epoll_ctl(crowd.epoll, EPOLL_CTL_MOD, m->fd, &ev);
}

static void hold(struct member *m)
{
    crowd.in_flight--;
    crowd.held++;
    m->state = HELD;
    watch(m, EPOLLIN);
}

/* Each member has its own pattern, so that bytes echoed to the wrong member are detected. */
static uint64_t seed_of(const struct member *m)
{
    return (uint64_t)(m - crowd.members) + 1;
}

static void on_end(struct member *m, bool is_reset)
{
    if (m->state == HELD)
        leave(m, is_reset ? &crowd.reset_held : &crowd.ended_held);
    else if (is_reset)
        leave(m, &crowd.reset);
    else
        leave(m, m->state == FINISHING ? &crowd.finished : &crowd.eof);
}

static void give(struct member *m)
{
    uint8_t bytes[MESSAGE_MAX];
    ssize_t n;

    if (m->sent == m->due)
        return;
    wire_fill(seed_of(m), m->sent, bytes, m->due - m->sent);
    n = send(m->fd, bytes, m->due - m->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        on_end(m, true); /* the kernel reports the error once: a read would return a clean end */
        return;
    }
    if (n > 0)
        m->sent += (uint32_t)n;
    watch(m, m->sent < m->due ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void finish(struct member *m)
{
    if (m->state == HELD)
        crowd.held--;
    else
        crowd.in_flight--;
    m->state = FINISHING;
    if (crowd.resets) {
        wire_reset_on_close(m->fd);
        leave(m, &crowd.finished);
        return;
    }
    shutdown(m->fd, SHUT_WR);
}

static void on_echo(struct member *m)
{
    if (m->state == ECHOING) {
        crowd.echoed++;
        if (crowd.first_us == 0) {
            crowd.first_us = wire_now_us();
            puts("first echo");
            fflush(stdout);
        }
        if (crowd.keep_going)
            finish(m);
        else
            hold(m);
    } else if (m->state == ENDING) {
        m->state = FINISHING;
        if (crowd.resets) {
            wire_reset_on_close(m->fd);
            leave(m, &crowd.finished);
        } else {
            shutdown(m->fd, SHUT_WR);
        }
    }
}

static void take(struct member *m)
{
    uint8_t bytes[MESSAGE_MAX], want[MESSAGE_MAX];
    ssize_t n = recv(m->fd, bytes, sizeof bytes, 0);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        on_end(m, true);
    else if (n == 0)
        on_end(m, false);
    if (n <= 0)
        return;
    wire_fill(seed_of(m), m->got, want, (size_t)n);
    if (m->got + (size_t)n > m->sent || memcmp(bytes, want, (size_t)n) != 0) {
        leave(m, &crowd.bad);
        return;
    }
    m->got += (uint32_t)n;
    if (m->got == m->due)
        on_echo(m);
}

static void refuse(struct member *m, int error)
{
    crowd.refusal = error;
    leave(m, &crowd.refused);
}

static void on_connected(struct member *m)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(m->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        if (error == ECONNRESET)
            leave(m, &crowd.reset);
        else
            refuse(m, error);
        return;
    }
    m->state = ECHOING;
    if (crowd.is_silent) {
        if (crowd.keep_going)
            finish(m);
        else
            hold(m);
        return;
    }
    m->due = crowd.message;
    give(m);
}

static void on_ready(struct member *m, uint32_t events)
{
    if (m->state == CONNECTING)
        on_connected(m);
    else if ((events & EPOLLOUT) != 0 && m->state != DONE)
        give(m);
    if (m->state != DONE && m->state != CONNECTING && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        take(m);
}

static void bear(struct member *m)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = m};

    const int one = 1;

    m->fd = wire_socket(&crowd.addr);
    if (m->fd < 0)
        usage("out of descriptors: raise ulimit -n");
    /* Delays the choice of the port until connect(2), so that a port in TIME_WAIT can be reused. */
    setsockopt(m->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (crowd.has_from && bind(m->fd, (struct sockaddr *)&crowd.from.sa, crowd.from.len) != 0)
        usage("cannot bind");
    if (crowd.has_many)
        wire_next_address(&crowd.from);
    m->state = CONNECTING;
    crowd.born++;
    crowd.in_flight++;
    if (connect(m->fd, (struct sockaddr *)&crowd.addr.sa, crowd.addr.len) != 0 &&
        errno != EINPROGRESS) {
        if (errno == EAGAIN) { /* a full Unix backlog: try again later */
            close(m->fd);
            m->state = UNBORN;
            crowd.born--;
            crowd.in_flight--;
            return;
        }
        refuse(m, errno);
        return;
    }
    epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, m->fd, &ev);
}

static void release(void)
{
    crowd.is_released = true;
    for (unsigned i = 0; i < crowd.count; i++) {
        struct member *m = &crowd.members[i];

        if (m->state != HELD)
            continue;
        if (crowd.is_silent) {
            finish(m);
            continue;
        }
        crowd.held--;
        m->state = ENDING;
        m->due += crowd.message;
        give(m);
    }
}

static void on_go(void)
{
    char line[256];

    if (read(STDIN_FILENO, line, sizeof line) < 0)
        return;
    epoll_ctl(crowd.epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    release();
}

/* All members hold, or have ended: print the facts, and wait for the line. */
static void announce(void)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

    print_facts();
    printf("holding=%u\n", crowd.held);
    fflush(stdout);
    if (epoll_ctl(crowd.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0)
        release();
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];
    bool is_announced = crowd.keep_going;

    while (crowd.done < crowd.count) {
        int n;

        while (crowd.born < crowd.count && crowd.in_flight < crowd.in_flight_max) {
            unsigned before = crowd.born;

            bear(&crowd.members[crowd.born]);
            if (crowd.born == before)
                break;
        }
        if (!is_announced && crowd.born == crowd.count && crowd.in_flight == 0) {
            is_announced = true;
            announce();
            continue;
        }
        n = epoll_wait(crowd.epoll, events, EVENTS_MAX, crowd.born < crowd.count ? 10 : -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                on_go();
            else
                on_ready(events[i].data.ptr, events[i].events);
        }
    }
}

static void read_options(int argc, char **argv)
{
    unsigned life = 120;
    int option;

    while ((option = getopt(argc, argv, "t:n:m:j:b:Bkrea")) != -1) {
        if (option == 't')
            life = (unsigned)atoi(optarg);
        else if (option == 'n')
            crowd.count = (unsigned)atoi(optarg);
        else if (option == 'm')
            crowd.message = (unsigned)wire_size(optarg);
        else if (option == 'j')
            crowd.in_flight_max = (unsigned)atoi(optarg);
        else if (option == 'b')
            crowd.has_from = wire_inet_address(optarg, &crowd.from) == 0;
        else if (option == 'B')
            crowd.has_many = true;
        else if (option == 'k')
            crowd.keep_going = true;
        else if (option == 'r')
            crowd.resets = true;
        else if (option == 'e')
            crowd.is_silent = true;
        else if (option == 'a')
            crowd.is_any = true;
        else
            usage("see the head of crowd.c");
    }
    if (optind != argc - 1 || wire_address(argv[optind], &crowd.addr) != 0)
        usage("one endpoint is expected");
    if (crowd.message == 0 || crowd.message > MESSAGE_MAX)
        usage("a message is 1 to 64k bytes");
    signal(SIGALRM, on_life_over);
    alarm(life);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    crowd.members = calloc(crowd.count, sizeof *crowd.members);
    crowd.epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd.started_us = wire_now_us();
    if (crowd.members == NULL || crowd.epoll < 0)
        usage(strerror(errno));
    run();
    print_facts();
    free(crowd.members);
    if (!crowd.is_any && crowd.finished != crowd.count) {
        puts("verdict=not all finished");
        return TOOL_BROKEN;
    }
    puts("verdict=ok");
    return TOOL_OK;
}

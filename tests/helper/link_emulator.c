/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link_emulator: a bad line between two network namespaces.
 *
 *     link_emulator [-t SECONDS] [-s SEED] [-l LOSS] [-u TWICE] [-r EARLY] [-d DELAY_MS]
 *         NETNS NETNS DEVICE
 *
 * Carries packets between the TUN devices of one name in two namespaces (files such as
 * /proc/PID/ns/net), which their owner has made and given addresses. Of each hundred packets LOSS
 * never arrive, TWICE arrive twice, and EARLY overtake others; all take DELAY_MS. What befalls the
 * n-th packet follows from the seed and n alone. SIGTERM ends it, with its facts.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "wire.h"

#define PACKET_MAX 2048
#define QUEUE_MAX 4096 /* packets under way; a line holds no more, and drops */
#define SCALE 1000000u /* what a chance is counted in */

struct packet {
    uint64_t due_us, order;
    int to;
    size_t len;
    uint8_t bytes[PACKET_MAX];
};

static struct {
    int ends[2];
    uint64_t seed, delay_us;
    unsigned loss, twice, early; /* of SCALE */
    struct packet packets[QUEUE_MAX];
    struct packet *queue[QUEUE_MAX]; /* the first `queued` are a heap, the others are free */
    size_t queued;
    uint64_t drawn, order;
    /* facts */
    unsigned carried, lost, doubled, overtaken, overflowed;
} line = {.seed = 1};

static volatile sig_atomic_t is_over;

static void on_over(int signal)
{
    (void)signal;
    is_over = 1;
}

static __attribute__((noreturn)) void give_up(const char *what)
{
    fprintf(stderr, "link_emulator: %s: %s\n", what, strerror(errno));
    exit(TOOL_BROKEN);
}

static int open_end(const char *netns, const char *device)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int netns_fd = open(netns, O_RDONLY | O_CLOEXEC), fd;

    if (netns_fd < 0 || setns(netns_fd, CLONE_NEWNET) != 0)
        give_up(netns);
    close(netns_fd);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        give_up(device);
    return fd;
}

/* ---- what is under way, first due first ---- */

static bool is_before(const struct packet *a, const struct packet *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void swap(size_t i, size_t j)
{
    struct packet *kept = line.queue[i];

    line.queue[i] = line.queue[j];
    line.queue[j] = kept;
}

static void push(const uint8_t *bytes, size_t len, int to, uint64_t due_us)
{
    size_t i = line.queued;

    if (i == QUEUE_MAX) {
        line.overflowed++;
        return;
    }
    line.queue[i]->due_us = due_us;
    line.queue[i]->order = line.order++;
    line.queue[i]->to = to;
    line.queue[i]->len = len;
    memcpy(line.queue[i]->bytes, bytes, len);
    line.queued++;
    for (; i > 0 && is_before(line.queue[i], line.queue[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static void drop_first(void)
{
    size_t i = 0;

    swap(0, --line.queued);
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < line.queued; child++) {
            if (is_before(line.queue[child], line.queue[least]))
                least = child;
        }
        if (least == i)
            return;
        swap(i, least);
        i = least;
    }
}

/* ---- fate ---- */

static bool befalls(unsigned chance)
{
    return wire_word(line.seed, line.drawn++) % SCALE < chance;
}

static void send_off(const uint8_t *bytes, size_t len, int to)
{
    uint64_t now = wire_now_us(), due_us = now + line.delay_us;
    bool is_lost = befalls(line.loss), is_twice = befalls(line.twice),
         is_early = befalls(line.early);

    if (is_lost) {
        line.lost++;
        return;
    }
    /* Those that overtake leave at once; without a delay the others wait a moment for them. */
    if (is_early)
        line.overtaken++;
    else if (line.early > 0 && line.delay_us == 0)
        due_us += 1000;
    push(bytes, len, to, is_early ? now : due_us);
    if (is_twice) {
        line.doubled++;
        push(bytes, len, to, due_us);
    }
}

static void take_from(int end)
{
    uint8_t bytes[PACKET_MAX];
    ssize_t len;

    while ((len = read(line.ends[end], bytes, sizeof bytes)) > 0)
        send_off(bytes, (size_t)len, 1 - end);
}

static void deliver_due(void)
{
    while (line.queued > 0 && line.queue[0]->due_us <= wire_now_us()) {
        const struct packet *first = line.queue[0];

        if (write(line.ends[first->to], first->bytes, first->len) == (ssize_t)first->len)
            line.carried++;
        else
            line.overflowed++;
        drop_first();
    }
}

static void carry(void)
{
    struct pollfd p[2] = {{.fd = line.ends[0], .events = POLLIN},
                          {.fd = line.ends[1], .events = POLLIN}};

    while (!is_over) {
        struct timespec wait = {.tv_sec = 1};

        if (line.queued > 0) {
            uint64_t now = wire_now_us(), due = line.queue[0]->due_us;
            uint64_t left_us = due > now ? due - now : 0;

            wait = (struct timespec){(time_t)(left_us / 1000000), (long)(left_us % 1000000) * 1000};
        }
        if (ppoll(p, 2, &wait, NULL) > 0) {
            take_from(0);
            take_from(1);
        }
        deliver_due();
    }
}

static unsigned chance_of(const char *percent)
{
    return (unsigned)(atof(percent) * (SCALE / 100));
}

static void read_options(int argc, char **argv)
{
    unsigned life = 60;
    int option;

    while ((option = getopt(argc, argv, "t:s:l:u:r:d:")) != -1) {
        if (option == 't')
            life = (unsigned)atoi(optarg);
        else if (option == 's')
            line.seed = strtoull(optarg, NULL, 10);
        else if (option == 'l')
            line.loss = chance_of(optarg);
        else if (option == 'u')
            line.twice = chance_of(optarg);
        else if (option == 'r')
            line.early = chance_of(optarg);
        else if (option == 'd')
            line.delay_us = strtoull(optarg, NULL, 10) * 1000;
        else
            exit(TOOL_USAGE);
    }
    if (optind + 3 != argc)
        exit(TOOL_USAGE);
    alarm(life);
}

int main(int argc, char **argv)
{
    struct sigaction over = {.sa_handler = on_over};

    read_options(argc, argv);
    sigaction(SIGTERM, &over, NULL);
    for (int i = 0; i < QUEUE_MAX; i++)
        line.queue[i] = &line.packets[i];
    for (int i = 0; i < 2; i++)
        line.ends[i] = open_end(argv[optind + i], argv[optind + 2]);
    puts("the line is up");
    fflush(stdout);
    carry();
    printf("carried=%u\nlost=%u\ndoubled=%u\novertaken=%u\noverflowed=%u\n", line.carried,
           line.lost, line.doubled, line.overtaken, line.overflowed);
    return TOOL_OK;
}

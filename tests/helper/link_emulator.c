/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link_emulator: a faulty link between two network namespaces.
 *
 *     link_emulator [-t SECONDS] [-s SEED] [-l LOSS] [-u TWICE] [-r EARLY] [-d DELAY_MS] [-m MTU]
 *         [-x BAD] NETNS NETNS DEVICE
 *
 * Forwards packets between the TUN devices of one name in two namespaces (files such as
 * /proc/PID/ns/net); the caller has made the devices and set their addresses. Of each hundred
 * packets LOSS are dropped, TWICE are duplicated, EARLY overtake others, and BAD have a bit of
 * their last byte flipped; all are delayed by DELAY_MS. An IPv4 packet longer than MTU is dropped
 * and reported to its sender (RFC 1191), regardless of its DF bit. The fate of the n-th packet
 * depends only on the seed and n. On SIGTERM it prints its facts and ends.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "wire.h"

#define PACKET_MAX 2048
#define QUEUE_MAX 4096 /* packets in transit; the link drops any more */
#define IPV4_BYTES 20
#define ICMP_BYTES 8
#define QUOTED_BYTES 28 /* an IPv4 and a UDP header */
#define SCALE 1000000u  /* the unit of a probability */

struct packet {
    uint64_t due_us, order;
    int to;
    size_t len;
    uint8_t bytes[PACKET_MAX];
};

static struct {
    int ends[2];
    uint64_t seed, delay_us;
    unsigned loss, twice, early, bad; /* of SCALE */
    size_t mtu;                       /* 0: none */
    struct packet packets[QUEUE_MAX];
    struct packet *queue[QUEUE_MAX]; /* the first `queued` are a heap, the others are free */
    size_t queued;
    uint64_t drawn, order;
    /* facts */
    unsigned carried, lost, doubled, overtaken, flipped, too_long, overflowed;
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

/* ---- packets in transit, the first due first ---- */

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
    /* An overtaking packet is sent at once; without a delay the others wait a moment for it. */
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

static uint16_t checksum(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~(sum + (sum >> 16));
}

static void put_word(uint8_t *out, size_t word)
{
    out[0] = (uint8_t)(word >> 8);
    out[1] = (uint8_t)word;
}

/* Sends "Fragmentation needed", with the first bytes of the packet, back to its sender, as if from
 * its destination. */
static void refuse_length(const uint8_t *packet, int end)
{
    uint8_t answer[IPV4_BYTES + ICMP_BYTES + QUOTED_BYTES] = {0x45};
    uint8_t *icmp = answer + IPV4_BYTES;

    put_word(answer + 2, sizeof answer);
    answer[8] = 64;
    answer[9] = IPPROTO_ICMP;
    memcpy(answer + 12, packet + 16, 4);
    memcpy(answer + 16, packet + 12, 4);
    put_word(answer + 10, checksum(answer, IPV4_BYTES));
    icmp[0] = 3;
    icmp[1] = 4;
    put_word(icmp + 6, line.mtu);
    memcpy(icmp + ICMP_BYTES, packet, QUOTED_BYTES);
    put_word(icmp + 2, checksum(icmp, ICMP_BYTES + QUOTED_BYTES));
    push(answer, sizeof answer, end, wire_now_us());
    line.too_long++;
}

static void take_from(int end)
{
    uint8_t bytes[PACKET_MAX];
    ssize_t len;

    while ((len = read(line.ends[end], bytes, sizeof bytes)) > 0) {
        if (line.mtu > 0 && (size_t)len > line.mtu && bytes[0] >> 4 == 4) {
            refuse_length(bytes, end);
            continue;
        }
        if (line.bad > 0 && befalls(line.bad)) {
            bytes[len - 1] ^= 4;
            line.flipped++;
        }
        send_off(bytes, (size_t)len, 1 - end);
    }
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

    while ((option = getopt(argc, argv, "t:s:l:u:r:d:m:x:")) != -1) {
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
        else if (option == 'x')
            line.bad = chance_of(optarg);
        else if (option == 'm')
            line.mtu = (size_t)atoi(optarg);
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
    printf(
        "carried=%u\nlost=%u\ndoubled=%u\novertaken=%u\nflipped=%u\ntoo_long=%u\noverflowed=%u\n",
        line.carried, line.lost, line.doubled, line.overtaken, line.flipped, line.too_long,
        line.overflowed);
    return TOOL_OK;
}

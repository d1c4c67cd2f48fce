/* SPDX-License-Identifier: BSD-2-Clause */
/* What a faithful echo of datagrams does, property by property. All of it together stays below a
 * thousand datagrams, which a rate limit is likely to allow. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/check.h"
#include "client/udp_flow.h"
#include "client/udp_target.h"
#include "net/address.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define STEADY_COUNT 200
#define STEADY_STEP_NS (3 * NS_PER_MS)
#define BURST_COUNT 50
#define QUIET_NS (100 * NS_PER_MS) /* for what comes twice */
#define EARLIER_MAX 16             /* as many as a property exchanges one by one */
#define PRIVILEGED_PORT 19         /* chargen: the other half of the oldest loop */

/* One socket, and the datagrams that were sent from it: datagram i has the pattern of seed + i. */
struct asker {
    struct check *check;
    int fd;
    uint64_t seed;
    unsigned char *sent, *came;
    struct sockaddr_storage from; /* who sent the last that came */
    struct {
        uint64_t seed;
        size_t length;
    } earlier[EARLIER_MAX]; /* those that were sent before */
    size_t earlier_count;
    bool is_out_of_time; /* nothing came, and not for want of --timeout or of an endpoint */
};

static struct asker open_asker(struct check *check, bool is_connected)
{
    const struct dial_target *target = &check->plan.target;
    return (struct asker){.check = check,
                          .fd = is_connected ? udp_connect(target) : udp_unconnected(target),
                          .seed = pattern_seed(check->options->seed, ++check->connections),
                          .sent = check->scratch,
                          .came = check->scratch + UDP_BYTES_MAX + 1};
}

/* Closes the socket. */
static enum verdict leave(struct asker *asker, enum verdict verdict)
{
    if (asker->fd >= 0)
        close(asker->fd);
    if (verdict == VERDICT_FAULT && asker->is_out_of_time)
        return check_verdict(asker->check, VERDICT_CHOICE,
                             "its share of our time was over before it was done: alone, with "
                             "--only, it has all of it");
    return verdict;
}

static enum verdict cannot(struct asker *asker, const char *what, int error)
{
    if (check_is_our_limit(asker->check, error))
        return leave(asker, VERDICT_CHOICE);
    (void)check_verdict(asker->check, VERDICT_FAULT, "%s: %s", what, strerror(error));
    return leave(asker, VERDICT_FAULT);
}

static bool send_datagram(struct asker *asker, const void *bytes, size_t length)
{
    const struct dial_target *target = &asker->check->plan.target;
    return sendto(asker->fd, bytes, length, MSG_NOSIGNAL, (const struct sockaddr *)&target->address,
                  target->length) >= 0;
}

/* The length of what comes next, -1 where nothing does in that time, or the system fails (then
 * errno is no EAGAIN). */
static ssize_t receive(struct asker *asker, uint64_t wait_ns)
{
    uint64_t until_ns = clock_now_ns() + wait_ns;
    struct pollfd polled[] = {{.fd = asker->fd, .events = POLLIN},
                              {.fd = asker->check->interrupt.fd, .events = POLLIN}};
    for (;;) {
        socklen_t size = sizeof(asker->from);
        ssize_t length = recvfrom(asker->fd, asker->came, UDP_BYTES_MAX + 1, 0,
                                  (struct sockaddr *)&asker->from, &size);
        uint64_t now_ns = clock_now_ns();
        if (length >= 0)
            asker->check->run.progress_ns = now_ns;
        if (length >= 0 || (errno != EAGAIN && errno != EINTR))
            return length;
        errno = EAGAIN;
        if (now_ns >= until_ns || check_is_interrupted(asker->check))
            return -1;
        const struct timespec left = {(time_t)((until_ns - now_ns) / NS_PER_S),
                                      (long)((until_ns - now_ns) % NS_PER_S)};
        (void)ppoll(polled, 2, &left, NULL);
    }
}

/* How long an answer may take: --timeout, or what is left for this property. */
static uint64_t patience_ns(const struct check *check)
{
    uint64_t now_ns = clock_now_ns(), timeout_ns = check->options->timeout_ms * NS_PER_MS;
    uint64_t left_ns = check->until_ns > now_ns ? check->until_ns - now_ns : 0;
    return left_ns < timeout_ns ? left_ns : timeout_ns;
}

static void remember(struct asker *asker, uint64_t seed, size_t length)
{
    if (asker->earlier_count == EARLIER_MAX)
        return;
    asker->earlier[asker->earlier_count].seed = seed;
    asker->earlier[asker->earlier_count++].length = length;
}

/* True where what came is an earlier datagram once more, which the network may do. */
static bool is_earlier(const struct asker *asker, size_t length)
{
    for (size_t i = 0; i < asker->earlier_count; i++) {
        if (asker->earlier[i].length == length &&
            pattern_match(asker->earlier[i].seed, 0, asker->came, length) == length)
            return true;
    }
    return false;
}

/* Sends one datagram and awaits just that; the diagnosis says what was wrong. */
static bool exchange(struct asker *asker, const unsigned char *bytes, size_t length)
{
    struct check *check = asker->check;
    if (!send_datagram(asker, bytes, length)) {
        (void)check_verdict(check, VERDICT_FAULT, "a datagram of %zu byte%s cannot be sent: %s",
                            length, units_plural(length), strerror(errno));
        return false;
    }
    ssize_t came = receive(asker, patience_ns(check));
    while (came >= 0 && is_earlier(asker, (size_t)came))
        came = receive(asker, patience_ns(check));
    uint64_t now_ns = clock_now_ns();
    asker->is_out_of_time =
        came < 0 && now_ns >= check->until_ns && now_ns - check->run.progress_ns < PROBE_LATELY_NS;
    if (came < 0)
        (void)check_verdict(check, VERDICT_FAULT, "a datagram of %zu byte%s: %s", length,
                            units_plural(length), errno == EAGAIN ? "no answer" : strerror(errno));
    else if ((size_t)came != length)
        (void)check_verdict(check, VERDICT_FAULT, "of %zu byte%s %zd came back", length,
                            units_plural(length), came);
    else if (memcmp(bytes, asker->came, length) != 0)
        (void)check_verdict(check, VERDICT_FAULT, "of %zu byte%s some came back changed", length,
                            units_plural(length));
    return came >= 0 && (size_t)came == length && memcmp(bytes, asker->came, length) == 0;
}

static bool exchange_pattern(struct asker *asker, size_t length)
{
    pattern_fill(asker->seed, 0, asker->sent, length);
    bool is_right = exchange(asker, asker->sent, length);
    remember(asker, asker->seed++, length);
    return is_right;
}

static enum verdict check_sizes(struct check *check, const size_t *sizes, size_t count)
{
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    for (size_t i = 0; i < count; i++) {
        if (!exchange_pattern(&asker, sizes[i]))
            return leave(&asker, VERDICT_FAULT);
    }
    return leave(&asker, VERDICT_OK);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the properties ---- */

static enum verdict small_datagrams(struct check *check)
{
    static const size_t SIZES[] = {1, 2, 3, 7, 8, 9, 64, 511, 512, 513, 1023, 1024, 1200, 1472};
    return check_sizes(check, SIZES, COUNT_OF(SIZES));
}

/* 2048 and 8192 are the buffers of services that cut silently. */
static enum verdict large_datagrams(struct check *check)
{
    static const size_t SIZES[] = {1473, 2048, 2049, 4096, 8192, 8193, 16384, 32768, 65000};
    return check_sizes(check, SIZES, COUNT_OF(SIZES));
}

static enum verdict largest_datagram(struct check *check)
{
    static const size_t SIZES[] = {UDP_BYTES_MAX};
    return check_sizes(check, SIZES, COUNT_OF(SIZES));
}

static enum verdict all_256_values(struct check *check)
{
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    for (size_t i = 0; i < 256; i++)
        asker.sent[i] = (unsigned char)i;
    return leave(&asker, exchange(&asker, asker.sent, 256) ? VERDICT_OK : VERDICT_FAULT);
}

/* It comes back, and does not keep the service from what comes after it. */
static enum verdict empty_datagram(struct check *check)
{
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    bool is_back = exchange_pattern(&asker, 0);
    if (!exchange_pattern(&asker, 64)) {
        (void)check_verdict(check, VERDICT_FAULT, "after an empty datagram nothing is answered");
        return leave(&asker, VERDICT_FAULT);
    }
    return leave(&asker, is_back ? VERDICT_OK : VERDICT_FAULT);
}

/* An unconnected socket takes answers from anywhere, and so sees where they come from. */
static enum verdict replies_from_where_asked(struct check *check)
{
    char text[ADDRESS_TEXT_MAX];
    struct asker asker = open_asker(check, false);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    if (!exchange_pattern(&asker, 64))
        return leave(&asker, VERDICT_FAULT);
    struct address asked =
        address_from_sockaddr((const struct sockaddr *)&check->plan.target.address);
    struct address came = address_from_sockaddr((const struct sockaddr *)&asker.from);
    if (came.port == asked.port && address_is_same_host(&came, &asked))
        return leave(&asker, VERDICT_OK);
    (void)check_verdict(
        check, VERDICT_FAULT,
        "the answer came from %s, where no connected socket and no firewall takes it",
        address_format(text, sizeof(text), &came));
    return leave(&asker, VERDICT_FAULT);
}

/* Takes what comes until that time; with `for_awaited` no longer than something is awaited. */
static void take_until(struct asker *asker, struct udp_flow *flow, uint64_t until_ns,
                       bool for_awaited)
{
    for (uint64_t now_ns; (now_ns = clock_now_ns()) < until_ns;) {
        if (check_is_interrupted(asker->check) || (for_awaited && flow->awaited == 0))
            return;
        ssize_t length = receive(asker, until_ns - now_ns);
        if (length >= 0)
            (void)udp_flow_take(flow, asker->came, (size_t)length);
    }
}

/* Sends so many, one in each step, taking what comes; at the end it waits for the rest, and for
 * what comes twice. */
static void run_flow(struct asker *asker, struct udp_flow *flow, uint64_t count, uint64_t step_ns)
{
    uint64_t start_ns = clock_now_ns();
    while (flow->next < count) {
        size_t size = udp_flow_make(flow, asker->sent);
        uint64_t now_ns = clock_now_ns();
        (void)send_datagram(asker, asker->sent, size); /* one that fails is one lost */
        udp_flow_sent(flow, now_ns, now_ns);
        take_until(asker, flow, start_ns + flow->next * step_ns, false);
    }
    take_until(asker, flow, clock_now_ns() + patience_ns(asker->check), true);
    take_until(asker, flow, clock_now_ns() + QUIET_NS, false);
    (void)udp_flow_expire(flow, UINT64_MAX);
}

static enum verdict check_flow(struct check *check, uint64_t count, uint64_t step_ns,
                               struct udp_counts *counts)
{
    struct options options = *check->options;
    struct udp_flow flow;
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    options.size_min = options.size_max = 200;
    if (udp_flow_init(&flow, &options, check->connections, count) < 0)
        return cannot(&asker, "a flow", ENOMEM);
    run_flow(&asker, &flow, count, step_ns);
    *counts = flow.counts;
    udp_flow_clear(&flow);
    bool is_right = counts->right == count && counts->wrong == 0 && counts->duplicates == 0 &&
                    counts->reordered == 0;
    if (!is_right)
        (void)check_verdict(check, VERDICT_FAULT,
                            "of %llu datagrams %llu did not come back, %llu came twice, %llu were "
                            "reordered, %llu wrong",
                            (unsigned long long)count, (unsigned long long)counts->lost,
                            (unsigned long long)counts->duplicates,
                            (unsigned long long)counts->reordered,
                            (unsigned long long)counts->wrong);
    return leave(&asker, is_right ? VERDICT_OK : VERDICT_FAULT);
}

static enum verdict steady_flow(struct check *check)
{
    struct udp_counts counts = {0};
    return check_flow(check, STEADY_COUNT, STEADY_STEP_NS, &counts);
}

/* What a burst loses a small buffer lost, or a limit: nobody has promised to take it. */
static enum verdict burst(struct check *check)
{
    struct udp_counts counts = {0};
    enum verdict verdict = check_flow(check, BURST_COUNT, 0, &counts);
    bool is_choice = counts.sent > 0 && counts.wrong == 0 && counts.duplicates == 0;
    return verdict == VERDICT_FAULT && is_choice ? VERDICT_CHOICE : verdict;
}

/* Silence says something only where it is not the rule. */
static bool answers_others(struct check *check)
{
    struct asker asker = open_asker(check, true);
    bool is_right = asker.fd >= 0 && exchange_pattern(&asker, 64);
    (void)leave(&asker, VERDICT_OK);
    return is_right;
}

static enum verdict privileged_source(struct check *check)
{
    struct sockaddr_storage local;
    const struct address any = {.family = check->plan.target.address.ss_family,
                                .port = PRIVILEGED_PORT};
    struct asker asker = open_asker(check, false);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    socklen_t length = address_to_sockaddr(&any, &local);
    if (bind(asker.fd, (const struct sockaddr *)&local, length) < 0) {
        (void)check_verdict(check, VERDICT_CHOICE, "source port %d cannot be had: %s",
                            PRIVILEGED_PORT, strerror(errno));
        return leave(&asker, VERDICT_CHOICE);
    }
    uint64_t wait_ns = patience_ns(check) < 5 * QUIET_NS ? patience_ns(check) : 5 * QUIET_NS;
    if (!send_datagram(&asker, "loop", 4) || receive(&asker, wait_ns) < 0)
        return leave(&asker, answers_others(check) ? VERDICT_OK : VERDICT_CHOICE);
    (void)check_verdict(check, VERDICT_CHOICE,
                        "source port %d is answered: one forged datagram sets two such services on "
                        "each other (CVE-2024-2169)",
                        PRIVILEGED_PORT);
    return leave(&asker, VERDICT_CHOICE);
}

const struct property CHECK_UDP_PROPERTIES[] = {
    {"small-datagrams", "1 to 1472 bytes, each whole", ALWAYS, small_datagrams},
    {"all-byte-values", "every value that a byte can have", ALWAYS, all_256_values},
    {"empty-datagram", "no bytes come back as none, and service goes on", ALWAYS, empty_datagram},
    {"large-datagrams", "1473 to 65000 bytes, in fragments: none is cut", ALWAYS, large_datagrams},
    {"largest-datagram", "65507 bytes, as many as UDP has", ALWAYS, largest_datagram},
    {"replies-from-asked", "answers come from the address and port that was asked", ALWAYS,
     replies_from_where_asked},
    {"steady-flow", "200, one in 3 ms: each comes back, once, in order", ALWAYS, steady_flow},
    {"burst", "50 at once", ALWAYS, burst},
    {"privileged-source", "source ports below 1024, other services, are not answered", ALWAYS,
     privileged_source},
    {NULL, NULL, ALWAYS, NULL},
};

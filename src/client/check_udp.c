/* SPDX-License-Identifier: BSD-2-Clause */
/* The properties of a correct UDP echo. All together send fewer than a thousand datagrams, which a
 * rate limit is likely to permit. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/check.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"
#include "client/udp_target.h"
#include "net/address.h"
#include "net/datagram.h"
#include "net/udp_stats.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)
#define STEADY_COUNT 200
#define STEADY_STEP_NS (3 * NS_PER_MS)
#define BURST_COUNT 50
#define QUIET_NS (100 * NS_PER_MS) /* for what comes twice */
#define EARLIER_MAX 16             /* as many as a property exchanges one by one */
#define ASKS 3
#define ASKS_BYTES 8192    /* one ask more for each */
#define ASK_MS 200         /* and some round trips: then the next ask is due */
#define PRIVILEGED_PORT 19 /* chargen: the other half of the oldest loop */

/* One socket, and the datagrams that were sent from it: datagram i has the pattern of stream i of
 * the socket's seed. */
struct asker {
    struct check *check;
    int fd;
    uint64_t opened_ns;
    uint64_t seed, number;
    unsigned char *sent, *came;
    struct sockaddr_storage from; /* who sent the last that came */
    struct {
        uint64_t seed;
        size_t length;
    } earlier[EARLIER_MAX]; /* those that were sent before */
    size_t earlier_count;
    struct udp_error failure; /* the network's last report */
    bool is_out_of_time;      /* nothing came, and not for want of --timeout or of an endpoint */
};

static struct asker open_asker(struct check *check, bool is_connected)
{
    const struct dial_target *target = &check->plan.target;
    return (struct asker){.check = check,
                          .opened_ns = clock_now_ns(),
                          .fd = is_connected ? udp_connect(target) : udp_unconnected(target),
                          .seed = pattern_seed(check->options->seed, ++check->connections),
                          .sent = check->scratch,
                          .came = check->scratch + UDP_BYTES_MAX + 1};
}

/* Closes the socket. */
static enum verdict leave(struct asker *asker, enum verdict verdict)
{
    asker->check->failure.connection = asker->check->connections;
    asker->check->failure.is_datagram = true;
    asker->check->failure.when = moment_now(asker->fd, asker->opened_ns, MOMENT_EXCHANGE);
    if (asker->fd >= 0)
        close(asker->fd);
    if (verdict == VERDICT_FAULT && asker->is_out_of_time)
        return check_verdict(asker->check, VERDICT_UNTRIED,
                             "its share of our time was over before it was done" CHECK_MORE_TIME);
    return verdict;
}

static enum verdict cannot(struct asker *asker, const char *what, int error)
{
    if (check_is_our_limit(asker->check, error))
        return leave(asker, VERDICT_UNTRIED);
    (void)check_verdict(asker->check, VERDICT_FAULT, "%s: %s", what, strerror(error));
    return leave(asker, VERDICT_FAULT);
}

/* True if a call failed because of a report of the network, or of the system, not for lack of input
 * or room. */
static bool has_failed(struct asker *asker, ssize_t result)
{
    if (result >= 0 || errno == EAGAIN || errno == EINTR)
        return false;
    asker->failure = udp_error_take(asker->fd, errno);
    return true;
}

static bool send_datagram(struct asker *asker, const void *bytes, size_t length)
{
    const struct dial_target *target = &asker->check->plan.target;
    ssize_t sent = sendto(asker->fd, bytes, length, MSG_NOSIGNAL,
                          (const struct sockaddr *)&target->address, target->length);
    return !has_failed(asker, sent) && sent >= 0;
}

/* Receives the next datagram. Returns its length, or -1 if none arrives in time or the network
 * reports an error. */
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
        if (length >= 0 || has_failed(asker, length))
            return length;
        if (now_ns >= until_ns || check_is_interrupted(asker->check))
            return -1;
        (void)wait_until(polled, 2, until_ns);
    }
}

/* The time for an answer: --timeout, or the remaining time of this property. */
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

/* True if the datagram is a duplicate of an earlier one, which the network may cause. */
static bool is_earlier(const struct asker *asker, size_t length)
{
    for (size_t i = 0; i < asker->earlier_count; i++) {
        if (asker->earlier[i].length == length &&
            pattern_match(asker->earlier[i].seed, 0, asker->came, length) == length)
            return true;
    }
    return false;
}

/* Awaits one datagram, but for earlier ones that come once more. As receive(). */
static ssize_t receive_new(struct asker *asker, uint64_t wait_ns)
{
    uint64_t until_ns = clock_now_ns() + wait_ns, now_ns;
    ssize_t came;
    do {
        now_ns = clock_now_ns();
        came = receive(asker, until_ns > now_ns ? until_ns - now_ns : 0);
    } while (came >= 0 && is_earlier(asker, (size_t)came));
    return came;
}

/* Fills the failure's fields about the bytes received instead of `length` bytes. */
static void note_wrong(struct asker *asker, const unsigned char *bytes, size_t length, size_t came)
{
    struct failure *failure = &asker->check->failure;
    size_t right = 0, least = came < length ? came : length;
    while (right < least && asker->came[right] == bytes[right])
        right++;
    const struct evidence_place place = {.run_seed = asker->seed,
                                         .connection = asker->number,
                                         .offset = right,
                                         .sent = length,
                                         .is_datagram = true};
    *failure = (struct failure){.how = {.outcome = OUTCOME_MISMATCH},
                                .offset = right,
                                .has_byte = right < least,
                                .expected = right < length ? bytes[right] : 0,
                                .came = right < came ? asker->came[right] : 0,
                                .has_sequence = true,
                                .sequence = asker->number,
                                .sent_bytes = length,
                                .came_bytes = came};
    failure->evidence = evidence_of(&place, asker->came + right, came - right);
}

/* Judges a received datagram, or the network's report if none was received. */
static bool judge_answer(struct asker *asker, const unsigned char *bytes, size_t length,
                         ssize_t came)
{
    struct check *check = asker->check;
    char text[UDP_ERROR_TEXT_MAX];
    if (came >= 0 && (size_t)came == length && memcmp(bytes, asker->came, length) == 0)
        return true;
    if (came >= 0)
        note_wrong(asker, bytes, length, (size_t)came);
    else
        check->failure = (struct failure){
            .how = ending_of_errno(asker->failure.error ? asker->failure.error : ETIMEDOUT),
            .sent_bytes = length};
    if (came < 0)
        (void)check_verdict(
            check, VERDICT_FAULT, "a datagram of %zu byte%s: %s", length, units_plural(length),
            asker->failure.error ? udp_error_text(&asker->failure, text, sizeof(text))
                                 : "no answer");
    else if ((size_t)came != length)
        (void)check_verdict(check, VERDICT_FAULT, "of %zu byte%s %zd came back", length,
                            units_plural(length), came);
    else
        (void)check_verdict(check, VERDICT_FAULT,
                            "of %zu byte%s some came back changed, at byte %" PRIu64, length,
                            units_plural(length), check->failure.offset);
    return false;
}

/* Sends one datagram and waits for its echo; the diagnosis describes the fault. Networks lose
 * datagrams, which steady-flow tests: so it is sent a few times, and more often if it is
 * fragmented, since any fragment may be lost. */
static bool exchange(struct asker *asker, const unsigned char *bytes, size_t length)
{
    struct check *check = asker->check;
    uint64_t asks = ASKS + length / ASKS_BYTES, left_ns = patience_ns(check);
    uint64_t wait_ns = check_still_ms(check, ASK_MS) * NS_PER_MS, end_ns = clock_now_ns() + left_ns;
    ssize_t came = -1;
    asker->failure.error = 0;
    for (uint64_t i = 0; i < asks && came < 0 && !check_is_interrupted(check); i++) {
        uint64_t now_ns = clock_now_ns();
        left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
        bool is_last = i + 1 == asks;
        uint64_t share_ns = left_ns / (asks - i);
        if (send_datagram(asker, bytes, length))
            came = receive_new(asker, is_last || share_ns < wait_ns ? share_ns : wait_ns);
    }
    uint64_t now_ns = clock_now_ns();
    asker->is_out_of_time = came < 0 && !asker->failure.error && now_ns >= check->until_ns &&
                            now_ns - check->run.progress_ns < check->run.lately_ns;
    return judge_answer(asker, bytes, length, came);
}

static bool exchange_pattern(struct asker *asker, size_t length)
{
    uint64_t seed = pattern_seed(asker->seed, asker->number);
    pattern_fill(seed, 0, asker->sent, length);
    bool is_right = exchange(asker, asker->sent, length);
    remember(asker, seed, length);
    asker->number++;
    return is_right;
}

static enum verdict check_sizes(struct check *check, const size_t *sizes, size_t count)
{
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    size_t rounds = (size_t)check_rounds(check, count, 2, 1), step = (count + rounds - 1) / rounds;
    for (size_t i = (count - 1) % step; i < count; i += step) { /* the last is always tried */
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

/* It must be echoed, and must not prevent the echo of later datagrams. */
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

/* An unconnected socket receives answers from any address, and so learns their source. */
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

/* Receives datagrams until that time; with `for_awaited` only as long as any is awaited. */
static void take_until(struct asker *asker, struct udp_flow *flow, uint64_t until_ns,
                       bool for_awaited)
{
    for (uint64_t now_ns; (now_ns = clock_now_ns()) < until_ns;) {
        if (check_is_interrupted(asker->check) || (for_awaited && flow->awaited == 0))
            return;
        ssize_t length = receive(asker, until_ns - now_ns);
        if (length < 0)
            continue;
        const struct udp_news news = udp_flow_take(flow, asker->came, (size_t)length);
        if (news.arrival == UDP_WRONG && flow->counts.wrong == 1)
            asker->check->failure = news.wrong;
    }
}

/* Sends `count` datagrams, one in each step, and receives answers meanwhile; at the end it waits
 * for the rest and for duplicates. */
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

/* Counts datagrams that this machine has received and dropped, since a reading and since the socket
 * was opened. */
static void count_drops(struct udp_counts *counts, int fd, const struct udp_stats *before,
                        const struct udp_stats_source *source)
{
    const struct udp_stats after = udp_stats_read(source);
    uint64_t drops = datagram_drops(fd);
    counts->own_drops = drops - udp_stats_bad_checksum(before, &after, drops);
    counts->bad_checksums = after.bad_checksum - before->bad_checksum;
}

/* Describes the faults of a flow and their possible cause. */
static void tell_flow(const struct asker *asker, const struct udp_counts *counts, bool is_limited)
{
    char here[200] = "", text[UDP_ERROR_TEXT_MAX];
    if (counts->wrong == 0)
        asker->check->failure = (struct failure){
            .how = ending_of_errno(asker->failure.error ? asker->failure.error : ETIMEDOUT)};
    if (asker->failure.error)
        snprintf(here, sizeof(here), "; %s", udp_error_text(&asker->failure, text, sizeof(text)));
    else if (counts->own_drops)
        snprintf(here, sizeof(here), "; %" PRIu64 " of them came and this machine was too slow",
                 counts->own_drops);
    else if (counts->bad_checksums)
        snprintf(here, sizeof(here),
                 "; %" PRIu64 " came to this machine with a wrong checksum (all of its network "
                 "namespace's are counted)",
                 counts->bad_checksums);
    else if (is_limited)
        snprintf(
            here, sizeof(here),
            "; the losses are as even as a limit on the rate makes them (evechod: --udp-rate)");
    (void)check_verdict(asker->check, VERDICT_FAULT,
                        "of %" PRIu64 " datagrams %" PRIu64 " did not come back, %" PRIu64
                        " came twice, %" PRIu64 " were reordered, %" PRIu64 " wrong%s",
                        counts->sent, counts->lost, counts->duplicates, counts->reordered,
                        counts->wrong, here);
}

static enum verdict check_flow(struct check *check, uint64_t count, uint64_t step_ns,
                               struct udp_counts *counts)
{
    struct client_options options = *check->options;
    struct udp_stats_source source;
    struct udp_flow flow;
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    options.size_min = options.size_max = 200;
    if (udp_flow_init(&flow, &options, check->connections, count) < 0)
        return cannot(&asker, "a flow", ENOMEM);
    udp_stats_open(&source);
    const struct udp_stats before = udp_stats_read(&source);
    run_flow(&asker, &flow, count, step_ns);
    *counts = flow.counts;
    count_drops(counts, asker.fd, &before, &source);
    udp_stats_close(&source);
    bool is_right = counts->right == count && counts->wrong == 0 && counts->duplicates == 0 &&
                    counts->reordered == 0;
    if (!is_right)
        tell_flow(&asker, counts, udp_flow_is_limited(&flow));
    udp_flow_clear(&flow);
    return leave(&asker, is_right ? VERDICT_OK : VERDICT_FAULT);
}

static enum verdict steady_flow(struct check *check)
{
    struct udp_counts counts = {0};
    return check_flow(check, STEADY_COUNT, STEADY_STEP_NS, &counts);
}

/* Losses in a burst are caused by a small buffer or a limit, so they are no fault. */
static enum verdict burst(struct check *check)
{
    struct udp_counts counts = {0};
    enum verdict verdict = check_flow(check, BURST_COUNT, 0, &counts);
    bool is_choice = counts.sent > 0 && counts.wrong == 0 && counts.duplicates == 0;
    return verdict == VERDICT_FAULT && is_choice ? VERDICT_CHOICE : verdict;
}

/* Silence is significant only if other datagrams are answered. */
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
        (void)check_verdict(check, VERDICT_MOOT, "source port %d cannot be had: %s",
                            PRIVILEGED_PORT, strerror(errno));
        return leave(&asker, VERDICT_MOOT);
    }
    bool is_answered = false;
    for (int i = 0; i < ASKS && !is_answered; i++) {
        uint64_t left_ns = patience_ns(check);
        uint64_t wait_ns = check_still_ms(check, ASK_MS) * NS_PER_MS;
        is_answered = send_datagram(&asker, "loop", 4) &&
                      receive(&asker, left_ns < wait_ns ? left_ns : wait_ns) >= 0;
    }
    if (!is_answered)
        return leave(&asker, answers_others(check) ? VERDICT_OK : VERDICT_CHOICE);
    (void)check_verdict(check, VERDICT_CHOICE,
                        "source port %d is answered: one forged datagram sets two such services on "
                        "each other (CVE-2024-2169)",
                        PRIVILEGED_PORT);
    return leave(&asker, VERDICT_CHOICE);
}

/* A NAT or a balancer forgets who has been silent (RFC 4787, 4.3: not before two minutes). */
static enum verdict idle(struct check *check)
{
    struct pollfd interrupt = {.fd = check->interrupt.fd, .events = POLLIN};
    char why[sizeof(check->diagnosis)];
    struct asker asker = open_asker(check, true);
    if (asker.fd < 0)
        return cannot(&asker, "no socket", -asker.fd);
    if (!exchange_pattern(&asker, 64))
        return leave(&asker, VERDICT_FAULT);
    (void)wait_until(&interrupt, 1, clock_now_ns() + check->options->idle_ms * NS_PER_MS);
    if (exchange_pattern(&asker, 64))
        return leave(&asker, VERDICT_OK);
    snprintf(why, sizeof(why), "%s", check->diagnosis);
    (void)check_verdict(check, VERDICT_FAULT, "after %.3f s of silence: %.400s",
                        (double)check->options->idle_ms / 1000, why);
    return leave(&asker, VERDICT_FAULT);
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
    {"idle", "an echo after --idle of silence, from the same port", WITH_IDLE, idle},
    {NULL, NULL, ALWAYS, NULL},
};

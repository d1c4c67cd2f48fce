/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/udp_target.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "client/attempts.h"
#include "client/interrupt.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"
#include "net/address.h"
#include "net/datagram.h"
#include "net/wait.h"

#define NS_PER_MS UINT64_C(1000000)
#define TRIES 3
#define PROBE_BYTES_MAX 9000
#define PATH_WAIT_NS (100 * NS_PER_MS)
#define IPV6_UDP_BYTES 48 /* headers */
#define ROOM_BYTES (4 << 20)

int udp_unconnected(const struct dial_target *target)
{
    const int room = ROOM_BYTES;
    int fd = socket(target->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* A burst of answers shall not be lost here; with CAP_NET_ADMIN this may exceed the system's
     * limit. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    datagram_let_fragment(fd, target->address.ss_family);
    udp_error_enable(fd, target->address.ss_family);
    return fd;
}

int udp_connect(const struct dial_target *target)
{
    int fd = udp_unconnected(target);
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&target->address, target->length) == 0)
        return fd;
    int failure = errno == EAGAIN ? EADDRNOTAVAIL : errno; /* no local port: as TCP has it */
    close(fd);
    return -failure;
}

/* Sends once more and accepts an answer from any address; *from is that address if it differs. */
static bool is_answered_from_elsewhere(const struct dial_target *target, uint64_t timeout_ns,
                                       struct address *from)
{
    union {
        struct sockaddr plain;
        struct sockaddr_storage storage;
    } source;
    socklen_t length = sizeof(source);
    unsigned char bytes[UDP_HEADER_BYTES] = {0};
    const struct address asked = address_from_sockaddr((const struct sockaddr *)&target->address);
    int fd = udp_unconnected(target);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    bool is_answered = fd >= 0 &&
                       sendto(fd, bytes, sizeof(bytes), 0,
                              (const struct sockaddr *)&target->address, target->length) >= 0 &&
                       wait_until(&readable, 1, clock_now_ns() + timeout_ns) > 0 &&
                       recvfrom(fd, bytes, sizeof(bytes), 0, &source.plain, &length) >= 0;
    if (is_answered)
        *from = address_from_sockaddr(&source.plain);
    if (fd >= 0)
        close(fd);
    return is_answered && (!address_is_same_host(from, &asked) || from->port != asked.port);
}

/* Why a target will not do. */
static void explain(const struct dial_target *target, const struct udp_error *failure,
                    uint64_t timeout_ns, char *out, size_t size)
{
    struct address from;
    char text[ADDRESS_TEXT_MAX];
    if (failure->error == ETIMEDOUT && is_answered_from_elsewhere(target, timeout_ns, &from))
        snprintf(out, size, "an answer came from %s alone",
                 address_format(text, sizeof(text), &from));
    else if (failure->error == ETIMEDOUT || failure->error == EBADMSG)
        snprintf(out, size, "%s",
                 failure->error == ETIMEDOUT ? "no answer" : "what came was not what was sent");
    else
        (void)udp_error_text(failure, out, size);
}

/* ---- a question ---- */

/* A datagram that is sent TRIES times, each time for its share of the time, until it comes back. */
struct question {
    int fd;
    size_t bytes;
    uint64_t seed; /* of its bytes */
    uint64_t try_ns;
    int tries;        /* so far */
    uint64_t sent_ns; /* last */
    struct udp_error failure;
};

/* An error reported by the network is more useful than a timeout, since the network may limit its
 * reports. */
static void note_failure(struct question *question, int error)
{
    if (error != ETIMEDOUT || question->failure.error == 0)
        question->failure = udp_error_take(question->fd, error);
}

/* Sends it, again if it cannot be sent, while it may. LINK_ENDED: it has no answer. */
static enum link_step question_ask(struct question *question)
{
    unsigned char bytes[PROBE_BYTES_MAX];
    pattern_fill(question->seed, 0, bytes, question->bytes);
    while (question->tries < TRIES && question->failure.error != ECONNREFUSED) {
        question->tries++;
        question->sent_ns = clock_now_ns();
        if (send(question->fd, bytes, question->bytes, 0) >= 0)
            return LINK_WAIT;
        note_failure(question, errno);
    }
    return LINK_ENDED;
}

/* Takes what came: LINK_DONE if the answer did. An error of the network ends this try. */
static enum link_step question_take(struct question *question)
{
    unsigned char asked[PROBE_BYTES_MAX], came[PROBE_BYTES_MAX + 1];
    pattern_fill(question->seed, 0, asked, question->bytes);
    for (;;) {
        ssize_t bytes = recv(question->fd, came, sizeof(came), 0);
        if (bytes < 0 && errno != EAGAIN && errno != EINTR) {
            note_failure(question, errno);
            return question_ask(question);
        }
        if (bytes < 0)
            return LINK_WAIT;
        if (bytes == (ssize_t)question->bytes && memcmp(asked, came, question->bytes) == 0)
            return LINK_DONE;
        if (question->failure.error == 0)
            question->failure.error = EBADMSG;
    }
}

/* The time of a try is over. */
static enum link_step question_expire(struct question *question)
{
    note_failure(question, ETIMEDOUT);
    return question_ask(question);
}

static uint64_t question_due_ns(const struct question *question)
{
    return question->sent_ns + question->try_ns;
}

/* An IPv6 datagram that the interface takes whole may be too large for the path, which is told when
 * the first such one is lost (datagram.h). So one goes ahead, and its answer comes back, before
 * anything is counted: both ends then know. */
static void find_path_mtu(int fd, const struct client_options *options, uint64_t timeout_ns)
{
    int mtu = 0;
    socklen_t length = sizeof(mtu);
    uint64_t largest = options->size_max ? options->size_max : UDP_BYTES_MAX;
    if (getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &length) < 0 || mtu <= DATAGRAM_IPV6_MTU)
        return;
    uint64_t whole = (uint64_t)mtu - IPV6_UDP_BYTES;
    largest = largest < whole ? largest : whole;
    largest = largest < PROBE_BYTES_MAX ? largest : PROBE_BYTES_MAX;
    struct question question = {.fd = fd,
                                .bytes = (size_t)largest,
                                .seed = pattern_seed(options->seed, 0),
                                .try_ns = timeout_ns / TRIES};
    if (largest + IPV6_UDP_BYTES <= DATAGRAM_IPV6_MTU)
        return;
    enum link_step step = question_ask(&question);
    while (step == LINK_WAIT) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        bool came = wait_until(&readable, 1, question_due_ns(&question)) > 0;
        step = came ? question_take(&question) : question_expire(&question);
    }
}

/* ---- the attempts ---- */

struct datagram_race {
    const struct client_options *options;
    struct attempts *attempts;
    uint64_t timeout_ns; /* of each */
    struct question questions[DIAL_TARGETS_MAX];
};

static enum link_step note_step(struct datagram_race *race, int index, enum link_step step)
{
    struct attempt *attempt = &race->attempts->list[index];
    const struct question *question = &race->questions[index];
    attempt->fd = question->fd;
    attempt->events = POLLIN;
    attempt->due_ns = question_due_ns(question);
    if (step != LINK_ENDED)
        return step;
    attempt->outcome = outcome_of_errno(question->failure.error);
    explain(&attempt->target, &question->failure, question->try_ns, attempt->reason,
            sizeof(attempt->reason));
    return step;
}

static enum link_step start(void *own, int index)
{
    struct datagram_race *race = own;
    struct question *question = &race->questions[index];
    *question = (struct question){.fd = udp_connect(&race->attempts->list[index].target),
                                  .bytes = UDP_HEADER_BYTES,
                                  .seed = pattern_seed(race->options->seed, 0),
                                  .try_ns = race->timeout_ns / TRIES};
    if (question->fd >= 0)
        return note_step(race, index, question_ask(question));
    question->failure.error = -question->fd;
    race->attempts->list[index].hint =
        dial_hint(&race->attempts->list[index].target, -question->fd);
    return note_step(race, index, LINK_ENDED);
}

static enum link_step advance(void *own, int index, bool is_due)
{
    struct datagram_race *race = own;
    struct question *question = &race->questions[index];
    return note_step(race, index, is_due ? question_expire(question) : question_take(question));
}

static void stop(void *own, int index)
{
    struct datagram_race *race = own;
    if (race->questions[index].fd >= 0)
        close(race->questions[index].fd);
}

int udp_target_find(const struct client_options *options, struct dial_target *target,
                    uint64_t *round_trip_ns, struct error *err)
{
    static const struct attempt_kind KIND = {start, advance, stop};
    struct datagram_race race = {.options = options,
                                 .attempts = options->attempts,
                                 .timeout_ns = options->timeout_ms * NS_PER_MS};
    interrupt_while_connecting(options->endpoint_text);
    if (attempts_resolve(options, err) < 0)
        return -1;
    int winner = attempts_make(options->attempts, &KIND, &race);
    if (winner < 0)
        return attempts_refuse(options, "cannot reach", err);
    const struct question *question = &race.questions[winner];
    uint64_t took_ns = clock_now_ns() - question->sent_ns;
    uint64_t wait_ns = TRIES * (2 * took_ns + PATH_WAIT_NS);
    *target = options->attempts->list[winner].target;
    if (round_trip_ns)
        *round_trip_ns = took_ns;
    if (target->address.ss_family == AF_INET6)
        find_path_mtu(question->fd, options, wait_ns < race.timeout_ns ? wait_ns : race.timeout_ns);
    close(question->fd);
    return 0;
}

int udp_check_options(const struct client_options *options, struct error *err)
{
    if (options->size &&
        (options->size_min < UDP_HEADER_BYTES || options->size_max > UDP_BYTES_MAX))
        return error_option(err, "size",
                            "'%s': over udp:// %d to %d bytes are expected, which hold the "
                            "datagram's number",
                            options->size, UDP_HEADER_BYTES, UDP_BYTES_MAX);
    return 0;
}

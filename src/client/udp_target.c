/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/udp_target.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
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
    /* A burst of answers shall not be lost here; with the right even beyond what others may have.
     */
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
    int failure = errno;
    close(fd);
    return -failure;
}

/* Waits for an answer to what was asked. 0 or -errno; -EBADMSG where only others came. */
static int await_answer(int fd, const unsigned char *asked, size_t length, uint64_t until_ns)
{
    int result = -ETIMEDOUT;
    unsigned char came[PROBE_BYTES_MAX + 1];
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (clock_now_ns() < until_ns && wait_until(&readable, 1, until_ns) > 0) {
        ssize_t bytes = recv(fd, came, sizeof(came), 0);
        if (bytes < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (bytes == (ssize_t)length && memcmp(asked, came, length) == 0)
            return 0;
        if (bytes >= 0)
            result = -EBADMSG;
    }
    return result;
}

/* Asks once more, for whoever may answer: *from is the address that did, if it is another. */
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

/* One socket asks at most TRIES times, each for its share of the time. What came of it: its error
 * is 0 if an answer came, and *took_ns is how long that took. */
static struct udp_error ask(int fd, uint64_t seed, size_t length, uint64_t timeout_ns,
                            uint64_t *took_ns)
{
    unsigned char bytes[PROBE_BYTES_MAX];
    struct udp_error failure = {0};
    pattern_fill(pattern_seed(seed, 0), 0, bytes, length);
    for (int i = 0; i < TRIES; i++) {
        uint64_t start_ns = clock_now_ns();
        int result = send(fd, bytes, length, 0) < 0 ? -errno : 0;
        if (result == 0)
            result = await_answer(fd, bytes, length, start_ns + timeout_ns / TRIES);
        *took_ns = clock_now_ns() - start_ns;
        /* What the network said is worth more than its silence, which may be a limit of its own. */
        if (result != -ETIMEDOUT || failure.error == 0)
            failure = udp_error_take(fd, -result);
        if (result == 0 || failure.error == ECONNREFUSED)
            break;
    }
    return failure;
}

/* An IPv6 datagram that the interface takes whole may be too large for the path, which is told when
 * the first such one is lost (datagram.h). So one goes ahead, and its answer comes back, before
 * anything is counted: both ends then know. */
static void find_path_mtu(int fd, const struct client_options *options, uint64_t timeout_ns)
{
    int mtu = 0;
    socklen_t length = sizeof(mtu);
    uint64_t took_ns;
    uint64_t largest = options->size_max ? options->size_max : UDP_BYTES_MAX;
    if (getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &length) < 0 || mtu <= DATAGRAM_IPV6_MTU)
        return;
    uint64_t whole = (uint64_t)mtu - IPV6_UDP_BYTES;
    largest = largest < whole ? largest : whole;
    largest = largest < PROBE_BYTES_MAX ? largest : PROBE_BYTES_MAX;
    if (largest + IPV6_UDP_BYTES > DATAGRAM_IPV6_MTU)
        (void)ask(fd, options->seed, (size_t)largest, timeout_ns, &took_ns);
}

/* What keeps a target from answering: its error is 0 if it does, and *round_trip_ns is known. */
static struct udp_error try_target(const struct client_options *options,
                                   const struct dial_target *target, uint64_t timeout_ns,
                                   uint64_t *round_trip_ns)
{
    int fd = udp_connect(target);
    if (fd < 0)
        return (struct udp_error){.error = -fd};
    struct udp_error failure = ask(fd, options->seed, UDP_HEADER_BYTES, timeout_ns, round_trip_ns);
    uint64_t wait_ns = TRIES * (2 * *round_trip_ns + PATH_WAIT_NS);
    if (failure.error == 0 && target->address.ss_family == AF_INET6)
        find_path_mtu(fd, options, wait_ns < timeout_ns ? wait_ns : timeout_ns);
    close(fd);
    return failure;
}

int udp_target_find(const struct client_options *options, struct dial_target *target,
                    uint64_t *round_trip_ns, struct error *err)
{
    struct dial_target targets[DIAL_TARGETS_MAX];
    char reasons[400] = "";
    interrupt_while_connecting(options->endpoint_text);
    int count = dial_resolve(&options->endpoint, targets, err);
    if (count < 0)
        return error_prefix(err, "'%.200s': ", options->endpoint_text);
    for (int i = 0; i < count; i++) {
        char why[UDP_ERROR_TEXT_MAX];
        uint64_t timeout_ns = options->timeout_ms * NS_PER_MS / (uint64_t)count;
        uint64_t took_ns = 0;
        struct udp_error failure = try_target(options, &targets[i], timeout_ns, &took_ns);
        if (failure.error == 0) {
            *target = targets[i];
            if (round_trip_ns)
                *round_trip_ns = took_ns;
            return 0;
        }
        explain(&targets[i], &failure, timeout_ns / TRIES, why, sizeof(why));
        dial_add_reason(reasons, sizeof(reasons), options->endpoint_text, &targets[i], why);
    }
    return error_start(err, "cannot reach %.200s: %s", options->endpoint_text, reasons);
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

/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/udp.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "echo/service.h"
#include "echo/udp_rule.h"
#include "net/datagram.h"
#include "net/udp_stats.h"

/* The most batches in one event, so that a flood does not delay other work in the loop. */
#define BATCHES_A_TURN 4
/* How long answers are held if the kernel has no room. */
#define HOLD_MS 100
/* How often, at most, the system's counters are read during a flood. */
#define LOOK_NS UINT64_C(100000000)
/* How long a stop answers datagrams queued in an inherited socket, which still receives new
 * ones. */
#define QUEUED_MS 250

struct udp {
    struct log *log;
    struct udp_rule *rule;
    const char *name;
    struct udp_stats_source stats;
};

struct udp_socket {
    struct udp *udp;
    const struct sock_listening *sock;
    struct policy *const *policy;
    struct counters *counters;
    struct datagram_batch *batch;
    struct event *readable, *writable;
    uint32_t kernel_drops;  /* counted so far */
    uint64_t bad_checksums; /* of these drops */
    uint64_t looked_ns;     /* the time of that reading */
    struct udp_stats stats; /* the system's counters at the start */
    bool is_stopping;
};

struct udp *udp_new(uint64_t rate, unsigned prefix, const char *name, bool has_sockets,
                    struct log *log)
{
    struct udp *udp = calloc(1, sizeof(*udp));
    if (udp)
        udp->rule = udp_rule_new(rate, prefix);
    if (!udp || !udp->rule) {
        free(udp);
        return NULL;
    }
    udp->name = name;
    udp->log = log;
    if (has_sockets)
        udp_stats_open(&udp->stats);
    else
        udp->stats = (struct udp_stats_source){{-1, -1}};
    return udp;
}

void udp_free(struct udp *udp)
{
    if (!udp)
        return;
    udp_stats_close(&udp->stats);
    udp_rule_free(udp->rule);
    free(udp);
}

void udp_set_rate(struct udp *udp, uint64_t rate)
{
    udp_rule_set_rate(udp->rule, rate);
}

/* ---- a batch ---- */

static void count(struct udp_socket *socket, enum counter counter, uint64_t amount)
{
    counter_add(socket->counters, counter, amount);
}

static void drop(struct udp_socket *socket, enum udp_drop reason, uint64_t amount)
{
    count(socket, udp_drop_counter(reason), amount);
}

/* Logs a line for so many dropped datagrams, with one as the example. */
static void log_drop(const struct udp_socket *socket, enum udp_drop reason, uint64_t amount,
                     const struct datagram *example, const char *error)
{
    char peer[ADDRESS_TEXT_MAX];
    log_limited_many(socket->udp->log, amount, LOG_LEVEL_WARN, udp_drop_message(reason),
                     LOG_TEXT("peer", address_format(peer, sizeof(peer), &example->peer)),
                     LOG_TEXT("listener", socket->sock->name), LOG_NUMBER("dropped", amount),
                     LOG_TEXT(error[0] ? "error" : NULL, error));
}

/* Turns the datagram into its answer, in place. Returns the answer's length, or -1 if there is
 * none. */
static ssize_t make_answer(const struct udp_socket *socket, const struct datagram *datagram)
{
    const struct service *service = service_at((*socket->policy)->values.service);
    char peer[ADDRESS_TEXT_MAX], here[ADDRESS_TEXT_MAX];
    struct address local = datagram->local;
    if (service->is_echo)
        return (ssize_t)datagram->length;
    local.port = socket->sock->port;
    address_format(peer, sizeof(peer), &datagram->peer);
    address_format(here, sizeof(here), &local);
    const struct service_facts facts = {.unix_s = (uint64_t)time(NULL),
                                        .name = socket->udp->name,
                                        .listener = socket->sock->name,
                                        .peer = peer,
                                        .peer_length = strlen(peer),
                                        .local = here,
                                        .local_length = strlen(here)};
    return service_answer(service, &facts, datagram->bytes, datagram->length);
}

/* Queues the answer, if there is one. */
static void answer(struct udp_socket *socket, int index)
{
    ssize_t length = make_answer(socket, datagram_at(socket->batch, index));
    if (length >= 0)
        datagram_answer(socket->batch, index, (size_t)length);
    else
        count(socket, COUNTER_UDP_SUNK, 1);
}

/* Queues the answers. Logs one line for each reason, not for each datagram. */
static void judge(struct udp_socket *socket, int received)
{
    uint64_t now_ns = clock_now_ns(), in_bytes = 0;
    int dropped[UDP_DROP_COUNT] = {0}, example[UDP_DROP_COUNT];
    for (int i = 0; i < received; i++) {
        const struct datagram *datagram = datagram_at(socket->batch, i);
        enum udp_drop verdict = udp_rule_judge(socket->udp->rule, datagram, now_ns);
        in_bytes += datagram->length;
        if (verdict == UDP_DROP_NONE)
            answer(socket, i);
        else if (dropped[verdict]++ == 0)
            example[verdict] = i;
    }
    count(socket, COUNTER_UDP_IN, (uint64_t)received);
    count(socket, COUNTER_UDP_BYTES_IN, in_bytes);
    for (int i = UDP_DROP_NONE + 1; i < UDP_DROP_COUNT; i++) {
        if (dropped[i] == 0)
            continue;
        drop(socket, (enum udp_drop)i, (uint64_t)dropped[i]);
        log_drop(socket, (enum udp_drop)i, (uint64_t)dropped[i],
                 datagram_at(socket->batch, example[i]), "");
    }
}

static void log_kernel_drops(const struct udp_socket *socket, uint64_t amount, const char *message)
{
    log_limited_many(socket->udp->log, amount, LOG_LEVEL_WARN, message,
                     LOG_TEXT("listener", socket->sock->name), LOG_NUMBER("dropped", amount));
}

/* Counts the socket's drops by cause, which the system counts only for all sockets together. */
static void count_kernel_drops(struct udp_socket *socket, uint32_t drops, uint64_t now_ns)
{
    /* A datagram carries the drop count at the time it was queued, which may be lower than the
     * known one. */
    int32_t news = (int32_t)(drops - socket->kernel_drops);
    if (news <= 0 || socket->is_stopping)
        return;
    /* Since the start: the socket may report a drop later than the system's counters do. */
    const struct udp_stats stats = udp_stats_read(&socket->udp->stats);
    uint64_t all_bad = udp_stats_bad_checksum(&socket->stats, &stats, drops);
    uint64_t bad = all_bad > socket->bad_checksums ? all_bad - socket->bad_checksums : 0;
    bad = bad < (uint64_t)news ? bad : (uint64_t)news;
    uint64_t no_room = (uint64_t)news - bad;
    socket->kernel_drops = drops;
    socket->bad_checksums += bad;
    socket->looked_ns = now_ns;
    count(socket, COUNTER_UDP_BAD_CHECKSUM, bad);
    count(socket, COUNTER_UDP_KERNEL_DROPS, no_room);
    if (bad > 0)
        log_kernel_drops(socket, bad, "datagrams dropped by the system: their checksum was wrong");
    if (no_room > 0)
        log_kernel_drops(socket, no_room,
                         "datagrams dropped by the system: they came faster than we read");
}

/* True if all answers are sent, false if the kernel has no room now. If the system refuses one
 * (EACCES: to a broadcast address), it is dropped and the others are sent. */
static bool flush(struct udp_socket *socket)
{
    while (datagram_unsent(socket->batch) > 0) {
        uint64_t bytes = 0;
        int sent = datagram_send(socket->batch, socket->sock->fd, &bytes);
        if (sent == -EAGAIN)
            return false;
        if (sent >= 0) {
            count(socket, COUNTER_UDP_OUT, (uint64_t)sent);
            count(socket, COUNTER_UDP_BYTES_OUT, bytes);
        } else if (sent != -EINTR) {
            enum udp_drop reason = sent == -EACCES ? UDP_DROP_ADDRESS : UDP_DROP_SEND;
            drop(socket, reason, 1);
            log_drop(socket, reason, 1, datagram_first_unsent(socket->batch), strerror(-sent));
            datagram_skip(socket->batch);
        }
    }
    return true;
}

static void drop_held(struct udp_socket *socket)
{
    int unsent = datagram_unsent(socket->batch);
    if (unsent == 0)
        return;
    drop(socket, UDP_DROP_SEND, (uint64_t)unsent);
    log_drop(socket, UDP_DROP_SEND, (uint64_t)unsent, datagram_first_unsent(socket->batch),
             "no room");
    while (datagram_unsent(socket->batch) > 0)
        datagram_skip(socket->batch);
}

/* Reads one batch and queues its answers. Returns the number received, or -errno: an ICMP error
 * that the kernel reports here belongs to an earlier answer, and is no reason to stop. */
static int read_batch(struct udp_socket *socket)
{
    int received = datagram_receive(socket->batch, socket->sock->fd);
    if (received < 0) {
        count(socket, COUNTER_UDP_ERRORS, 1);
        log_limited(socket->udp->log, LOG_LEVEL_WARN, "cannot receive datagrams",
                    LOG_TEXT("listener", socket->sock->name),
                    LOG_TEXT("error", strerror(-received)));
    } else if (received > 0) {
        uint64_t now_ns = clock_now_ns();
        judge(socket, received);
        if (now_ns - socket->looked_ns >= LOOK_NS)
            count_kernel_drops(socket, datagram_kernel_drops(socket->batch), now_ns);
    }
    return received;
}

/* ---- events ---- */

static void hold(struct udp_socket *socket)
{
    const struct timeval wait = {.tv_usec = HOLD_MS * 1000L};
    (void)event_del(socket->readable);
    if (event_add(socket->writable, &wait) < 0)
        drop_held(socket);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_socket *socket = arg;
    (void)fd;
    (void)what;
    for (int i = 0; i < BATCHES_A_TURN; i++) {
        int received = read_batch(socket);
        if (!flush(socket)) {
            hold(socket);
            return;
        }
        if (received < DATAGRAM_BATCH)
            return;
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct udp_socket *socket = arg;
    (void)fd;
    if (what & EV_TIMEOUT)
        drop_held(socket);
    /* If memory is short to resume reading, retry after the same time. */
    if (!flush(socket) || event_add(socket->readable, NULL) < 0)
        hold(socket);
}

/* ---- life ---- */

static void log_room(const struct udp *udp, const struct sock_listening *sock)
{
    size_t room = datagram_room(sock->fd);
    if (room < DATAGRAM_ROOM_BYTES)
        log_event(udp->log, LOG_LEVEL_NOTICE, "receive buffer is lowered to what the system allows",
                  LOG_TEXT("listener", sock->name), LOG_NUMBER("asked", DATAGRAM_ROOM_BYTES),
                  LOG_NUMBER("used", room), LOG_TEXT("hint", "raise net.core.rmem_max"));
}

struct udp_socket *udp_open(struct udp *udp, struct loop *loop, const struct sock_listening *sock,
                            struct policy *const *policy, struct counters *counters,
                            struct error *err)
{
    struct udp_socket *socket = calloc(1, sizeof(*socket));
    if (!socket) {
        error_start(err, "no memory for %s", sock->name);
        return NULL;
    }
    *socket = (struct udp_socket){.udp = udp, .sock = sock, .policy = policy, .counters = counters};
    socket->batch = datagram_batch_new(DATAGRAM_BYTES_MAX);
    socket->readable = event_new(loop->base, sock->fd, EV_READ | EV_PERSIST, on_readable, socket);
    socket->writable = event_new(loop->base, sock->fd, EV_WRITE, on_writable, socket);
    if (!socket->batch || !socket->readable || !socket->writable ||
        event_add(socket->readable, NULL) < 0) {
        error_system(err, errno, "cannot answer on %s", sock->name);
        udp_close(socket);
        return NULL;
    }
    udp_rule_add_port(udp->rule, sock->port);
    socket->stats = udp_stats_read(&udp->stats);
    log_room(udp, sock);
    return socket;
}

void udp_look(struct udp_socket *socket)
{
    count_kernel_drops(socket, datagram_drops(socket->sock->fd), clock_now_ns());
}

void udp_answer_queued(struct udp_socket *socket)
{
    socket->is_stopping = true; /* from now on the system drops datagrams because of our filter */
    struct pollfd writable = {.fd = socket->sock->fd, .events = POLLOUT};
    uint64_t until_ms = loop_now_ms() + QUEUED_MS;
    while (loop_now_ms() < until_ms) {
        while (!flush(socket) && poll(&writable, 1, HOLD_MS) > 0)
            ;
        drop_held(socket);
        if (read_batch(socket) == 0)
            return;
    }
}

void udp_close(struct udp_socket *socket)
{
    if (!socket)
        return;
    if (socket->batch) {
        drop_held(socket);
        udp_look(socket);
    }
    if (socket->readable)
        event_free(socket->readable);
    if (socket->writable)
        event_free(socket->writable);
    datagram_batch_free(socket->batch);
    free(socket);
}

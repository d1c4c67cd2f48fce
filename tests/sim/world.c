/* SPDX-License-Identifier: BSD-2-Clause */
/* The peers and the judge: the events of a world, and the properties checked after them. The
 * simulated kernel makes the decisions; all code between it and the peers is the real code. */
#include "world.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "echo/worker.h"
#include "kernel.h"
#include "rare.h"
#include "records.h"
#include "stream/library.h"
#include "stream/stream.h"

#define PEERS_MAX 4
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct peer {
    struct kernel_socket *socket;
    int fd;
    uint64_t plan_bytes; /* the bytes it plans to send */
    uint64_t chunk_bytes;
    unsigned eagerness; /* it uses so many of 8 chances to read */
    bool is_closed;     /* according to the log */
    bool is_fin;
    bool is_tls, is_polite; /* sends close_notify before its FIN */
    bool has_said_end;
    uint64_t lost_bytes, discarded_bytes;
    char reason[16];
};

static struct {
    bool is_gentle, is_rude, is_direct, is_over;
    struct loop loop;
    struct worker *worker;
    struct limit *limit;
    struct policy *policy, *tls_policy;
    struct peer peers[PEERS_MAX];
    int count;
    uint64_t released;
} world;

struct world_seen world_seen;

/* ---- the log, as the judge reads it ---- */

static const struct log_field *field_of(const struct log_field *fields, size_t count,
                                        const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    }
    return NULL;
}

static uint64_t number_of(const struct log_field *fields, size_t count, const char *key)
{
    const struct log_field *field = field_of(fields, count, key);
    return field ? field->number : UINT64_MAX;
}

bool log_is_on(const struct log *log, enum log_level level)
{
    (void)log;
    (void)level;
    return true;
}

void log_write(struct log *log, uint64_t limited_events, enum log_level level, const char *message,
               const struct log_field *fields, size_t count)
{
    (void)log;
    (void)limited_events;
    if (level == LOG_LEVEL_ERROR)
        kernel_complain(message, 0);
    if (strcmp(message, "connection closed") != 0)
        return;
    struct peer *peer = &world.peers[number_of(fields, count, "id")];
    const struct log_field *reason = field_of(fields, count, "reason");
    if (peer->is_closed)
        kernel_complain("closed twice", (uint64_t)peer->fd);
    peer->is_closed = true;
    peer->is_fin = strcmp(field_of(fields, count, "end")->text, "fin") == 0;
    peer->lost_bytes = number_of(fields, count, "lost");
    peer->discarded_bytes = number_of(fields, count, "discarded");
    snprintf(peer->reason, sizeof(peer->reason), "%.*s", (int)reason->text_length, reason->text);
    const struct kernel_socket *socket = peer->socket;
    bool is_cut = !peer->is_fin && !socket->is_unix && !socket->is_peer_reset;
    uint64_t cut = field_of(fields, count, "cut") ? number_of(fields, count, "cut") : 0;
    uint64_t untaken = kernel_untaken(socket), out = kernel_plain_out(socket);
    /* Over TLS the kernel's queue holds records; no more can be cut than was written. */
    if (cut != (is_cut ? (untaken < out ? untaken : out) : 0) && !socket->has_fin_acked)
        kernel_complain("the log tells another cut than the reset makes", cut);
    if (number_of(fields, count, "out") != out)
        kernel_complain("the log tells other bytes out than the kernel took", out);
    if (cut > 0)
        rare_saw(RARE_CUT);
}

void log_close(struct log *log)
{
    (void)log;
}

/* ---- wrapped calls, to observe the inside (tests/local.am) ---- */

int __real_bufferevent_disable(struct bufferevent *bev, short what);
int __wrap_bufferevent_disable(struct bufferevent *bev, short what);
bool __real_limit_is_owed_out(const struct limit *limit);
bool __wrap_limit_is_owed_out(const struct limit *limit);

/* The bufferevent's callback argument is its stream. */
int __wrap_bufferevent_disable(struct bufferevent *bev, short what)
{
    void *stream;
    struct kernel_socket *socket = kernel_at(bufferevent_getfd(bev));
    bufferevent_getcb(bev, NULL, NULL, NULL, &stream);
    if (socket && socket->wire && stream_is_choked(stream) && !socket->wire->is_choked) {
        rare_saw(RARE_CHOKED);
        socket->wire->is_choked = true;
    }
    return __real_bufferevent_disable(bev, what);
}

bool __wrap_limit_is_owed_out(const struct limit *limit)
{
    bool is_tight = __real_limit_is_owed_out(limit);
    if (is_tight)
        rare_saw(RARE_TIGHT);
    return is_tight;
}

/* ---- the judge ---- */

static uint64_t counted(enum counter counter)
{
    return counter_get(worker_counters(world.worker, 0), counter);
}

/* The most bytes of a peer that the service may have counted: those read. Discarded bytes may stay
 * unread (and over TLS are records), and a direct Unix stream counts bytes that it has only peeked
 * at. */
static uint64_t most_known(const struct peer *peer)
{
    const struct kernel_socket *socket = peer->socket;
    return socket->is_unix || peer->discarded_bytes > 0 ? socket->sent : kernel_plain_read(socket);
}

static void judge_sums(void)
{
    uint64_t in = counted(COUNTER_BYTES_IN), out = 0, read = 0, least = 0, most = 0;
    bool has_unix = false;
    for (int i = 0; i < world.count; i++) {
        const struct kernel_socket *socket = world.peers[i].socket;
        out += kernel_plain_out(socket);
        read += kernel_plain_read(socket);
        /* Records kept, or received after a failure, were read but not counted. */
        least += socket->wire ? 0 : socket->read;
        most += most_known(&world.peers[i]);
        has_unix = has_unix || world.peers[i].socket->is_unix;
    }
    if (in != counted(COUNTER_BYTES_OUT) + counted(COUNTER_OWED) + counted(COUNTER_LOST))
        kernel_complain("the sums are wrong, bytes in", in);
    if (out != counted(COUNTER_BYTES_OUT))
        kernel_complain("the kernel took other bytes than were counted", out);
    uint64_t known = in + counted(COUNTER_DISCARDED);
    if (least > known || known > most || (!has_unix && in > read))
        kernel_complain("other bytes were read than were counted", read);
}

/* Checks that close_notify was sent if it must be, and not sent if it must not. */
static void judge_words(const struct peer *peer, bool is_truncated, bool has_words)
{
    const struct kernel_scan *sent = peer->is_tls ? &peer->socket->wire->sent : NULL;
    if (!peer->is_tls && is_truncated)
        kernel_complain("truncated, without TLS", (uint64_t)peer->fd);
    else if (is_truncated && (has_words || sent->has_end))
        kernel_complain("truncated, with close_notify", (uint64_t)peer->fd);
    else if (strcmp(peer->reason, "eof") == 0 && sent && !sent->has_end)
        kernel_complain("an end without close_notify is not told to be truncated", sent->plain);
    else if (world.is_gentle && peer->is_tls && !has_words)
        kernel_complain("nothing was wrong, and no close_notify came", sent->plain);
    if (is_truncated)
        rare_saw(RARE_TRUNCATED);
}

/* Checks that a clean end was sent only if nothing was lost. */
static void judge_end(const struct peer *peer)
{
    const struct kernel_socket *socket = peer->socket;
    uint64_t out = kernel_plain_out(socket), sent = kernel_plain_sent(socket);
    bool is_whole = out == sent, has_words = peer->is_tls && socket->wire->out.has_end;
    bool is_truncated = strcmp(peer->reason, "truncated") == 0;
    /* Over TLS an end without close_notify is not clean. */
    bool is_told = socket->ends_in_reset || socket->is_peer_reset || socket->is_peer_gone ||
                   (peer->is_tls && !has_words);
    /* The two known gaps, documented in the page: bytes read into memory from a Unix socket, and
     * bytes that arrived together with the peer's own end. */
    bool is_known = socket->is_unix
                        ? !world.is_direct && peer->lost_bytes + peer->discarded_bytes > 0
                        : socket->has_peer_fin && socket->has_own_fin && peer->discarded_bytes > 0;
    if (!is_whole && !is_told && !is_known)
        kernel_complain("a clean end after a loss, of bytes", sent - out);
    if (peer->is_fin && peer->lost_bytes > 0)
        kernel_complain("the log tells a loss and a clean end", peer->lost_bytes);
    if (peer->is_fin && socket->is_linger_zero)
        kernel_complain("the log tells a clean end, and it is a reset", socket->out);
    if (!peer->is_fin && !socket->is_unix && !is_told)
        kernel_complain("the log tells a reset, and it is a clean end", socket->out);
    if (world.is_gentle && (!is_whole || socket->ends_in_reset || strcmp(peer->reason, "eof") != 0))
        kernel_complain("nothing was wrong, and not everything came back", out);
    judge_words(peer, is_truncated, has_words);
}

/* If memory is short, a peer is reset before it becomes a connection; on a Unix socket without
 * unread bytes that is a plain close. */
static bool is_refused(const struct peer *peer)
{
    return !peer->is_closed && peer->socket->is_closed &&
           (peer->socket->ends_in_reset || (peer->socket->is_unix && peer->socket->sent == 0));
}

static void judge_world(void)
{
    for (int i = 0; i < world.count; i++) {
        const struct peer *peer = &world.peers[i];
        if (!peer->is_closed && !is_refused(peer))
            kernel_complain("a connection outlasts its deadlines", (uint64_t)peer->fd);
        else if (!peer->socket->is_closed)
            kernel_complain("a descriptor was never closed", (uint64_t)peer->fd);
        else if (peer->is_closed)
            judge_end(peer);
    }
    if (counted(COUNTER_ACCEPTED) != counted(COUNTER_CLOSED))
        kernel_complain("opened and not closed", counted(COUNTER_ACCEPTED));
    if (counted(COUNTER_OWED) != 0)
        kernel_complain("owed to nobody", counted(COUNTER_OWED));
    if (worker_load(world.worker) != 0 || limit_open(world.limit) != 0)
        kernel_complain("places in the limits were not given back", worker_load(world.worker));
    if (world.released != (uint64_t)world.count)
        kernel_complain("other connections released than given", world.released);
}

/* ---- events ---- */

static void turn(void)
{
    (void)event_base_loop(world.loop.base, EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
    judge_sums();
}

/* The bytes that the service has read and written; over TLS, bytes of records. */
static uint64_t moved_bytes(void)
{
    uint64_t bytes = counted(COUNTER_BYTES_IN);
    for (int i = 0; i < world.count; i++)
        bytes += world.peers[i].socket->read + world.peers[i].socket->out;
    return bytes;
}

/* Runs the loop until the kernel's queues are empty, before time passes. */
static void turn_while_moving(void)
{
    int still = 0;
    for (int turns = 0; turns < 20000 && still < 3; turns++) {
        uint64_t before = moved_bytes();
        turn();
        still = before == moved_bytes() ? still + 1 : 0;
    }
}

static void on_released(void *owner, uint64_t count)
{
    (void)owner;
    world.released += count;
}

static uint64_t some_bytes(void)
{
    static const uint64_t SIZES[] = {1, 2, 100, 4096, 8192, 20000, 70000, 300000};
    uint64_t most = SIZES[kernel_random(COUNT_OF(SIZES))];
    return kernel_random(2) ? most : 1 + kernel_random(most);
}

/* Large enough for splice(2). */
static uint64_t bulk_bytes(void)
{
    return 40000 + kernel_random(260000);
}

static bool is_rarely(uint64_t once_in)
{
    return world.is_rude && kernel_random(once_in) == 0;
}

/* Sends a TLS peer's hello, which need not wait for the service's. */
static void greet(struct peer *peer)
{
    kernel_speak_tls(peer->socket);
    peer->is_polite = !is_rarely(4);
    kernel_make_record(peer->socket, is_rarely(40) ? RECORD_KEYS : RECORD_HELLO, 1);
    if (!is_rarely(30)) /* the rest is never sent */
        kernel_make_record(peer->socket, RECORD_HELLO, kernel_random(100));
}

static void arrive(void)
{
    bool is_unix = kernel_random(3) == 0, is_bulk = kernel_random(4) == 0;
    bool is_tls = !is_unix && kernel_random(2);
    struct peer *peer = &world.peers[world.count];
    struct conn_arrival arrival = {
        .fd = is_bulk ? kernel_socket(is_unix, bulk_bytes(), bulk_bytes())
                      : kernel_socket(is_unix, some_bytes(), some_bytes()),
        .peer = {.family = is_unix ? AF_UNIX : AF_INET, .bytes = {127, 0, 0, 1}},
        .id = (uint64_t)world.count++,
        .policy = policy_ref(is_tls ? world.tls_policy : world.policy)};
    *peer = (struct peer){.fd = arrival.fd, .socket = kernel_at(arrival.fd), .is_tls = is_tls};
    if (is_tls)
        greet(peer);
    peer->plan_bytes = is_bulk ? 4 * bulk_bytes() : kernel_random(8) ? some_bytes() : 0;
    peer->chunk_bytes = is_bulk            ? bulk_bytes()
                        : kernel_random(2) ? peer->plan_bytes
                                           : 1 + kernel_random(5000);
    peer->eagerness = (unsigned)kernel_random(9);
    if (limit_admit(world.limit, &arrival.peer) != LIMIT_ADMITTED ||
        worker_give(world.worker, &arrival) < 0)
        kernel_complain("not let in", 0);
}

/* Discards the bytes not sent yet. */
static void finish_sending(struct peer *peer)
{
    if (peer->is_tls)
        kernel_unmake_records(peer->socket);
    peer->plan_bytes = kernel_plain_sent(peer->socket);
    peer->socket->has_peer_fin = true;
}

/* Requests key updates and does not read the answers. */
static void ask_for_keys(struct peer *peer)
{
    for (uint64_t count = is_rarely(20) ? 300 : 1; count > 0; count--)
        kernel_make_record(peer->socket, RECORD_KEYS, kernel_random(count > 1 ? 4 : 60));
}

/* Makes records of so many bytes in all, mixed with TLS's other records. */
static void make_records(struct peer *peer, uint64_t bytes)
{
    uint64_t most = kernel_random(3) ? RECORD_MOST : 1 + kernel_random(2000);
    if (kernel_random(6) == 0)
        ask_for_keys(peer);
    for (uint64_t piece; bytes > 0; bytes -= piece) {
        piece = bytes < most ? bytes : most;
        kernel_make_record(peer->socket, RECORD_DATA, piece);
    }
    if (is_rarely(60))
        kernel_make_record(peer->socket, RECORD_ALERT, 2);
}

static void send_some_tls(struct peer *peer)
{
    const struct kernel_socket *socket = peer->socket;
    const struct kernel_wire *wire = socket->wire;
    uint64_t left = peer->plan_bytes - wire->made;
    if (wire->length == socket->sent && !peer->has_said_end) {
        make_records(peer, left < peer->chunk_bytes ? left : peer->chunk_bytes);
        peer->has_said_end = wire->made == peer->plan_bytes && kernel_random(3) == 0;
        if (peer->has_said_end && peer->is_polite)
            kernel_make_record(peer->socket, RECORD_END, 0);
    }
    (void)kernel_send(peer->socket, 100 + peer->chunk_bytes);
    if (wire->length == socket->sent && peer->has_said_end && kernel_random(2))
        finish_sending(peer);
}

static void send_some(struct peer *peer)
{
    if (peer->is_tls) {
        send_some_tls(peer);
        return;
    }
    uint64_t left = peer->plan_bytes - peer->socket->sent;
    (void)kernel_send(peer->socket, left < peer->chunk_bytes ? left : peer->chunk_bytes);
    if (peer->plan_bytes == peer->socket->sent && kernel_random(3) == 0)
        finish_sending(peer);
}

/* The peer's program has ended: it needs no more bytes. */
static void vanish(struct peer *peer)
{
    finish_sending(peer);
    peer->socket->is_peer_gone = true;
}

static void misbehave(struct peer *peer)
{
    switch (kernel_random(12)) {
    case 0:
        kernel_reset(peer->socket);
        break;
    case 1:
        vanish(peer);
        break;
    case 2:
        finish_sending(peer); /* earlier than planned */
        break;
    case 3:
        worker_drain(world.worker);
        break;
    case 4:
        peer->eagerness = 0;
        break;
    default:
        kernel_pass(kernel_random(400));
    }
}

static void step(void)
{
    struct peer *peer = &world.peers[kernel_random((uint64_t)world.count)];
    switch (kernel_random(8)) {
    case 0:
    case 1:
    case 2:
        send_some(peer);
        break;
    case 3:
    case 4:
        if (kernel_random(8) < peer->eagerness)
            (void)kernel_take(peer->socket, some_bytes());
        break;
    case 5:
        if (world.count < PEERS_MAX && kernel_random(10) == 0)
            arrive();
        break;
    case 6:
        kernel_pass(kernel_random(3));
        break;
    default:
        if (world.is_rude && kernel_random(4) == 0)
            misbehave(peer);
    }
    if (kernel_random(4))
        turn();
}

static bool is_all_over(void)
{
    return worker_load(world.worker) == 0;
}

static const struct kernel_rates QUIET = {.shorts = 200, .agains = 100};

/* All failures stop and every peer reads: each must receive all the bytes promised to it. */
static void end_gently(void)
{
    kernel_set_rates(&QUIET);
    for (int turns = 0; turns < 20000 && !is_all_over(); turns++) {
        struct peer *peer = &world.peers[kernel_random((uint64_t)world.count)];
        peer->chunk_bytes += 1000;
        peer->socket->in_room += 1000;
        peer->socket->out_room += 1000;
        send_some(peer);
        (void)kernel_take(peer->socket, 1 + kernel_random(100000));
        turn();
    }
}

/* Some peers send more although the service has ended its side. */
static void speak_late(struct peer *peer)
{
    struct kernel_socket *socket = peer->socket;
    if (!socket->has_own_fin || socket->has_peer_fin || socket->is_closed || kernel_random(4))
        return;
    if (peer->is_tls && !peer->has_said_end)
        make_records(peer, 1 + kernel_random(200));
    (void)kernel_send(socket, 1 + kernel_random(200));
    peer->plan_bytes = peer->is_tls ? socket->wire->made : socket->sent;
}

/* The peers do nothing any more: the deadlines must end all connections. */
static void end_harshly(const struct policy_values *values)
{
    /* Bytes acknowledged between two checks restart the stall timeout. */
    uint64_t longest_ms = values->idle_ms + 2 * values->stall_ms + values->flush_ms +
                          values->linger_ms + values->quiet_ms + values->handshake_ms + 500;
    kernel_set_rates(&QUIET);
    for (uint64_t passed_ms = 0; passed_ms < longest_ms && !is_all_over(); passed_ms += 20) {
        kernel_pass(20);
        for (int i = 0; i < world.count; i++)
            speak_late(&world.peers[i]);
        turn_while_moving();
    }
    if (values->idle_ms == 0 || values->stall_ms == 0)
        worker_abort_all(world.worker, REASON_FORCED); /* for connections without a deadline */
    for (int i = 0; i < 100; i++)
        turn();
}

/* ---- a world ---- */

static void set_up(struct policy_values *values)
{
    struct error err;
    memset(&world, 0, sizeof(world));
    world.is_gentle = kernel_random(3) == 0;
    world.is_rude = !world.is_gentle;
    world.is_direct = kernel_random(2) == 0;
    *values = (struct policy_values){.buffer_bytes = kernel_random(4) ? 200 + some_bytes() : 0};
    if (!world.is_gentle) {
        bool has_times = kernel_random(8) != 0;
        values->idle_ms = has_times ? 1000 : 0;
        values->stall_ms = has_times ? 500 : 0;
        values->handshake_ms = has_times ? 300 : 0;
        values->flush_ms = kernel_random(4) ? 800 : 0;
        values->linger_ms = kernel_random(4) ? 200 : 0;
        values->quiet_ms = kernel_random(4) ? 100 : 0;
    }
    world.limit =
        limit_new(&(struct limit_values){.owed_bytes = kernel_random(3) ? 0 : 1 + some_bytes()});
    world.policy = policy_new(values, "tcp://sim", 0);
    world.tls_policy = policy_new(values, "tls://sim", 0);
    world.tls_policy->tls = (struct tls_context *)&world; /* never dereferenced (codec.c) */
    struct worker_config config = {.loop = &world.loop,
                                   .path = world.is_direct ? STREAM_DIRECT : STREAM_BUFFERED,
                                   .listeners = 1,
                                   .limit = world.limit,
                                   .on_released = on_released};
    if (loop_open(&world.loop, NULL, &err) == 0)
        world.worker = worker_new(&config, &err);
    if (!world.worker || limit_watch(world.limit, worker_counters(world.worker, 0)) < 0)
        abort();
}

static void tear_down(void)
{
    static const struct kernel_rates NOTHING = {0};
    kernel_set_rates(&NOTHING);
    worker_abort_all(world.worker, REASON_FORCED); /* only if the judge has complained */
    for (int i = 0; i < 5; i++)
        turn();
    worker_free(world.worker);
    loop_close(&world.loop);
    policy_unref(world.policy);
    policy_unref(world.tls_policy);
    limit_free(world.limit);
}

static void remember(void)
{
    for (int i = 0; i < REASON_COUNT; i++)
        world_seen.reasons[i] += counted(counter_of_reason((enum reason)i));
    world_seen.connections += (uint64_t)world.count;
    world_seen.bytes += counted(COUNTER_BYTES_IN);
    world_seen.lost += counted(COUNTER_LOST);
    rare_seen[RARE_HELD] += counted(COUNTER_HELD);
    rare_seen[RARE_ABANDONED] += counted(COUNTER_ABANDONED) > 0;
    for (int i = 0; i < world.count; i++) {
        const struct peer *peer = &world.peers[i];
        world_seen.resets += peer->socket->ends_in_reset;
        rare_seen[RARE_LATE_RESET] += peer->socket->ends_in_reset && peer->discarded_bytes > 0;
    }
}

void world_live(void)
{
    uint64_t live_before = kernel_allocations_live();
    struct policy_values values;
    set_up(&values);
    struct kernel_rates rates = {.shorts = (unsigned)kernel_random(900),
                                 .agains = (unsigned)kernel_random(300)};
    if (!world.is_gentle && kernel_random(2))
        rates.errors = (unsigned)kernel_random(kernel_random(4) ? 40 : 300);
    if (!world.is_gentle && kernel_random(4) == 0)
        rates.memories = (unsigned)kernel_random(kernel_random(2) ? 60 : 600);
    kernel_set_rates(&rates);
    arrive();
    for (uint64_t steps = 20 + kernel_random(150); steps > 0 && !kernel_complaint(); steps--)
        step();
    if (world.is_gentle)
        end_gently();
    else
        end_harshly(&values);
    judge_world();
    remember();
    tear_down();
    if (kernel_allocations_live() != live_before)
        kernel_complain("memory was not given back", kernel_allocations_live() - live_before);
}

void world_begin(void)
{
    library_start(NULL);
    kernel_take_memory();
}

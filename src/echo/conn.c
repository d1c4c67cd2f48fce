/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/conn.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/sock.h"

/* Reading resumes when the bytes owed are down to 1/LOW_WATER_PART of the high-water mark. */
#define LOW_WATER_PART 4
/* The most bytes of one read if all connections together owe as much as the limit: an attacker can
 * exceed the limit by this much for each connection. */
#define TIGHT_READ_BYTES 4096
/* How often in the stall timeout the peer's progress is checked. */
#define STALL_LOOKS 4

/* The result of the last read. */
enum {
    MOVED_NOWHERE, /* echoed, and the kernel has accepted nothing of it yet */
    MOVED_ON,      /* echoed, and the kernel has accepted some */
    MOVED_AWAY,    /* discarded by the service */
    MOVED_LATE,    /* received after our end, and can be answered by a reset */
};

static struct conn *conn_of(struct stream *stream)
{
    return (struct conn *)stream;
}

static const struct service *service_of(const struct conn *conn)
{
    return service_at(conn->policy->values.service);
}

/* ---- the state ---- */

bool conn_may_change(enum conn_state from, enum conn_state to)
{
    static const bool EDGES[CONN_STATE_COUNT][CONN_STATE_COUNT] = {
        [CONN_OPEN] = {[CONN_PAUSED] = true, [CONN_FLUSH] = true, [CONN_CLOSED] = true},
        [CONN_PAUSED] = {[CONN_OPEN] = true, [CONN_FLUSH] = true, [CONN_CLOSED] = true},
        [CONN_FLUSH] = {[CONN_LINGER] = true, [CONN_CLOSED] = true},
        [CONN_LINGER] = {[CONN_CLOSED] = true},
        [CONN_HANDSHAKE] = {[CONN_OPEN] = true, [CONN_CLOSED] = true},
    };
    return EDGES[from][to];
}

/* True if every byte is sent, owed or counted as lost: the one invariant that must never break. */
static bool is_balanced(const struct conn *conn)
{
    return account_owed(&conn->account) == stream_owed(&conn->stream);
}

static void change_state(struct conn *conn, enum conn_state state)
{
    if (!conn_may_change((enum conn_state)conn->state, state) || !is_balanced(conn))
        conn->env->reporter->broken(conn, state);
    conn->state = (uint8_t)state;
}

/* ---- deadlines ---- */

static void consider(uint64_t *due_ms, enum reason *why, uint64_t from_ms, uint64_t time_ms,
                     enum reason reason)
{
    if (time_ms && from_ms + time_ms < *due_ms) {
        *due_ms = from_ms + time_ms;
        *why = reason;
    }
}

/* True if the connection cannot continue before the peer reads. A flush that owes nothing still has
 * to send its end, and TLS may have answers of its own that do not count as bytes owed. */
static bool waits_for_peer(const struct conn *conn)
{
    return account_owed(&conn->account) > 0 || conn->state == CONN_FLUSH ||
           stream_is_choked(&conn->stream);
}

/* While its worker drains, a connection ends if nothing has been received for the quiet time. */
static void consider_drain(const struct conn *conn, uint64_t *due_ms, enum reason *why,
                           uint64_t last_ms)
{
    uint64_t quiet_ms = conn->policy->values.quiet_ms, drain_ms = conn->env->drain_start_ms;
    if (drain_ms)
        consider(due_ms, why, last_ms > drain_ms ? last_ms : drain_ms, quiet_ms ? quiet_ms : 1,
                 REASON_DRAIN);
}

uint64_t conn_due_ms(const struct conn *conn, enum reason *why)
{
    const struct policy_values *values = &conn->policy->values;
    uint64_t due_ms = UINT64_MAX;
    *why = (enum reason)conn->reason;
    if (conn->state == CONN_HANDSHAKE) {
        /* For the whole handshake: a peer that trickles would make progress for ever. */
        consider(&due_ms, why, conn->opened_ms, values->handshake_ms, REASON_HANDSHAKE);
        consider_drain(conn, &due_ms, why, conn->opened_ms);
        return due_ms;
    }
    if (conn->state == CONN_LINGER) {
        /* A linger time of 0 means no time, not for ever. */
        return conn->ending_ms + values->linger_ms;
    }
    if (waits_for_peer(conn))
        consider(&due_ms, why, conn->taken_ms, values->stall_ms, REASON_STALL);
    if (conn->state == CONN_FLUSH) {
        consider(&due_ms, why, conn->ending_ms, values->flush_ms, REASON_FLUSH);
    } else if (account_owed(&conn->account) == 0) {
        uint64_t last_ms = conn->heard_ms > conn->taken_ms ? conn->heard_ms : conn->taken_ms;
        consider(&due_ms, why, last_ms, values->idle_ms, REASON_IDLE);
        consider_drain(conn, &due_ms, why, last_ms);
    }
    return due_ms;
}

/* Restarts the stall timeout. */
static void restart_stall(struct conn *conn)
{
    conn->taken_ms = loop_now_ms();
    conn->untaken = stream_untaken(&conn->stream);
}

/* The time of the next check. The kernel reports a writable socket only when there is room for many
 * bytes, so while the connection waits for the peer, its progress is checked in between. */
static uint64_t look_ms(const struct conn *conn, uint64_t due_ms)
{
    uint64_t stall_ms = conn->policy->values.stall_ms;
    uint64_t next_ms = loop_now_ms() + stall_ms / STALL_LOOKS + 1;
    return stall_ms && waits_for_peer(conn) && next_ms < due_ms ? next_ms : due_ms;
}

/* Sets the deadline if it became earlier; if it became later, that is noticed when the old one
 * fires. */
static void set_deadline(struct conn *conn)
{
    enum reason why;
    uint64_t due_ms = look_ms(conn, conn_due_ms(conn, &why));
    if (due_ms != UINT64_MAX && (conn->deadline.place == 0 || due_ms < conn->deadline.due_ms))
        loop_set_deadline(conn->env->loop, &conn->deadline, due_ms);
}

/* ---- the end ---- */

/* Checks if all connections together owe too much: then every connection's next read is small, and
 * one that owes bytes stops reading. */
static void look_at_limit(struct conn_env *env)
{
    env->is_tight = limit_is_owed_out(env->limit);
    env->stream.read_max = env->is_tight ? TIGHT_READ_BYTES : SIZE_MAX;
}

/* Adds the bytes owed to the worker's gauge, and checks the sum of all. */
static void tell_owed(struct conn *conn)
{
    if (account_tell_owed(&conn->account))
        look_at_limit(conn->env);
}

/* True for an end chosen by the service, so that a drain must report bytes still owed. */
static bool is_our_choice(enum reason reason)
{
    return reason != REASON_RESET && reason != REASON_ERROR;
}

/* Ends the connection. If any byte is lost, the end is a reset, even if the caller asked for
 * none. */
static void end(struct conn *conn, bool is_reset)
{
    struct conn_env *env = conn->env;
    change_state(conn, CONN_CLOSED);
    struct account *account = &conn->account;
    is_reset = is_reset || account_owed(account) > 0;
    if (account_close(account, is_reset ? stream_cut(&conn->stream) : 0,
                      env->drain_start_ms && is_our_choice((enum reason)conn->reason)))
        look_at_limit(env);
    env->reporter->closed(conn, is_reset);
    counter_add(account->counters, COUNTER_CLOSED, 1);
    counter_add(account->counters, counter_of_reason((enum reason)conn->reason), 1);
    counter_add_lifetime(account->counters, loop_now_ms() - conn->opened_ms);
    deadline_unset(&env->loop->deadlines, &conn->deadline);
    if (is_reset)
        stream_reset(&conn->stream);
    else
        stream_close(&conn->stream);
    env->on_closed(conn, env->owner);
}

/* At the end of the linger time: counts unread bytes as discarded too, and returns their number.
 * Because of them the kernel sends a reset in any case. */
static size_t discard_unread(struct conn *conn)
{
    size_t unread = stream_unread(&conn->stream);
    if (service_of(conn)->is_echo)
        account_discarded(&conn->account, unread);
    else
        account_sunk(&conn->account, unread);
    return unread;
}

static void end_linger(struct conn *conn)
{
    bool is_late = discard_unread(conn) > 0 || conn->account.discarded > 0;
    end(conn, is_late && stream_end(&conn->stream) != STREAM_END_BOTH);
}

void conn_abort(struct conn *conn, enum reason reason)
{
    if (conn->state == CONN_CLOSED)
        return;
    bool is_lingering = conn->state == CONN_LINGER, is_peer = reason == REASON_RESET;
    /* If the peer resets after our FIN, the connection keeps its earlier reason. */
    if (!is_lingering || !is_peer)
        conn->reason = (uint8_t)reason;
    if (is_lingering)
        (void)discard_unread(conn);
    end(conn, is_peer || !is_lingering || stream_end(&conn->stream) != STREAM_END_BOTH);
}

static void abort_error(struct conn *conn, int error)
{
    /* shutdown(2) reports a received reset as ENOTCONN. */
    bool is_peer = error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ENOTCONN;
    conn->error = error;
    if (conn->state == CONN_HANDSHAKE && error != ENOMEM && !is_peer) {
        /* OpenSSL has sent an alert, which a reset would discard. If bytes of the peer are unread,
         * the kernel sends a reset in any case. */
        conn->reason = REASON_HANDSHAKE;
        end(conn, stream_unread(&conn->stream) > 0);
        return;
    }
    conn_abort(conn, error == ENOMEM ? REASON_MEMORY : is_peer ? REASON_RESET : REASON_ERROR);
}

/* Ends FLUSH, since nothing is owed: the peer has finished first, or we send our end. */
static void finish(struct conn *conn)
{
    if (!stream_say_end(&conn->stream)) {
        restart_stall(conn);
        set_deadline(conn);
        return;
    }
    if (conn->has_peer_fin) {
        end(conn, false);
        return;
    }
    int failure = stream_half_close(&conn->stream);
    if (failure) {
        abort_error(conn, -failure);
        return;
    }
    change_state(conn, CONN_LINGER);
    conn->ending_ms = loop_now_ms();
    if (stream_resume(&conn->stream) < 0)
        abort_error(conn, ENOMEM);
    else
        set_deadline(conn);
}

/* Stops reading, sends the bytes owed, then finishes. */
static void begin_close(struct conn *conn, enum reason reason)
{
    stream_hold(&conn->stream);
    change_state(conn, CONN_FLUSH);
    conn->reason = (uint8_t)reason;
    conn->ending_ms = loop_now_ms();
    if (account_owed(&conn->account) == 0)
        finish(conn);
    else
        set_deadline(conn);
}

/* ---- bytes ---- */

/* If one read can reach the mark, reading stops as soon as any byte is owed. */
static bool holds_at_once(const struct conn *conn)
{
    uint64_t mark = conn->policy->values.buffer_bytes;
    bool is_small = mark && mark <= stream_take_bytes(&conn->stream);
    return conn->env->is_tight || is_small || stream_owes_unread(&conn->stream);
}

static bool is_over_mark(const struct conn *conn)
{
    uint64_t mark = conn->policy->values.buffer_bytes;
    return holds_at_once(conn) || (mark && account_owed(&conn->account) >= mark);
}

static bool is_under_mark(const struct conn *conn)
{
    uint64_t low = conn->policy->values.buffer_bytes / LOW_WATER_PART;
    return account_owed(&conn->account) == 0 ||
           (account_owed(&conn->account) <= low && !holds_at_once(conn));
}

/* After an echo of which the kernel accepted some bytes or none: stops reading if too much is owed
 * now. */
static void settle(struct conn *conn, bool is_taken)
{
    bool was_owing = conn->account.told_owed > 0;
    if (conn->env->is_tight)
        look_at_limit(conn->env); /* other connections may have sent theirs since */
    tell_owed(conn);
    if (account_owed(&conn->account) == 0)
        return;
    if (!was_owing || is_taken)
        restart_stall(conn);
    if (!was_owing)
        set_deadline(conn);
    if (is_over_mark(conn)) {
        counter_add(conn->account.counters, COUNTER_HELD, 1);
        stream_hold(&conn->stream);
        change_state(conn, CONN_PAUSED);
    }
}

/* Queues the service's own bytes: all of them, or, if they are endless, as many as may be owed. The
 * loop sends them, so that an endless reader does not delay other connections. False if that ended
 * the connection. */
static bool say(struct conn *conn)
{
    unsigned char bytes[SERVICE_SAYS_MAX];
    uint64_t room = sizeof(bytes), mark = conn->policy->values.buffer_bytes;
    if (service_of(conn)->is_endless) {
        room = conn->env->is_tight ? TIGHT_READ_BYTES : room;
        room = mark && mark < room ? mark : room;
    }
    size_t length = conn->env->reporter->service(conn, bytes, room);
    int failure = stream_owe(&conn->stream, bytes, length);
    /* On a system error, only the queued bytes count as made. */
    account_made(&conn->account, stream_owed(&conn->stream) - account_owed(&conn->account));
    tell_owed(conn);
    if (failure) {
        abort_error(conn, -failure);
        return false;
    }
    return true;
}

/* Echoes received bytes: without reading them into memory if possible, else from the buffer.
 * Returns like stream_take(); *sent is the number that the kernel has accepted. */
static ssize_t echo(struct conn *conn, size_t *sent)
{
    struct stream *stream = &conn->stream;
    struct stream_moved moved;
    const unsigned char *bytes;
    int failure = stream_relay(stream, &moved);
    ssize_t came = failure && moved.in == 0 ? failure : (ssize_t)moved.in;
    *sent = moved.out;
    if (came == 0) {
        came = stream_take(stream, &bytes);
        if (came > 0)
            failure = stream_give(stream, bytes, (size_t)came, sent);
    }
    if (came > 0) {
        account_came(&conn->account, (size_t)came);
        account_went(&conn->account, *sent);
    }
    if (came <= 0 || !failure)
        return came;
    /* On a system error, bytes that should be owed but are not queued are lost. */
    account_lose(&conn->account, account_owed(&conn->account) - stream_owed(stream));
    return failure;
}

/* Reads bytes that are not echoed: a service discards them, or they came after our own end. In that
 * case the peer is sent a reset, as soon as that does not destroy bytes sent to it; after its own
 * FIN a reset cannot be sent. Returns like stream_take(). */
static ssize_t swallow(struct conn *conn)
{
    struct stream *stream = &conn->stream;
    const unsigned char *bytes;
    bool is_late = service_of(conn)->is_echo;
    ssize_t came = stream_take(stream, &bytes);
    if (came <= 0)
        return came;
    if (is_late && stream_end(stream) == STREAM_END_TAKEN)
        conn->moved = MOVED_LATE;
    if (is_late)
        account_discarded(&conn->account, (size_t)came);
    else
        account_sunk(&conn->account, (size_t)came);
    if (conn->moved != MOVED_LATE) /* left unread: a Unix socket has no other way to reset */
        stream_drop(stream, (size_t)came);
    return came;
}

/* The read callback: only moves and counts bytes. */
static ssize_t on_readable(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    size_t sent = 0;
    bool is_echo = service_of(conn)->is_echo && conn->state != CONN_LINGER;
    conn->moved = MOVED_AWAY;
    ssize_t came = is_echo ? echo(conn, &sent) : swallow(conn);
    if (is_echo)
        conn->moved = sent > 0 ? MOVED_ON : MOVED_NOWHERE;
    return came;
}

/* ---- the other callbacks ---- */

static void on_moved(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    conn->heard_ms = loop_now_ms();
    if (conn->moved == MOVED_ON)
        conn->taken_ms = conn->heard_ms;
    if (conn->moved == MOVED_LATE)
        end(conn, true);
    else if (conn->moved != MOVED_AWAY)
        settle(conn, conn->moved == MOVED_ON);
}

/* Handles the peer's end after ours. Over TLS its close_notify may arrive before its FIN: then the
 * peer must still be told about late bytes by a reset, if not now then at the end of the linger
 * time. */
static void end_late(struct conn *conn)
{
    enum stream_end how_far = stream_end(&conn->stream);
    bool is_late = conn->account.discarded > 0 && how_far != STREAM_END_BOTH;
    if (!is_late || how_far == STREAM_END_TAKEN)
        end(conn, is_late);
}

static void on_peer_end(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    conn->has_peer_fin = true;
    if (conn->state == CONN_LINGER)
        end_late(conn);
    else
        begin_close(conn, stream_is_truncated(stream) ? REASON_TRUNCATED : REASON_EOF);
}

static void on_drained(struct stream *stream, size_t bytes)
{
    struct conn *conn = conn_of(stream);
    conn->taken_ms = loop_now_ms();
    account_went(&conn->account, bytes);
    tell_owed(conn);
    if (account_owed(&conn->account) > 0)
        restart_stall(conn);
    if (account_owed(&conn->account) == 0 && conn->state == CONN_FLUSH) {
        finish(conn);
        return;
    }
    if (conn->state == CONN_PAUSED && is_under_mark(conn)) {
        change_state(conn, CONN_OPEN);
        if (stream_resume(stream) < 0)
            abort_error(conn, ENOMEM);
    }
    if (account_owed(&conn->account) == 0 && conn->state == CONN_OPEN) {
        if (!service_of(conn)->is_endless || say(conn))
            set_deadline(conn); /* restarts the idle and quiet timeouts */
    }
}

static void on_choked(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    restart_stall(conn);
    set_deadline(conn);
}

static void on_error(struct stream *stream, int error)
{
    abort_error(conn_of(stream), error);
}

/* Sends the service's own bytes, then starts to read. */
static void begin(struct conn *conn)
{
    const struct service *service = service_of(conn);
    if (service->make && !say(conn))
        return;
    if (service->make && !service->is_endless)
        begin_close(conn, REASON_SERVED);
    else if (stream_resume(&conn->stream) < 0)
        abort_error(conn, ENOMEM);
    else if (conn->env->drain_start_ms)
        conn_drain(conn);
    else
        set_deadline(conn);
}

static void on_open(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    conn->heard_ms = conn->taken_ms = loop_now_ms();
    counter_add(conn->account.counters, COUNTER_TLS_HANDSHAKES, 1);
    change_state(conn, CONN_OPEN);
    begin(conn);
}

/* ---- life ---- */

const struct stream_callbacks CONN_STREAM_CALLBACKS = {
    on_readable, on_moved, on_peer_end, on_drained, on_error, on_open, on_choked};

static void let_go(struct conn_env *env, const struct conn_arrival *arrival)
{
    counter_add(&env->counters[arrival->policy->listener], COUNTER_REFUSED_ERROR, 1);
    free(arrival->proxied);
    limit_release(env->limit, &arrival->peer);
    policy_unref(arrival->policy);
    log_limited(env->log, LOG_LEVEL_WARN, "connection reset: no memory for it",
                LOG_NUMBER("id", arrival->id));
}

void conn_refuse(struct conn_env *env, const struct conn_arrival *arrival)
{
    sock_reset(arrival->fd);
    let_go(env, arrival);
}

struct conn *conn_open(struct conn_env *env, const struct conn_arrival *arrival)
{
    struct conn *conn = malloc(sizeof(*conn));
    if (!conn) {
        conn_refuse(env, arrival);
        return NULL;
    }
    const struct policy_values *values = &arrival->policy->values;
    const struct address *caller = arrival->proxied ? &arrival->proxy : &arrival->peer;
    const struct stream_how how = {.read_max = values->buffer_bytes,
                                   .tls = arrival->policy->tls,
                                   .is_unix = caller->family == AF_UNIX,
                                   .is_speaking = service_at(values->service)->make != NULL};
    const uint64_t now_ms = loop_now_ms();
    *conn = (struct conn){.env = env,
                          .state = how.tls ? CONN_HANDSHAKE : CONN_OPEN,
                          .policy = arrival->policy,
                          .account.counters = &env->counters[arrival->policy->listener],
                          .id = arrival->id,
                          .peer = arrival->peer,
                          .proxied = arrival->proxied,
                          .opened_ms = now_ms,
                          .heard_ms = now_ms,
                          .taken_ms = now_ms};
    if (stream_open(&conn->stream, &env->stream, arrival->fd, &how) < 0) {
        free(conn);
        let_go(env, arrival);
        return NULL;
    }
    counter_add(conn->account.counters, COUNTER_ACCEPTED, 1);
    return conn;
}

void conn_start(struct conn *conn)
{
    if (conn->state != CONN_HANDSHAKE)
        begin(conn);
    else if (stream_resume(&conn->stream) < 0)
        abort_error(conn, ENOMEM);
    else
        set_deadline(conn); /* on_open() continues */
}

void conn_drain(struct conn *conn)
{
    if (conn->state == CONN_FLUSH || conn->state == CONN_LINGER)
        return;
    if (service_of(conn)->is_endless && conn->state != CONN_HANDSHAKE)
        begin_close(conn, REASON_DRAIN); /* an endless service is never quiet */
    else
        set_deadline(conn);
}

void conn_on_due(struct conn *conn)
{
    enum reason why;
    if (waits_for_peer(conn) && stream_untaken(&conn->stream) < conn->untaken)
        restart_stall(conn);
    uint64_t due_ms = conn_due_ms(conn, &why), now_ms = loop_now_ms();
    if (due_ms > now_ms) {
        if (due_ms != UINT64_MAX)
            loop_set_deadline(conn->env->loop, &conn->deadline, look_ms(conn, due_ms));
    } else if (conn->state == CONN_LINGER) {
        end_linger(conn);
    } else if (why == REASON_STALL || why == REASON_FLUSH || why == REASON_HANDSHAKE) {
        conn_abort(conn, why);
    } else if (conn->state == CONN_HANDSHAKE) {
        conn->reason = (uint8_t)why;
        end(conn, stream_unread(&conn->stream) > 0);
    } else if (stream_unread(&conn->stream) > 0 && !stream_is_choked(&conn->stream)) {
        /* The loop was late, not the peer. */
        conn->heard_ms = now_ms;
        set_deadline(conn);
    } else {
        begin_close(conn, why);
    }
}

void conn_free(struct conn *conn)
{
    limit_release(conn->env->limit, &conn->peer);
    policy_unref(conn->policy);
    free(conn->proxied);
    free(conn);
}

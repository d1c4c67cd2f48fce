/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection, from the descriptor to the reason it ended.
 *
 *   HANDSHAKE                (TLS alone; it ends as CLOSED where it fails or takes too long)
 *       |
 *     OPEN <-> PAUSED      (it is owed more than the high-water mark: its sender is held)
 *       |        |
 *       +--------+--> FLUSH    no more reading; what is owed is paid
 *                       |-- the peer's FIN was read --> CLOSED
 *                       `-- ours first: FIN --> LINGER --> CLOSED, with a reset if anything came
 *     any --> CLOSED by a reset, where bytes are lost or the system failed us
 *
 * At every change of state, and at the end, what the account (account.h) says is owed is what the
 * stream holds. One function changes the state, one ends the connection. A
 * connection is freed by its worker one step of the loop after it was closed, never under one of
 * its own callbacks.
 *
 * Deadlines are lazy: traffic only stamps heard_ms and taken_ms, and a deadline that comes too
 * early is set anew.
 */
#ifndef ECHO_CONN_H
#define ECHO_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/deadline.h"
#include "base/reason.h"
#include "echo/account.h"
#include "echo/counters.h"
#include "echo/limit.h"
#include "echo/policy.h"
#include "echo/service.h"
#include "net/address.h"
#include "net/proxy.h"
#include "stream/loop.h"
#include "stream/stream.h"

enum conn_state {
    CONN_OPEN,
    CONN_PAUSED,
    CONN_FLUSH,
    CONN_LINGER,
    CONN_CLOSED,
    CONN_HANDSHAKE,
    CONN_STATE_COUNT
};

struct conn;

/* What is said about a connection (conn_report.h). Nothing of it changes the connection. */
struct conn_reporter {
    /* It is about to be closed. */
    void (*closed)(const struct conn *conn, bool is_reset);
    /* Its sums or states cannot be right: a bug of ours. */
    void (*broken)(const struct conn *conn, enum conn_state to);
    /* The next bytes that its service sends of its own; returns how many, at most `room`. */
    size_t (*service)(const struct conn *conn, unsigned char *out, size_t room);
};

/* What the connections of one worker share. */
struct conn_env {
    struct stream_env stream;
    struct loop *loop;
    struct counters *counters; /* a set for each listener, by policy->listener */
    struct limit *limit;
    const struct conn_reporter *reporter;
    struct log *log;         /* NULL: nothing is logged */
    const char *name;        /* of this service, for whoami */
    uint64_t drain_start_ms; /* 0: not draining */
    bool is_tight;           /* all connections together owe as much as they may */
    void (*on_closed)(struct conn *conn, void *owner); /* frees it, after the callbacks are done */
    void *owner;
};

/* What a proxy said before the connection's first byte. */
struct conn_proxied {
    struct address proxy; /* who said it */
    struct proxy_header header;
    unsigned char bytes[]; /* the header itself */
};

/* A descriptor on its way from the acceptor to a worker. Where its listener demands PROXY headers
 * it passes through the PROXY header reader (proxy_reader.h) first: until then its peer is nobody
 * (AF_UNIX). */
struct conn_arrival {
    int fd;
    struct address peer;
    struct address proxy;         /* that has connected; AF_UNSPEC: the peer itself has */
    struct conn_proxied *proxied; /* allocated; NULL: not yet, or never */
    uint64_t id;                  /* the token: never used again while the process lives */
    struct policy *policy;        /* a reference of its own */
};

struct conn {
    struct stream stream; /* first: a stream's callback finds its connection by it */
    struct deadline deadline;
    LIST_ENTRY(conn) link; /* its worker's */
    struct conn_env *env;
    struct policy *policy;
    uint64_t id;
    struct address peer;
    struct conn_proxied *proxied; /* NULL: the peer has come by itself */
    struct account account;
    uint64_t opened_ms;
    uint64_t heard_ms;  /* bytes came */
    uint64_t taken_ms;  /* bytes owed were taken, or began to be owed */
    uint64_t untaken;   /* while it waits for the peer: in the kernel's hands, as of taken_ms */
    uint64_t ending_ms; /* FLUSH or LINGER began */
    int error;          /* errno behind reason=error */
    uint8_t state;      /* enum conn_state */
    uint8_t reason;     /* enum reason, once it is FLUSH or later */
    uint8_t moved;      /* enum: what the last read did (conn.c) */
    bool has_peer_fin;
};

/* Takes over an arrival: its descriptor, its reference, and its place in the limits. Returns the
 * connection, not reading yet; or NULL where there is no memory: then the peer has been reset. */
struct conn *conn_open(struct conn_env *env, const struct conn_arrival *arrival) MUST_CHECK;

/* Refuses an arrival with a reset, and gives back all that it held. */
void conn_refuse(struct conn_env *env, const struct conn_arrival *arrival);

/* Starts reading. The loop must have room for one more deadline. */
void conn_start(struct conn *conn);

/* Its worker has begun to drain (env->drain_start_ms). */
void conn_drain(struct conn *conn);

/* The deadline that was set has come. */
void conn_on_due(struct conn *conn);

/* Ends it with a reset now, and counts what is owed as lost. */
void conn_abort(struct conn *conn, enum reason reason);

/* Gives back memory and limits after on_closed(). */
void conn_free(struct conn *conn);

/* What conn_env.stream.callbacks must be. */
extern const struct stream_callbacks CONN_STREAM_CALLBACKS;

static inline struct conn *conn_of_deadline(struct deadline *deadline)
{
    return (struct conn *)((char *)deadline - offsetof(struct conn, deadline));
}

/* For the tests: whether the picture above has that edge. */
bool conn_may_change(enum conn_state from, enum conn_state to);

/* For the tests: what would end the connection next, and when on the loop's clock. UINT64_MAX: no
 * deadline at all. */
uint64_t conn_due_ms(const struct conn *conn, enum reason *why);

#endif

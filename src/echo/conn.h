/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection, from the descriptor to the reason it ended.
 *
 *   HANDSHAKE               (TLS only; it ends as CLOSED if it fails or takes too long)
 *       |
 *     OPEN <-> PAUSED       (more than the high-water mark is owed: reading has stopped)
 *       |        |
 *       +--------+--> FLUSH    no more reading; the bytes owed are sent
 *                       |-- the peer's FIN was read --> CLOSED
 *                       `-- ours first: FIN --> LINGER --> CLOSED, by a reset if bytes arrived
 *     any --> CLOSED by a reset, if bytes are lost or on a system error
 *
 * At every change of state, and at the end, the bytes owed by the account (account.h) must equal
 * those that the stream holds. One function changes the state, and one ends the connection. The
 * worker frees a connection one iteration of the loop after it was closed, never inside one of its
 * own callbacks.
 *
 * Deadlines are lazy: traffic only updates heard_ms and taken_ms, and a deadline that fires too
 * early is set again.
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

/* Reports about a connection (conn_report.h). None of them changes the connection. */
struct conn_reporter {
    /* The connection is about to be closed. */
    void (*closed)(const struct conn *conn, bool is_reset);
    /* Its sums or its change of state are wrong: a bug of ours. */
    void (*broken)(const struct conn *conn, enum conn_state to);
    /* Writes the next bytes that its service sends of its own; returns their number, at most
     * `room`. */
    size_t (*service)(const struct conn *conn, unsigned char *out, size_t room);
};

/* Shared by the connections of one worker. */
struct conn_env {
    struct stream_env stream;
    struct loop *loop;
    struct counters *counters; /* one set for each listener, by policy->listener */
    struct limit *limit;
    const struct conn_reporter *reporter;
    struct log *log;         /* NULL: nothing is logged */
    const char *name;        /* of this service, for whoami */
    uint64_t drain_start_ms; /* 0: not draining */
    bool is_tight;           /* all connections together owe as much as the limit */
    void (*on_closed)(struct conn *conn,
                      void *owner); /* frees it, after the callbacks have returned */
    void *owner;
};

/* The PROXY header received before the connection's first byte. */
struct conn_proxied {
    struct address proxy; /* the proxy's own address */
    struct proxy_header header;
    unsigned char bytes[]; /* the header itself */
};

/* An accepted descriptor on its way from the acceptor to a worker. If its listener requires PROXY
 * headers, it first passes through the PROXY header reader (proxy_reader.h); until then its peer is
 * unknown (AF_UNIX). */
struct conn_arrival {
    int fd;
    struct address peer;
    struct address proxy;         /* that has connected; AF_UNSPEC: the peer connected itself */
    struct conn_proxied *proxied; /* allocated; NULL: not read yet, or none */
    uint64_t id;                  /* never reused while the process lives */
    struct policy *policy;        /* a reference */
};

struct conn {
    struct stream stream; /* first: a stream's callback casts it to its connection */
    struct deadline deadline;
    LIST_ENTRY(conn) link; /* in its worker's list */
    struct conn_env *env;
    struct policy *policy;
    uint64_t id;
    struct address peer;
    struct conn_proxied *proxied; /* NULL: no proxy */
    struct account account;
    uint64_t opened_ms;
    uint64_t heard_ms; /* bytes were last received */
    uint64_t taken_ms; /* bytes owed were last accepted, or began to be owed */
    uint64_t
        untaken; /* while it waits for the peer: bytes unacknowledged in the kernel at taken_ms */
    uint64_t ending_ms; /* start of FLUSH or LINGER */
    int error;          /* the errno of reason=error */
    uint8_t state;      /* enum conn_state */
    uint8_t reason;     /* enum reason, from FLUSH on */
    uint8_t moved;      /* enum: what the last read did (conn.c) */
    bool has_peer_fin;
};

/* Takes ownership of an arrival: its descriptor, its reference, and its place in the limits.
 * Returns the connection, which does not read yet; or NULL if memory is short, and then the peer
 * has been reset. */
struct conn *conn_open(struct conn_env *env, const struct conn_arrival *arrival) MUST_CHECK;

/* Refuses an arrival with a reset, and releases all its resources. */
void conn_refuse(struct conn_env *env, const struct conn_arrival *arrival);

/* Starts reading. The loop must have room for one more deadline. */
void conn_start(struct conn *conn);

/* Call when its worker begins to drain (env->drain_start_ms). */
void conn_drain(struct conn *conn);

/* Call when its deadline has fired. */
void conn_on_due(struct conn *conn);

/* Ends it with a reset now, and counts the bytes owed as lost. */
void conn_abort(struct conn *conn, enum reason reason);

/* Releases memory and limits after on_closed(). */
void conn_free(struct conn *conn);

/* The value of conn_env.stream.callbacks. */
extern const struct stream_callbacks CONN_STREAM_CALLBACKS;

static inline struct conn *conn_of_deadline(struct deadline *deadline)
{
    return (struct conn *)((char *)deadline - offsetof(struct conn, deadline));
}

/* For the tests: true if the diagram above has that edge. */
bool conn_may_change(enum conn_state from, enum conn_state to);

/* For the tests: the connection's next deadline on the loop's clock, and its reason. UINT64_MAX:
 * none. */
uint64_t conn_due_ms(const struct conn *conn, enum reason *why);

#endif

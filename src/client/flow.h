/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection that sends messages and checks every byte that comes back.
 *
 *     flow_push() --> pattern of [sent, queued) --send--> endpoint --recv--> matched from `checked`
 * on
 *
 * Sent bytes are not stored: a byte can be recomputed from its place in the stream. The owner
 * decides what to send and when; the flow reports each echo to it, and finally its end.
 */
#ifndef CLIENT_FLOW_H
#define CLIENT_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/deadline.h"
#include "client/failure.h"
#include "client/link.h"
#include "stream/loop.h"

struct flow;
struct event;

/* One message under way. */
struct flow_message {
    uint64_t end_offset;             /* of its last byte, plus one */
    uint64_t due_ns;                 /* when it should have been sent */
    uint64_t sent_ns;                /* when its first byte was; 0: it was not */
    uint64_t late_ns, connection_ns; /* for the owner: the waits before it was pushed */
};

struct flow_callbacks {
    void (*on_connected)(struct flow *flow);
    /* One message is back, whole and right. flow_push() may be called; it is sent afterwards. */
    void (*on_echo)(struct flow *flow, const struct flow_message *message, uint64_t now_ns);
    /* That message was under way, and gets no answer. The flow is closed, on_ended() is next. */
    void (*on_unanswered)(struct flow *flow, const struct flow_message *message, uint64_t now_ns);
    /* The flow is over and closed; failure->how.outcome is OK after a flow_finish() that went well.
     */
    void (*on_ended)(struct flow *flow, const struct failure *failure);
};

/* Shared by the flows of one thread. */
struct flow_env {
    struct loop *loop;
    struct flow_callbacks callbacks;
    const struct link_plan *plan;
    unsigned char *scratch;
    size_t scratch_bytes;
    uint64_t seed;
    uint64_t timeout_ms;
    uint32_t pipeline; /* messages under way at most */
    uint64_t sent_bytes, received_bytes;
};

/* FAILED: a byte was wrong. The owner is told of the echoes before it, and may push nothing. */
enum flow_state { FLOW_CLOSED, FLOW_CONNECTING, FLOW_OPEN, FLOW_FINISHING, FLOW_FAILED };

struct flow {
    struct deadline deadline; /* set by the flow while it is not closed, and by its owner before */
    const struct flow_callbacks *callbacks;
    struct flow_env *env;
    struct event *readable, *writable;
    struct flow_message *messages; /* a ring of env->pipeline */
    uint32_t first, count;
    uint32_t stamped;      /* of these, how many have left, with their first byte at least */
    uint64_t stamp_offset; /* the start of the first of the others */
    struct link link;
    enum flow_state state;
    uint64_t connection;            /* number of the connection */
    uint64_t seed;                  /* this connection's */
    uint64_t queued, sent, checked; /* stream offsets */
    uint64_t progress_ms;           /* when bytes came, or waiting began */
};

/* Prepares a closed flow in place. 0, or -1 without memory. */
int flow_init(struct flow *flow, struct flow_env *env) MUST_CHECK;
void flow_clear(struct flow *flow);

/* Starts to connect; its end is told by on_connected() or on_ended(), also at once. */
void flow_connect(struct flow *flow, uint64_t connection);

/* True if another message may be in flight. */
bool flow_has_room(const struct flow *flow);

/* Queues a message; there must be room. It may be changed until flow_flush(). */
struct flow_message *flow_push(struct flow *flow, uint64_t bytes, uint64_t due_ns);

/* Sends queued bytes, as many as possible. */
void flow_flush(struct flow *flow, uint64_t now_ns);

/* Half-closes, and waits for the end: nothing may be under way. */
void flow_finish(struct flow *flow);

/* Closes without a callback. */
void flow_abandon(struct flow *flow);

/* The flow's deadline has come. */
void flow_on_due(struct flow *flow);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/flow.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pattern.h"

#define NS_PER_MS UINT64_C(1000000)

/* ---- the end ---- */

void flow_abandon(struct flow *flow)
{
    if (flow->state == FLOW_CLOSED)
        return;
    (void)event_del(flow->readable);
    (void)event_del(flow->writable);
    deadline_unset(&flow->env->loop->deadlines, &flow->deadline);
    link_close(&flow->link);
    flow->state = FLOW_CLOSED;
}

static void tell_unanswered(struct flow *flow)
{
    uint64_t now_ns = clock_now_ns();
    for (uint32_t i = 0; i < flow->count; i++) {
        uint32_t place = (flow->first + i) % flow->env->pipeline;
        flow->callbacks->on_unanswered(flow, &flow->messages[place], now_ns);
    }
}

static void end(struct flow *flow, struct failure *failure)
{
    failure->connection = flow->connection;
    failure->offset = flow->checked;
    failure->awaited = flow->sent - (flow->checked < flow->sent ? flow->checked : flow->sent);
    flow_abandon(flow);
    tell_unanswered(flow);
    flow->count = flow->stamped = 0;
    flow->callbacks->on_ended(flow, failure);
}

/* The link has ended. A FIN is right after ours and with everything back, and too early else. */
static void end_link(struct flow *flow)
{
    struct failure failure = failure_of(&flow->link);
    if (flow->link.ending.outcome == OUTCOME_OK && flow->state == FLOW_FINISHING &&
        flow->checked == flow->sent)
        failure.how.outcome = OUTCOME_OK;
    end(flow, &failure);
}

static void end_mismatch(struct flow *flow, const unsigned char *bytes, size_t length)
{
    struct failure failure = failure_explain(
        &flow->link,
        &(struct evidence_place){.run_seed = flow->env->seed,
                                 .connection = flow->connection,
                                 .offset = flow->checked,
                                 .sent = flow->sent,
                                 .has_sent_proxy = flow->env->plan->proxy != PROXY_NONE},
        bytes, length);
    end(flow, &failure);
}

static void end_late(struct flow *flow)
{
    struct failure failure = failure_timeout(&flow->link, flow->env->timeout_ms * NS_PER_MS);
    end(flow, &failure);
}

void flow_on_due(struct flow *flow)
{
    uint64_t due_ms = flow->progress_ms + flow->env->timeout_ms;
    bool is_waiting = flow->state != FLOW_OPEN || flow->count > 0;
    if (!is_waiting)
        return; /* set anew with the next message */
    if (loop_now_ms() < due_ms)
        loop_set_deadline(flow->env->loop, &flow->deadline, due_ms);
    else
        end_late(flow);
}

/* Waiting begins: for a connection, an answer, the end. */
static void await(struct flow *flow)
{
    flow->progress_ms = loop_now_ms();
    if (flow->deadline.place == 0)
        loop_set_deadline(flow->env->loop, &flow->deadline,
                          flow->progress_ms + flow->env->timeout_ms);
}

/* ---- bytes ---- */

bool flow_has_room(const struct flow *flow)
{
    return flow->state != FLOW_FAILED && flow->count < flow->env->pipeline;
}

struct flow_message *flow_push(struct flow *flow, uint64_t bytes, uint64_t due_ns)
{
    uint32_t last = (flow->first + flow->count) % flow->env->pipeline;
    if (flow->count++ == 0)
        await(flow);
    flow->queued += bytes;
    flow->messages[last] = (struct flow_message){.end_offset = flow->queued, .due_ns = due_ns};
    return &flow->messages[last];
}

/* Stamps the messages whose first byte has left, with when that was asked for: their echo may be
 * there before send(2) is back. */
static void stamp_sent(struct flow *flow, uint64_t now_ns)
{
    while (flow->stamped < flow->count && flow->stamp_offset < flow->sent) {
        struct flow_message *message =
            &flow->messages[(flow->first + flow->stamped++) % flow->env->pipeline];
        message->sent_ns = now_ns;
        flow->stamp_offset = message->end_offset;
    }
}

/* After a failed send, reads the bytes received before it, and then the end. */
static void read_to_the_end(struct flow *flow)
{
    if (link_cannot_send(&flow->link))
        event_active(flow->readable, EV_READ, 0);
}

void flow_flush(struct flow *flow, uint64_t now_ns)
{
    struct flow_env *env = flow->env;
    if (flow->state != FLOW_OPEN)
        return;
    for (; flow->sent < flow->queued; now_ns = clock_now_ns()) {
        uint64_t left = flow->queued - flow->sent;
        size_t length = left < env->scratch_bytes ? (size_t)left : env->scratch_bytes;
        pattern_fill(flow->seed, flow->sent, env->scratch, length);
        ssize_t sent = link_send(&flow->link, env->scratch, length);
        if (sent < 0) {
            end_link(flow);
            return;
        }
        flow->sent += (uint64_t)sent;
        env->sent_bytes += (uint64_t)sent;
        stamp_sent(flow, now_ns);
        if ((size_t)sent < length) {
            if (link_waits(&flow->link, POLLOUT) & POLLOUT)
                (void)event_add(flow->writable, NULL);
            read_to_the_end(flow);
            return;
        }
    }
}

/* Tells the owner of every message that is whole now. */
static void tell_echoes(struct flow *flow, uint64_t now_ns)
{
    while (flow->count > 0 && flow->messages[flow->first].end_offset <= flow->checked) {
        struct flow_message message = flow->messages[flow->first];
        flow->first = (flow->first + 1) % flow->env->pipeline;
        flow->count--;
        flow->stamped--;
        flow->callbacks->on_echo(flow, &message, now_ns);
        if (flow->state == FLOW_CLOSED)
            return;
    }
}

/* Waits for the link's events for receiving, or for opening first. */
static void await_link(struct flow *flow)
{
    short waits = link_waits(&flow->link, POLLIN);
    int failure = waits & POLLIN ? event_add(flow->readable, NULL) : event_del(flow->readable);
    if (failure == 0 && (waits & POLLOUT))
        failure = event_add(flow->writable, NULL);
    if (failure < 0) {
        (void)link_end(&flow->link, ending_of_errno(ENOMEM));
        end_link(flow);
    }
}

/* Receives and checks once. */
static void receive(struct flow *flow)
{
    struct flow_env *env = flow->env;
    ssize_t bytes = link_recv(&flow->link, env->scratch, env->scratch_bytes);
    if (bytes < 0) {
        end_link(flow);
        return;
    }
    if (bytes == 0)
        return;
    size_t length = (size_t)bytes;
    uint64_t awaited = flow->sent - flow->checked;
    size_t allowed = length < awaited ? length : (size_t)awaited;
    size_t right = pattern_match(flow->seed, flow->checked, env->scratch, allowed);
    flow->checked += right;
    env->received_bytes += right;
    flow->progress_ms = loop_now_ms();
    uint64_t now_ns = clock_now_ns();
    if (right < length)
        flow->state = FLOW_FAILED;
    tell_echoes(flow, now_ns);
    if (right < length)
        end_mismatch(flow, env->scratch + right, length - right);
    else
        flow_flush(flow, now_ns);
}

/* Receives available bytes. Afterwards TLS may have bytes to send, or may wait for other events. */
static void receive_all(struct flow *flow)
{
    short waited = link_waits(&flow->link, POLLIN);
    do {
        receive(flow);
    } while (link_has_more(&flow->link));
    bool is_open = flow->state == FLOW_OPEN || flow->state == FLOW_FINISHING;
    if (is_open && (waited | link_waits(&flow->link, POLLIN)) != POLLIN)
        await_link(flow);
}

/* ---- life ---- */

static void half_close(struct flow *flow)
{
    enum link_step step = link_half_close(&flow->link);
    if (step == LINK_WAIT)
        (void)event_add(flow->writable, NULL);
    else if (step == LINK_ENDED)
        end_link(flow);
    else
        read_to_the_end(flow);
}

static void advance(struct flow *flow)
{
    switch (link_advance(&flow->link)) {
    case LINK_WAIT:
        await_link(flow);
        return;
    case LINK_ENDED:
        end_link(flow);
        return;
    case LINK_DONE:
        break;
    }
    if (event_add(flow->readable, NULL) < 0) {
        (void)link_end(&flow->link, ending_of_errno(ENOMEM));
        end_link(flow);
        return;
    }
    flow->state = FLOW_OPEN;
    if (link_has_more(&flow->link))
        event_active(flow->readable, EV_READ, 0);
    flow->callbacks->on_connected(flow);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct flow *flow = arg;
    (void)fd, (void)what;
    if (flow->state == FLOW_CONNECTING) {
        advance(flow);
        return;
    }
    receive_all(flow);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct flow *flow = arg;
    (void)fd, (void)what;
    if (flow->state == FLOW_CONNECTING) {
        advance(flow);
    } else if (flow->state == FLOW_FINISHING) {
        half_close(flow);
    } else {
        if (link_waits(&flow->link, POLLIN) & POLLOUT)
            receive_all(flow);
        flow_flush(flow, clock_now_ns());
    }
}

int flow_init(struct flow *flow, struct flow_env *env)
{
    *flow = (struct flow){.env = env, .callbacks = &env->callbacks};
    link_init(&flow->link);
    flow->messages = calloc(env->pipeline, sizeof(*flow->messages));
    flow->readable = event_new(env->loop->base, -1, EV_READ | EV_PERSIST, on_readable, flow);
    flow->writable = event_new(env->loop->base, -1, EV_WRITE, on_writable, flow);
    return flow->messages && flow->readable && flow->writable ? 0 : -1;
}

void flow_clear(struct flow *flow)
{
    flow_abandon(flow);
    link_clear(&flow->link);
    if (flow->readable)
        event_free(flow->readable);
    if (flow->writable)
        event_free(flow->writable);
    free(flow->messages);
}

void flow_connect(struct flow *flow, uint64_t connection)
{
    struct event_base *base = flow->env->loop->base;
    flow->connection = connection;
    flow->seed = pattern_seed(flow->env->seed, connection);
    flow->queued = flow->sent = flow->checked = 0;
    flow->first = flow->count = flow->stamped = 0;
    flow->stamp_offset = 0;
    if (link_start(&flow->link, flow->env->plan) == LINK_ENDED) {
        struct failure failure = failure_of(&flow->link);
        failure.connection = connection;
        flow->callbacks->on_ended(flow, &failure);
        return;
    }
    int fd = flow->link.fd;
    flow->state = FLOW_CONNECTING;
    await(flow);
    if (event_assign(flow->readable, base, fd, EV_READ | EV_PERSIST, on_readable, flow) < 0 ||
        event_assign(flow->writable, base, fd, EV_WRITE, on_writable, flow) < 0 ||
        event_add(flow->writable, NULL) < 0) {
        (void)link_end(&flow->link, ending_of_errno(ENOMEM));
        end_link(flow);
    }
}

void flow_finish(struct flow *flow)
{
    flow->state = FLOW_FINISHING;
    await(flow);
    half_close(flow);
}

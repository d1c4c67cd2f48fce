/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/flow.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"

/* ---- the end ---- */

void flow_abandon(struct flow *flow)
{
    if (flow->state == FLOW_CLOSED)
        return;
    (void)event_del(flow->readable);
    (void)event_del(flow->writable);
    deadline_unset(&flow->env->loop->deadlines, &flow->deadline);
    close(flow->fd);
    flow->fd = -1;
    flow->state = FLOW_CLOSED;
}

static void end(struct flow *flow, struct flow_failure *failure)
{
    failure->connection = flow->connection;
    failure->offset = flow->checked;
    failure->awaited = flow->sent - (flow->checked < flow->sent ? flow->checked : flow->sent);
    failure->unanswered = flow->count;
    flow_abandon(flow);
    flow->count = 0;
    flow->callbacks->on_ended(flow, failure);
}

static void end_error(struct flow *flow, int error)
{
    enum stream_end how = error == ECONNRESET || error == EPIPE ? STREAM_END_RST : STREAM_END_NONE;
    end(flow,
        &(struct flow_failure){.outcome = outcome_of_errno(error), .end = how, .error = error});
}

/* The peer's FIN: right after ours and with everything back, too early else. */
static void end_fin(struct flow *flow)
{
    bool is_right = flow->state == FLOW_FINISHING && flow->checked == flow->sent;
    end(flow, &(struct flow_failure){.outcome = is_right ? OUTCOME_OK : OUTCOME_RESET,
                                     .end = STREAM_END_FIN});
}

void flow_explain(struct flow_failure *failure, uint64_t seed, uint64_t offset, uint64_t sent,
                  const unsigned char *bytes, size_t length)
{
    *failure = (struct flow_failure){.outcome = OUTCOME_MISMATCH,
                                     .has_byte = true,
                                     .is_extra = offset >= sent,
                                     .came = bytes[0],
                                     .expected = pattern_byte(seed, offset)};
    failure->has_place = pattern_locate(seed, bytes, length, sent, &failure->place);
}

static void end_mismatch(struct flow *flow, const unsigned char *bytes, size_t length)
{
    struct flow_failure failure;
    flow_explain(&failure, flow->seed, flow->checked, flow->sent, bytes, length);
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
        end(flow, &(struct flow_failure){.outcome = OUTCOME_TIMEOUT, .end = STREAM_END_TIMEOUT});
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
    return flow->count < flow->env->pipeline;
}

void flow_push(struct flow *flow, uint64_t bytes, uint64_t due_ns)
{
    uint32_t last = (flow->first + flow->count) % flow->env->pipeline;
    if (flow->count++ == 0)
        await(flow);
    flow->queued += bytes;
    flow->messages[last] = (struct flow_message){.end_offset = flow->queued, .due_ns = due_ns};
}

/* Stamps the messages whose first byte leaves now: those that were not stamped yet. */
static void stamp_sent(struct flow *flow, uint64_t now_ns)
{
    for (uint32_t i = flow->count; i > 0; i--) {
        struct flow_message *message = &flow->messages[(flow->first + i - 1) % flow->env->pipeline];
        if (message->sent_ns)
            break;
        message->sent_ns = now_ns;
    }
}

void flow_flush(struct flow *flow, uint64_t now_ns)
{
    struct flow_env *env = flow->env;
    if (flow->state != FLOW_OPEN || flow->sent == flow->queued)
        return;
    stamp_sent(flow, now_ns);
    while (flow->sent < flow->queued) {
        uint64_t left = flow->queued - flow->sent;
        size_t length = left < env->scratch_bytes ? (size_t)left : env->scratch_bytes;
        pattern_fill(flow->seed, flow->sent, env->scratch, length);
        ssize_t sent = send(flow->fd, env->scratch, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            end_error(flow, errno);
            return;
        }
        if (sent > 0) {
            flow->sent += (uint64_t)sent;
            env->sent_bytes += (uint64_t)sent;
        }
        if (sent < (ssize_t)length) {
            (void)event_add(flow->writable, NULL);
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
        flow->callbacks->on_echo(flow, &message, now_ns);
        if (flow->state == FLOW_CLOSED)
            return;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct flow *flow = arg;
    struct flow_env *env = flow->env;
    (void)what;
    ssize_t bytes = recv(fd, env->scratch, env->scratch_bytes, 0);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (bytes <= 0) {
        if (bytes == 0)
            end_fin(flow);
        else
            end_error(flow, errno);
        return;
    }
    size_t length = (size_t)bytes;
    uint64_t awaited = flow->sent - flow->checked;
    size_t allowed = length < awaited ? length : (size_t)awaited;
    size_t right = pattern_match(flow->seed, flow->checked, env->scratch, allowed);
    flow->checked += right;
    env->received_bytes += right;
    flow->progress_ms = loop_now_ms();
    if (right < length) {
        end_mismatch(flow, env->scratch + right, length - right);
        return;
    }
    uint64_t now_ns = clock_now_ns();
    tell_echoes(flow, now_ns);
    flow_flush(flow, now_ns);
}

/* ---- life ---- */

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct flow *flow = arg;
    (void)what;
    if (flow->state == FLOW_OPEN) {
        flow_flush(flow, clock_now_ns());
        return;
    }
    int failure = dial_result(fd);
    if (failure || event_add(flow->readable, NULL) < 0) {
        end_error(flow, failure ? -failure : ENOMEM);
        return;
    }
    flow->state = FLOW_OPEN;
    flow->callbacks->on_connected(flow);
}

int flow_init(struct flow *flow, struct flow_env *env)
{
    *flow = (struct flow){.env = env, .callbacks = &env->callbacks, .fd = -1};
    flow->messages = calloc(env->pipeline, sizeof(*flow->messages));
    flow->readable = event_new(env->loop->base, -1, EV_READ | EV_PERSIST, on_readable, flow);
    flow->writable = event_new(env->loop->base, -1, EV_WRITE, on_writable, flow);
    return flow->messages && flow->readable && flow->writable ? 0 : -1;
}

void flow_clear(struct flow *flow)
{
    flow_abandon(flow);
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
    flow->first = flow->count = 0;
    flow->fd = dial_start(flow->env->target);
    if (flow->fd < 0) {
        struct flow_failure failure = {
            .outcome = outcome_of_errno(-flow->fd), .error = -flow->fd, .connection = connection};
        flow->callbacks->on_ended(flow, &failure);
        return;
    }
    flow->state = FLOW_CONNECTING;
    await(flow);
    if (event_assign(flow->readable, base, flow->fd, EV_READ | EV_PERSIST, on_readable, flow) < 0 ||
        event_assign(flow->writable, base, flow->fd, EV_WRITE, on_writable, flow) < 0 ||
        event_add(flow->writable, NULL) < 0)
        end_error(flow, ENOMEM);
}

void flow_finish(struct flow *flow)
{
    flow->state = FLOW_FINISHING;
    await(flow);
    if (shutdown(flow->fd, SHUT_WR) < 0)
        end_error(flow, errno);
}

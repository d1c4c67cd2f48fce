/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "net/sock.h"

#define NS_PER_MS 1000000U

static bool is_alive(const struct probe *probe)
{
    return probe->fd >= 0 && probe->failure.outcome == OUTCOME_OK;
}

static bool fail(struct probe *probe, struct flow_failure failure)
{
    failure.connection = probe->connection;
    failure.offset = probe->checked;
    failure.awaited = probe->sent > probe->checked ? probe->sent - probe->checked : 0;
    probe->failure = failure;
    return false;
}

static bool fail_errno(struct probe *probe, int error)
{
    bool is_reset = error == ECONNRESET || error == EPIPE;
    return fail(probe, (struct flow_failure){.outcome = outcome_of_errno(error),
                                             .end = is_reset ? STREAM_END_RST : STREAM_END_NONE,
                                             .error = error});
}

/* Waits for an event; at most so long as progress may be missing, and as the step may take. */
static bool await(struct probe *probe, short events, short *got)
{
    uint64_t now_ns = clock_now_ns(), patience_ns = probe->timeout_ms * NS_PER_MS;
    uint64_t left_ns = probe->until_ns > now_ns ? probe->until_ns - now_ns : 0;
    left_ns = left_ns < patience_ns ? left_ns : patience_ns;
    struct pollfd polled = {.fd = probe->fd, .events = events};
    int ready = poll(&polled, 1, (int)(left_ns / NS_PER_MS));
    *got = polled.revents;
    if (ready > 0 || (ready < 0 && errno == EINTR))
        return true;
    return fail(probe,
                (struct flow_failure){.outcome = OUTCOME_TIMEOUT, .end = STREAM_END_TIMEOUT});
}

bool probe_connect(struct probe *probe)
{
    short got;
    probe->fd = dial_start(probe->target);
    if (probe->fd < 0)
        return fail_errno(probe, -probe->fd);
    if (!await(probe, POLLOUT, &got))
        return false;
    int failure = dial_result(probe->fd);
    return failure ? fail_errno(probe, -failure) : true;
}

/* ---- the pattern ---- */

/* Sends once what the kernel takes, at most `length`. */
static bool send_once(struct probe *probe, uint64_t length)
{
    size_t some = length < PROBE_SCRATCH_BYTES ? (size_t)length : PROBE_SCRATCH_BYTES;
    pattern_fill(probe->seed, probe->sent, probe->scratch, some);
    ssize_t bytes = send(probe->fd, probe->scratch, some, MSG_NOSIGNAL);
    if (bytes < 0)
        return errno == EAGAIN || errno == EINTR ? true : fail_errno(probe, errno);
    probe->sent += (uint64_t)bytes;
    return true;
}

/* Receives once and checks it. *is_end is set at the peer's FIN. */
static bool receive_once(struct probe *probe, bool *is_end)
{
    ssize_t bytes = recv(probe->fd, probe->scratch, PROBE_SCRATCH_BYTES, 0);
    *is_end = bytes == 0;
    if (bytes < 0)
        return errno == EAGAIN || errno == EINTR ? true : fail_errno(probe, errno);
    size_t length = (size_t)bytes;
    uint64_t awaited = probe->sent - probe->checked;
    size_t right = pattern_match(probe->seed, probe->checked, probe->scratch,
                                 length < awaited ? length : (size_t)awaited);
    probe->checked += right;
    if (right == length)
        return true;
    struct flow_failure failure;
    flow_explain(&failure, probe->seed, probe->checked, probe->sent, probe->scratch + right,
                 length - right);
    return fail(probe, failure);
}

static bool fail_early_end(struct probe *probe)
{
    return fail(probe, (struct flow_failure){.outcome = OUTCOME_RESET, .end = STREAM_END_FIN});
}

/* Sends up to one offset, reads up to another. */
static bool pump(struct probe *probe, uint64_t send_to, uint64_t check_to, size_t chunk)
{
    while (is_alive(probe) && (probe->sent < send_to || probe->checked < check_to)) {
        short got;
        uint64_t left = send_to > probe->sent ? send_to - probe->sent : 0;
        bool is_end = false;
        if (!await(probe, (short)(POLLIN | (left ? POLLOUT : 0)), &got))
            return false;
        if ((got & (POLLIN | POLLHUP | POLLERR)) && !receive_once(probe, &is_end))
            return false;
        if (is_end)
            return fail_early_end(probe);
        if ((got & POLLOUT) && left && !send_once(probe, left < chunk ? left : chunk))
            return false;
    }
    return is_alive(probe);
}

bool probe_exchange(struct probe *probe, uint64_t bytes)
{
    return pump(probe, probe->sent + bytes, probe->sent + bytes, PROBE_SCRATCH_BYTES);
}

bool probe_send(struct probe *probe, uint64_t bytes, size_t chunk)
{
    return pump(probe, probe->sent + bytes, 0, chunk);
}

bool probe_drain(struct probe *probe)
{
    return pump(probe, probe->sent, probe->sent, PROBE_SCRATCH_BYTES);
}

bool probe_fill(struct probe *probe, uint64_t most, uint64_t still_ms, bool *is_held)
{
    uint64_t end = probe->sent + most;
    *is_held = false;
    while (is_alive(probe) && probe->sent < end) {
        struct pollfd polled = {.fd = probe->fd, .events = POLLOUT};
        if (clock_now_ns() >= probe->until_ns)
            return fail(probe, (struct flow_failure){.outcome = OUTCOME_TIMEOUT,
                                                     .end = STREAM_END_TIMEOUT});
        if (poll(&polled, 1, (int)still_ms) == 0) {
            *is_held = true;
            return true;
        }
        if (!send_once(probe, end - probe->sent))
            return false;
    }
    return is_alive(probe);
}

bool probe_half_close(struct probe *probe)
{
    if (!is_alive(probe))
        return false;
    return shutdown(probe->fd, SHUT_WR) == 0 ? true : fail_errno(probe, errno);
}

bool probe_await_end(struct probe *probe)
{
    bool is_end = false;
    short got;
    while (is_alive(probe) && !is_end) {
        if (!await(probe, POLLIN, &got) || !receive_once(probe, &is_end))
            return false;
    }
    if (!is_alive(probe))
        return false;
    return probe->checked == probe->sent ? true : fail_early_end(probe);
}

/* ---- bytes of the caller's ---- */

bool probe_raw(struct probe *probe, const unsigned char *bytes, size_t length, int flags)
{
    while (is_alive(probe) && length > 0) {
        short got;
        if (!await(probe, POLLOUT, &got))
            return false;
        ssize_t sent = send(probe->fd, bytes, length, flags | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return fail_errno(probe, errno);
        bytes += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    return is_alive(probe);
}

bool probe_expect_raw(struct probe *probe, const unsigned char *bytes, size_t length)
{
    size_t came = 0;
    while (is_alive(probe) && came < length) {
        short got;
        if (!await(probe, POLLIN, &got))
            return false;
        ssize_t some = recv(probe->fd, probe->scratch, length - came, 0);
        if (some == 0)
            return fail_early_end(probe);
        if (some < 0 && errno != EAGAIN && errno != EINTR)
            return fail_errno(probe, errno);
        for (ssize_t i = 0; i < some; i++, came++) {
            if (probe->scratch[i] != bytes[came]) {
                struct flow_failure failure = {.outcome = OUTCOME_MISMATCH,
                                               .has_byte = true,
                                               .expected = bytes[came],
                                               .came = probe->scratch[i]};
                (void)fail(probe, failure);
                probe->failure.offset = came;
                return false;
            }
        }
    }
    return is_alive(probe);
}

void probe_close(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

void probe_reset(struct probe *probe)
{
    if (probe->fd >= 0)
        sock_reset(probe->fd);
    probe->fd = -1;
}

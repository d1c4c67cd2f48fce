/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/probe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/pattern.h"

#define NS_PER_MS 1000000U

static void note_progress(struct probe *probe)
{
    probe->run->progress_ns = probe->moved_ns = clock_now_ns();
}

static void note_arrival(struct probe *probe, ssize_t bytes)
{
    probe->run->came_bytes += (uint64_t)bytes;
    note_progress(probe);
}

static bool is_alive(const struct probe *probe)
{
    return probe->link.fd >= 0 && probe->failure.how.outcome == OUTCOME_OK;
}

static bool fail(struct probe *probe, struct failure failure)
{
    failure.connection = probe->connection;
    failure.offset = probe->checked;
    failure.awaited = probe->sent > probe->checked ? probe->sent - probe->checked : 0;
    probe->failure = failure;
    return false;
}

/* The link has ended. */
static bool fail_link(struct probe *probe)
{
    return fail(probe, failure_of(&probe->link));
}

/* If bytes moved until a moment ago, the time was too short; if not, the step has failed. */
static bool fail_late(struct probe *probe)
{
    uint64_t now_ns = clock_now_ns();
    probe->is_out_of_time = now_ns + NS_PER_MS >= probe->until_ns &&
                            now_ns - probe->run->progress_ns < probe->run->lately_ns;
    return fail(probe, failure_timeout(&probe->link, now_ns - probe->moved_ns));
}

/* Waits until the link may continue, at most for the time allowed without progress and for the
 * step. *ready is empty if poll was only interrupted. */
static bool await(struct probe *probe, short events, short *ready)
{
    uint64_t now_ns = clock_now_ns(), patience_ns = probe->timeout_ms * NS_PER_MS;
    uint64_t left_ns = probe->until_ns > now_ns ? probe->until_ns - now_ns : 0;
    left_ns = left_ns < patience_ns ? left_ns : patience_ns;
    int count = link_poll(&probe->link, events, left_ns / NS_PER_MS, probe->wake_fd, ready);
    if (count > 0 || (count < 0 && errno == EINTR))
        return true;
    return fail_late(probe);
}

/* ---- connecting ---- */

static bool start(struct probe *probe)
{
    enum link_step step = link_start(&probe->link, probe->plan);
    probe->moved_ns = probe->link.start_ns;
    return step == LINK_ENDED ? fail_link(probe) : true;
}

/* poll(2) has something for it. */
static bool advance(struct probe *probe)
{
    note_progress(probe);
    return link_advance(&probe->link) == LINK_ENDED ? fail_link(probe) : true;
}

static bool connect_link(struct probe *probe)
{
    short ready;
    if (!start(probe))
        return false;
    while (probe->link.state != LINK_OPEN) {
        if (!await(probe, 0, &ready) || (ready && !advance(probe)))
            return false;
    }
    return true;
}

bool probe_connect(struct probe *probe)
{
    bool is_open = connect_link(probe);
    connect_times_note(&probe->run->connects, &probe->link, probe->failure.how.outcome);
    return is_open;
}

/* Waits until one of the crowd may go on; *ready says which of them. NULL, or who is told that the
 * wait failed: the first that is not open. */
static struct probe *await_crowd(struct probe *probes, int count, struct pollfd *ready)
{
    struct probe *waiting = NULL;
    uint64_t now_ns = clock_now_ns(), patience_ns = probes->timeout_ms * NS_PER_MS;
    uint64_t left_ns = probes->until_ns > now_ns ? probes->until_ns - now_ns : 0;
    for (int i = count - 1; i >= 0; i--) {
        bool is_open = probes[i].link.state == LINK_OPEN;
        waiting = is_open ? waiting : &probes[i];
        ready[i] = (struct pollfd){.fd = is_open ? -1 : probes[i].link.fd,
                                   .events = link_waits(&probes[i].link, 0)};
    }
    ready[count] = (struct pollfd){.fd = probes->wake_fd, .events = POLLIN};
    left_ns = left_ns < patience_ns ? left_ns : patience_ns;
    int result = poll(ready, (nfds_t)count + 1, (int)(left_ns / NS_PER_MS));
    bool has_failed = result == 0 || ready[count].revents || (result < 0 && errno != EINTR);
    return has_failed && !fail_late(waiting) ? waiting : NULL;
}

/* If one cannot even start, those before it are waited for, so that it is known how many got in. */
static int connect_links(struct probe *probes, int count)
{
    struct pollfd ready[PROBE_CROWD_MAX + 1];
    int open = 0, started = 0;
    while (started < count && start(&probes[started]))
        started++;
    while (open < started) {
        struct probe *late = await_crowd(probes, started, ready);
        if (late)
            return (int)(late - probes);
        open = 0;
        for (int i = 0; i < started; i++) {
            if (ready[i].revents && !advance(&probes[i]))
                return i;
            open += probes[i].link.state == LINK_OPEN;
        }
    }
    return started;
}

int probe_connect_crowd(struct probe *probes, int count)
{
    int wrong = connect_links(probes, count);
    for (int i = 0; i < count; i++) {
        if (probes[i].link.connect_ns || i == wrong)
            connect_times_note(&probes[i].run->connects, &probes[i].link,
                               probes[i].failure.how.outcome);
    }
    return wrong;
}

/* ---- the pattern ---- */

/* Sends once as many bytes as the link accepts, at most `length`. */
static bool send_once(struct probe *probe, uint64_t length)
{
    size_t some = length < PROBE_SCRATCH_BYTES ? (size_t)length : PROBE_SCRATCH_BYTES;
    pattern_fill(probe->seed, probe->sent, probe->scratch, some);
    ssize_t bytes = link_send(&probe->link, probe->scratch, some);
    if (bytes < 0)
        return fail_link(probe);
    if (bytes > 0)
        probe->moved_ns = clock_now_ns();
    probe->sent += (uint64_t)bytes;
    return true;
}

/* Bytes that came are wrong from the first on. */
static bool fail_mismatch(struct probe *probe, const unsigned char *bytes, size_t length)
{
    const struct evidence_place place = {.run_seed = probe->run->seed,
                                         .connection = probe->connection,
                                         .offset = probe->checked,
                                         .sent = probe->sent,
                                         .has_sent_proxy = probe->plan->proxy != PROXY_NONE};
    return fail(probe, failure_explain(&probe->link, &place, bytes, length));
}

/* Receives once and checks it. *is_end is set at the peer's clean end. */
static bool receive_once(struct probe *probe, bool *is_end)
{
    ssize_t bytes = link_recv(&probe->link, probe->scratch, PROBE_SCRATCH_BYTES);
    *is_end = bytes < 0 && probe->link.ending.outcome == OUTCOME_OK;
    if (bytes < 0)
        return *is_end ? true : fail_link(probe);
    if (bytes > 0)
        note_arrival(probe, bytes);
    size_t length = (size_t)bytes;
    uint64_t awaited = probe->sent - probe->checked;
    size_t right = pattern_match(probe->seed, probe->checked, probe->scratch,
                                 length < awaited ? length : (size_t)awaited);
    probe->checked += right;
    if (right == length)
        return true;
    return fail_mismatch(probe, probe->scratch + right, length - right);
}

/* Sends up to one offset, reads up to another. */
static bool pump(struct probe *probe, uint64_t send_to, uint64_t check_to, size_t chunk)
{
    while (is_alive(probe) && (probe->sent < send_to || probe->checked < check_to)) {
        short ready;
        uint64_t left = send_to > probe->sent ? send_to - probe->sent : 0;
        bool is_end = false;
        if (!await(probe, (short)(POLLIN | (left ? POLLOUT : 0)), &ready))
            return false;
        if ((ready & POLLIN) && !receive_once(probe, &is_end))
            return false;
        if (is_end)
            return fail_link(probe);
        if ((ready & POLLOUT) && left && !send_once(probe, left < chunk ? left : chunk))
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
        short ready;
        if (clock_now_ns() >= probe->until_ns) {
            if (link_poll(&probe->link, POLLIN, 0, probe->wake_fd, &ready) > 0)
                note_progress(probe);
            return fail_late(probe);
        }
        int count = link_poll(&probe->link, POLLOUT, still_ms, probe->wake_fd, &ready);
        *is_held = count == 0;
        if (*is_held)
            return true;
        if (count < 0 && errno != EINTR)
            return fail_late(probe);
        if (!send_once(probe, end - probe->sent))
            return false;
        if (link_cannot_send(&probe->link))
            return pump(probe, end, end, PROBE_SCRATCH_BYTES); /* which fails, and tells why */
    }
    return is_alive(probe);
}

bool probe_half_close(struct probe *probe)
{
    enum link_step step = LINK_WAIT;
    if (probe->link.held > 0 && !probe_send(probe, probe->link.held, PROBE_SCRATCH_BYTES))
        return false;
    while (is_alive(probe) && (step = link_half_close(&probe->link)) == LINK_WAIT) {
        short ready;
        bool is_end = false;
        if (!await(probe, POLLIN | POLLOUT, &ready) ||
            ((ready & POLLIN) && !receive_once(probe, &is_end)))
            return false;
        if (is_end)
            return fail_link(probe);
    }
    if (!is_alive(probe))
        return false;
    return step == LINK_DONE ? true : fail_link(probe);
}

bool probe_truncate(struct probe *probe)
{
    if (!is_alive(probe))
        return false;
    if (shutdown(probe->link.fd, SHUT_WR) < 0)
        link_fail_send(&probe->link, ending_of_errno(errno));
    return true;
}

bool probe_await_end(struct probe *probe)
{
    bool is_end = false;
    short ready;
    while (is_alive(probe) && !is_end) {
        if (!await(probe, POLLIN, &ready) || !receive_once(probe, &is_end))
            return false;
    }
    if (!is_alive(probe))
        return false;
    return probe->checked == probe->sent ? true : fail_link(probe);
}

bool probe_stay_silent(struct probe *probe, uint64_t silent_ms)
{
    uint64_t end_ns = clock_now_ns() + silent_ms * NS_PER_MS, now_ns;
    probe->link.is_idle = true;
    while (is_alive(probe) && (now_ns = clock_now_ns()) < end_ns) {
        short ready;
        bool is_end = false;
        uint64_t left_ms = (end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
        int count = link_poll(&probe->link, POLLIN, left_ms, probe->wake_fd, &ready);
        if (count < 0 && errno != EINTR)
            return fail_late(probe);
        if (count <= 0)
            continue;
        if (!receive_once(probe, &is_end))
            return false;
        if (is_end)
            return fail_link(probe);
    }
    probe->link.is_idle = false;
    return is_alive(probe);
}

/* ---- bytes of the caller's ---- */

bool probe_raw(struct probe *probe, const unsigned char *bytes, size_t length)
{
    /* If a send fails, the caller expects the bytes received before, and then the end. */
    while (is_alive(probe) && length > 0 && !link_cannot_send(&probe->link)) {
        short ready;
        if (!await(probe, POLLOUT, &ready))
            return false;
        ssize_t sent = link_send(&probe->link, bytes, length);
        if (sent < 0)
            return fail_link(probe);
        bytes += sent;
        length -= (size_t)sent;
        probe->sent += (uint64_t)sent;
        probe->moved_ns = clock_now_ns();
    }
    return is_alive(probe);
}

bool probe_urgent(struct probe *probe, const unsigned char *bytes, size_t length)
{
    short ready;
    if (!is_alive(probe) || !await(probe, POLLOUT, &ready))
        return false;
    ssize_t sent = send(probe->link.fd, bytes, length, MSG_OOB | MSG_NOSIGNAL);
    if (sent < 0)
        link_fail_send(&probe->link, ending_of_errno(errno));
    else
        probe->sent += (uint64_t)sent;
    return true;
}

bool probe_expect_raw(struct probe *probe, const unsigned char *bytes, size_t length)
{
    for (size_t right = 0; is_alive(probe) && right < length; right++) {
        unsigned char wrong[EVIDENCE_BYTES];
        size_t came, more = 0;
        if (!probe_receive_raw(probe, wrong, 1, probe->timeout_ms, &came))
            return false;
        if (came == 0)
            return fail_late(probe);
        if (wrong[0] == bytes[right])
            continue;
        (void)!probe_receive_raw(probe, wrong + 1, sizeof(wrong) - 1, 0, &more);
        probe->checked -= 1 + more;
        (void)fail_mismatch(probe, wrong, 1 + more);
        probe->failure.expected = bytes[right]; /* which is not the pattern's */
        return false;
    }
    return is_alive(probe);
}

bool probe_receive_raw(struct probe *probe, unsigned char *bytes, size_t length, uint64_t still_ms,
                       size_t *came)
{
    *came = 0;
    while (is_alive(probe) && *came < length) {
        short ready;
        uint64_t now_ns = clock_now_ns();
        uint64_t left_ms = probe->until_ns > now_ns ? (probe->until_ns - now_ns) / NS_PER_MS : 0;
        int count = link_poll(&probe->link, POLLIN, left_ms < still_ms ? left_ms : still_ms,
                              probe->wake_fd, &ready);
        if (count < 0 && errno != EINTR)
            return fail_late(probe);
        if (count == 0)
            break;
        ssize_t some = link_recv(&probe->link, bytes + *came, length - *came);
        if (some < 0)
            return fail_link(probe);
        if (some > 0)
            note_arrival(probe, some);
        *came += (size_t)some;
        probe->checked += (uint64_t)some;
    }
    return is_alive(probe);
}

void probe_close(struct probe *probe)
{
    bool waits = !probe->run->leaves_open && clock_now_ns() < probe->until_ns;
    if (probe->failure.how.outcome == OUTCOME_OK &&
        !link_leave(&probe->link, waits ? LINK_LEAVE_MS : 0) && waits)
        probe->run->leaves_open = true;
    link_clear(&probe->link);
}

void probe_reset(struct probe *probe)
{
    link_reset(&probe->link);
    link_clear(&probe->link);
}

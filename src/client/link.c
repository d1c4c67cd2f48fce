/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/link.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/sock.h"

#define NS_PER_MS 1000000U

void link_init(struct link *link)
{
    *link = (struct link){.fd = -1};
}

enum link_step link_end(struct link *link, struct ending ending)
{
    link->ending = ending;
    link->is_ended = true;
    return LINK_ENDED;
}

void link_fail_send(struct link *link, struct ending ending)
{
    link->send_failure = ending;
    link->has_send_failed = link->has_more = true;
    link->send_waits = 0;
}

struct ending link_timeout(const struct link *link, uint64_t waited_ns)
{
    return (struct ending){.outcome = OUTCOME_TIMEOUT,
                           .end = STREAM_END_TIMEOUT,
                           .waited_ns = waited_ns,
                           .reason = link->state == LINK_HANDSHAKING
                                         ? "the TLS handshake was not done in time"
                                         : NULL};
}

static enum moment_phase phase_of(const struct link *link)
{
    if (link->state == LINK_CLOSED || link->state == LINK_CONNECTING)
        return MOMENT_CONNECT;
    if (link->state == LINK_GREETING)
        return MOMENT_PROXY_HEADER;
    if (link->state == LINK_HANDSHAKING)
        return MOMENT_HANDSHAKE;
    return link->has_half_closed ? MOMENT_HALF_CLOSED
           : link->is_idle       ? MOMENT_IDLE
                                 : MOMENT_EXCHANGE;
}

struct moment link_moment(const struct link *link)
{
    return moment_now(link->fd, link->start_ns, phase_of(link));
}

/* ---- towards open ---- */

enum link_step link_start(struct link *link, const struct link_plan *plan)
{
    struct ssl_session_st *session = link->session;
    *link = (struct link){.plan = plan,
                          .session = session,
                          .start_ns = clock_now_ns(),
                          .fd = dial_start(&plan->target),
                          .recv_waits = POLLIN,
                          .send_waits = POLLOUT};
    if (link->fd < 0) {
        int error = -link->fd;
        struct ending ending = ending_of_errno(error);
        ending.hint = dial_hint(&plan->target, error);
        link->fd = -1;
        return link_end(link, ending);
    }
    link->state = LINK_CONNECTING;
    return LINK_WAIT;
}

static struct address own_address(int fd, int (*name)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof(storage);
    (void)name(fd, (struct sockaddr *)&storage, &length); /* a connected socket has both */
    return address_from_sockaddr((const struct sockaddr *)&storage);
}

static enum link_step send_greeting(struct link *link)
{
    const struct link_plan *plan = link->plan;
    unsigned char header[PROXY_BUILD_MAX];
    struct address source =
        plan->proxy_source.family ? plan->proxy_source : own_address(link->fd, getsockname);
    struct address destination = plan->proxy_destination.family
                                     ? plan->proxy_destination
                                     : own_address(link->fd, getpeername);
    size_t length = proxy_build(plan->proxy, &source, &destination, header);
    if (length == 0)
        return link_end(link, (struct ending){.outcome = OUTCOME_OTHER,
                                              .reason = "the PROXY header's two addresses are not "
                                                        "of one family",
                                              .hint = "--proxy-src and --proxy-dst give both"});
    ssize_t sent = send(link->fd, header + link->greeted, length - link->greeted, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return link_end(link, ending_of_errno(errno));
    link->greeted = (uint16_t)(link->greeted + (sent > 0 ? sent : 0));
    return link->greeted == length ? LINK_DONE : LINK_WAIT;
}

enum link_step link_advance(struct link *link)
{
    enum link_step step = LINK_DONE;
    if (link->state == LINK_CONNECTING) {
        int failure = dial_result(link->fd);
        if (failure)
            return link_end(link, ending_of_errno(-failure));
        link->connect_ns = clock_now_ns() - link->start_ns;
        link->state = LINK_GREETING;
    }
    if (link->state == LINK_GREETING) {
        if (link->plan->proxy != PROXY_NONE)
            step = send_greeting(link);
        if (step != LINK_DONE)
            return step;
        link->handshake_ns = clock_now_ns();
        link->state = LINK_HANDSHAKING;
    }
    if (link->state == LINK_HANDSHAKING && link->plan->layer)
        step = link->plan->layer->handshake(link);
    if (step == LINK_DONE) {
        link->handshake_ns = clock_now_ns() - link->handshake_ns;
        link->state = LINK_OPEN;
    }
    return step;
}

bool link_connect(struct link *link, const struct link_plan *plan, uint64_t timeout_ms)
{
    uint64_t until_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    enum link_step step = link_start(link, plan);
    while (step == LINK_WAIT) {
        uint64_t now_ns = clock_now_ns();
        uint64_t left_ms = until_ns > now_ns ? (until_ns - now_ns) / NS_PER_MS : 0;
        short ready;
        int count = link_poll(link, 0, left_ms, -1, &ready);
        if (count > 0)
            step = link_advance(link);
        else if (count == 0)
            step = link_end(link, link_timeout(link, timeout_ms * NS_PER_MS));
        else if (errno != EINTR)
            step = link_end(link, ending_of_errno(errno));
    }
    return step == LINK_DONE;
}

/* ---- waiting ---- */

short link_waits(const struct link *link, short wanted)
{
    if (link->state == LINK_CONNECTING || link->state == LINK_GREETING)
        return POLLOUT;
    if (link->state == LINK_HANDSHAKING)
        return link->recv_waits;
    return (short)((wanted & POLLIN ? link->recv_waits : 0) |
                   (wanted & POLLOUT ? link->send_waits : 0));
}

short link_ready(const struct link *link, short got)
{
    return (short)((got & (link->recv_waits | POLLHUP | POLLERR) ? POLLIN : 0) |
                   (got & link->send_waits ? POLLOUT : 0));
}

int link_poll(const struct link *link, short wanted, uint64_t timeout_ms, int wake_fd, short *ready)
{
    struct pollfd polled[] = {{.fd = link->fd, .events = link_waits(link, wanted)},
                              {.fd = wake_fd, .events = POLLIN}};
    bool has_more = link_has_more(link) && (wanted & POLLIN);
    int timeout = timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
    int count = poll(polled, 2, has_more ? 0 : timeout);
    *ready = link_ready(link, polled[0].revents);
    if (polled[1].revents) {
        errno = ECANCELED;
        return -1;
    }
    if (!has_more)
        return count;
    *ready |= POLLIN;
    return 1;
}

/* ---- bytes ---- */

static bool is_transient(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* The first failure is reported: if called again, OpenSSL takes an alert for a clean end. */
static bool has_failed(const struct link *link)
{
    return link->is_ended && link->ending.outcome != OUTCOME_OK;
}

ssize_t link_send(struct link *link, const void *bytes, size_t length)
{
    if (has_failed(link))
        return -1;
    if (link_cannot_send(link))
        return 0;
    if (link->ssl)
        return link->plan->layer->send(link, bytes, length);
    ssize_t sent = send(link->fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && !is_transient())
        link_fail_send(link, ending_of_errno(errno));
    return sent < 0 ? 0 : sent;
}

static ssize_t receive(struct link *link, void *bytes, size_t size)
{
    if (link->ssl)
        return link->plan->layer->recv(link, bytes, size);
    ssize_t came = recv(link->fd, bytes, size, 0);
    if (came > 0)
        return came;
    if (came < 0 && is_transient())
        return 0;
    (void)link_end(link,
                   came < 0 ? ending_of_errno(errno) : (struct ending){.end = STREAM_END_FIN});
    return -1;
}

/* After a failed send, whether the end that was received is only the shadow of that failure. The
 * kernel tells a reset once; if send(2) was told, recv(2) says 0, as for a FIN. EPIPE means that a
 * FIN really came, and the reset after it (Linux, in CLOSE_WAIT). */
static bool is_shadow(const struct link *link)
{
    bool is_bare_fin = link->ending.end == STREAM_END_TRUNCATED ||
                       (link->ending.end == STREAM_END_FIN && !link->ssl);
    return is_bare_fin && link->send_failure.error != EPIPE;
}

ssize_t link_recv(struct link *link, void *bytes, size_t size)
{
    ssize_t came = receive(link, bytes, size);
    if (!link_cannot_send(link))
        return came;
    link->has_more = came > 0;
    if (came > 0)
        return came;
    if (came == 0 || is_shadow(link))
        (void)link_end(link, link->send_failure);
    return -1;
}

/* ---- the end ---- */

/* True if the peer's end has come already, behind bytes that are still unread perhaps. */
static bool has_peer_ended(const struct link *link)
{
    struct pollfd polled = {.fd = link->fd, .events = POLLRDHUP};
    return poll(&polled, 1, 0) > 0;
}

enum link_step link_half_close(struct link *link)
{
    if (has_failed(link))
        return LINK_ENDED;
    if (link->ssl && !link_cannot_send(link)) {
        enum link_step step = link->plan->layer->half_close(link);
        if (step != LINK_DONE)
            return step;
    }
    if (link_cannot_send(link))
        return LINK_DONE;
    /* A connection that is no longer connected was reset by the peer. Reading reports it, after the
     * bytes before it. */
    bool is_first = !has_peer_ended(link);
    int result = shutdown(link->fd, SHUT_WR);
    link->has_half_closed = result == 0 && is_first;
    if (result < 0 && errno != ENOTCONN)
        link_fail_send(link, ending_of_errno(errno));
    return LINK_DONE;
}

void link_close(struct link *link)
{
    if (link->ssl)
        link->plan->layer->close(link);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->state = LINK_CLOSED;
    link->has_more = false;
}

bool link_leave(struct link *link, uint64_t wait_ms)
{
    unsigned char scratch[4096];
    uint64_t until_ns = clock_now_ns() + wait_ms * NS_PER_MS, now_ns;
    bool is_awaited = link->ssl && link->state == LINK_OPEN && !link->is_ended && !link->held &&
                      link_half_close(link) == LINK_DONE;
    while (is_awaited && (now_ns = clock_now_ns()) < until_ns) {
        short ready;
        if (link_poll(link, POLLIN, (until_ns - now_ns) / NS_PER_MS, -1, &ready) <= 0)
            break;
        is_awaited = link_recv(link, scratch, sizeof(scratch)) >= 0;
    }
    link_close(link);
    return !is_awaited;
}

void link_reset(struct link *link)
{
    if (link->fd >= 0)
        sock_set_reset(link->fd);
    link_close(link);
}

void link_move(struct link *to, struct link *from, const struct link_plan *plan)
{
    *to = *from;
    to->plan = plan;
    if (to->ssl)
        plan->layer->moved(to);
    link_init(from);
}

void link_clear(struct link *link)
{
    link_close(link);
    if (link->session)
        link->plan->layer->forget(link);
}

const char *link_describe(const struct link *link, char *out, size_t size)
{
    *out = '\0';
    if (link->ssl)
        link->plan->layer->describe(link, out, size);
    return out;
}

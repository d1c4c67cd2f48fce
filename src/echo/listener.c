/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <poll.h>
#include <string.h>

#include "base/log.h"

/* The most accepts in one event, so that a flood of new connections does not delay the open
 * ones. */
#define ACCEPTS_A_TURN 64
/* How long a stop accepts on an inherited socket: connections that arrive later are left to the
 * next service. */
#define QUEUED_MS 1000

static void accept_one(struct listener *listener, int fd, const struct sockaddr *sockaddr,
                       socklen_t length)
{
    /* The kernel may return no address for an unnamed Unix client. */
    struct sockaddr_storage none = {.ss_family = AF_UNIX};
    bool has_address = length >= (socklen_t)sizeof(sa_family_t);
    struct address peer =
        address_from_sockaddr(has_address ? sockaddr : (const struct sockaddr *)&none);
    const struct policy *policy = listener->policy; /* NULL for the status endpoint */
    sock_set_accepted(&listener->sock, fd,
                      policy ? policy->values.keepalive_ms : listener->sock.keepalive_ms);
    listener->callbacks->on_accept(listener->owner, listener, fd, &peer);
}

static void on_connection(struct evconnlistener *accepting, evutil_socket_t fd,
                          struct sockaddr *sockaddr, int length, void *arg)
{
    struct listener *listener = arg;
    if (++listener->accepted_this_turn >= ACCEPTS_A_TURN) {
        (void)evconnlistener_disable(accepting);
        event_active(listener->next_turn, 0, 0);
    }
    accept_one(listener, fd, sockaddr, (socklen_t)length);
}

static void on_failure(struct evconnlistener *accepting, void *arg)
{
    int error = errno;
    struct listener *listener = arg;
    (void)accepting;
    listener->callbacks->on_error(listener->owner, listener, error);
}

static void on_next_turn(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    (void)fd;
    (void)what;
    listener->accepted_this_turn = 0;
    if (!listener->is_paused && listener_resume(listener) < 0)
        listener->callbacks->on_error(listener->owner, listener, ENOMEM);
}

int listener_open(struct listener *listener, struct loop *loop, struct udp *udp,
                  const struct listener_callbacks *callbacks, void *owner, struct error *err)
{
    listener->callbacks = callbacks;
    listener->owner = owner;
    if (listener->sock.is_datagram) {
        listener->answering =
            udp_open(udp, loop, &listener->sock, &listener->policy, &listener->counters, err);
        return listener->answering ? 0 : -1;
    }
    listener->next_turn = event_new(loop->base, -1, 0, on_next_turn, listener);
    /* Backlog 0: sock has called listen(2) already. sock_close() closes the socket. */
    listener->accepting = evconnlistener_new(loop->base, on_connection, listener,
                                             LEV_OPT_CLOSE_ON_EXEC, 0, listener->sock.fd);
    /* evconnlistener_new() does not check that its event was added. */
    if (!listener->next_turn || !listener->accepting || listener_resume(listener) < 0)
        return error_system(err, errno, "cannot accept on %s", listener->sock.name);
    evconnlistener_set_error_cb(listener->accepting, on_failure);
    return 0;
}

void listener_pause(struct listener *listener)
{
    listener->is_paused = true;
    if (listener->accepting)
        (void)evconnlistener_disable(listener->accepting);
}

int listener_resume(struct listener *listener)
{
    listener->is_paused = false;
    return listener->accepting ? evconnlistener_enable(listener->accepting) : 0;
}

int listener_accept_queued(struct listener *listener)
{
    struct pollfd arrivals = {.fd = listener->sock.fd, .events = POLLIN};
    if (listener->answering)
        udp_look(listener->answering);
    sock_stop_new(&listener->sock);
    if (listener->answering) {
        udp_answer_queued(listener->answering);
        return 0;
    }
    uint64_t until_ms = loop_now_ms() + QUEUED_MS;
    while (loop_now_ms() < until_ms && poll(&arrivals, 1, 0) > 0) {
        struct sockaddr_storage storage;
        socklen_t length = sizeof(storage);
        int fd = accept4(listener->sock.fd, (struct sockaddr *)&storage, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return errno == EAGAIN || errno == EINVAL ? 0 : errno; /* EINVAL: shut down and empty */
        accept_one(listener, fd, (struct sockaddr *)&storage, length);
    }
    return 0;
}

void listener_close(struct listener *listener)
{
    if (listener->accepting)
        evconnlistener_free(listener->accepting);
    if (listener->next_turn)
        event_free(listener->next_turn);
    udp_close(listener->answering);
    int failure = listener->sock.fd >= 0 ? sock_close(&listener->sock) : 0;
    if (failure)
        log_event(listener->log, LOG_LEVEL_WARN, "a Unix socket stays behind",
                  LOG_TEXT("listener", listener->sock.name), LOG_TEXT("error", strerror(-failure)));
    policy_unref(listener->policy);
    listener->accepting = NULL;
    listener->next_turn = NULL;
    listener->answering = NULL;
    listener->policy = NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A listener: one listening socket and the evconnlistener that accepts on it; or a UDP socket and
 * its udp_socket, which never pauses.
 *
 * It accepts, pauses and closes; its owner decides when. */
#ifndef ECHO_LISTENER_H
#define ECHO_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/error.h"
#include "echo/counters.h"
#include "echo/policy.h"
#include "echo/udp.h"
#include "net/address.h"
#include "net/sock.h"
#include "stream/loop.h"

struct listener;
struct log;

struct listener_callbacks {
    /* A connection was accepted; the owner owns its descriptor. */
    void (*on_accept)(void *owner, struct listener *listener, int fd, const struct address *peer);
    /* accept(2) failed, other than for an empty backlog. */
    void (*on_error)(void *owner, struct listener *listener, int error);
};

struct listener {
    struct log *log; /* NULL: nothing is logged */
    struct sock_listening sock;
    struct policy *policy; /* for new connections */
    struct evconnlistener *accepting;
    struct udp_socket *answering; /* UDP: used instead */
    struct counters counters;     /* of its datagrams; its connections are counted by the workers */
    struct event *next_turn;
    const struct listener_callbacks *callbacks;
    void *owner;
    unsigned accepted_this_turn;
    bool is_paused;
};

/* Starts accepting connections or answering datagrams, in place. The listener owns the socket and
 * the policy, on failure too. */
int listener_open(struct listener *listener, struct loop *loop, struct udp *udp,
                  const struct listener_callbacks *callbacks, void *owner,
                  struct error *err) MUST_CHECK;

/* Pausing leaves new peers in the backlog until the listener is resumed; datagrams are answered
 * meanwhile. Both may be called in a callback, and twice. listener_resume() returns 0, or -1 if
 * memory is short. */
void listener_pause(struct listener *listener);
int listener_resume(struct listener *listener) MUST_CHECK;

/* Stops new connections from entering the backlog and accepts all those in it, or answers the
 * queued datagrams. May be called again, for handshakes that were in progress. Returns 0, or the
 * errno of a failed accept. */
int listener_accept_queued(struct listener *listener) MUST_CHECK;

/* Stops accepting and closes the socket; the kernel resets the connections in the backlog. */
void listener_close(struct listener *listener);

#endif

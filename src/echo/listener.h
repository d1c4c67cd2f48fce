/* SPDX-License-Identifier: BSD-2-Clause */
/* A listener: one listening socket and the evconnlistener that accepts on it; or a UDP socket and
 * what answers there, which is no connection and never pauses.
 *
 * It knows how to accept, to pause and to leave; whether it may is its owner's decision. */
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
    /* A connection, whose descriptor is now the owner's. */
    void (*on_accept)(void *owner, struct listener *listener, int fd, const struct address *peer);
    /* An accept that failed for other reasons than that nobody was there. */
    void (*on_error)(void *owner, struct listener *listener, int error);
};

struct listener {
    struct log *log; /* NULL: nothing is logged */
    struct sock_listening sock;
    struct policy *policy; /* for the connections to come */
    struct evconnlistener *accepting;
    struct udp_socket *answering; /* UDP: in its place */
    struct counters counters;     /* of its datagrams; a worker's are of its connections */
    struct event *next_turn;
    const struct listener_callbacks *callbacks;
    void *owner;
    unsigned accepted_this_turn;
    bool is_paused;
};

/* Starts accepting on a socket, or answering what comes to it, in place. Socket and policy are the
 * listener's in any case. */
int listener_open(struct listener *listener, struct loop *loop, struct udp *udp,
                  const struct listener_callbacks *callbacks, void *owner,
                  struct error *err) MUST_CHECK;

/* Peers wait in the backlog until it is resumed; datagrams are no connections, and are answered all
 * the same. Both may be called in a callback, and twice. Resuming can fail for want of memory: 0 or
 * -1. */
void listener_pause(struct listener *listener);
int listener_resume(struct listener *listener) MUST_CHECK;

/* Lets nobody new into the backlog and accepts all that is in it, or answers the datagrams that
 * wait. May be called again, for handshakes that were under way. 0, or the errno of an accept that
 * failed. */
int listener_accept_queued(struct listener *listener) MUST_CHECK;

/* Stops accepting and closes the socket; what is in the backlog is reset by the kernel. */
void listener_close(struct listener *listener);

#endif

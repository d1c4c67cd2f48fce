/* SPDX-License-Identifier: BSD-2-Clause */
/* A listener: one listening socket and the evconnlistener that accepts on it.
 *
 * It knows how to accept, to pause and to leave; whether it may is its owner's decision. */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/error.h"
#include "daemon/policy.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/sock.h"

struct listener;

struct listener_callbacks {
    /* A connection, whose descriptor is now the owner's. */
    void (*on_accept)(void *owner, struct listener *listener, int fd, const struct address *peer);
    /* An accept that failed for other reasons than that nobody was there. */
    void (*on_error)(void *owner, struct listener *listener, int error);
};

struct listener {
    struct sock_listening sock;
    struct policy *policy; /* for the connections to come */
    struct evconnlistener *accepting;
    struct event *next_turn;
    const struct listener_callbacks *callbacks;
    void *owner;
    unsigned accepted_this_turn;
    bool is_paused;
};

/* Starts accepting on a socket, in place. Socket and policy are the listener's in any case. */
int listener_open(struct listener *listener, struct loop *loop,
                  const struct listener_callbacks *callbacks, void *owner,
                  struct error *err) MUST_CHECK;

/* Peers wait in the backlog until it is resumed. Both may be called in a callback, and twice.
 * Resuming can fail for want of memory: 0 or -1. */
void listener_pause(struct listener *listener);
int listener_resume(struct listener *listener) MUST_CHECK;

/* Lets nobody new into the backlog and accepts all that is in it. 0, or the errno of an accept that
 * failed. */
int listener_accept_queued(struct listener *listener) MUST_CHECK;

/* Stops accepting and closes the socket; what is in the backlog is reset by the kernel. */
void listener_close(struct listener *listener);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A link: one connection's bytes, plain or TLS, on a non-blocking descriptor.
 *
 *     CLOSED --start--> CONNECTING --> GREETING (PROXY header) --> HANDSHAKING (TLS) --> OPEN
 *
 * A link never blocks. If it cannot continue, it reports that, and its owner, with a loop or
 * poll(2), waits for the events of link_waits() and calls again. link->ending describes its end.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "client/moment.h"
#include "client/outcome.h"
#include "net/dial.h"
#include "net/proxy_build.h"

struct link;
struct link_ssl;
struct ssl_session_st;

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_GREETING, LINK_HANDSHAKING, LINK_OPEN };
enum link_step { LINK_DONE, LINK_WAIT, LINK_ENDED };

/* The TLS layer of a link. Only link_tls.c makes one, so a build without TLS lacks only that file.
 * The functions correspond to link_*() below. */
struct link_layer {
    enum link_step (*handshake)(struct link *link);
    ssize_t (*send)(struct link *link, const void *bytes, size_t length);
    ssize_t (*recv)(struct link *link, void *bytes, size_t size);
    enum link_step (*half_close)(struct link *link);
    void (*moved)(struct link *link); /* the struct has another address now */
    void (*close)(struct link *link);
    void (*forget)(struct link *link); /* the session kept to resume */
    void (*describe)(const struct link *link, char *out, size_t size);
    void (*free)(struct link_layer *layer);
};

/* The target and settings of links: made once, shared by all, never changed. */
struct link_plan {
    struct dial_target target;
    struct link_layer *layer; /* NULL: plain */
    enum proxy_version proxy;
    struct address proxy_source, proxy_destination; /* no family: the socket's own */
};

struct link {
    const struct link_plan *plan;
    struct link_ssl *ssl;           /* TLS state of this connection; NULL: plain */
    struct ssl_session_st *session; /* the session that the next handshake may resume, or NULL */
    struct ending ending;
    uint64_t start_ns;     /* when connecting began */
    uint64_t connect_ns;   /* how long it took until connected; 0: it is not yet */
    uint64_t handshake_ns; /* when it began, and when it is done how long it took */
    int fd;                /* -1: closed */
    enum link_state state;
    short recv_waits, send_waits; /* the events that poll(2) must report before they can continue */
    uint16_t greeted;             /* bytes of the PROXY header that are sent */
    uint16_t held;                /* see link_send() */
    bool has_more;                /* see link_has_more() */
    bool is_ended;                /* ->ending is reported after the bytes received before it */
    bool has_send_failed;         /* see link_send() */
    struct ending send_failure;   /* and why */
    bool has_half_closed;         /* we have sent our FIN, and the peer not yet its own */
    bool is_idle;                 /* set by its owner: nothing is under way, on purpose */
    bool is_timed;                /* connect_times.h has counted it */
    bool is_resumed;              /* the handshake resumed a session */
};

/* A closed link. */
void link_init(struct link *link);

/* Starts to connect: LINK_WAIT, or LINK_ENDED if the system refuses. */
enum link_step link_start(struct link *link, const struct link_plan *plan) MUST_CHECK;

/* Goes on towards OPEN: LINK_DONE once it is. */
enum link_step link_advance(struct link *link) MUST_CHECK;

/* Both, waiting at most timeout_ms in all. True if the link is open. */
bool link_connect(struct link *link, const struct link_plan *plan, uint64_t timeout_ms) MUST_CHECK;

/* The events to poll(2) for to send and receive (POLLOUT, POLLIN); `wanted` is ignored until the
 * link is open. */
short link_waits(const struct link *link, short wanted);

/* Translates poll's result: POLLIN if receiving, POLLOUT if sending may continue. */
short link_ready(const struct link *link, short got);

/* Calls poll(2) on this link for at most timeout_ms; does not wait if bytes are available already.
 * Returns poll's result, translated in *ready; -1 with ECANCELED if wake_fd is not -1 and
 * readable. */
int link_poll(const struct link *link, short wanted, uint64_t timeout_ms, int wake_fd,
              short *ready) MUST_CHECK;

/* True if bytes or the end were received already, which poll would not report. True after a failed
 * send until link_recv() has returned the end. */
static inline bool link_has_more(const struct link *link)
{
    return link->has_more;
}

/* Returns the number of bytes sent: fewer than `length` if it must wait, -1 if the link has ended.
 * TLS may have begun a record that the kernel did not accept as a whole: its link->held bytes are
 * not sent yet, and must be the first ones of the next call.
 *
 * A failed send does not end the link, since bytes may have been received before the peer's reset:
 * fewer bytes were sent, link_cannot_send() and link_has_more() are true, and link_recv() returns
 * the kernel's bytes and then the end. */
ssize_t link_send(struct link *link, const void *bytes, size_t length) MUST_CHECK;

/* True once a send has failed: nothing goes any more, and the owner must receive until the end. */
static inline bool link_cannot_send(const struct link *link)
{
    return link->has_send_failed;
}

/* Returns the number of bytes received: 0 if it must wait, -1 if the link has ended (by FIN too).
 * After a failed send it never waits. */
ssize_t link_recv(struct link *link, void *bytes, size_t size) MUST_CHECK;

/* Sends no more: TLS's close_notify and a FIN. Nothing may be held. If the peer's reset came first,
 * or the send fails, there is nothing to be done any more, and receiving tells of it. */
enum link_step link_half_close(struct link *link) MUST_CHECK;

/* Closes without a word: a plain peer sees a FIN. A session is kept for the next connection. */
void link_close(struct link *link);

/* Ends the link cleanly: over TLS with close_notify, and waits at most wait_ms for the peer's.
 * False if that did not arrive. */
bool link_leave(struct link *link, uint64_t wait_ms);
#define LINK_LEAVE_MS 300

/* Closes with a reset. */
void link_reset(struct link *link);

/* Moves an open link, with all that it owns, to where `to` is, under a plan that leads to the same
 * address. `from` is then a closed one. */
void link_move(struct link *to, struct link *from, const struct link_plan *plan);

/* Closes, and forgets the session too. */
void link_clear(struct link *link);

/* "TLSv1.3, ...", or an empty text if it is plain; returns `out`. */
const char *link_describe(const struct link *link, char *out, size_t size);

/* How it ends if its owner, who has waited for so long, waits no longer. */
struct ending link_timeout(const struct link *link, uint64_t waited_ns);

/* This moment of a link that is not closed. */
struct moment link_moment(const struct link *link);

/* For the layer: sets the ending and returns LINK_ENDED, which sends and receives return from then
 * on. */
enum link_step link_end(struct link *link, struct ending ending);

/* For the layer, and for who sends past the link: a send has failed, as link_send() has it. */
void link_fail_send(struct link *link, struct ending ending);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection before it is one: a proxy has connected, and its PROXY header (net/proxy.h) has yet
 * to say for whom.
 *
 *     acceptor: from proxy-from? --> worker --> greeting --header--> conn_open(), for the real peer
 *                      `--> reset                  `--> reset: wrong, too late, or the service ends
 *
 * It reads from the bare descriptor, and never a byte beyond the header, so that whatever comes
 * next (TLS, or the stream) starts there. In the limits it counts as a connection of nobody's until
 * the header has named its source.
 */
#ifndef DAEMON_GREETING_H
#define DAEMON_GREETING_H

#include <sys/queue.h>

#include "base/reason.h"
#include "daemon/conn.h"

struct greeting;
LIST_HEAD(greeting_list, greeting);

/* Who waits for greetings: one worker. */
struct greeting_host {
    struct conn_env *env;
    struct greeting_list list;
    /* One is over: with an arrival that names its peer, or NULL where everything has been given
     * back. Not called within greeting_open(). */
    void (*on_greeted)(void *owner, const struct conn_arrival *arrival);
    void *owner;
};

/* Takes over an arrival of a listener that demands headers. 0, or -1 without memory: then the peer
 * has been reset and everything given back. */
int greeting_open(struct greeting_host *host, const struct conn_arrival *arrival) MUST_CHECK;

/* The worker has begun to drain: a header that has not come within the quiet time never will. */
void greeting_drain_all(struct greeting_host *host);

/* Resets all that are left. */
void greeting_abort_all(struct greeting_host *host, enum reason reason);

#endif

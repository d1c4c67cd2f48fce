/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection before it is one: a proxy has connected, and its PROXY header (net/proxy.h) has yet
 * to say for whom.
 *
 *     acceptor: from proxy-from? --> worker --> proxy_reader --header--> conn_open(), for the real
 * peer
 *                      `--> reset                  `--> reset: wrong, too late, or the service ends
 *
 * It reads from the bare descriptor, and never a byte beyond the header, so that whatever comes
 * next (TLS, or the stream) starts there. In the limits it counts as a connection of nobody's until
 * the header has named its source.
 */
#ifndef ECHO_PROXY_READER_H
#define ECHO_PROXY_READER_H

#include <sys/queue.h>

#include "base/reason.h"
#include "echo/conn.h"

struct proxy_reading;
LIST_HEAD(proxy_readings, proxy_reading);

/* The reader of one worker, and the connections whose headers it waits for. */
struct proxy_reader {
    struct conn_env *env;
    struct proxy_readings list;
    /* One is over: with an arrival that names its peer, or NULL where everything has been given
     * back. Not called within proxy_reader_open(). */
    void (*on_header)(void *owner, const struct conn_arrival *arrival);
    void *owner;
};

/* Takes over an arrival of a listener that demands headers. 0, or -1 without memory: then the peer
 * has been reset and everything given back. */
int proxy_reader_open(struct proxy_reader *reader, const struct conn_arrival *arrival) MUST_CHECK;

/* The worker has begun to drain: a header that has not come within the quiet time never will. */
void proxy_reader_drain_all(struct proxy_reader *reader);

/* Resets all that are left. */
void proxy_reader_abort_all(struct proxy_reader *reader, enum reason reason);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the PROXY header (net/proxy.h) that a proxy sends before a connection's own bytes.
 *
 *     acceptor: from proxy-from? --> worker --> proxy_reader --header--> conn_open() for its peer
 *                      `--> reset                  `--> reset: invalid, late, or the service ends
 *
 * It reads from the descriptor itself, and never a byte past the header, so that TLS or the stream
 * starts right after it. In the limits it counts as a connection without a source until the header
 * names one.
 */
#ifndef ECHO_PROXY_READER_H
#define ECHO_PROXY_READER_H

#include <sys/queue.h>

#include "base/reason.h"
#include "echo/conn.h"

struct proxy_reading;
LIST_HEAD(proxy_readings, proxy_reading);

/* The reader of one worker, with the connections that wait for their headers. */
struct proxy_reader {
    struct conn_env *env;
    struct proxy_readings list;
    /* A header was read, with the arrival that now has its peer; or NULL if the connection has
     * ended and everything was released. Not called within proxy_reader_open(). */
    void (*on_header)(void *owner, const struct conn_arrival *arrival);
    void *owner;
};

/* Takes ownership of an arrival of a listener that requires headers. Returns 0; or -1 if memory is
 * short, and then the peer has been reset and everything released. */
int proxy_reader_open(struct proxy_reader *reader, const struct conn_arrival *arrival) MUST_CHECK;

/* Call when the worker begins to drain: headers that do not arrive within the quiet time are given
 * up. */
void proxy_reader_drain_all(struct proxy_reader *reader);

/* Resets all remaining connections. */
void proxy_reader_abort_all(struct proxy_reader *reader, enum reason reason);

#endif

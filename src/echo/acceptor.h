/* SPDX-License-Identifier: BSD-2-Clause */
/* The acceptor: all listeners, and the decision which connections to accept.
 *
 *     listener --on_accept--> limits --> the worker with the fewest connections
 *
 * A failure to accept never ends the service and never makes it spin. At the limit on all
 * connections, every listener pauses until a connection ends. If accept(2) fails (usually for lack
 * of descriptors), every listener pauses for a tenth of a second, even if connections end
 * meanwhile; so at most one accept fails in that time. A peer above the limit of its source is
 * reset.
 */
#ifndef ECHO_ACCEPTOR_H
#define ECHO_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "echo/counters.h"
#include "echo/evecho_listener.h"
#include "echo/limit.h"
#include "echo/udp.h"
#include "echo/worker.h"
#include "stream/loop.h"

struct acceptor;

/* Opens every socket of the specs, and accepts nothing yet. On failure returns NULL and leaves
 * nothing open. */
struct acceptor *acceptor_new(const struct evecho_listener *specs, size_t count, struct log *log,
                              struct error *err) MUST_CHECK;

/* Starts accepting, and answering datagrams; loop, limits, workers and udp must outlive the
 * acceptor. Returns 0 or -1. */
int acceptor_start(struct acceptor *acceptor, struct loop *loop, struct limit *limit,
                   struct worker *const *workers, size_t worker_count, struct udp *udp,
                   struct error *err) MUST_CHECK;

/* Stops new connections and accepts those already queued. Then the loop accepts, for at most 3
 * seconds, those whose handshake is in progress: their peers may consider themselves connected.
 * After that every listener is closed and on_stopped is called, perhaps before this function
 * returns. May be called twice. */
void acceptor_stop(struct acceptor *acceptor, void (*on_stopped)(void *owner), void *owner);

/* Ends a stop in progress at once. */
void acceptor_finish(struct acceptor *acceptor);

/* True once every listener is closed. */
bool acceptor_is_stopped(const struct acceptor *acceptor);

/* Closes every listener and frees its events; call it while the loop exists. */
void acceptor_close(struct acceptor *acceptor);

/* Closes and frees everything; NULL is allowed. */
void acceptor_free(struct acceptor *acceptor);

/* Call after connections were freed or limits have changed. */
void acceptor_on_released(struct acceptor *acceptor);

/* From any thread: true if the end of a connection must be reported at once. */
bool acceptor_is_paused(const struct acceptor *acceptor);

/* True if the specs' endpoints are the open ones, in the same order. */
bool acceptor_has_endpoints(const struct acceptor *acceptor, const struct evecho_listener *specs,
                            size_t count);

/* A reload in two steps, so that a failure changes nothing. acceptor_plan() makes the new policy of
 * every listener from the specs (of the same endpoints), with certificates; NULL on failure. The
 * second step takes ownership of the plan and cannot fail. */
struct policy **acceptor_plan(const struct acceptor *acceptor, const struct evecho_listener *specs,
                              size_t count, struct error *err) MUST_CHECK;
void acceptor_adopt(struct acceptor *acceptor, struct policy **plan);
void acceptor_drop_plan(const struct acceptor *acceptor, struct policy **plan);

/* Only reads the files that the listeners name. *notice is a warning for the user, or empty. */
int acceptor_check(const struct evecho_listener *specs, size_t count, struct error *notice,
                   struct error *err) MUST_CHECK;

/* The listening sockets' names in the order given, as in the `listening` log lines; valid after the
 * stop too. */
size_t acceptor_count(const struct acceptor *acceptor);
const char *acceptor_name(const struct acceptor *acceptor, size_t index);

/* True if the socket was passed by descriptor; then also its kind and its spec. */
bool acceptor_is_inherited(const struct acceptor *acceptor, size_t index, enum endpoint_kind *kind,
                           size_t *spec);

/* True if any listener is a UDP socket. */
bool acceptor_has_datagrams(const struct acceptor *acceptor);

/* The counters of a listener's datagrams; its thread is the only writer. */
const struct counters *acceptor_datagram_counters(const struct acceptor *acceptor, size_t index);

/* The acceptor's own counters; its thread is their only writer. */
const struct counters *acceptor_counters(const struct acceptor *acceptor);

#endif

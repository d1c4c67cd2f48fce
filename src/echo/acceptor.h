/* SPDX-License-Identifier: BSD-2-Clause */
/* The acceptor: all listeners, and who may come in.
 *
 *     listener --on_accept--> limits --> the worker with the fewest connections
 *
 * Accepting never ends the service and never spins. At the limit in all, every listener pauses
 * until a connection ends. Where the system fails an accept (no descriptors, mostly) every listener
 * pauses for a tenth of a second, whatever ends meanwhile. So there is at most one failed accept in
 * that time. Over the limit of its source a peer is reset.
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

/* Opens every socket of the specs; nothing is accepted yet. NULL with nothing left open. */
struct acceptor *acceptor_new(const struct evecho_listener *specs, size_t count, struct log *log,
                              struct error *err) MUST_CHECK;

/* Starts accepting, and answering datagrams; loop, limits, workers and udp must live as long. 0 or
 * -1. */
int acceptor_start(struct acceptor *acceptor, struct loop *loop, struct limit *limit,
                   struct worker *const *workers, size_t worker_count, struct udp *udp,
                   struct error *err) MUST_CHECK;

/* Lets nobody new in and accepts what is queued already, and then, by the loop, for at most 3
 * seconds those whose handshake is under way: their peers may believe that they are connected. Then
 * every listener is closed and on_stopped is called, which may be before this function returns. May
 * be called twice. */
void acceptor_stop(struct acceptor *acceptor, void (*on_stopped)(void *owner), void *owner);

/* Ends a stop that is under way at once. */
void acceptor_finish(struct acceptor *acceptor);

/* True once every listener is closed. */
bool acceptor_is_stopped(const struct acceptor *acceptor);

/* Closes every listener, and frees its events while their loop is there. */
void acceptor_close(struct acceptor *acceptor);

/* Closes and frees everything; NULL is allowed. */
void acceptor_free(struct acceptor *acceptor);

/* Connections have been freed since the last time, or limits have changed. */
void acceptor_on_released(struct acceptor *acceptor);

/* From any thread: whether a connection that ends must be told at once. */
bool acceptor_is_paused(const struct acceptor *acceptor);

/* True if the specs' endpoints are those that are open, in that order. */
bool acceptor_has_endpoints(const struct acceptor *acceptor, const struct evecho_listener *specs,
                            size_t count);

/* A reload in two steps, so that a refusal leaves everything as it was. What every listener would
 * go by under such specs (the same endpoints), certificates included; NULL if that cannot be. The
 * second step takes it over, and cannot fail. */
struct policy **acceptor_plan(const struct acceptor *acceptor, const struct evecho_listener *specs,
                              size_t count, struct error *err) MUST_CHECK;
void acceptor_adopt(struct acceptor *acceptor, struct policy **plan);
void acceptor_drop_plan(const struct acceptor *acceptor, struct policy **plan);

/* Reads the files that the listeners name, and no more. *notice is empty, or what is no failure and
 * should be known. */
int acceptor_check(const struct evecho_listener *specs, size_t count, struct error *notice,
                   struct error *err) MUST_CHECK;

/* The listening sockets' names in the order given, as the `listening` lines tell them; they stay
 * after the stop. */
size_t acceptor_count(const struct acceptor *acceptor);
const char *acceptor_name(const struct acceptor *acceptor, size_t index);

/* If the socket was passed by descriptor: its kind, and the spec that it belongs to. */
bool acceptor_is_inherited(const struct acceptor *acceptor, size_t index, enum endpoint_kind *kind,
                           size_t *spec);

/* True if any of the listeners is one of datagrams. */
bool acceptor_has_datagrams(const struct acceptor *acceptor);

/* What a listener's datagrams have counted; its thread is the only writer. */
const struct counters *acceptor_datagram_counters(const struct acceptor *acceptor, size_t index);

/* The acceptor's own counters; its thread is their only writer. */
const struct counters *acceptor_counters(const struct acceptor *acceptor);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners that echo, without a process around them: the one header of this room for a program
 * that wants to run an echo service.
 *
 *     evecho_open() --> evecho_start() --> evecho_start_threads()     the caller runs its loop
 *     evecho_drain() --> on_drained()  --> evecho_stop() --> evecho_free()
 *
 * It installs no signal handler, reads no environment, never exits, and logs to the log that it is
 * given. A program may run several. All functions are for the thread that runs the caller's loop.
 */
#ifndef ECHO_EVECHO_H
#define ECHO_EVECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/reason.h"
#include "echo/conn_list.h"
#include "echo/counters.h"
#include "echo/evecho_listener.h"
#include "echo/limit.h"
#include "stream/loop.h"
#include "stream/stream.h"

struct evecho;
struct log;

struct evecho_config {
    const char *name; /* of the service, for whoami; must live as long as the service */
    size_t workers;   /* 1: all connections are served in the caller's loop; more: that many
                         threads */
    enum stream_path path;
    struct limit_values limits;
    uint64_t udp_rate; /* datagrams a second from one source; 0: no limit */
    /* After evecho_drain(), in the caller's loop: every connection is closed. */
    void (*on_drained)(void *owner);
    void *owner;
};

/* Opens every socket; nothing is accepted yet. NULL with nothing left open; *err names the
 * listener. `log` may be NULL: then nothing is logged. */
struct evecho *evecho_open(const struct evecho_listener *listeners, size_t count, struct log *log,
                           struct error *err) MUST_CHECK;

/* Reads the files that the listeners name and opens no socket. *notice is empty, or reports what is
 * no failure and should be known. 0 or -1. */
int evecho_check(const struct evecho_listener *listeners, size_t count, struct error *notice,
                 struct error *err) MUST_CHECK;

/* Makes the workers and starts to accept in the caller's loop, which must outlive evecho_stop().
 * Starts no thread. 0, or -1: evecho_stop() is still to be called. */
int evecho_start(struct evecho *echo, struct loop *loop, const struct evecho_config *config,
                 struct error *err) MUST_CHECK;

/* Starts a thread for each worker, if there are several; all signals are blocked in them. 0 or -1.
 */
int evecho_start_threads(struct evecho *echo, struct error *err) MUST_CHECK;

/* Ends the threads; from then on no connection moves. May be called twice, and before a start. */
void evecho_stop_threads(struct evecho *echo);

/* Stops to accept, closes the sockets and frees the workers, whose connections must be closed. */
void evecho_stop(struct evecho *echo);

/* Frees the rest. NULL is allowed. */
void evecho_free(struct evecho *echo);

/* Accepts no new peer but those whose handshake is under way; closes each connection once nothing
 * is owed and its quiet time is over. Then on_drained() is called, maybe before this returns. */
void evecho_drain(struct evecho *echo);

/* Resets every connection that is open, for that reason, after evecho_drain(). */
void evecho_abort(struct evecho *echo, enum reason reason);

/* New policies, limits and rates for the same endpoints, in the same order; if it fails nothing has
 * changed. Open connections keep the policy that they have. 0 or -1. */
int evecho_reload(struct evecho *echo, const struct evecho_listener *listeners, size_t count,
                  const struct limit_values *limits, uint64_t udp_rate,
                  struct error *err) MUST_CHECK;

/* True if these are the endpoints that are open, in that order: the others cannot be reloaded. */
bool evecho_has_endpoints(const struct evecho *echo, const struct evecho_listener *listeners,
                          size_t count);

/* The listening sockets: several may be one listener's (a name with two addresses). Names are as in
 * the log, and stay valid until evecho_free(). */
size_t evecho_sockets(const struct evecho *echo);
const char *evecho_socket_name(const struct evecho *echo, size_t socket);

/* If the socket was passed by descriptor: its kind, and the listener that it belongs to. */
bool evecho_is_inherited(const struct evecho *echo, size_t socket, enum endpoint_kind *kind,
                         size_t *listener);

/* What the service has counted, or one socket of it; *sum is overwritten. The first is false if the
 * bytes or datagrams do not add up (counters.h), which is a bug of ours; while threads run a sum
 * may be some microseconds off. */
bool evecho_sum(const struct evecho *echo, struct counters *sum);
void evecho_sum_socket(const struct evecho *echo, size_t socket, struct counters *sum);

/* Connections that are open; how many there may be (0: no limit). */
uint64_t evecho_connections(const struct evecho *echo);
uint64_t evecho_connections_max(const struct evecho *echo);

/* True if every worker has answered since the last call; asks all of them again. */
bool evecho_is_alive(struct evecho *echo);

/* Asks each worker for the list of its connections; the waker is woken whenever one has written
 * its own. evecho_take_list() moves a list that was written since then to the caller, who clears
 * it; false if there is none yet. */
size_t evecho_workers(const struct evecho *echo);
void evecho_request_lists(struct evecho *echo, struct waker *waker);
bool evecho_take_list(struct evecho *echo, size_t worker, struct conn_list *list);

#endif

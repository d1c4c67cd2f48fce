/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo service as a library, without a process around it. A program that runs an echo service
 * needs only this header of the directory.
 *
 *     evecho_open() --> evecho_start() --> evecho_start_threads()     the caller runs its loop
 *     evecho_drain() --> on_drained()  --> evecho_stop() --> evecho_free()
 *
 * It installs no signal handler, reads no environment variable, never exits, and logs only to the
 * log passed to it. A program may run several services. Call all functions from the thread that
 * runs the caller's loop.
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
    const char *name; /* the service's name, for whoami; must outlive the service */
    size_t workers;   /* 1: the caller's loop serves all connections; more: so many threads */
    enum stream_path path;
    struct limit_values limits;
    uint64_t udp_rate; /* datagrams a second from one source; 0: no limit */
    /* Called in the caller's loop after evecho_drain(), when every connection is closed. */
    void (*on_drained)(void *owner);
    void *owner;
};

/* Opens every socket, and accepts nothing yet. On failure returns NULL, leaves nothing open, and
 * *err names the listener. `log` may be NULL: then nothing is logged. */
struct evecho *evecho_open(const struct evecho_listener *listeners, size_t count, struct log *log,
                           struct error *err) MUST_CHECK;

/* Reads the files that the listeners name and opens no socket. *notice is a warning for the user,
 * or empty. Returns 0 or -1. */
int evecho_check(const struct evecho_listener *listeners, size_t count, struct error *notice,
                 struct error *err) MUST_CHECK;

/* Makes the workers and starts to accept in the caller's loop, which must outlive evecho_stop().
 * Starts no thread. Returns 0, or -1; evecho_stop() must be called in both cases. */
int evecho_start(struct evecho *echo, struct loop *loop, const struct evecho_config *config,
                 struct error *err) MUST_CHECK;

/* Starts a thread for each worker, if there are several, with all signals blocked. Returns 0 or
 * -1. */
int evecho_start_threads(struct evecho *echo, struct error *err) MUST_CHECK;

/* Ends the threads; from then on connections do nothing. May be called twice, and before a
 * start. */
void evecho_stop_threads(struct evecho *echo);

/* Stops accepting, closes the sockets and frees the workers, whose connections must be closed. */
void evecho_stop(struct evecho *echo);

/* Frees the rest. NULL is allowed. */
void evecho_free(struct evecho *echo);

/* Accepts only the peers whose handshake is in progress, and closes each connection once nothing is
 * owed and its quiet time is over. Then calls on_drained(), perhaps before this function
 * returns. */
void evecho_drain(struct evecho *echo);

/* After evecho_drain(): resets every open connection, with that reason. */
void evecho_abort(struct evecho *echo, enum reason reason);

/* Sets new policies, limits and rates for the same endpoints, in the same order. Open connections
 * keep their policy. Returns 0; or -1, and nothing has changed. */
int evecho_reload(struct evecho *echo, const struct evecho_listener *listeners, size_t count,
                  const struct limit_values *limits, uint64_t udp_rate,
                  struct error *err) MUST_CHECK;

/* True if these are the open endpoints, in the same order: only then is a reload possible. */
bool evecho_has_endpoints(const struct evecho *echo, const struct evecho_listener *listeners,
                          size_t count);

/* The listening sockets; a listener may have several (a name with two addresses). Names are as in
 * the log, and valid until evecho_free(). */
size_t evecho_sockets(const struct evecho *echo);
const char *evecho_socket_name(const struct evecho *echo, size_t socket);

/* True if the socket was passed by descriptor; then also its kind and its listener. */
bool evecho_is_inherited(const struct evecho *echo, size_t socket, enum endpoint_kind *kind,
                         size_t *listener);

/* The counters of the service, or of one of its sockets; *sum is overwritten. evecho_sum() returns
 * false if the bytes or datagrams do not add up (counters.h), which is a bug of ours. While threads
 * run, a sum may mix values some microseconds apart. */
bool evecho_sum(const struct evecho *echo, struct counters *sum);
void evecho_sum_socket(const struct evecho *echo, size_t socket, struct counters *sum);

/* The number of open connections, and its limit (0: no limit). */
uint64_t evecho_connections(const struct evecho *echo);
uint64_t evecho_connections_max(const struct evecho *echo);

/* True if every worker has answered since the last call; asks all of them again. */
bool evecho_is_alive(struct evecho *echo);

/* Requests the list of connections of each worker; each worker that has written its list wakes the
 * waker. evecho_take_list() moves a written list to the caller, who clears it; false if there is
 * none yet. */
size_t evecho_workers(const struct evecho *echo);
void evecho_request_lists(struct evecho *echo, struct waker *waker);
bool evecho_take_list(struct evecho *echo, size_t worker, struct conn_list *list);

#endif

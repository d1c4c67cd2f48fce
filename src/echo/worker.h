/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker: an event loop, its connections, its counters, its scratch buffer.
 *
 *     acceptor --worker_give()--> post() --inbox, waker--> obey() in the worker's thread --> conn
 *                                   `--in the same thread--^
 *
 * Call every function here from the main thread. Each message to a worker goes through post()
 * (worker.c), and only that distinguishes two cases. From another thread, post() puts the message
 * into a locked inbox and wakes the worker. In the worker's own thread the message is obeyed at
 * once, without a lock or a wake-up. So a single worker that shares the main thread's loop needs no
 * rules of its own.
 */
#ifndef ECHO_WORKER_H
#define ECHO_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/reason.h"
#include "echo/conn.h"
#include "echo/conn_list.h"
#include "echo/counters.h"
#include "stream/loop.h"

struct worker;

struct worker_config {
    struct loop *loop; /* owned by the caller, who runs it and closes it after worker_free(); the
                          worker uses its deadlines. NULL: the worker has its own loop and thread */
    enum stream_path path;
    size_t listeners; /* each with counters of its own */
    struct limit *limit;
    struct log *log;  /* NULL: nothing is logged */
    const char *name; /* the service's name, for whoami */
    /* Called by the worker's thread after `count` connections were freed. */
    void (*on_released)(void *owner, uint64_t count);
    void *owner;
};

/* Opens a worker, and runs nothing yet. On failure returns NULL and leaves nothing open. */
struct worker *worker_new(const struct worker_config *config, struct error *err) MUST_CHECK;

/* Starts its thread, with all signals blocked; does nothing for a worker in the caller's loop.
 * Returns 0 or -1. */
int worker_start(struct worker *worker, struct error *err) MUST_CHECK;

/* Ends the thread, if any: from then on the worker makes no calls and wakes no waker. NULL is
 * allowed. */
void worker_stop(struct worker *worker);

/* Stops and frees the worker; no connection may be open. NULL is allowed. */
void worker_free(struct worker *worker);

/* The counters of its connections from one listener; the worker's thread is the only writer. */
const struct counters *worker_counters(const struct worker *worker, size_t listener);

/* The number of its connections, from worker_give() until they are freed. */
uint64_t worker_load(const struct worker *worker);

/* Passes an arrival to the worker, which owns it then. Returns 0; or -1 if memory is short, and the
 * caller still owns it. */
int worker_give(struct worker *worker, const struct conn_arrival *arrival) MUST_CHECK;

/* Begins to drain: open connections continue until they are quiet. */
void worker_drain(struct worker *worker);

/* Resets every open connection, with that reason. */
void worker_abort_all(struct worker *worker, enum reason reason);

/* Sends the worker a request for a sign of life. Returns true if it has answered the previous
 * one. */
bool worker_is_alive(struct worker *worker);

/* Requests a list; the worker wakes the waker when it is written. The waker must exist until the
 * worker is stopped. */
void worker_request_list(struct worker *worker, struct waker *waker);

/* Moves the list written since the last call to the caller, who clears it; false if there is none
 * yet. */
bool worker_take_list(struct worker *worker, struct conn_list *list);

#endif

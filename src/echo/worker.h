/* SPDX-License-Identifier: BSD-2-Clause */
/* A worker: an event loop, its connections, its counters, its scratch buffer.
 *
 *     acceptor --worker_give()--> post() --inbox, waker--> obey() in the worker's thread --> conn
 *                                   `--in the same thread--^
 *
 * Every function here is for the main thread. Each message to a worker goes through post()
 * (worker.c), which alone decides: from another thread the message waits in a locked inbox, and the
 * worker is woken for it; in the worker's own thread it is obeyed at once, with no lock and no
 * wake-up. So one worker that shares the main thread's loop needs no second set of rules.
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
    struct loop *loop; /* the caller's, who runs it, and closes it after worker_free(); the worker
                          uses its deadlines. NULL: the worker has a loop and a thread of its own */
    enum stream_path path;
    size_t listeners; /* whose connections are counted apart */
    struct limit *limit;
    struct log *log;  /* NULL: nothing is logged */
    const char *name; /* of the service, for whoami */
    /* Called by the worker's thread after connections were freed; `count` of them. */
    void (*on_released)(void *owner, uint64_t count);
    void *owner;
};

/* Opens a worker; nothing is run yet. NULL with nothing left open. */
struct worker *worker_new(const struct worker_config *config, struct error *err) MUST_CHECK;

/* Starts its thread, with all signals blocked; does nothing for a worker in the caller's loop. 0 or
 * -1. */
int worker_start(struct worker *worker, struct error *err) MUST_CHECK;

/* Ends the thread, if any: from then on nobody is called or woken by it. NULL is allowed. */
void worker_stop(struct worker *worker);

/* Stops it and frees what is left; no connection may be open. NULL is allowed. */
void worker_free(struct worker *worker);

/* What its connections from that listener have counted; its thread is the only writer. */
const struct counters *worker_counters(const struct worker *worker, size_t listener);

/* Connections given and not yet freed. */
uint64_t worker_load(const struct worker *worker);

/* Hands over an arrival. 0, or -1 without memory: then it is still the caller's. */
int worker_give(struct worker *worker, const struct conn_arrival *arrival) MUST_CHECK;

/* Begins to drain: open connections go on until they are quiet. */
void worker_drain(struct worker *worker);

/* Resets every open connection, with that reason. */
void worker_abort_all(struct worker *worker, enum reason reason);

/* Asks the worker whether it is alive; returns whether it has answered what was asked before. */
bool worker_is_alive(struct worker *worker);

/* Asks for a list; when it is written the waker is woken, which must live until the worker has
 * been stopped. */
void worker_request_list(struct worker *worker, struct waker *waker);

/* Takes the list that was written since the last time, to be cleared by the caller; false where
 * there is none yet. */
bool worker_take_list(struct worker *worker, struct conn_list *list);

#endif

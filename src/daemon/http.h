/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP for this machine's operators, in a loop that has other work: sockets, time and bytes. What
 * is asked for, and who may ask, is its owner's matter.
 *
 *     accept --> READING --request--> PENDING --answer--> WRITING --> ENDING --their FIN--> closed
 *
 * At most HTTP_EXCHANGES_MAX are served at once; others wait in the backlog, as peers of the echo
 * do at a limit. An exchange has HTTP_TIME_S seconds in all, trickle or not, so whoever waits gets
 * a turn. A request has a bounded size, an answer is made in memory and written as the peer takes
 * it; nothing here waits for a peer. One request a connection.
 */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "daemon/request.h"
#include "net/endpoint.h"
#include "net/sock.h"
#include "stream/loop.h"

#define HTTP_EXCHANGES_MAX 4
#define HTTP_TIME_S 5 /* seconds */

struct http;
struct log;
struct http_exchange;

/* A request, or what should have been one: request->status is 200 or what the peer must hear. It is
 * there until this returns; the exchange is pending until it is answered, at once or later, or its
 * time is over. */
typedef void http_on_request(void *owner, struct http_exchange *exchange,
                             const struct request *request);

/* Opens the sockets of a TCP or Unix endpoint; nobody is served yet. NULL with nothing left open.
 */
struct http *http_new(const struct endpoint *endpoint, const struct sock_options *how,
                      struct log *log, struct error *err) MUST_CHECK;

/* Serves in that loop. 0 or -1. */
int http_start(struct http *http, struct loop *loop, http_on_request *on_request, void *owner,
               struct error *err) MUST_CHECK;

/* The endpoint of a socket, as listeners are named; NULL past the last. */
const char *http_name(const struct http *http, size_t index);

/* The most descriptors that it will ever have open. */
size_t http_descriptors(const struct http *http);

/* Closes everything; nobody is told. NULL is allowed. */
void http_free(struct http *http);

/* ---- answering, once ---- */

/* Where the body is written to; it belongs to the exchange. NULL: there is no memory, and the
 * exchange has been given up. */
FILE *http_body(struct http_exchange *exchange);

/* Sends what was written, whose bytes are of that content type; or gives the exchange up if not all
 * of it could be kept. */
void http_answer(struct http_exchange *exchange, int status, const char *type);

/* "Not Found" for 404. */
const char *http_phrase(int status);

/* ---- answering later ---- */

/* The exchange in one of HTTP_EXCHANGES_MAX places, if it is pending; else NULL. */
struct http_exchange *http_pending(struct http *http, size_t place);

/* A mark of the owner's on a pending exchange; false when its request comes. */
bool http_is_marked(const struct http_exchange *exchange);
void http_mark(struct http_exchange *exchange);

#endif

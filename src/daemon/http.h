/* SPDX-License-Identifier: BSD-2-Clause */
/* A small HTTP server for operators, which shares a loop with other work. It handles sockets, time
 * limits and bytes; its owner decides about content and access.
 *
 *     accept --> READING --request--> PENDING --answer--> WRITING --> ENDING --their FIN--> closed
 *
 * At most HTTP_EXCHANGES_MAX exchanges are served at once; other peers wait in the backlog, like
 * peers of the echo at a limit. An exchange may take HTTP_TIME_S seconds in all, even if the peer
 * trickles, so every waiting peer is served. The size of a request is limited, and an answer is
 * made in memory and written as the peer reads it; nothing here blocks. A connection serves one
 * request.
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

/* A request, valid or not: request->status is 200, or the status of the error to answer. The
 * request is valid until this returns. The exchange is pending until it is answered, at once or
 * later, or until its time is over. */
typedef void http_on_request(void *owner, struct http_exchange *exchange,
                             const struct request *request);

/* Opens the sockets of a TCP or Unix endpoint, and serves nothing yet. On failure returns NULL and
 * leaves nothing open. */
struct http *http_new(const struct endpoint *endpoint, const struct sock_options *how,
                      struct log *log, struct error *err) MUST_CHECK;

/* Starts serving in `loop`. Returns 0 or -1. */
int http_start(struct http *http, struct loop *loop, http_on_request *on_request, void *owner,
               struct error *err) MUST_CHECK;

/* The endpoint of a socket, in the form of listeners' names; NULL past the last. */
const char *http_name(const struct http *http, size_t index);

/* The most descriptors that it will ever have open. */
size_t http_descriptors(const struct http *http);

/* Closes everything without callbacks. NULL is allowed. */
void http_free(struct http *http);

/* ---- answering, once ---- */

/* The stream to write the body to, owned by the exchange. NULL if memory is short, and then the
 * exchange has been closed. */
FILE *http_body(struct http_exchange *exchange);

/* Sends the written body, with that content type; or closes the exchange if the body is
 * incomplete. */
void http_answer(struct http_exchange *exchange, int status, const char *type);

/* "Not Found" for 404. */
const char *http_phrase(int status);

/* ---- answering later ---- */

/* The exchange in one of HTTP_EXCHANGES_MAX places, if it is pending; else NULL. */
struct http_exchange *http_pending(struct http *http, size_t place);

/* A mark that the owner may set on a pending exchange; initially false. */
bool http_is_marked(const struct http_exchange *exchange);
void http_mark(struct http_exchange *exchange);

#endif

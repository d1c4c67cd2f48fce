/* SPDX-License-Identifier: BSD-2-Clause */
/* Parses one HTTP request (RFC 9112). A pure function: the same bytes give the same result, in
 * however many pieces they arrive.
 *
 * Accepts GET and HEAD only, HTTP/1.0 and 1.1, without a body. A wrong first line is reported at
 * once, so that a peer of another protocol is not waited for.
 */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

#define REQUEST_BYTES_MAX 8192 /* with its header */

enum request_verdict { REQUEST_MORE, REQUEST_OK, REQUEST_BAD };

struct request {
    int status; /* BAD: the answer, 400, 405, 413, 414, 431 or 505 */
    bool is_head;
    const char *path; /* OK: within the bytes read, without a query */
    size_t path_length;
    /* OK: host and port of the request, within the same bytes: from an absolute URI, or else the
     * Host field. NULL if an HTTP/1.0 request has none. */
    const char *host;
    size_t host_length;
};

/* Parses the bytes received so far; bytes after REQUEST_BYTES_MAX are ignored. */
enum request_verdict request_parse(const char *bytes, size_t length,
                                   struct request *request) MUST_CHECK;

bool request_is_for(const struct request *request, const char *path);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* One HTTP request of a scraper, read from bytes (RFC 9112). A pure function: the same bytes give
 * the same answer, in however many pieces they came.
 *
 * GET and HEAD alone, HTTP/1.0 and 1.1, no body. A wrong first line is told at once, so that a
 * stranger who speaks another protocol is not waited for.
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
    const char *path; /* OK: in the bytes that were read, without a query */
    size_t path_length;
    /* OK: whom the request is for, host and port, in the same bytes: from a whole URI, or else the
     * Host field. NULL where HTTP/1.0 left it out. */
    const char *host;
    size_t host_length;
};

/* Reads the bytes that have come so far; of more than REQUEST_BYTES_MAX the first ones count. */
enum request_verdict request_parse(const char *bytes, size_t length,
                                   struct request *request) MUST_CHECK;

bool request_is_for(const struct request *request, const char *path);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The status endpoint, in the main thread's loop: access control and content. http.h handles the
 * protocol. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "daemon/options.h"
#include "daemon/status_page.h"
#include "stream/loop.h"

struct status;

/* Checks that the options' endpoint may be served: it must be TCP or Unix, and, without
 * status-public, reachable from this machine only. Returns 0 or -1. */
int status_check(const struct daemon_options *options, struct error *err) MUST_CHECK;

/* Opens its sockets, and serves nothing yet. On failure returns NULL and leaves nothing open. */
struct status *status_new(const struct daemon_options *options, struct log *log,
                          struct error *err) MUST_CHECK;

/* Starts serving pages about `facts` in `loop`. Returns 0 or -1. */
int status_start(struct status *status, struct loop *loop, const struct status_facts *facts,
                 struct error *err) MUST_CHECK;

/* From now on /readyz answers that the service is not ready. */
void status_set_draining(struct status *status);

/* The most descriptors that it will ever have open. */
size_t status_descriptors(const struct status *status);

/* Closes everything; the workers must have been stopped. NULL is allowed. */
void status_free(struct status *status);

#endif

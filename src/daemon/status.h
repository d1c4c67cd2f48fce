/* SPDX-License-Identifier: BSD-2-Clause */
/* The status endpoint: numbers for operators, in the main thread's loop. Who may ask and what is
 * told; how it is asked and answered is http.h. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <stddef.h>

#include "base/attr.h"
#include "base/error.h"
#include "daemon/options.h"
#include "daemon/status_page.h"
#include "stream/loop.h"

struct status;

/* Whether the options' endpoint may be served: a TCP or Unix one and, unless status-public is
 * given, one that only this machine reaches. 0 or -1. */
int status_check(const struct daemon_options *options, struct error *err) MUST_CHECK;

/* Opens its sockets; nobody is served yet. NULL with nothing left open. */
struct status *status_new(const struct daemon_options *options, struct log *log,
                          struct error *err) MUST_CHECK;

/* Serves, in that loop, what the facts say. 0 or -1. */
int status_start(struct status *status, struct loop *loop, const struct status_facts *facts,
                 struct error *err) MUST_CHECK;

/* From now on it is not ready. */
void status_set_draining(struct status *status);

/* The most descriptors that it will ever have open. */
size_t status_descriptors(const struct status *status);

/* Closes everything; the workers must have been stopped. NULL is allowed. */
void status_free(struct status *status);

#endif

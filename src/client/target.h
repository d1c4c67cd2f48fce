/* SPDX-License-Identifier: BSD-2-Clause */
/* The one address of an endpoint that answers, and how links to it are made. */
#ifndef CLIENT_TARGET_H
#define CLIENT_TARGET_H

#include "base/attr.h"
#include "base/error.h"
#include "client/link.h"
#include "client/options.h"

/* Makes the plan that the options ask for, tries the endpoint's addresses (attempts.h), each for at
 * most --timeout, and opens *link to the first that answers; the plan then leads there. 0, or -1:
 * *err names the option that is wrong, or every address and its reason, and nothing is left open.
 * An interrupt meanwhile ends the program (interrupt.h). */
int target_connect(const struct client_options *options, struct link_plan *plan, struct link *link,
                   struct error *err) MUST_CHECK;

/* After the last link. */
void target_close(struct link_plan *plan);

#endif

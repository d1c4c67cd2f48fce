/* SPDX-License-Identifier: BSD-2-Clause */
/* The one address of an endpoint that answers. */
#ifndef CLIENT_TARGET_H
#define CLIENT_TARGET_H

#include "base/attr.h"
#include "base/error.h"
#include "client/options.h"
#include "client/outcome.h"
#include "net/dial.h"

/* Tries the endpoint's addresses in order, each for at most --timeout. Returns a connected,
 * non-blocking descriptor to the first that answers, and fills *target with it. Else -1: *err names
 * every address and its reason, *outcome has the class. */
int target_connect(const struct options *options, struct dial_target *target, enum outcome *outcome,
                   struct error *err) MUST_CHECK;

#endif

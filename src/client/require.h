/* SPDX-License-Identifier: BSD-2-Clause */
/* Thresholds that turn a bench into a test: "p99=5ms,errors=0,rate=50k". */
#ifndef CLIENT_REQUIRE_H
#define CLIENT_REQUIRE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "client/bench_results.h"

/* 0, or -1 where the list is not one. NULL is an empty list. */
int require_check(const char *list, struct error *err) MUST_CHECK;

/* True where the list has a threshold of that name. */
bool require_names(const char *list, const char *name);

/* Prints a line for each threshold that was missed; returns how many. The list must be right. If it
 * names neither unanswered nor loss, no message may be unanswered. */
int require_missed(const char *list, const struct bench_results *results, FILE *out);

#endif

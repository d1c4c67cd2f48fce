/* SPDX-License-Identifier: BSD-2-Clause */
/* The attempts to reach an endpoint, one for each of its addresses, as RFC 8305 has them: an
 * attempt that has not answered after 250 ms goes on, and the next one begins beside it; the first
 * that answers is used, and the others are given up. A failed attempt is reported at once.
 *
 *     attempts.c: which address when, the waiting, the reports
 *       --> target.c: connecting a stream, with its TLS handshake
 *       --> udp_target.c: a datagram and its answer
 */
#ifndef CLIENT_ATTEMPTS_H
#define CLIENT_ATTEMPTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "client/link.h"
#include "client/options.h"
#include "client/outcome.h"
#include "net/dial.h"

#define ATTEMPT_REASON_MAX 256

enum attempt_state {
    ATTEMPT_NOT_TRIED, /* another address answered before its turn came */
    ATTEMPT_RUNS,
    ATTEMPT_FAILED,
    ATTEMPT_GIVEN_UP, /* another address answered first */
    ATTEMPT_ANSWERED
};

struct attempt {
    struct dial_target target;
    enum attempt_state state;
    uint64_t start_ns;    /* of clock_now_ns() */
    uint64_t connect_ns;  /* from start_ns until connected; 0: it was not, or is a datagram's */
    uint64_t elapsed_ns;  /* from start_ns until it failed, answered or was given up */
    enum outcome outcome; /* ATTEMPT_FAILED: its class */
    char reason[ATTEMPT_REASON_MAX]; /* ATTEMPT_FAILED: why */
    const char *hint;                /* and what would be right, a constant; or NULL */
    /* While it runs: what to wait for, and until when, in clock_now_ns()'s time. */
    int fd;
    short events;
    uint64_t due_ns;
};

/* What became of an endpoint's addresses, in the order in which they are tried. */
struct attempts {
    int count; /* 0: not resolved yet */
    struct attempt list[DIAL_TARGETS_MAX];
};

/* How one attempt is made. start() and advance() set what to wait for if they return LINK_WAIT, and
 * the outcome, reason and hint if they return LINK_ENDED. advance() is called if the descriptor is
 * ready or the time has come. stop() releases what is left of an attempt that did not answer. */
struct attempt_kind {
    enum link_step (*start)(void *race, int index);
    enum link_step (*advance)(void *race, int index, bool is_due);
    void (*stop)(void *race, int index);
};

/* Resolves the endpoint into options->attempts, unless that is done already. 0 or -1. */
int attempts_resolve(const struct client_options *options, struct error *err) MUST_CHECK;

/* Makes the attempts; `race` is passed on to the kind. Returns the index of the one that answered,
 * or -1 if all failed. Reports on standard error what failed while others are left. */
int attempts_make(struct attempts *attempts, const struct attempt_kind *kind,
                  void *race) MUST_CHECK;

/* After attempts_make() returned -1: makes an error of all reasons, behind "cannot connect to" or
 * another verb. Returns -1. */
int attempts_refuse(const struct client_options *options, const char *verb, struct error *err);

/* "Connection refused after 0.3 ms", of an attempt that failed; returns `out`. */
#define ATTEMPT_TEXT_MAX (ATTEMPT_REASON_MAX + 160)
const char *attempts_text(const struct attempt *attempt, char *out, size_t size);

/* "0.31 ms", "12.5 ms" or "1.250 s"; returns `out`. */
#define ATTEMPT_TIME_MAX 32
const char *attempts_time(uint64_t ns, char *out, size_t size);

/* An array with an object for each address; the caller's reference. */
json_t *attempts_json(const struct attempts *attempts);

#endif

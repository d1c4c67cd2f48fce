/* SPDX-License-Identifier: BSD-2-Clause */
/* Between check.c, which runs the properties, and check_properties.c, which are they. */
#ifndef CLIENT_CHECK_H
#define CLIENT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/interrupt.h"
#include "client/options.h"
#include "client/probe.h"

enum verdict {
    VERDICT_OK,
    VERDICT_FAULT,  /* bytes are lost or wrong, or the endpoint does not go on */
    VERDICT_MOOT,   /* this kind of endpoint, path or user has nothing to show it by */
    VERDICT_CHOICE, /* it is not as ours, and no byte is lost by it; --strict makes it a fault */
    VERDICT_UNTRIED /* we could not find out, for want of time or of descriptors */
};
#define VERDICT_COUNT 5

/* As --peer counts: who answers at the far end. Nothing that an echo sends tells. */
enum check_peer { CHECK_PEER_UNKNOWN, CHECK_PEER_EVECHOD };

/* One run of all properties. */
struct check {
    const struct client_options *options;
    struct link_plan plan;
    struct interrupt_watch interrupt;
    struct probe_run run; /* progress_ns is of the property that runs now */
    struct link first;    /* open until the round trip is measured; of a stream alone */
    bool is_unix;
    uint64_t round_trip_ns; /* of one echo at the start */
    bool is_shortened;      /* a property had fewer rounds for it */
    uint64_t start_ns;
    uint64_t until_ns;    /* of the property that runs now */
    uint64_t connections; /* opened so far */
    unsigned char *scratch;
    struct failure failure;           /* VERDICT_FAULT: the fields; as far as it is one's */
    char diagnosis[FAILURE_TEXT_MAX]; /* the reason for the verdict; empty: none */
};

/* Ends the diagnosis of a property that was not tried for lack of time. */
#define CHECK_MORE_TIME "; --budget gives more"

enum property_when { ALWAYS, WITH_IDLE /* given */, WITH_TLS };

struct property {
    const char *name;
    const char *summary;
    enum property_when when;
    enum verdict (*run)(struct check *check);
};

/* Ended by a row without a name. The heavy ones come last: they get the time that is left. */
extern const struct property CHECK_PROPERTIES[];
extern const struct property CHECK_UDP_PROPERTIES[]; /* of datagrams (check_udp.c) */

/* A probe for the property that runs now, not connected. */
struct probe check_probe(struct check *check);

/* True once the user has interrupted: nothing is waited for any more, and no verdict is told. */
bool check_is_interrupted(const struct check *check);

/* How many rounds, each of so many round trips, half of the property's time has room for: not more
 * than `most`, and not fewer than `least`, which may turn out to be too many. */
uint64_t check_rounds(struct check *check, uint64_t most, uint64_t least, uint64_t round_trips);

/* How long nothing comes from an endpoint that still has something under way: so long, and the
 * path's round trips besides. In ms. */
uint64_t check_still_ms(const struct check *check, uint64_t still_ms);

/* Puts the probe's failure into the diagnosis, closes it, and returns VERDICT_FAULT; or, if it was
 * for want of time or of descriptors of ours, VERDICT_UNTRIED. */
enum verdict check_fault(struct check *check, struct probe *probe);

/* Notes when and on which connection a fault was found that no failure of the probe tells. Before
 * the probe is closed; returns VERDICT_FAULT. */
enum verdict check_blame(struct check *check, const struct probe *probe);

/* True if this errno is a limit of our own, not a fault of the endpoint; the diagnosis then reports
 * it. */
bool check_is_our_limit(struct check *check, int error);

/* Formats the diagnosis and returns the verdict. */
enum verdict check_verdict(struct check *check, enum verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif

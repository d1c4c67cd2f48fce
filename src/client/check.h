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
    VERDICT_CHOICE, /* it is not as ours, and no byte is lost by it; or we cannot find out */
};

/* One run of all properties. */
struct check {
    const struct options *options;
    struct link_plan plan;
    struct interrupt_watch interrupt;
    struct probe_run run; /* progress_ns is of the property that runs now */
    bool is_unix;
    uint64_t until_ns;    /* of the property that runs now */
    uint64_t connections; /* opened so far */
    unsigned char *scratch;
    char diagnosis[512]; /* why the verdict is what it is; empty: nothing to add */
};

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

/* Puts the probe's failure into the diagnosis, closes it, and returns VERDICT_FAULT; or, where it
 * was for want of descriptors of ours, VERDICT_CHOICE. */
enum verdict check_fault(struct check *check, struct probe *probe);

/* True where this errno is our own limit and says nothing of the endpoint; the diagnosis then
 * tells. */
bool check_is_our_limit(struct check *check, int error);

/* Formats the diagnosis and returns the verdict. */
enum verdict check_verdict(struct check *check, enum verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif

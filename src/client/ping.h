/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho ping: one message at a time, each byte checked, as ping(8) prints.
 *
 *     ping.c: the rhythm, interrupts, the report
 *       --> ping_stream.c: a message of a stream, on one connection
 *       --> ping_datagram.c: a datagram over udp://
 */
#ifndef CLIENT_PING_H
#define CLIENT_PING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/histogram.h"
#include "client/connect_times.h"
#include "client/interrupt.h"
#include "client/options.h"
#include "client/outcome.h"
#include "client/ping_report.h"
#include "client/run_queue.h"

#define PING_DETAIL_MAX 160

/* The common part; each kind's own struct begins with it. */
struct ping {
    const struct ping_kind *kind;
    const struct client_options *options;
    FILE *out; /* standard output, unless the JSON goes there */
    struct interrupt interrupt;
    bool is_under_way; /* the last message sent is */
    bool is_finishing;
    const char *target;           /* set by open() */
    char detail[PING_DETAIL_MAX]; /* likewise: more about the connection, or empty */
    struct ping_results results;  /* of errors, times and connects below */
    uint64_t errors[OUTCOME_COUNT];
    struct histogram times; /* ns */
    struct connect_times connects;
    struct run_queue run_queue;
    unsigned char scratch[65536];
};

/* The differences between streams and datagrams. */
struct ping_kind {
    const char *messages; /* "messages" or "datagrams" */
    size_t size;          /* of its own struct */
    int (*open)(struct ping *ping, struct error *err) MUST_CHECK;
    void (*exchange)(struct ping *ping);                 /* one message and its result */
    void (*watch)(struct ping *ping, uint64_t until_ns); /* until the next one */
    void (*finish)(struct ping *ping);                   /* the last word */
    void (*count)(struct ping *ping);                    /* bring ping->results up to date */
    void (*close)(struct ping *ping);                    /* also after an open() that failed */
};

extern const struct ping_kind ping_of_streams, ping_of_datagrams;

/* Keeps the fields of a failure that has been counted, for the JSON: the first
 * PING_FAILURES_KEPT, and the first of each class. Takes the reference. */
#define PING_FAILURES_KEPT 20
void ping_keep_failure(struct ping *ping, enum outcome outcome, json_t *failure);

/* Waits until the descriptor (-1: none) is ready, and returns its events like poll(2); 0 at that
 * time; -1 after an interrupt. SIGQUIT prints interim figures meanwhile. */
short ping_wait(struct ping *ping, int fd, short events, uint64_t until_ns);

#endif

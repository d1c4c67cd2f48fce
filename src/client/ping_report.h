/* SPDX-License-Identifier: BSD-2-Clause */
/* The results of a ping, as text and as JSON. */
#ifndef CLIENT_PING_REPORT_H
#define CLIENT_PING_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/histogram.h"
#include "client/connect_times.h"
#include "client/options.h"
#include "client/udp_flow.h"

struct ping_results {
    uint64_t sent, received; /* messages */
    uint64_t sent_bytes, received_bytes;
    uint64_t exchanges_ns; /* how long all messages took, lost ones too */
    uint64_t starved_ns;   /* of that the client could run and had no processor */
    bool is_starvation_known;
    const uint64_t *errors;        /* of each outcome */
    const struct histogram *times; /* ns */
    const struct connect_times *connects;
    json_t *failures;                   /* an array: the first, and the first of each class */
    const struct udp_counts *datagrams; /* NULL: they were messages of a stream */
};

/* Of those sent, per cent. */
double ping_report_loss(const struct ping_results *results);

void ping_report_text(const struct ping_results *results, const struct client_options *options,
                      const char *target, FILE *out);

/* Writes it to the target of --json. Returns 0 or -1. */
int ping_report_json(const struct ping_results *results, const struct client_options *options,
                     const char *target, struct error *err) MUST_CHECK;

#endif

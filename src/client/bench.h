/* SPDX-License-Identifier: BSD-2-Clause */
/* What a bench has found, for the report. */
#ifndef CLIENT_BENCH_H
#define CLIENT_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "client/flow.h"
#include "client/outcome.h"
#include "client/udp_flow.h"

#define BENCH_FAILURES_KEPT 5

/* Everything from the end of the warm-up on. Results of threads add up. */
struct bench_results {
    struct histogram corrected;   /* ns from when a message was due to its last byte; where it never
                                   * left, to the end; on a schedule where it had no answer in
                                   * time, until then */
    struct histogram uncorrected; /* ns from when it was sent */
    struct histogram late;        /* ns from due to sent: the client's own part */
    struct histogram handshake;   /* ns, of TLS alone: from connected to open */
    uint64_t resumed;             /* of those handshakes */
    uint64_t completed;           /* echoes verified */
    uint64_t sent_bytes, received_bytes;
    uint64_t errors[OUTCOME_COUNT];
    uint64_t opened;           /* connections, reconnected ones counted again, the warm-up's too */
    uint64_t opened_meanwhile; /* of these, after the warm-up */
    uint64_t established;      /* of those asked for, how many were open at any time */
    uint64_t unsent;           /* messages that were due and never left */
    uint64_t unanswered;       /* messages sent whose echo never was whole */
    uint64_t warm_up_ns;       /* how long it took, the longest of all threads */
    uint64_t start_ns;         /* of measuring */
    uint64_t end_ns;           /* of issuing, or of the last echo: whichever is later */
    bool is_interrupted;       /* before its end; of the sum alone */
    struct flow_failure failures[BENCH_FAILURES_KEPT];
    uint32_t failures_kept;
    /* Of datagrams alone: */
    struct udp_counts datagrams;
    struct udp_wrong wrong[UDP_WRONG_KEPT];
    uint32_t wrong_kept;
};

#endif

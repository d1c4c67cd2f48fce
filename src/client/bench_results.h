/* SPDX-License-Identifier: BSD-2-Clause */
/* The results of a bench: each thread fills its own, and the report is of their sum.
 *
 * A message counts from the end of the warm-up on, by when it was due. In an open loop each that
 * counts is in the latency from when due, whatever became of it: an echo with the time until it
 * came, and one that was lost, or never left, with the time that it had waited. In a closed loop a
 * message is due when it is sent, and only an echo has a latency.
 */
#ifndef CLIENT_BENCH_RESULTS_H
#define CLIENT_BENCH_RESULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/histogram.h"
#include "client/connect_times.h"
#include "client/failure.h"
#include "client/outcome.h"
#include "client/udp_error.h"
#include "client/udp_flow.h"

#define BENCH_FAILURES_KEPT 5 /* and besides them the first of each class */
#define BENCH_FAILURES_MAX (BENCH_FAILURES_KEPT + OUTCOME_COUNT)
#define BENCH_SLICES 32

/* Why a message left after it was due, or had not left by the end. */
enum wait_cause {
    WAIT_CLIENT,     /* the client was late: it did not look at its schedule in time */
    WAIT_CONNECTION, /* no connection was open */
    WAIT_PIPELINE,   /* the pipeline, or the socket, was full */
    WAIT_CAUSES
};

/* The messages that waited for one cause longer than BENCH_LATE_NS. */
#define BENCH_LATE_NS 1000000
struct bench_wait {
    uint64_t count, total_ns, max_ns;
};

/* Everything from the end of the warm-up on. Results of threads add up. */
struct bench_results {
    struct histogram corrected;   /* ns from when a message was due to its last byte; if it was lost
                                   * or never left, until that was known (open loop alone) */
    struct histogram uncorrected; /* ns from when it was sent */
    struct histogram late;        /* ns from due to sent, as far as the client itself was late */
    struct bench_wait waits[WAIT_CAUSES]; /* open loop alone */
    uint64_t starved_ns;     /* all threads were ready to run and waited for a processor; see
                              * run_queue.h */
    uint64_t starved_max_ns; /* the most of one thread */
    bool is_starvation_known;
    struct connect_times connects; /* those of the warm-up too; its handshakes are not */
    uint64_t resumed;              /* of the handshakes */
    uint64_t completed;            /* echoes verified */
    uint64_t sent_bytes, received_bytes;
    uint64_t rated_echoes,
        rated_bytes; /* the numbers that the rates are computed from; see bench_results_settle() */
    uint64_t errors[OUTCOME_COUNT];
    uint64_t opened;           /* connections, reconnected ones counted again, the warm-up's too */
    uint64_t opened_meanwhile; /* of these, after the warm-up */
    uint64_t established;      /* of those asked for, how many were open at any time */
    uint64_t given_up;         /* connections that failed for too long */
    uint64_t unsent;           /* messages that were due and never left, or were left by those */
    uint64_t unanswered;       /* messages sent whose echo never was whole */
    uint64_t warm_up_ns;       /* how long it took, the longest of all threads */
    uint64_t start_ns;         /* of measuring */
    uint64_t end_ns;  /* of measuring: the end of the run's time, else the last message's */
    uint64_t seen_ns; /* when this picture was taken */
    bool is_open_loop;
    bool is_stopped;     /* the run's time is over, or it was interrupted */
    bool is_interrupted; /* before its end; of the sum alone */
    struct failure failures[BENCH_FAILURES_MAX];
    uint32_t failures_kept;
    /* Of datagrams alone: */
    struct udp_counts datagrams;
    struct failure wrong[UDP_WRONG_KEPT];
    uint32_t wrong_kept;
    uint64_t
        slices[BENCH_SLICES]; /* right ones, by when they were due: equal parts of --duration */
    struct udp_error network[OUTCOME_COUNT]; /* the first of each class that the network reported;
                                              * its error is 0: none */
};

/* Ends the warm-up: from now on only messages due later count, and earlier wrong bytes. */
void bench_results_restart(struct bench_results *results, uint64_t now_ns);

/* The run's time is over at end_ns: later answers do not move the end of the measurement. */
void bench_results_stop(struct bench_results *results, uint64_t end_ns);

/* Updates the numbers that the rates are computed from. The rate of an open loop counts the
 * messages due in the measured time, whenever they are answered; that of a closed loop the answers
 * received in that time. */
void bench_results_settle(struct bench_results *results);

/* A message came back, whole and right. The client itself was late for late_ns of the time before
 * it was sent. */
void bench_results_add_echo(struct bench_results *results, uint64_t due_ns, uint64_t sent_ns,
                            uint64_t late_ns, uint64_t now_ns);

/* A message of an open loop waited so long for each cause until it left, or until now. Once for
 * each.
 */
void bench_results_add_waits(struct bench_results *results, uint64_t due_ns, uint64_t now_ns,
                             const uint64_t wait_ns[WAIT_CAUSES]);

/* A message was sent, and its echo does not come. */
void bench_results_add_unanswered(struct bench_results *results, uint64_t due_ns, uint64_t now_ns);

/* A message was due, and does not leave. */
void bench_results_add_unsent(struct bench_results *results, uint64_t due_ns, uint64_t now_ns);

/* The part of the last two that concerns the latency. */
void bench_results_add_wait(struct bench_results *results, uint64_t due_ns, uint64_t now_ns);

/* Keeps a failure for the report if it is one of the first, or the first of its class. */
void bench_results_keep_failure(struct bench_results *results, const struct failure *failure);

/* Stores a report of the network if it is the first of its class. */
void bench_results_keep_network(struct bench_results *results, const struct udp_error *error);

/* Adds one result to another. */
void bench_results_merge(struct bench_results *sum, const struct bench_results *one);

/* Writes all that adds up as one line of JSON, with the version of its form: not the examples of
 * failures, wrong datagrams and the network's errors, which are of one run's report. Times are
 * those of this machine's monotonic clock. 0, or -1. */
int bench_results_save(const struct bench_results *results, FILE *out,
                       struct error *err) MUST_CHECK;

/* Reads the output of bench_results_save(), to the end of the file. Returns 0; or -1, *err names
 * the invalid member, and *results is undefined. */
int bench_results_load(struct bench_results *results, FILE *in, struct error *err) MUST_CHECK;

/* Echoes a second, over the time measured: bench_results_settle() says of which. */
double bench_results_rate(const struct bench_results *results);
double bench_results_seconds(const struct bench_results *results);

/* The share of the time, 0 to 1, that the thread that did so most waited for a processor. */
double bench_results_starved_share(const struct bench_results *results);

/* Answers a second that a limit on the rate let through, if the losses of datagrams are so even
 * that it was one; 0: they are not. */
double bench_results_limit(const struct bench_results *results, uint64_t rate_per_1000s,
                           uint64_t duration_ms);

/* Failures of all classes. */
uint64_t bench_results_errors(const struct bench_results *results);

#endif

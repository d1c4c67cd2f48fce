/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/bench_results.h"

#include <string.h>

#define NS_PER_S 1e9
#define LIMIT_LOSS_MIN 0.01 /* a smaller loss has no recognizable cause */

void bench_results_restart(struct bench_results *results, uint64_t now_ns)
{
    const struct bench_results before = *results;
    memset(results, 0, sizeof(*results));
    results->is_open_loop = before.is_open_loop;
    results->connects.connect = before.connects.connect;
    results->connects.slow = before.connects.slow;
    results->opened = before.opened;
    results->established = before.established;
    results->warm_up_ns = now_ns - before.start_ns;
    results->start_ns = results->end_ns = now_ns;
    /* No warm-up excuses a wrong byte. */
    results->errors[OUTCOME_MISMATCH] = before.errors[OUTCOME_MISMATCH];
    for (uint32_t i = 0; i < before.failures_kept; i++) {
        if (before.failures[i].how.outcome == OUTCOME_MISMATCH)
            bench_results_keep_failure(results, &before.failures[i]);
    }
    memcpy(results->wrong, before.wrong, sizeof(before.wrong));
    results->wrong_kept = before.wrong_kept;
}

void bench_results_stop(struct bench_results *results, uint64_t end_ns)
{
    bench_results_settle(results);
    results->is_stopped = true;
    results->end_ns = end_ns;
}

void bench_results_settle(struct bench_results *results)
{
    if (results->is_stopped && !results->is_open_loop)
        return;
    results->rated_echoes = results->completed;
    results->rated_bytes = results->received_bytes;
}

static bool counts(const struct bench_results *results, uint64_t due_ns, uint64_t now_ns)
{
    return due_ns >= results->start_ns && due_ns <= now_ns;
}

/* While the run's time is not over, measuring goes on until the last message's fate is known. */
static void move_end(struct bench_results *results, uint64_t now_ns)
{
    if (!results->is_stopped && now_ns > results->end_ns)
        results->end_ns = now_ns;
}

static void add_wait(struct bench_wait *sum, const struct bench_wait *one)
{
    sum->count += one->count;
    sum->total_ns += one->total_ns;
    if (one->max_ns > sum->max_ns)
        sum->max_ns = one->max_ns;
}

void bench_results_add_echo(struct bench_results *results, uint64_t due_ns, uint64_t sent_ns,
                            uint64_t late_ns, uint64_t now_ns)
{
    if (!counts(results, due_ns, now_ns))
        return;
    histogram_add(&results->corrected, now_ns - due_ns);
    histogram_add(&results->uncorrected, now_ns - sent_ns);
    histogram_add(&results->late, late_ns);
    results->completed++;
    move_end(results, now_ns);
}

void bench_results_add_waits(struct bench_results *results, uint64_t due_ns, uint64_t now_ns,
                             const uint64_t wait_ns[WAIT_CAUSES])
{
    if (!results->is_open_loop || !counts(results, due_ns, now_ns))
        return;
    for (int i = 0; i < WAIT_CAUSES; i++) {
        const bool is_late = wait_ns[i] > BENCH_LATE_NS;
        add_wait(&results->waits[i], &(struct bench_wait){.count = is_late,
                                                          .total_ns = is_late ? wait_ns[i] : 0,
                                                          .max_ns = is_late ? wait_ns[i] : 0});
    }
}

void bench_results_add_wait(struct bench_results *results, uint64_t due_ns, uint64_t now_ns)
{
    if (!counts(results, due_ns, now_ns))
        return;
    move_end(results, now_ns);
    if (results->is_open_loop)
        histogram_add(&results->corrected, now_ns - due_ns);
}

void bench_results_add_unanswered(struct bench_results *results, uint64_t due_ns, uint64_t now_ns)
{
    results->unanswered += counts(results, due_ns, now_ns);
    bench_results_add_wait(results, due_ns, now_ns);
}

void bench_results_add_unsent(struct bench_results *results, uint64_t due_ns, uint64_t now_ns)
{
    results->unsent += counts(results, due_ns, now_ns);
    bench_results_add_wait(results, due_ns, now_ns);
}

/* A class has at most one place beyond the first BENCH_FAILURES_KEPT, so there is always room. */
void bench_results_keep_failure(struct bench_results *results, const struct failure *failure)
{
    bool is_first = true;
    for (uint32_t i = 0; i < results->failures_kept; i++)
        is_first &= results->failures[i].how.outcome != failure->how.outcome;
    if (is_first || results->failures_kept < BENCH_FAILURES_KEPT)
        results->failures[results->failures_kept++] = *failure;
}

void bench_results_keep_network(struct bench_results *results, const struct udp_error *error)
{
    struct udp_error *kept = &results->network[outcome_of_errno(error->error)];
    if (error->error != 0 && kept->error == 0)
        *kept = *error;
}

void bench_results_merge(struct bench_results *sum, const struct bench_results *one)
{
    histogram_merge(&sum->corrected, &one->corrected);
    histogram_merge(&sum->uncorrected, &one->uncorrected);
    histogram_merge(&sum->late, &one->late);
    connect_times_merge(&sum->connects, &one->connects);
    for (int i = 0; i < WAIT_CAUSES; i++)
        add_wait(&sum->waits[i], &one->waits[i]);
    sum->starved_ns += one->starved_ns;
    if (one->starved_max_ns > sum->starved_max_ns)
        sum->starved_max_ns = one->starved_max_ns;
    sum->is_starvation_known |= one->is_starvation_known;
    sum->resumed += one->resumed;
    sum->completed += one->completed;
    sum->sent_bytes += one->sent_bytes;
    sum->received_bytes += one->received_bytes;
    sum->rated_echoes += one->rated_echoes;
    sum->rated_bytes += one->rated_bytes;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        sum->errors[i] += one->errors[i];
    sum->opened += one->opened;
    sum->opened_meanwhile += one->opened_meanwhile;
    sum->established += one->established;
    sum->given_up += one->given_up;
    sum->unsent += one->unsent;
    sum->unanswered += one->unanswered;
    if (one->warm_up_ns > sum->warm_up_ns)
        sum->warm_up_ns = one->warm_up_ns;
    if (sum->start_ns == 0 || (one->start_ns && one->start_ns < sum->start_ns))
        sum->start_ns = one->start_ns;
    if (one->end_ns > sum->end_ns)
        sum->end_ns = one->end_ns;
    if (one->seen_ns > sum->seen_ns)
        sum->seen_ns = one->seen_ns;
    sum->is_open_loop |= one->is_open_loop;
    sum->is_stopped |= one->is_stopped;
    for (uint32_t i = 0; i < one->failures_kept; i++)
        bench_results_keep_failure(sum, &one->failures[i]);
    udp_counts_add(&sum->datagrams, &one->datagrams);
    for (uint32_t i = 0; i < one->wrong_kept && sum->wrong_kept < UDP_WRONG_KEPT; i++)
        sum->wrong[sum->wrong_kept++] = one->wrong[i];
    for (int i = 0; i < BENCH_SLICES; i++)
        sum->slices[i] += one->slices[i];
    for (int i = 0; i < OUTCOME_COUNT; i++)
        bench_results_keep_network(sum, &one->network[i]);
}

/* ---- figures ---- */

double bench_results_seconds(const struct bench_results *results)
{
    return results->end_ns > results->start_ns
               ? (double)(results->end_ns - results->start_ns) / NS_PER_S
               : 0;
}

double bench_results_rate(const struct bench_results *results)
{
    double seconds = bench_results_seconds(results);
    return seconds > 0 ? (double)results->rated_echoes / seconds : 0;
}

uint64_t bench_results_errors(const struct bench_results *results)
{
    uint64_t errors = 0;
    for (int i = OUTCOME_OK + 1; i < OUTCOME_COUNT; i++)
        errors += results->errors[i];
    return errors;
}

double bench_results_starved_share(const struct bench_results *results)
{
    double all_ns =
        results->seen_ns > results->start_ns ? (double)(results->seen_ns - results->start_ns) : 0;
    double share = all_ns > 0 ? (double)results->starved_max_ns / all_ns : 0;
    return share < 1 ? share : 1;
}

double bench_results_limit(const struct bench_results *results, uint64_t rate_per_1000s,
                           uint64_t duration_ms)
{
    double right[BENCH_SLICES / 2], sum = 0, slice_s = (double)duration_ms / 1e3 / BENCH_SLICES;
    double sent = (double)rate_per_1000s / 1000 * slice_s;
    if (!rate_per_1000s || !duration_ms || results->is_interrupted)
        return 0;
    for (int i = 0; i < BENCH_SLICES / 2; i++) {
        right[i] = (double)results->slices[BENCH_SLICES / 2 + i];
        sum += right[i];
    }
    double mean = sum / (BENCH_SLICES / 2), share = mean / sent;
    bool is_limited = share > 0 && share < 1 - LIMIT_LOSS_MIN &&
                      udp_is_even(right, BENCH_SLICES / 2, sent * share * (1 - share));
    return is_limited ? mean / slice_s : 0;
}

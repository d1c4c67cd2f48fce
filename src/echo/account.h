/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the bytes of one connection are: the only writer of its sums, and of its listener's.
 *
 *     in + made = out + owed + lost + sunk
 *
 * by construction: owed is what the others leave, and whoever asks for it may compare it with what
 * the stream really holds. `made` are bytes that a service said of its own accord, `sunk` those
 * that it was there to swallow; an echo has neither. Bytes that came after our own end were never
 * taken in: they are discarded.
 *
 * No byte moves without one of these calls. Counts are bytes.
 */
#ifndef ECHO_ACCOUNT_H
#define ECHO_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/counters.h"

struct account {
    struct counters *counters; /* its listener's, in its worker */
    uint64_t in, made, out, sunk, lost;
    uint64_t discarded; /* came after our own end */
    uint64_t cut;       /* out, and taken back from the kernel by our reset */
    uint64_t told_owed; /* as the listener's gauge has it */
};

static inline uint64_t account_owed(const struct account *account)
{
    return account->in + account->made - account->out - account->sunk - account->lost;
}

/* Bytes were taken from the peer, to be sent back. */
static inline void account_came(struct account *account, size_t bytes)
{
    account->in += bytes;
    counter_add(account->counters, COUNTER_BYTES_IN, bytes);
}

/* The kernel took bytes that were owed. */
static inline void account_went(struct account *account, size_t bytes)
{
    account->out += bytes;
    counter_add(account->counters, COUNTER_BYTES_OUT, bytes);
}

/* A service says bytes of its own. */
void account_made(struct account *account, size_t bytes);

/* A service swallowed bytes that came. */
void account_sunk(struct account *account, size_t bytes);

/* Bytes came after our own end. */
void account_discarded(struct account *account, size_t bytes);

/* Bytes that were taken are neither sent nor owed any more: the system failed us. */
void account_lose(struct account *account, size_t bytes);

/* Brings the listener's gauge up to date; true where what is owed has changed since the last time.
 */
bool account_tell_owed(struct account *account);

/* The end: what is still owed is lost, and of what went, so much was taken back by our reset.
 * `is_abandoned`: a drain has to answer for it. True where the gauge changed. */
bool account_close(struct account *account, size_t cut, bool is_abandoned);

#endif

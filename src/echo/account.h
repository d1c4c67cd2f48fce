/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts the bytes of one connection. Only the account writes these sums and its listener's.
 *
 *     in + made = out + owed + lost + sunk
 *
 * by construction: owed is the remainder of the others, and callers can compare it with the bytes
 * that the stream really holds. `made` counts bytes that a service sends of its own, `sunk` those
 * that it reads and does not echo; both are 0 for the echo. Bytes received after our own end are
 * not in the sums: they count as discarded.
 *
 * Every movement of bytes is one of these calls. Counts are in bytes.
 */
#ifndef ECHO_ACCOUNT_H
#define ECHO_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/counters.h"

struct account {
    struct counters *counters; /* of its listener, in its worker */
    uint64_t in, made, out, sunk, lost;
    uint64_t discarded; /* received after our own end */
    uint64_t cut;       /* out, but discarded by the kernel at our reset */
    uint64_t told_owed; /* as last added to the listener's gauge */
};

static inline uint64_t account_owed(const struct account *account)
{
    return account->in + account->made - account->out - account->sunk - account->lost;
}

/* Bytes were read from the peer and shall be echoed. */
static inline void account_came(struct account *account, size_t bytes)
{
    account->in += bytes;
    counter_add(account->counters, COUNTER_BYTES_IN, bytes);
}

/* The kernel accepted bytes that were owed. */
static inline void account_went(struct account *account, size_t bytes)
{
    account->out += bytes;
    counter_add(account->counters, COUNTER_BYTES_OUT, bytes);
}

/* A service sends bytes of its own. */
void account_made(struct account *account, size_t bytes);

/* A service discarded received bytes. */
void account_sunk(struct account *account, size_t bytes);

/* Bytes were received after our own end. */
void account_discarded(struct account *account, size_t bytes);

/* Bytes were read but can be neither sent nor queued, because of a system error. */
void account_lose(struct account *account, size_t bytes);

/* Updates the listener's gauge; true if the bytes owed have changed since the last call. */
bool account_tell_owed(struct account *account);

/* Call at the end: bytes still owed are lost, and our reset has discarded `cut` of the bytes sent.
 * `is_abandoned`: a drain must report the loss. True if the gauge changed. */
bool account_close(struct account *account, size_t cut, bool is_abandoned);

#endif

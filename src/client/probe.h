/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection of a check, driven step by step, each step with a time by which it must be done.
 *
 * A step returns true if it succeeded. If not, probe->failure describes the failure, and further
 * steps on that probe do nothing.
 */
#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "client/connect_times.h"
#include "client/failure.h"
#include "client/link.h"

/* Shared by the probes of a check. */
struct probe_run {
    uint64_t seed;        /* which every connection's is made of */
    uint64_t came_bytes;  /* on all of them */
    uint64_t progress_ns; /* when anything came last */
    uint64_t lately_ns; /* bytes received within this time count as moving, since a path has a round
                           trip */
    struct connect_times connects;
    bool leaves_open; /* the endpoint did not answer our close_notify: it is not waited for */
};

struct probe {
    const struct link_plan *plan;
    struct probe_run *run;
    struct link link; /* initialised, and closed before probe_connect() */
    uint64_t connection, seed;
    uint64_t sent, checked; /* stream offsets */
    uint64_t moved_ns;      /* when a byte went or came last, or connecting began */
    int wake_fd;            /* readable: wait for nothing any more; -1: there is none */
    uint64_t until_ns;      /* every step must have ended by then */
    uint64_t timeout_ms;    /* and must not be without progress for longer than this */
    bool is_out_of_time;    /* the failure: `until_ns` came, and things were moving */
    struct failure failure;
    unsigned char *scratch; /* PROBE_SCRATCH_BYTES, shared */
};

#define PROBE_SCRATCH_BYTES 262144

/* Connects. The probe's plan, link, connection, seed, times and scratch are set. */
bool probe_connect(struct probe *probe) MUST_CHECK;

/* Connects so many at once, PROBE_CROWD_MAX at most. Returns the first that failed, or `count`. */
int probe_connect_crowd(struct probe *probes, int count) MUST_CHECK;
#define PROBE_CROWD_MAX 100

/* Sends `bytes` of the pattern, reading and checking meanwhile, until all of it is back. */
bool probe_exchange(struct probe *probe, uint64_t bytes) MUST_CHECK;

/* Sends, as above, but at most `chunk` bytes in one call; does not wait for the last echoes. */
bool probe_send(struct probe *probe, uint64_t bytes, size_t chunk) MUST_CHECK;

/* Sends without reading until nothing is accepted for `still_ms`, or `most` bytes are sent. True in
 * both cases; *is_held distinguishes them. */
bool probe_fill(struct probe *probe, uint64_t most, uint64_t still_ms, bool *is_held) MUST_CHECK;

/* Reads and checks until everything sent is back. */
bool probe_drain(struct probe *probe) MUST_CHECK;

/* Half-closes. Over TLS a record that was begun is finished first. */
bool probe_half_close(struct probe *probe) MUST_CHECK;

/* Ends the TCP stream alone: over TLS a FIN with no close_notify before it. */
bool probe_truncate(struct probe *probe) MUST_CHECK;

/* Awaits the peer's end, with everything sent back before it and nothing more. */
bool probe_await_end(struct probe *probe) MUST_CHECK;

/* True if neither bytes nor an end arrive for that time. */
bool probe_stay_silent(struct probe *probe, uint64_t silent_ms) MUST_CHECK;

/* Sends bytes of the caller's, and expects others back. They count in the stream's offsets. */
bool probe_raw(struct probe *probe, const unsigned char *bytes, size_t length) MUST_CHECK;
bool probe_urgent(struct probe *probe, const unsigned char *bytes,
                  size_t length) MUST_CHECK; /* the last of them is urgent */
bool probe_expect_raw(struct probe *probe, const unsigned char *bytes, size_t length) MUST_CHECK;

/* Receives bytes until `length` have come, or none for `still_ms` or until the step's time is over,
 * which is no failure. *came is how many are in `bytes`, whatever they are. */
bool probe_receive_raw(struct probe *probe, unsigned char *bytes, size_t length, uint64_t still_ms,
                       size_t *came) MUST_CHECK;

void probe_close(struct probe *probe);
void probe_reset(struct probe *probe);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The time and place of a failure, to find it in a capture or in another program's log: the time of
 * day, our port, the connection's age, and its phase. */
#ifndef CLIENT_MOMENT_H
#define CLIENT_MOMENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define PHASES(X)                                                                       \
    X(CONNECT, "connect")           /* no connection yet */                             \
    X(PROXY_HEADER, "proxy-header") /* connected, and our PROXY header is being sent */ \
    X(HANDSHAKE, "handshake")       /* TLS */                                           \
    X(EXCHANGE, "exchange")         /* bytes go and come */                             \
    X(IDLE, "idle")                 /* nothing is under way, on purpose */              \
    X(HALF_CLOSED, "half-closed")   /* we have half-closed, the peer has not */

enum moment_phase {
#define MOMENT_ENUM(NAME, word) MOMENT_##NAME,
    PHASES(MOMENT_ENUM)
#undef MOMENT_ENUM
        MOMENT_PHASES
};
const char *moment_phase_word(enum moment_phase phase);

struct moment {
    uint64_t time_ns;    /* of day: since 1970, UTC; 0: not known, and nothing else is */
    uint64_t lived_ns;   /* since connecting began, or since the UDP socket was opened */
    uint16_t local_port; /* 0: none was given yet, or it is no internet socket */
    enum moment_phase phase;
};

/* The time of day, in ns since 1970, UTC. */
uint64_t moment_time_of_day_ns(void);

/* A time of day as RFC 3339 has it, in UTC, with microseconds: "2026-11-28T18:06:38.123456Z".
 * `out` has room for MOMENT_STAMP_MAX bytes, and is returned. */
#define MOMENT_STAMP_MAX 40
const char *moment_stamp(uint64_t time_ns, char *out);

/* This moment of a socket (-1: there is none) that was begun at since_ns (clock.h). */
struct moment moment_now(int fd, uint64_t since_ns, enum moment_phase phase);

/* "18:06:38.123456Z, local port 51234, lived 0.806 s, phase idle"; returns `out`. */
#define MOMENT_TEXT_MAX 96
const char *moment_text(const struct moment *moment, char *out, size_t size);

/* Adds "time" (RFC 3339), "local_port", "lived_s" and "phase"; null if not known. */
void moment_add_json(json_t *object, const struct moment *moment);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* How an exchange with an endpoint went, in the classes that results are counted by. */
#ifndef CLIENT_OUTCOME_H
#define CLIENT_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#define OUTCOMES(X)                                                                          \
    X(OK, "ok")             /* every byte came back */                                       \
    X(REFUSED, "refused")   /* no listener, or not permitted */                              \
    X(TIMEOUT, "timeout")   /* nothing came within --timeout */                              \
    X(FIN, "fin")           /* ended by a FIN before all bytes had come */                   \
    X(RESET, "reset")       /* ended by a reset */                                           \
    X(DNS, "dns")           /* the name is not known */                                      \
    X(TLS, "tls")           /* a handshake or certificate failed, or no close_notify came */ \
    X(MISMATCH, "mismatch") /* a byte was wrong, missing or extra */                         \
    X(OTHER, "other")       /* the system failed: descriptors, ports, memory, routes */

enum outcome {
#define OUTCOME_ENUM(NAME, word) OUTCOME_##NAME,
    OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
        OUTCOME_COUNT
};

/* In small letters, for JSON; in capitals, for people. */
const char *outcome_word(enum outcome outcome);
const char *outcome_name(enum outcome outcome);

/* The class of an errno that ended an exchange. */
enum outcome outcome_of_errno(int error);

/* The observed end of a stream. A FIN without TLS's close_notify before it may be an attacker's
 * (RFC 8446, 6.1): the bytes before it may be only a part of those sent. */
enum outcome_end {
    STREAM_END_NONE,
    STREAM_END_FIN, /* over TLS: after its close_notify */
    STREAM_END_RST,
    STREAM_END_TIMEOUT,
    STREAM_END_TRUNCATED
};
const char *stream_end_word(enum outcome_end end);

/* All that is known of how an exchange ended. The texts are constants. */
struct ending {
    enum outcome outcome;
    enum outcome_end end;
    uint64_t waited_ns;  /* STREAM_END_TIMEOUT: without progress, until we gave up */
    int error;           /* errno, or 0 */
    const char *reason;  /* TLS's, or NULL */
    const char *hint;    /* advice, or NULL */
    const char *symptom; /* the entry of symptom.h, if the reason alone decides it; or NULL */
};

struct ending ending_of_errno(int error);

/* "TLS: self-signed certificate; -k ...", "Connection refused", "no answer in time"; returns `out`.
 */
const char *ending_text(const struct ending *ending, char *out, size_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* How an exchange with an endpoint went, in the classes that results are counted by. */
#ifndef CLIENT_OUTCOME_H
#define CLIENT_OUTCOME_H

#include <stdint.h>

#define OUTCOMES(X)                                                                       \
    X(OK, "ok")             /* every byte came back */                                    \
    X(REFUSED, "refused")   /* nobody listens there, or may */                            \
    X(TIMEOUT, "timeout")   /* nothing came within --timeout */                           \
    X(RESET, "reset")       /* ended by a reset, or by a FIN before all bytes had come */ \
    X(DNS, "dns")           /* the name is not known */                                   \
    X(TLS, "tls")           /* the handshake or the certificate failed */                 \
    X(MISMATCH, "mismatch") /* a byte was wrong, missing or extra */                      \
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

/* How a stream ended, as far as it could be seen. */
enum stream_end { STREAM_END_NONE, STREAM_END_FIN, STREAM_END_RST, STREAM_END_TIMEOUT };
const char *stream_end_word(enum stream_end end);

#endif

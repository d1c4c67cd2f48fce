/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a connection ended. The log's words, the counters and the tests are made from this one list;
 * the man page has the same table. The first reason that applies is reported. */
#ifndef BASE_REASON_H
#define BASE_REASON_H

#define REASONS(X)                                                                       \
    X(EOF, "eof", "the peer finished its side and everything was returned")              \
    X(SERVED, "served", "the service said all that it says")                             \
    X(RESET, "reset", "the peer reset the connection or vanished")                       \
    X(ERROR, "error", "the system failed a read or a write; error= tells which way")     \
    X(PROXY, "proxy", "the PROXY header was missing, wrong or late; error= tells which") \
    X(IDLE, "idle", "nothing was owed and nothing came for the idle timeout")            \
    X(STALL, "stall", "the peer took nothing of what it was owed for the stall timeout") \
    X(FLUSH, "flush", "what was owed at the end was not taken within the flush timeout") \
    X(DRAIN, "drain", "the service is stopping and the connection was quiet")            \
    X(DEADLINE, "deadline", "the service is stopping and the drain timeout ran out")     \
    X(FORCED, "forced", "a second signal ended the service at once")                     \
    X(HANDSHAKE, "handshake", "the TLS handshake failed, or took too long")              \
    X(TRUNCATED, "truncated", "the peer ended without TLS's close_notify")               \
    X(MEMORY, "memory", "no memory was left for what the connection needed")

enum reason {
#define REASON_ENUM(NAME, word, text) REASON_##NAME,
    REASONS(REASON_ENUM)
#undef REASON_ENUM
        REASON_COUNT
};

/* The word that logs and counters use. */
const char *reason_word(enum reason reason);

#endif

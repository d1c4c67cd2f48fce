/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters: one list makes the enum, the names, the sum, the log line and the metrics.
 *
 * Every worker has a set for each listener. The acceptor has one for the datagrams of each
 * listener, and one more. Only a set's own thread writes to it, so counting is a plain load and
 * store; the total is the sum of all sets. While threads run, a total may mix values a few
 * microseconds apart. After they have ended it is exact, and then
 *
 *     bytes_in + made = bytes_out + owed + lost + sunk     on streams
 *     udp_in = udp_out + udp_sunk + every udp_dropped_*    on datagrams
 */
#ifndef ECHO_COUNTERS_H
#define ECHO_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/reason.h"

/* X(NAME, the log's word, type, the metric's name, help text). The metric's name is prefixed with
 * the program's name. A counter that is the sum of the reasons has no metric. */
#define COUNTERS(X)                                                                                \
    X(ACCEPTED, "accepted", COUNTER, "connections_accepted_total",                                 \
      "connections taken over by a worker")                                                        \
    X(CLOSED, "closed", COUNTER, NULL, "of these, ended")                                          \
    X(BYTES_IN, "bytes_in", COUNTER, "received_bytes_total",                                       \
      "bytes read, less what came after our own end")                                              \
    X(BYTES_OUT, "bytes_out", COUNTER, "sent_bytes_total",                                         \
      "bytes that the system took to send back")                                                   \
    X(MADE, "made", COUNTER, "made_bytes_total", "bytes that services said of their own accord")   \
    X(SUNK, "sunk", COUNTER, "sunk_bytes_total",                                                   \
      "of the bytes read, those that services threw away as they should")                          \
    X(OWED, "owed", GAUGE, "owed_bytes", "of the bytes read or made, those that wait to be sent")  \
    X(LOST, "lost", COUNTER, "lost_bytes_total",                                                   \
      "of the bytes read or made, those that a connection dropped when it was reset")              \
    X(CUT, "cut", COUNTER, "cut_bytes_total",                                                      \
      "of the bytes sent, those that our reset took back before they left the system")             \
    X(ABANDONED, "abandoned", COUNTER, "abandoned_bytes_total",                                    \
      "of the lost and the cut, those that a drain gave up")                                       \
    X(DISCARDED, "discarded", COUNTER, "discarded_bytes_total",                                    \
      "bytes that came after our own end and were never echoed")                                   \
    X(HELD, "held", COUNTER, "held_total", "times a sender was held because its reader is slow")   \
    X(REFUSED_SOURCE, "refused_source", COUNTER, "refused_source_total",                           \
      "peers reset at the limit of their source")                                                  \
    X(REFUSED_PROXY, "refused_proxy", COUNTER, "refused_proxy_total",                              \
      "peers reset because they may not send PROXY headers and a listener demands one")            \
    X(PROXIED, "proxied", COUNTER, "proxied_total", "connections that began with a PROXY header")  \
    X(REFUSED_ERROR, "refused_error", COUNTER, "refused_error_total",                              \
      "peers reset because there was no memory for them")                                          \
    X(ACCEPT_ERRORS, "accept_errors", COUNTER, "accept_errors_total",                              \
      "accepts that the system failed")                                                            \
    X(ACCEPT_PAUSES, "accept_pauses", COUNTER, "accept_pauses_total",                              \
      "times the listeners were paused by a limit or an error")                                    \
    X(UDP_IN, "udp_in", COUNTER, "udp_received_total", "datagrams received")                       \
    X(UDP_OUT, "udp_out", COUNTER, "udp_sent_total", "of the datagrams, those that were answered") \
    X(UDP_BYTES_IN, "udp_bytes_in", COUNTER, "udp_received_bytes_total",                           \
      "bytes in the datagrams received")                                                           \
    X(UDP_BYTES_OUT, "udp_bytes_out", COUNTER, "udp_sent_bytes_total", "bytes in the answers")     \
    X(UDP_SUNK, "udp_sunk", COUNTER, "udp_sunk_total",                                             \
      "of the datagrams, those that a service threw away as it should")                            \
    X(UDP_DROPPED_TRUNCATED, "udp_dropped_truncated", COUNTER, "udp_dropped_truncated_total",      \
      "datagrams dropped because they were not whole")                                             \
    X(UDP_DROPPED_ADDRESS, "udp_dropped_address", COUNTER, "udp_dropped_address_total",            \
      "datagrams dropped because they came from or to no single host")                             \
    X(UDP_DROPPED_PORT, "udp_dropped_port", COUNTER, "udp_dropped_port_total",                     \
      "datagrams dropped because their source port was below 1024")                                \
    X(UDP_DROPPED_OWN, "udp_dropped_own", COUNTER, "udp_dropped_own_total",                        \
      "datagrams dropped because their source port was one of ours")                               \
    X(UDP_DROPPED_RATE, "udp_dropped_rate", COUNTER, "udp_dropped_rate_total",                     \
      "datagrams dropped because their source was over its rate")                                  \
    X(UDP_DROPPED_COMMON, "udp_dropped_common", COUNTER, "udp_dropped_common_total",               \
      "datagrams dropped because all sources together were over the limit")                        \
    X(UDP_DROPPED_SEND, "udp_dropped_send", COUNTER, "udp_dropped_send_total",                     \
      "datagrams dropped because the system did not send the answer")                              \
    X(UDP_KERNEL_DROPS, "udp_kernel_drops", COUNTER, "udp_kernel_drops_total",                     \
      "datagrams that the system dropped because they came faster than they were read")            \
    X(UDP_BAD_CHECKSUM, "udp_bad_checksum", COUNTER, "udp_bad_checksum_total",                     \
      "datagrams that the system dropped because their checksum was wrong")                        \
    X(UDP_ERRORS, "udp_errors", COUNTER, "udp_errors_total", "receptions that the system failed")  \
    X(TLS_HANDSHAKES, "tls_handshakes", COUNTER, "tls_handshakes_total", "TLS handshakes done")    \
    X(LOG_DROPPED, "log_dropped", COUNTER, "log_dropped_total",                                    \
      "log lines that could not be queued or written")

enum counter {
#define COUNTER_ENUM(NAME, word, type, metric, text) COUNTER_##NAME,
    COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
        COUNTER_END, /* the named ones; a counter for each reason follows */
    COUNTER_COUNT = COUNTER_END + REASON_COUNT
};

/* The lifetimes of connections: bucket i counts those that lasted at most 4^i milliseconds and
 * longer than the bound of bucket i - 1; the last one counts all longer ones (over an hour). */
#define LIFETIME_BOUNDS 12
#define LIFETIME_BUCKETS (LIFETIME_BOUNDS + 1)

struct counters {
    _Atomic uint64_t at[COUNTER_COUNT];
    _Atomic uint64_t lifetimes[LIFETIME_BUCKETS];
    _Atomic uint64_t lifetime_ms; /* the sum of all lifetimes */
};

enum counter_type { COUNTER_TYPE_COUNTER, COUNTER_TYPE_GAUGE };

struct counter_about {
    const char *name;   /* in the log; a reason's is "closed_WORD" */
    const char *metric; /* NULL: no metric of its own */
    enum counter_type type;
    const char *text;
};

const struct counter_about *counter_about(enum counter counter);

static inline uint64_t counter_get(const struct counters *counters, enum counter counter)
{
    return atomic_load_explicit(&counters->at[counter], memory_order_relaxed);
}

/* Only the set's own thread adds. A gauge goes down by adding the two's complement. */
static inline void counter_add(struct counters *counters, enum counter counter, uint64_t amount)
{
    atomic_store_explicit(&counters->at[counter], counter_get(counters, counter) + amount,
                          memory_order_relaxed);
}

static inline enum counter counter_of_reason(enum reason reason)
{
    return (enum counter)((int)COUNTER_END + (int)reason);
}

/* Counts the lifetime of a connection that has ended. */
void counter_add_lifetime(struct counters *counters, uint64_t ms);

/* The upper bound of a lifetime bucket; not for the last. */
static inline uint64_t lifetime_bound_ms(unsigned bucket)
{
    return (uint64_t)1 << (2 * bucket);
}

/* Adds one set to a sum that only the caller uses. */
void counters_sum(struct counters *sum, const struct counters *one);

#endif

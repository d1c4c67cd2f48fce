/* SPDX-License-Identifier: BSD-2-Clause */
/* Which datagrams are not answered, so that nobody can make us flood somebody (CVE-1999-0103,
 * CVE-2024-2169: two UDP services set on each other by one forged datagram).
 *
 * Privileged source ports are other services; our own are ours. So two services of one process that
 * are set on each other exchange one datagram, and two of different processes no more than their
 * rate. Pure but for the buckets, which take tokens; the time is passed in.
 */
#ifndef ECHO_UDP_RULE_H
#define ECHO_UDP_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "echo/bucket.h"
#include "echo/counters.h"
#include "net/datagram.h"

/* Why a datagram is dropped, in the order in which it is asked. */
#define UDP_DROPS(X)                                                         \
    X(TRUNCATED, "datagram dropped: it is longer than any that we can hold") \
    X(ADDRESS, "datagram dropped: from or to an address of more than one")   \
    X(PORT, "datagram dropped: its source port is below 1024")               \
    X(OWN, "datagram dropped: its source port is one of our own")            \
    X(RATE, "datagram dropped: its source is over udp-rate")                 \
    X(COMMON, "datagram dropped: all sources together are over the limit")   \
    X(SEND, "datagram dropped: the system would not send the answer")

enum udp_drop {
    UDP_DROP_NONE,
#define UDP_DROP_ENUM(NAME, message) UDP_DROP_##NAME,
    UDP_DROPS(UDP_DROP_ENUM)
#undef UDP_DROP_ENUM
        UDP_DROP_COUNT
};

struct udp_rule;

/* As buckets_new() has them. NULL without memory. */
struct udp_rule *udp_rule_new(uint64_t rate, unsigned prefix);
void udp_rule_free(struct udp_rule *rule);
void udp_rule_set_rate(struct udp_rule *rule, uint64_t rate);

/* A port that one of our own sockets has. */
void udp_rule_add_port(struct udp_rule *rule, uint16_t port);

enum udp_drop udp_rule_judge(struct udp_rule *rule, const struct datagram *datagram,
                             uint64_t now_ns);

/* True where every datagram received is answered, dropped, or taken by a service that answers none:
 * which is so but for those held. */
bool udp_is_balanced(const struct counters *counters);

enum counter udp_drop_counter(enum udp_drop drop);
const char *udp_drop_message(enum udp_drop drop);

#endif

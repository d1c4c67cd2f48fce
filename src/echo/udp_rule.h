/* SPDX-License-Identifier: BSD-2-Clause */
/* Decides which datagrams are not answered, so that an attacker cannot make us flood others
 * (CVE-1999-0103, CVE-2024-2169: one forged datagram makes two UDP services answer each other for
 * ever).
 *
 * Datagrams from privileged ports, which belong to other services, and from our own ports are not
 * answered. So two services of one process exchange one datagram at most, and two of different
 * processes no more than their rate. Pure except for the buckets' tokens; the caller passes the
 * time.
 */
#ifndef ECHO_UDP_RULE_H
#define ECHO_UDP_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "echo/bucket.h"
#include "echo/counters.h"
#include "net/datagram.h"

/* The reasons to drop a datagram, in the order of the checks. */
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

/* For the parameters see buckets_new(). NULL if memory is short. */
struct udp_rule *udp_rule_new(uint64_t rate, unsigned prefix);
void udp_rule_free(struct udp_rule *rule);
void udp_rule_set_rate(struct udp_rule *rule, uint64_t rate);

/* Adds the port of one of our own sockets. */
void udp_rule_add_port(struct udp_rule *rule, uint16_t port);

enum udp_drop udp_rule_judge(struct udp_rule *rule, const struct datagram *datagram,
                             uint64_t now_ns);

/* True if every datagram received is answered, dropped, or discarded by a service without answers.
 * It may be false only while answers are held. */
bool udp_is_balanced(const struct counters *counters);

enum counter udp_drop_counter(enum udp_drop drop);
const char *udp_drop_message(enum udp_drop drop);

#endif

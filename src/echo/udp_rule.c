/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/udp_rule.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PRIVILEGED_BELOW 1024
#define PORTS 65536

struct udp_rule {
    struct buckets *buckets;
    uint8_t own_ports[PORTS / 8]; /* one bit for each port */
};

struct udp_rule *udp_rule_new(uint64_t rate, unsigned prefix)
{
    struct udp_rule *rule = calloc(1, sizeof(*rule));
    uint64_t seed;
    if (!rule)
        return NULL;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
        seed = (uintptr_t)rule;
    rule->buckets = buckets_new(rate, prefix, seed);
    if (!rule->buckets) {
        free(rule);
        return NULL;
    }
    return rule;
}

void udp_rule_free(struct udp_rule *rule)
{
    if (!rule)
        return;
    buckets_free(rule->buckets);
    free(rule);
}

void udp_rule_set_rate(struct udp_rule *rule, uint64_t rate)
{
    buckets_set_rate(rule->buckets, rate);
}

void udp_rule_add_port(struct udp_rule *rule, uint16_t port)
{
    rule->own_ports[port / 8] |= (uint8_t)(1U << (port % 8));
}

static bool is_own(const struct udp_rule *rule, uint16_t port)
{
    return rule->own_ports[port / 8] >> (port % 8) & 1;
}

/* True for the address of a single host. A network's broadcast address cannot be recognized by its
 * value: as a destination the kernel reports it, and as a source the kernel refuses to send to it
 * (EACCES). */
static bool is_one_host(const struct address *address)
{
    if (address->family == AF_INET) {
        /* 0/8 is "this host on this network" (RFC 1122, 3.2.1.3); from 224 on are multicast and
         * reserved addresses, and the broadcast address of all networks. */
        return address->bytes[0] != 0 && address->bytes[0] < 224;
    }
    return address->bytes[0] != 0xff &&
           memcmp(address->bytes, &in6addr_any, sizeof(in6addr_any)) != 0;
}

enum udp_drop udp_rule_judge(struct udp_rule *rule, const struct datagram *datagram,
                             uint64_t now_ns)
{
    const struct address *peer = &datagram->peer, *local = &datagram->local;
    if (datagram->is_truncated)
        return UDP_DROP_TRUNCATED;
    if (datagram->is_to_many || !is_one_host(peer) || (local->family && !is_one_host(local)))
        return UDP_DROP_ADDRESS;
    if (peer->port < PRIVILEGED_BELOW)
        return UDP_DROP_PORT;
    if (is_own(rule, peer->port))
        return UDP_DROP_OWN;
    switch (buckets_take(rule->buckets, peer, now_ns)) {
    case BUCKET_SOURCE:
        return UDP_DROP_RATE;
    case BUCKET_ALL:
        return UDP_DROP_COMMON;
    case BUCKET_ADMITTED:
        break;
    }
    return UDP_DROP_NONE;
}

enum counter udp_drop_counter(enum udp_drop drop)
{
    static const enum counter COUNTERS_OF[] = {COUNTER_END,
#define UDP_DROP_COUNTER(NAME, message) COUNTER_UDP_DROPPED_##NAME,
                                               UDP_DROPS(UDP_DROP_COUNTER)
#undef UDP_DROP_COUNTER
    };
    return COUNTERS_OF[drop];
}

const char *udp_drop_message(enum udp_drop drop)
{
    static const char *const MESSAGES[] = {"",
#define UDP_DROP_MESSAGE(NAME, message) message,
                                           UDP_DROPS(UDP_DROP_MESSAGE)
#undef UDP_DROP_MESSAGE
    };
    return MESSAGES[drop];
}

bool udp_is_balanced(const struct counters *counters)
{
    uint64_t known =
        counter_get(counters, COUNTER_UDP_OUT) + counter_get(counters, COUNTER_UDP_SUNK);
    for (int i = UDP_DROP_NONE + 1; i < UDP_DROP_COUNT; i++)
        known += counter_get(counters, udp_drop_counter((enum udp_drop)i));
    return counter_get(counters, COUNTER_UDP_IN) == known;
}

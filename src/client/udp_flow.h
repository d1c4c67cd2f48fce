/* SPDX-License-Identifier: BSD-2-Clause */
/* One flow of datagrams: those sent, the answers, and the fate of the rest.
 *
 *     udp_flow_make() --> datagram --send--> endpoint --receive--> udp_flow_take(): right, late,
 *                                                                  twice or wrong
 *                                            udp_flow_expire(): lost
 *
 * A datagram begins with its flow's token and its sequence number, 8 bytes each, little-endian, and
 * goes on with a pattern of its own, so any of them can be made again from its number and every
 * byte is checked. Pure: no descriptor and no clock.
 */
#ifndef CLIENT_UDP_FLOW_H
#define CLIENT_UDP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "client/failure.h"
#include "client/options.h"

#define UDP_HEADER_BYTES 16
#define UDP_BYTES_MAX 65507
#define UDP_WRONG_KEPT 5

/* The outcomes of datagrams. All sent are right, late, lost or, while the run lasts, awaited. */
struct udp_counts {
    uint64_t sent, right;
    uint64_t late;          /* right, but after the timeout */
    uint64_t lost;          /* never came, or only wrong */
    uint64_t duplicates;    /* came once more */
    uint64_t reordered;     /* right, but after one that was sent later (RFC 4737) */
    uint64_t wrong;         /* came with bytes that were not sent, too short or too long */
    uint64_t own_drops;     /* came, and this machine's own socket had no room */
    uint64_t bad_checksums; /* came to any socket of this network namespace, and were dropped */
};

void udp_counts_add(struct udp_counts *sum, const struct udp_counts *one);

/* Parts per million of those sent that were not back, and right, in time; rounded up, so that one
 * of any number is more than none. */
uint64_t udp_loss_ppm(const struct udp_counts *counts);

enum udp_arrival { UDP_RIGHT, UDP_LATE, UDP_TWICE, UDP_WRONG };

/* One that came. */
struct udp_news {
    enum udp_arrival arrival;
    bool is_reordered;
    uint64_t sequence, due_ns, sent_ns; /* of UDP_RIGHT and UDP_LATE */
    size_t bytes;
    struct failure wrong; /* of UDP_WRONG; ->when is its receiver's to set */
};

struct udp_slot;

struct udp_flow {
    uint64_t number; /* from 1 */
    uint64_t seed;
    uint64_t size_min, size_max;
    uint64_t next;            /* the next to be sent */
    uint64_t oldest;          /* the time of all before it is over, or they are back */
    uint64_t highest;         /* of those that were right, plus one */
    uint64_t awaited;         /* how many are: in time, and nothing came for them */
    uint64_t counted_from_ns; /* those due before it are none of the counts */
    struct udp_slot *slots;   /* the outcomes of the last slot_count */
    uint64_t slot_count;      /* a power of two */
    struct udp_counts counts; /* own_drops and bad_checksums aside */
};

/* In place; sizes are from the options. It remembers as many datagrams as it is told, at least. -1
 * without memory. */
int udp_flow_init(struct udp_flow *flow, const struct client_options *options, uint64_t number,
                  uint64_t remembered) MUST_CHECK;
void udp_flow_clear(struct udp_flow *flow);

/* False if the next one would replace one whose time is not over, which then counts as lost. */
bool udp_flow_has_room(const struct udp_flow *flow);

/* Counts anew, those that are due from then on. */
void udp_flow_restart_counts(struct udp_flow *flow, uint64_t from_ns);

/* Writes the next datagram, UDP_BYTES_MAX at most; returns its length. The same again until
 * udp_flow_sent() says that it went. */
size_t udp_flow_make(const struct udp_flow *flow, unsigned char *out);
void udp_flow_sent(struct udp_flow *flow, uint64_t due_ns, uint64_t now_ns);

/* Classifies a received datagram. */
struct udp_news udp_flow_take(struct udp_flow *flow, const unsigned char *bytes, size_t length);

/* The time of those sent before that is over: those of them that are awaited are lost. Returns how
 * many were counted. */
uint64_t udp_flow_expire(struct udp_flow *flow, uint64_t before_ns);

/* The same for the oldest of them alone: when it was due, and one more in *lost if it counts. False
 * if there is none. */
bool udp_flow_expire_one(struct udp_flow *flow, uint64_t before_ns, uint64_t *due_ns,
                         uint64_t *lost);

/* Something else came for all that are awaited, like a refusal: they are lost, unless they come
 * within their time after all. Returns how many were counted. */
uint64_t udp_flow_give_up(struct udp_flow *flow);

/* True if the losses lie as evenly as a limit on a rate makes them, and not as a path's: from the
 * first one lost to the last one sent, which all must have their fate. */
bool udp_flow_is_limited(const struct udp_flow *flow);

/* True if numbers vary far less than they would by chance; false if they are too few to decide. */
bool udp_is_even(const double *numbers, size_t count, double variance_by_chance);

/* When the oldest whose time is not over was sent; UINT64_MAX: there is none. */
uint64_t udp_flow_oldest_ns(const struct udp_flow *flow);

#endif

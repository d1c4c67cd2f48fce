/* SPDX-License-Identifier: BSD-2-Clause */
/* Why the system dropped datagrams: its own counts, from /proc/net/snmp and snmp6. A socket's count
 * of drops (SO_MEMINFO, SO_RXQ_OVFL) has those with a wrong checksum among those that came too
 * fast. These counts tell them apart, and are of the whole network namespace, of both families. */
#ifndef NET_UDP_STATS_H
#define NET_UDP_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct udp_stats_source {
    int fds[2]; /* -1: cannot be read */
};

struct udp_stats {
    uint64_t bad_checksum; /* InCsumErrors */
    uint64_t no_room;      /* RcvbufErrors, MemErrors */
};

/* Opens the files, for a process that may not open any later. They are the caller's to close. */
void udp_stats_open(struct udp_stats_source *source);
void udp_stats_close(struct udp_stats_source *source);

/* What the system has counted since it was started; 0 where that cannot be read. */
struct udp_stats udp_stats_read(const struct udp_stats_source *source);

/* Of so many datagrams that one socket dropped between two readings, those with a wrong checksum:
 * as far as want of room does not account for them. */
uint64_t udp_stats_bad_checksum(const struct udp_stats *before, const struct udp_stats *after,
                                uint64_t drops);

#endif

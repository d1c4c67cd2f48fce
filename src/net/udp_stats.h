/* SPDX-License-Identifier: BSD-2-Clause */
/* The system's counters of dropped datagrams by cause, from /proc/net/snmp and snmp6. A socket's
 * drop count (SO_MEMINFO, SO_RXQ_OVFL) does not distinguish a wrong checksum from a full buffer.
 * These counters do, but cover the whole network namespace, both families together. */
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

/* Opens the files now, since the sandbox may forbid it later. The caller closes them. */
void udp_stats_open(struct udp_stats_source *source);
void udp_stats_close(struct udp_stats_source *source);

/* The counters since the system started; 0 if they cannot be read. */
struct udp_stats udp_stats_read(const struct udp_stats_source *source);

/* Estimates how many of the datagrams that one socket dropped between two readings had a wrong
 * checksum: those that full buffers do not account for. */
uint64_t udp_stats_bad_checksum(const struct udp_stats *before, const struct udp_stats *after,
                                uint64_t drops);

#endif

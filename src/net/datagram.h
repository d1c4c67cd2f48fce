/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP sockets, read and answered in batches.
 *
 *     datagram_receive() --> batch of up to DATAGRAM_BATCH --datagram_answer()--> datagram_send()
 *
 * A datagram is answered in place: the same bytes, back to whom they came from, out of the address
 * that they were sent to (IP_PKTINFO, RFC 1122 4.1.3.5; IPV6_RECVPKTINFO, RFC 3542), which a
 * wildcard socket would else choose by its routes. One that did not fit its place is marked, so
 * that nobody takes the part for the whole.
 *
 * Answers of one length to one peer that follow each other leave in one message, which the kernel
 * cuts apart again (UDP_SEGMENT): each is a datagram of its own, and the way down to the device is
 * walked once for all. If the kernel refuses to, they leave one by one.
 */
#ifndef NET_DATAGRAM_H
#define NET_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/address.h"

/* Datagrams in one system call. Measured: beyond 32 a datagram costs no less any more. */
#define DATAGRAM_BATCH 32
/* No UDP datagram has more (RFC 768: a 16-bit length), IPv6 jumbograms aside. */
#define DATAGRAM_BYTES_MAX 65536
/* What a burst may leave in the kernel while we are away. */
#define DATAGRAM_ROOM_BYTES (4 << 20)

struct datagram {
    unsigned char *bytes;
    size_t length;
    struct address peer;
    struct address local; /* where it was sent to; its port is 0 */
    bool is_truncated;    /* there was more of it */
    bool is_to_many;      /* sent to a broadcast address, or to a group (multicast) */
};

struct datagram_batch;

/* A bound, non-blocking, close-on-exec socket that says what a batch wants to know. Returns the
 * descriptor or -errno. */
int datagram_open(const struct address *address) MUST_CHECK;

/* What makes a bound socket that somebody else has opened say the same. */
void datagram_set_options(int fd, int family);

/* Every IPv6 link carries packets of so many bytes. */
#define DATAGRAM_IPV6_MTU 1280

/* Makes a socket send large datagrams in fragments that any path carries, so that the first one
 * arrives too: path MTU discovery would lose it. An IPv6 datagram that is larger than
 * DATAGRAM_IPV6_MTU and smaller than the interface's MTU still goes whole, and is lost once where
 * the path is narrower (ipv6(7): IPV6_MTU). */
void datagram_let_fragment(int fd, int family);

/* Bytes that the kernel keeps for the socket, as setsockopt(2) counts them: less than
 * DATAGRAM_ROOM_BYTES where the system does not allow that. */
size_t datagram_room(int fd);

/* Datagrams for which the socket had no room since it was opened (SO_MEMINFO of socket(7)). */
uint32_t datagram_drops(int fd);

/* Room for one batch of datagrams of so many bytes each; NULL without memory. Pages that no
 * datagram has reached cost nothing. */
struct datagram_batch *datagram_batch_new(size_t bytes_max);
void datagram_batch_free(struct datagram_batch *batch);

/* Receives what is there. Returns how many, 0 where nothing is, or -errno. Nothing may be left to
 * send. */
int datagram_receive(struct datagram_batch *batch, int fd) MUST_CHECK;

/* One of those received: valid until the next datagram_receive(). */
const struct datagram *datagram_at(const struct datagram_batch *batch, int index);

/* Datagrams that the kernel has dropped for want of room, since the socket was opened. */
uint32_t datagram_kernel_drops(const struct datagram_batch *batch);

/* Queues the answer to a datagram received: its first `length` bytes, as they are now. */
void datagram_answer(struct datagram_batch *batch, int index, size_t length);

/* How many answers wait. */
int datagram_unsent(const struct datagram_batch *batch);

/* Sends what waits. Returns how many went, with the bytes of these added to *bytes, or -errno of
 * the first that waits. */
int datagram_send(struct datagram_batch *batch, int fd, uint64_t *bytes) MUST_CHECK;

/* The datagram whose answer is the first that waits, and giving that answer up. */
const struct datagram *datagram_first_unsent(const struct datagram_batch *batch);
void datagram_skip(struct datagram_batch *batch);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP sockets: datagrams are received and answered in batches.
 *
 *     datagram_receive() --> batch of up to DATAGRAM_BATCH --datagram_answer()--> datagram_send()
 *
 * A datagram is answered in place: the same bytes go back to the sender, from the address that they
 * were sent to (IP_PKTINFO, RFC 1122 4.1.3.5; IPV6_RECVPKTINFO, RFC 3542). Otherwise a wildcard
 * socket would choose the source address by its routes. A datagram that did not fit its place is
 * marked as truncated.
 *
 * Consecutive answers of one length to one peer are sent as one message, which the kernel splits
 * (UDP_SEGMENT): each answer is a datagram of its own, but they pass through the network stack
 * once. If the kernel refuses, they are sent one by one.
 */
#ifndef NET_DATAGRAM_H
#define NET_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "net/address.h"

/* Datagrams in one system call. Measured: more than 32 do not lower the cost of a datagram any
 * further. */
#define DATAGRAM_BATCH 32
/* No UDP datagram is larger (RFC 768: a 16-bit length), except for IPv6 jumbograms. */
#define DATAGRAM_BYTES_MAX 65536
/* The socket's receive buffer, in bytes: a burst waits there while the thread is busy. */
#define DATAGRAM_ROOM_BYTES (4 << 20)

struct datagram {
    unsigned char *bytes;
    size_t length;
    struct address peer;
    struct address local; /* the address it was sent to; its port is 0 */
    bool is_truncated;    /* the datagram was larger */
    bool is_to_many;      /* sent to a broadcast or multicast address */
};

struct datagram_batch;

/* Opens a bound, non-blocking, close-on-exec socket with the options that a batch needs. Returns
 * the descriptor or -errno. */
int datagram_open(const struct address *address) MUST_CHECK;

/* Sets the same options on an inherited, bound socket. */
void datagram_set_options(int fd, int family);

/* The smallest MTU of an IPv6 link (RFC 8200, 5). */
#define DATAGRAM_IPV6_MTU 1280

/* Makes a socket send large datagrams in fragments that every path carries, so that even the first
 * one arrives: path MTU discovery would lose it. An IPv6 datagram larger than DATAGRAM_IPV6_MTU and
 * smaller than the interface's MTU is still sent whole, and the first one is lost if the path's MTU
 * is smaller (ipv6(7): IPV6_MTU). */
void datagram_let_fragment(int fd, int family);

/* The socket's receive buffer in bytes, as setsockopt(2) counts them: less than DATAGRAM_ROOM_BYTES
 * if the system's limit is lower. */
size_t datagram_room(int fd);

/* Datagrams that the socket has dropped since it was opened (SO_MEMINFO of socket(7)). */
uint32_t datagram_drops(int fd);

/* A batch for datagrams of up to bytes_max bytes each, or NULL if memory is short. Pages that no
 * datagram has touched use no memory. */
struct datagram_batch *datagram_batch_new(size_t bytes_max);
void datagram_batch_free(struct datagram_batch *batch);

/* Receives the waiting datagrams, without blocking. Returns their number, 0 if there are none, or
 * -errno. No answer may be unsent. */
int datagram_receive(struct datagram_batch *batch, int fd) MUST_CHECK;

/* A received datagram: valid until the next datagram_receive(). */
const struct datagram *datagram_at(const struct datagram_batch *batch, int index);

/* Datagrams that the kernel has dropped since the socket was opened, as last received with a
 * datagram. */
uint32_t datagram_kernel_drops(const struct datagram_batch *batch);

/* Queues an answer to a received datagram: its first `length` bytes, as they are now. */
void datagram_answer(struct datagram_batch *batch, int index, size_t length);

/* The number of queued answers. */
int datagram_unsent(const struct datagram_batch *batch);

/* Sends queued answers. Returns the number sent, and adds their bytes to *bytes; or -errno if the
 * first could not be sent. */
int datagram_send(struct datagram_batch *batch, int fd, uint64_t *bytes) MUST_CHECK;

/* The datagram of the first queued answer, and a function that drops that answer. */
const struct datagram *datagram_first_unsent(const struct datagram_batch *batch);
void datagram_skip(struct datagram_batch *batch);

#endif

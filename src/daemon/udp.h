/* SPDX-License-Identifier: BSD-2-Clause */
/* Echo by datagrams (RFC 862): what all UDP sockets of the process share, and each of them.
 *
 *     readable --> batch --udp_rule_judge()--> answered in place --> sent
 *                                 `--> dropped, counted by its reason
 *
 * All of it runs in the loop of the thread that accepts. What the kernel would not take for want of
 * room is held, and nothing more is read meanwhile, for a moment; then it is dropped and counted.
 * The numbers balance: udp_in is udp_out and all udp_dropped_*, wherever nothing is held.
 */
#ifndef DAEMON_UDP_H
#define DAEMON_UDP_H

#include <stdint.h>

#include "base/attr.h"
#include "base/counters.h"
#include "base/error.h"
#include "net/loop.h"
#include "net/sock.h"

struct udp;
struct udp_socket;

/* `rate` datagrams a second a source; 0: no limit. NULL without memory. */
struct udp *udp_new(uint64_t rate);
void udp_free(struct udp *udp);
void udp_set_rate(struct udp *udp, uint64_t rate);

/* Starts answering on a bound socket, which stays its owner's and must live as long, as must the
 * counters, whose only writer it is. NULL where the system refuses. */
struct udp_socket *udp_open(struct udp *udp, struct loop *loop, const struct sock_listening *sock,
                            struct counters *counters, struct error *err) MUST_CHECK;

/* Answers all that the kernel holds already. */
void udp_answer_queued(struct udp_socket *socket);

/* What is held is dropped, and counted. NULL is allowed. */
void udp_close(struct udp_socket *socket);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Services by datagrams (RFC 862 to 868): what all UDP sockets of the process share, and each.
 *
 *     readable --> batch --udp_rule_judge()--> answered in place --> sent
 *                                 `--> dropped, counted by its reason
 *
 * All of it runs in the loop of the thread that accepts. What the kernel would not take for want of
 * room is held, and nothing more is read meanwhile, for a moment; then it is dropped and counted.
 * The numbers balance: udp_in is udp_out, udp_sunk and all udp_dropped_*, where nothing is held.
 */
#ifndef ECHO_UDP_H
#define ECHO_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "echo/counters.h"
#include "echo/policy.h"
#include "net/sock.h"
#include "stream/loop.h"

struct log;
struct udp;
struct udp_socket;

/* `rate` datagrams a second a source; 0: no limit. The first `prefix` bits of an IPv6 address are
 * its source. The name is for whoami, and must live as long. Where there will be sockets it opens
 * what says why the system drops datagrams, before the sandbox forbids that. NULL without memory.
 */
struct udp *udp_new(uint64_t rate, unsigned prefix, const char *name, bool has_sockets,
                    struct log *log);
void udp_free(struct udp *udp);
void udp_set_rate(struct udp *udp, uint64_t rate);

/* Starts answering on a bound socket, which stays its owner's and must live as long, as must its
 * owner's policy, which may change, and the counters, whose only writer it is. NULL where the
 * system refuses. */
struct udp_socket *udp_open(struct udp *udp, struct loop *loop, const struct sock_listening *sock,
                            struct policy *const *policy, struct counters *counters,
                            struct error *err) MUST_CHECK;

/* Counts what the system has dropped; it tells by itself only with the next datagram. */
void udp_look(struct udp_socket *socket);

/* Answers all that the kernel holds already. */
void udp_answer_queued(struct udp_socket *socket);

/* What is held is dropped, and counted. NULL is allowed. */
void udp_close(struct udp_socket *socket);

#endif

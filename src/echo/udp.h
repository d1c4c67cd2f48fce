/* SPDX-License-Identifier: BSD-2-Clause */
/* Services over UDP (RFC 862 to 868): the state shared by all UDP sockets of a service, and each
 * socket.
 *
 *     readable --> batch --udp_rule_judge()--> answered in place --> sent
 *                                 `--> dropped, counted by its reason
 *
 * All of it runs in the loop of the accepting thread. If the kernel has no room for answers, they
 * are held for a moment, and nothing more is read meanwhile; then they are dropped and counted. If
 * nothing is held, udp_in equals the sum of udp_out, udp_sunk and all udp_dropped_*.
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

/* `rate`: datagrams a second for each source; 0: no limit. The first `prefix` bits of an IPv6
 * address are its source. `name` is for whoami, and must outlive the result. If there will be
 * sockets, it opens the system's counters of dropped datagrams now, since the sandbox may forbid it
 * later. NULL if memory is short. */
struct udp *udp_new(uint64_t rate, unsigned prefix, const char *name, bool has_sockets,
                    struct log *log);
void udp_free(struct udp *udp);
void udp_set_rate(struct udp *udp, uint64_t rate);

/* Starts answering on a bound socket. The caller keeps the socket, the policy pointer, whose target
 * it may change, and the counters, whose only writer is this thread; all must outlive the result.
 * NULL on a system error. */
struct udp_socket *udp_open(struct udp *udp, struct loop *loop, const struct sock_listening *sock,
                            struct policy *const *policy, struct counters *counters,
                            struct error *err) MUST_CHECK;

/* Counts the datagrams that the kernel has dropped; by itself the kernel reports them only with the
 * next datagram. */
void udp_look(struct udp_socket *socket);

/* Answers all datagrams queued in the kernel. */
void udp_answer_queued(struct udp_socket *socket);

/* Drops and counts held answers, and frees the socket's state. NULL is allowed. */
void udp_close(struct udp_socket *socket);

#endif

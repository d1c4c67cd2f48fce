/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread of a bench over udp://: its share of the flows, each a socket of its own.
 *
 * Closed loop: a flow has --pipeline datagrams under way, and one that is lost makes room when its
 * timeout is over. Open loop: datagram k of the thread is due at start + k * step, on flow k modulo
 * their number, and leaves then whatever is lost: there is nothing to wait for.
 */
#ifndef CLIENT_UDP_THREAD_H
#define CLIENT_UDP_THREAD_H

#include "base/attr.h"
#include "base/error.h"
#include "client/bench_results.h"
#include "client/bench_thread.h"

struct udp_thread;

/* As bench_thread_*() does it for streams. */
struct udp_thread *udp_thread_new(const struct bench_share *share, struct error *err) MUST_CHECK;
int udp_thread_start(struct udp_thread *thread, uint64_t start_ns, struct error *err) MUST_CHECK;
void udp_thread_stop(struct udp_thread *thread);
bool udp_thread_is_over(const struct udp_thread *thread);
void udp_thread_ask(struct udp_thread *thread);
void udp_thread_peek(struct udp_thread *thread, struct bench_results *sum);
void udp_thread_free(struct udp_thread *thread);

#endif

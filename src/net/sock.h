/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets, opened from endpoints, with every option that connections shall inherit; and
 * those that datagrams come to.
 *
 * What is Linux's own about sockets is kept to this file.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "base/attr.h"
#include "base/error.h"
#include "net/endpoint.h"

#define SOCK_NAME_MAX 128
#define SOCK_LISTENING_MAX 16 /* addresses of one endpoint */

struct sock_listening {
    int fd;
    char name[SOCK_NAME_MAX]; /* as the `listening` line tells it: tcp://127.0.0.1:7007 */
    bool is_unix;
    bool is_datagram;                 /* UDP: nothing is accepted here, datagrams are answered */
    uint16_t port;                    /* TCP, UDP */
    uint64_t keepalive_ms;            /* that TCP connections inherit */
    bool is_inherited;                /* whoever opened it may go on using it */
    char path[ENDPOINT_PATH_MAX + 1]; /* ours to remove at the end; else empty */
    dev_t path_device;
    ino_t path_inode;
    struct timespec path_made; /* inode numbers are used again at once */
};

/* A TCP peer that is silent for the keepalive time is probed so often, so far apart; if it answers
 * none of the probes the kernel resets the connection. The longest time is the kernel's (tcp(7)).
 */
#define SOCK_KEEPALIVE_PROBES 6
#define SOCK_KEEPALIVE_INTERVAL_S 10
#define SOCK_KEEPALIVE_MAX_MS (32767 * UINT64_C(1000))

struct sock_options {
    int backlog;
    mode_t mode;           /* of a Unix socket's path */
    uint64_t keepalive_ms; /* of TCP connections, rounded up to seconds; 0: none */
};

/* Opens every address of an endpoint, non-blocking and close-on-exec; with port 0 all on one port.
 * A family that the machine lacks is passed over where another can be bound, and told in *notice
 * (empty otherwise). Accepted TCP sockets inherit TCP_NODELAY, keepalive and SO_OOBINLINE (urgent
 * bytes stay in place, RFC 6093). A stale Unix socket is replaced where nobody answers on it; of
 * several starts that try at once, one gets it, by the lock file PATH.lock that it removes again.
 * Returns how many, or -1 with nothing left open. */
int sock_listen(const struct endpoint *endpoint, const struct sock_options *options,
                struct sock_listening *out, struct error *notice, struct error *err) MUST_CHECK;

/* An accepted descriptor gets what it did not inherit: on a Unix socket SO_OOBINLINE; on a TCP one
 * all options, if its listening socket was passed to us (connections were in its queue before ours
 * were set, and MPTCP hands on only some) or has another keepalive time since a reload. */
void sock_set_accepted(const struct sock_listening *listening, int fd, uint64_t keepalive_ms);

/* AF_INET, AF_INET6 or AF_UNIX; 0 if the kernel does not say. */
int sock_family(const struct sock_listening *listening);

/* The kind of a socket that was opened: TCP, Unix or UDP. */
enum endpoint_kind sock_kind(const struct sock_listening *listening);

/* The longest backlog that the system allows (listen(2)); INT_MAX where it does not say. */
int sock_backlog_max(void);

/* The kernel's form of a Unix endpoint; returns its length. */
socklen_t sock_unix_address(const struct endpoint *endpoint, struct sockaddr_un *out);

/* True where a TCP peer may have begun a handshake that only a stop of ours would cut off. */
bool sock_has_handshakes(const struct sock_listening *listening);

/* From now on nobody new gets into the backlog, or no datagram into the queue; those in it can
 * still be taken out. A TCP peer that tries is not answered, tries again (RFC 6298: after a second)
 * and is refused once the socket is closed; or is refused at once, where the process may not
 * filter. Handshakes under way are completed, and still come into the backlog. An inherited socket
 * stays as it is. A Unix socket's path is removed. */
void sock_stop_new(struct sock_listening *listening);

/* Closes it, and removes its path if that is still the socket we made. 0, or -errno if the path
 * stays behind. */
int sock_close(struct sock_listening *listening);

/* Sets an option that is not worth refusing service for: a failure is passed over. */
void sock_set_option(int fd, int level, int name, int value);

/* From now on closing the descriptor sends a reset (TCP) and drops what the kernel still holds. */
void sock_set_reset(int fd);

/* Closes a descriptor so. */
void sock_reset(int fd);

/* Takes bytes that were seen (MSG_PEEK) out of the kernel's queue. 0 or -errno. */
int sock_consume(int fd, void *scratch, size_t bytes) MUST_CHECK;

/* Bytes that wait unread in the kernel; 0 where it can't tell. */
size_t sock_unread(int fd);

/* Bytes that the kernel has taken and the peer has not: over TCP those that it has not
 * acknowledged, and one for a FIN (tcp(7), SIOCOUTQ). 0 where the kernel can't tell. */
size_t sock_untaken(int fd);

/* Of these, what a TCP socket has not even sent, which is certain not to have arrived
 * (SIOCOUTQNSD); one that is sent may have, and its acknowledgement is delayed. */
size_t sock_unsent(int fd);

/* The state of a TCP connection as RFC 9293 has them, TCP_FIN_WAIT1 and so on of <netinet/tcp.h>; 0
 * where the kernel can't tell. */
int sock_tcp_state(int fd);

/* A Unix peer's own address, "unix:/path", "unix:@name" or "unix:"; bytes as they are. Returns the
 * length, at most size - 1. */
size_t sock_unix_peer(int fd, char *out, size_t size);

/* A socket's own address in the same words, or "127.0.0.1:7007". */
size_t sock_local(int fd, char *out, size_t size);

#endif

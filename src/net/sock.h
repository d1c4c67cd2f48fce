/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets and UDP sockets, opened from endpoints, with every option that accepted
 * connections inherit.
 *
 * Socket features specific to Linux are used in this file only.
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
    char name[SOCK_NAME_MAX]; /* as in the `listening` log line: tcp://127.0.0.1:7007 */
    bool is_unix;
    bool is_datagram;                 /* UDP: no connections, datagrams are answered */
    uint16_t port;                    /* TCP, UDP */
    uint64_t keepalive_ms;            /* inherited by TCP connections */
    bool is_inherited;                /* its opener may still use it */
    char path[ENDPOINT_PATH_MAX + 1]; /* removed by sock_close(); empty: none */
    dev_t path_device;
    ino_t path_inode;
    struct timespec path_made; /* since inode numbers are reused at once */
};

/* If a TCP peer is silent for the keepalive time, the kernel sends this many probes at this
 * interval. If the peer answers none, the kernel resets the connection. The longest keepalive time
 * is the kernel's (tcp(7)). */
#define SOCK_KEEPALIVE_PROBES 6
#define SOCK_KEEPALIVE_INTERVAL_S 10
#define SOCK_KEEPALIVE_MAX_MS (32767 * UINT64_C(1000))

struct sock_options {
    int backlog;
    mode_t mode;           /* of a Unix socket's path */
    uint64_t keepalive_ms; /* of TCP connections, rounded up to seconds; 0: none */
};

/* Opens every address of an endpoint, non-blocking and close-on-exec; with port 0 all on one port.
 * If the machine lacks one family and the other can be bound, that family is skipped and reported
 * in *notice (empty otherwise). Accepted TCP sockets inherit TCP_NODELAY, keepalive and
 * SO_OOBINLINE (urgent bytes stay in place, RFC 6093). A stale Unix socket, one without a listener,
 * is replaced; if several starts try at once, the lock file PATH.lock lets one succeed, which then
 * removes the lock file. Returns the number of opened sockets, or -1 with nothing left open. */
int sock_listen(const struct endpoint *endpoint, const struct sock_options *options,
                struct sock_listening *out, struct error *notice, struct error *err) MUST_CHECK;

/* Sets the options that an accepted descriptor did not inherit. On a Unix socket: SO_OOBINLINE. On
 * a TCP socket: all options, if its listening socket was inherited (connections may have been
 * queued before the options were set, and MPTCP passes on only some) or if a reload has changed the
 * keepalive time. */
void sock_set_accepted(const struct sock_listening *listening, int fd, uint64_t keepalive_ms);

/* AF_INET, AF_INET6 or AF_UNIX; 0 if unknown. */
int sock_family(const struct sock_listening *listening);

/* The kind of an opened socket: TCP, Unix or UDP. */
enum endpoint_kind sock_kind(const struct sock_listening *listening);

/* The longest backlog that the system allows (listen(2)); INT_MAX if unknown. */
int sock_backlog_max(void);

/* The kernel's form of a Unix endpoint; returns its length. */
socklen_t sock_unix_address(const struct endpoint *endpoint, struct sockaddr_un *out);

/* True if a TCP handshake may be in progress that closing the socket now would cut off. */
bool sock_has_handshakes(const struct sock_listening *listening);

/* Stops new connections from entering the backlog, or datagrams from entering the queue; those
 * already queued can still be accepted or received. The SYN of a new TCP peer is dropped: the peer
 * retries (RFC 6298: after a second) and is refused once the socket is closed. If the process may
 * not attach a filter, the peer is refused at once. Handshakes in progress still complete and enter
 * the backlog. An inherited socket is left unchanged. A Unix socket's path is removed. */
void sock_stop_new(struct sock_listening *listening);

/* Closes the socket, and removes its path if the path is still that socket. Returns 0, or -errno if
 * the path remains. */
int sock_close(struct sock_listening *listening);

/* Makes a later close(2) send a reset (TCP) and discard the kernel's unsent data. */
void sock_set_reset(int fd);

/* Calls sock_set_reset() and closes the descriptor. */
void sock_reset(int fd);

/* Removes bytes that were peeked at (MSG_PEEK) from the kernel's queue. Returns 0 or -errno. */
int sock_consume(int fd, void *scratch, size_t bytes) MUST_CHECK;

/* Bytes unread in the kernel's receive queue; 0 if unknown. */
size_t sock_unread(int fd);

/* Bytes in the kernel's send queue: over TCP those that the peer has not acknowledged, and one for
 * a FIN (tcp(7), SIOCOUTQ). 0 if unknown. */
size_t sock_untaken(int fd);

/* The part of these that a TCP socket has not sent yet (SIOCOUTQNSD), and that cannot have arrived.
 * Sent bytes may have arrived even if their acknowledgement is delayed. */
size_t sock_unsent(int fd);

/* The state of a TCP connection (RFC 9293), TCP_FIN_WAIT1 and so on of <netinet/tcp.h>; 0 if
 * unknown. */
int sock_tcp_state(int fd);

/* A Unix peer's own address, "unix:/path", "unix:@name" or "unix:", with its bytes unescaped.
 * Returns the length, at most size - 1. */
size_t sock_unix_peer(int fd, char *out, size_t size);

/* A socket's own address in the same form, or "127.0.0.1:7007". */
size_t sock_local(int fd, char *out, size_t size);

#endif

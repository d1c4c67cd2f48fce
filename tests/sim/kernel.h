/* SPDX-License-Identifier: BSD-2-Clause */
/* A simulated kernel: sockets, epoll and a clock, all determined by one seed.
 *
 * kernel.c defines the system calls that the streams, libevent and the loop use. A program's own
 * symbols precede a library's, so the real code runs on it unchanged. Calls on other descriptors go
 * to the real kernel.
 *
 *     peer --kernel_send()--> [in] --recv, readv--> the service --send, writev--> [out]
 * --kernel_take()--> peer
 *
 * Each byte of a socket is determined by its offset, so two numbers represent a queue. Written
 * bytes are compared at once with the pattern at their offset. (The records of a TLS socket are
 * stored, and parsed wherever they pass; they hold the pattern.) So either a peer receives a prefix
 * of the bytes it sent, or the kernel complains. Descriptors are never reused within a seed: the
 * kernel also complains of a call on a closed one.
 */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many of 1000 calls go wrong. */
struct kernel_rates {
    unsigned shorts;   /* reads and writes that move fewer bytes than possible */
    unsigned agains;   /* EAGAIN, EINTR, events that are late or in another order */
    unsigned errors;   /* errors that end a connection */
    unsigned memories; /* libevent's allocations, and ENOMEM from epoll_ctl */
};

/* The scanner of TLS records (records.h). */
struct kernel_scan {
    unsigned char header[4];
    uint32_t have;  /* bytes of the header; 0: between records */
    uint32_t left;  /* bytes of the body */
    uint64_t plain; /* data in completely scanned records */
    uint64_t part;  /* of the current record */
    unsigned kinds; /* of complete records, a bit each, since last cleared */
    bool has_end;
};

/* The additional state of a TLS socket. */
struct kernel_wire {
    unsigned char *bytes; /* all records that the peer has made, sent or not */
    uint64_t length, room;
    uint64_t made; /* data in them */
    struct kernel_scan sent, read, out;
    bool is_choked; /* the service has stopped reading it */
};

struct kernel_socket {
    struct kernel_wire *wire; /* NULL: no TLS */
    uint64_t peeked;          /* how far the service has peeked */
    uint64_t asked;           /* the untaken bytes that it was last told */
    uint64_t sent, read;      /* in: sent by the peer; read by the service */
    uint64_t out, taken;      /* out: written by the service; read by the peer */
    uint64_t in_room, out_room;
    uint32_t phase;    /* the start of its pattern */
    uint32_t interest; /* epoll's; 0: not registered */
    int error;         /* the next call's errno, once, after the queued bytes were read */
    bool is_unix;
    bool is_owing;       /* some bytes were not accepted at once */
    bool has_peer_fin;   /* after `sent` */
    bool has_own_fin;    /* the service has called shutdown(2) */
    bool is_peer_gone;   /* the peer has closed: the next write is answered by a reset */
    bool is_peer_reset;  /* the peer has reset it, or was reset */
    bool has_fin_acked;  /* our FIN and all bytes before it are acknowledged */
    bool is_linger_zero; /* closing resets it (TCP) */
    bool is_closed;
    bool ends_in_reset; /* the peer receives a reset at the close */
};

/* Begins a new world: no sockets, the clock at its start, and no failures. A fuzzer's bytes decide
 * until they are used up, then the seed decides. */
void kernel_begin(uint64_t seed, const unsigned char *decisions, size_t length);

/* Sets the rates of failures from now on. */
void kernel_set_rates(const struct kernel_rates *rates);

/* A random number below `limit`. */
uint64_t kernel_random(uint64_t limit);

/* Makes a connected socket; -1 if this world has too many. */
int kernel_socket(bool is_unix, uint64_t in_room, uint64_t out_room);
struct kernel_socket *kernel_at(int fd);

/* Turns a socket into a TLS socket. */
void kernel_speak_tls(struct kernel_socket *socket);

/* The peer makes a record, which kernel_send() sends: data holds the next bytes of the pattern,
 * other kinds hold zeroes. */
void kernel_make_record(struct kernel_socket *socket, int kind, uint64_t length);

/* Discards the records not sent yet. */
void kernel_unmake_records(struct kernel_socket *socket);

/* Plain bytes: sent by the peer (over TLS in complete records), read by the service, and written by
 * it. */
uint64_t kernel_plain_sent(const struct kernel_socket *socket);
uint64_t kernel_plain_read(const struct kernel_socket *socket);
uint64_t kernel_plain_out(const struct kernel_socket *socket);

/* Bytes that the service has written and the peer's kernel has not acknowledged. */
uint64_t kernel_untaken(const struct kernel_socket *socket);

/* The peer's side. */
uint64_t kernel_send(struct kernel_socket *socket, uint64_t bytes);
uint64_t kernel_take(struct kernel_socket *socket, uint64_t bytes);
void kernel_reset(struct kernel_socket *socket);

void kernel_pass(uint64_t ms);

/* The first complaint of this world, or NULL. */
const char *kernel_complaint(void);
void kernel_complain(const char *text, uint64_t number);

/* Prints every call on standard error. */
void kernel_trace(bool is_on);

/* Replaces libevent's allocator; call it before any other libevent function. */
void kernel_take_memory(void);
uint64_t kernel_allocations_live(void);

/* True if an allocation of our own shall fail now. */
bool kernel_is_out_of_memory(void);

#endif

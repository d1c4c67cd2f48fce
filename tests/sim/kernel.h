/* SPDX-License-Identifier: BSD-2-Clause */
/* A kernel of our own making: sockets, epoll and a clock, all decided by one seed.
 *
 * kernel.c defines the system calls that the streams, libevent and the loop make; since a program's
 * own symbols come before a library's, the real code runs on it, unchanged. Calls on other
 * descriptors go to the real kernel.
 *
 *     peer --kernel_send()--> [in] --recv, readv--> the service --send, writev--> [out]
 * --kernel_take()--> peer
 *
 * A socket's bytes are a pattern by their offset, so a queue is two numbers; what is written is
 * compared at once with the pattern at that offset. (The records of a TLS socket are kept, and
 * taken apart wherever they pass; the pattern is what is in them.) So what a peer receives is a
 * prefix of what it sent, or the kernel complains. Descriptors are never used twice within a seed:
 * a call on one that was closed is a complaint too.
 */
#ifndef TESTS_SIM_KERNEL_H
#define TESTS_SIM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of 1000 calls, so many go wrong. */
struct kernel_rates {
    unsigned shorts;   /* reads and writes that move less than they could */
    unsigned agains;   /* EAGAIN, EINTR, events that come later or in another order */
    unsigned errors;   /* errors that end a connection */
    unsigned memories; /* libevent's allocations, and ENOMEM from epoll_ctl */
};

/* Records as they pass by (records.h). */
struct kernel_scan {
    unsigned char header[4];
    uint32_t have;  /* of the header; 0: between two records */
    uint32_t left;  /* of what follows it */
    uint64_t plain; /* data in the records that have passed whole */
    uint64_t part;  /* of the record that is passing */
    unsigned kinds; /* of whole records, a bit each, since it was last cleared */
    bool has_end;
};

/* What a TLS socket has beside the rest. */
struct kernel_wire {
    unsigned char *bytes; /* all records that the peer has made, sent or not */
    uint64_t length, room;
    uint64_t made; /* data in them */
    struct kernel_scan sent, read, out;
    bool is_choked; /* the service does not read it */
};

struct kernel_socket {
    struct kernel_wire *wire; /* NULL: no TLS */
    uint64_t peeked;          /* as far as the service has looked ahead */
    uint64_t asked;           /* what it was told is untaken, the last time */
    uint64_t sent, read;      /* in: by the peer; taken out by the service */
    uint64_t out, taken;      /* out: by the service; taken out by the peer */
    uint64_t in_room, out_room;
    uint32_t phase;    /* where its pattern begins */
    uint32_t interest; /* epoll's; 0: not registered */
    int error;         /* what the next call fails with, once, after what waits was read */
    bool is_unix;
    bool is_owing;       /* something was not taken at once */
    bool has_peer_fin;   /* after `sent` */
    bool has_own_fin;    /* the service has shut its side */
    bool is_peer_gone;   /* nobody reads any more: the next write is answered by a reset */
    bool is_peer_reset;  /* the peer has reset it, or was reset */
    bool has_fin_acked;  /* our FIN, and so all before it */
    bool is_linger_zero; /* closing resets it (TCP) */
    bool is_closed;
    bool ends_in_reset; /* what the peer learns from the close */
};

/* Begins a new world: all sockets forgotten, the clock at its start, nothing going wrong. The
 * bytes, which a fuzzer makes, decide as long as there are any; then the seed does. */
void kernel_begin(uint64_t seed, const unsigned char *decisions, size_t length);

/* From now on with other rates. */
void kernel_set_rates(const struct kernel_rates *rates);

/* A number below `limit`. */
uint64_t kernel_random(uint64_t limit);

/* A connected socket; -1 where there are too many in this world. */
int kernel_socket(bool is_unix, uint64_t in_room, uint64_t out_room);
struct kernel_socket *kernel_at(int fd);

/* Makes it a TLS socket. */
void kernel_speak_tls(struct kernel_socket *socket);

/* The peer makes a record, to be sent by kernel_send(): data is the pattern's next bytes, anything
 * else zeroes. */
void kernel_make_record(struct kernel_socket *socket, int kind, uint64_t length);

/* The records that are not sent yet are forgotten. */
void kernel_unmake_records(struct kernel_socket *socket);

/* The peer's own bytes: sent (of TLS in whole records), read by the service, and written by it. */
uint64_t kernel_plain_sent(const struct kernel_socket *socket);
uint64_t kernel_plain_read(const struct kernel_socket *socket);
uint64_t kernel_plain_out(const struct kernel_socket *socket);

/* Bytes that the service has written and the peer's kernel has not told to have. */
uint64_t kernel_untaken(const struct kernel_socket *socket);

/* The peer's side. */
uint64_t kernel_send(struct kernel_socket *socket, uint64_t bytes);
uint64_t kernel_take(struct kernel_socket *socket, uint64_t bytes);
void kernel_reset(struct kernel_socket *socket);

void kernel_pass(uint64_t ms);

/* The first thing that was done wrong in this world, or NULL. */
const char *kernel_complaint(void);
void kernel_complain(const char *text, uint64_t number);

/* Every call is told on standard error. */
void kernel_trace(bool is_on);

/* libevent's memory: set it before anything else of libevent's is called. */
void kernel_take_memory(void);
uint64_t kernel_allocations_live(void);

/* Whether an allocation of ours fails now. */
bool kernel_is_out_of_memory(void);

#endif

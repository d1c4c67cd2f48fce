/* SPDX-License-Identifier: BSD-2-Clause */
/* How one kind of stream moves its bytes: a table of functions, chosen when the stream opens.
 *
 *     kernel --take()--> bytes for the owner to inspect --give()--> kernel
 *                                                              `--> rest: owed
 *     kernel --relay()------------------------------------------> the same, without inspection
 *
 * Only stream.c and the transports' own files include this. Every stream has a bufferevent, which
 * holds its events and, in its output evbuffer, the bytes owed. The transports differ in how they
 * read and in how a byte passes through:
 *
 *     tcp        recv(2) into the loop's buffer; or splice(2) through its pipe, for relay()
 *     unix       a peek: bytes that the kernel does not accept stay unread in its queue. A Unix
 *                socket has no reset, but if it is closed with bytes unread, the peer receives
 *                ECONNRESET (unix(7)), so a loss is never a clean end there either
 *     tls        recv(2), and OpenSSL over memory (tls_codec.h)
 *     buffered   libevent's own: the bufferevent reads into its input evbuffer. The reference, and
 *                the transport of services that send bytes of their own on a Unix socket
 */
#ifndef STREAM_TRANSPORT_H
#define STREAM_TRANSPORT_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

#include "stream/stream.h"

struct event;

struct transport {
    /* The most bytes that one take() returns. */
    size_t take_bytes;
    /* Nothing may be taken while bytes are owed: the bytes owed are still in the kernel's queue. */
    bool owes_unread;

    /* Completes a stream that has its bufferevent. Returns 0, or -1 if memory is short. */
    int (*open)(struct stream *stream, const struct stream_how *how);

    /* Continues the handshake: 1 when it is done, 0 if it needs more bytes, -errno if it failed.
     * NULL: no handshake. */
    int (*shake)(struct stream *stream);

    /* Reads bytes, which stay valid and in place until the next call. Returns their number, 0 at
     * the end, -EAGAIN if nothing has arrived, or -errno. */
    ssize_t (*take)(struct stream *stream, const unsigned char **bytes);

    /* Sends as many of the taken bytes as the kernel accepts now, and owes the rest. *sent is the
     * number of bytes, given now or owed before, that the kernel accepted, valid on failure too.
     * Returns 0 or -errno. */
    int (*give)(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent);

    /* Queues our own bytes as owed. Returns 0 or -errno. NULL: the transport has no room for
     * them. */
    int (*owe)(struct stream *stream, const unsigned char *bytes, size_t length);

    /* Discards bytes that were taken. NULL: nothing to do. */
    void (*drop)(struct stream *stream, size_t bytes);

    /* take() and give() in one, for bytes that the owner need not inspect. Returns 0 or -errno. If
     * it returns 0 and moved nothing, use take(). *moved is zero before the call and valid on
     * failure too. NULL: not supported. */
    int (*relay)(struct stream *stream, struct stream_moved *moved);

    /* True if more can be taken, although the descriptor may not be readable. NULL: never. */
    bool (*has_more)(const struct stream *stream);

    /* True if so many bytes are queued that the owner does not count as owed that reading must
     * stop. NULL: never. */
    bool (*is_full)(const struct stream *stream);

    /* Called after the output evbuffer has shrunk by `bytes`; returns how many of the stream's own
     * bytes that was. NULL: all. */
    size_t (*drained)(struct stream *stream, size_t bytes);

    /* Bytes owed. NULL: the length of the output evbuffer. */
    size_t (*owed)(const struct stream *stream);

    /* Bytes received and not taken yet, with `waiting` bytes in the kernel's queue. NULL: those in
     * the queue. */
    size_t (*unread)(const struct stream *stream, size_t waiting);

    /* As stream_untaken(), stream_cut() and stream_end(). NULL: as TCP reports them. */
    size_t (*untaken)(const struct stream *stream);
    size_t (*cut)(const struct stream *stream);
    enum stream_end (*end)(const struct stream *stream);

    /* Sends the end mark before our FIN, see stream_say_end(). NULL: none. */
    bool (*say_end)(struct stream *stream);

    /* As stream_is_truncated() and stream_describe_tls(). NULL: not TLS. */
    bool (*is_truncated)(const struct stream *stream);
    bool (*describe_tls)(const struct stream *stream, struct tls_info *out);

    /* The transport's own words for its last failure, static; NULL: it has none. */
    const char *(*error_text)(const struct stream *stream);

    /* Undoes open() and relay(), before the bufferevent is freed. NULL: nothing to do. */
    void (*close)(struct stream *stream);
};

extern const struct transport TRANSPORT_TCP, TRANSPORT_UNIX, TRANSPORT_TLS, TRANSPORT_BUFFERED,
    TRANSPORT_BUFFERED_UNIX;

/* True for an errno after which a read or write can be retried. */
static inline bool transport_is_transient(int failure)
{
    return failure == EAGAIN || failure == EINTR;
}

/* ---- shared by the transports, in stream.c ---- */

/* stream_cut() and stream_end() of a Unix socket. Bytes that it has sent are with the peer at once,
 * and it is reset by closing it with bytes unread. */
size_t transport_unix_cut(const struct stream *stream);
enum stream_end transport_unix_end(const struct stream *stream);

/* The most bytes of one take() now. */
size_t transport_take_max(const struct stream *stream);

/* Borrows the bufferevent's read event: from then on the loop calls the read callback as soon as
 * the descriptor is readable, and libevent itself reads nothing. Returns 0 or -1. */
int transport_borrow_read(struct stream *stream) MUST_CHECK;

/* Reassigns an event of the bufferevent that is not pending. Returns 0 or -1. */
int transport_assign(struct stream *stream, struct event *event, short what,
                     void (*callback)(int fd, short what, void *arg), void *arg) MUST_CHECK;

/* Restores a reassigned event before the bufferevent is freed: libevent's finalizer finds the
 * bufferevent by that event's argument. */
void transport_return(struct stream *stream, struct event *event, short what);

/* One recv(2) into the loop's buffer. Returns like take(). */
ssize_t transport_recv(struct stream *stream, int flags) MUST_CHECK;

/* One send(2), if the output evbuffer is empty. Returns the number of bytes that the kernel
 * accepted, which may be 0, or -errno. */
ssize_t transport_send(struct stream *stream, const unsigned char *bytes, size_t length) MUST_CHECK;

/* Appends bytes to the output evbuffer, for libevent to write. Returns 0 or -ENOMEM. */
int transport_keep(struct stream *stream, const unsigned char *bytes, size_t length) MUST_CHECK;

#endif

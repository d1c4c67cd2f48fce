/* SPDX-License-Identifier: BSD-2-Clause */
/* How one kind of stream moves its bytes: a table of functions, chosen once, when the stream opens.
 *
 *     kernel --take()--> a span that the owner may look at --give()--> kernel
 *                                                             `--> what it did not take is owed
 *     kernel --relay()-------------------------------------------> the same, without looking
 *
 * Only stream.c and the transports' own files include this. Every stream has a bufferevent that
 * holds its events and, in its output evbuffer, what is owed; the transports differ in who fills
 * the read callback, and in what happens to a byte on its way:
 *
 *     tcp        recv(2) into the loop's buffer; or splice(2) through its pipe, for relay()
 *     unix       a peek: what the kernel does not take stays unread in its queue. A Unix socket has
 *                no reset, but closing it with bytes unread gives the peer ECONNRESET (unix(7)), so
 *                a loss is never a clean end there either
 *     tls        recv(2), and OpenSSL over memory (tls_codec.h)
 *     buffered   as libevent has it: its bufferevent reads into its input evbuffer. The reference,
 *                and the way of services whose own words a Unix socket would have no room for
 */
#ifndef STREAM_TRANSPORT_H
#define STREAM_TRANSPORT_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

#include "stream/stream.h"

struct event;

struct transport {
    /* The most that one take() brings. */
    size_t take_bytes;
    /* Nothing may be taken while anything is owed: what is owed is still in the kernel's queue. */
    bool owes_unread;

    /* Completes a stream that has its bufferevent. 0, or -1 without memory. */
    int (*open)(struct stream *stream, const struct stream_how *how);

    /* What must be agreed on before the first byte: 1 when it is done, 0 while it waits for more,
     * -errno where it failed. NULL: nothing. */
    int (*shake)(struct stream *stream);

    /* The bytes that have come, which stay valid and in place until the next call. Returns how
     * many, 0 at the end, -EAGAIN where nothing has come, or -errno. */
    ssize_t (*take)(struct stream *stream, const unsigned char **bytes);

    /* Sends all that the kernel takes now of bytes that were taken, and owes the rest. *sent says
     * how many of all bytes that were given or owed before have gone to the kernel, also where it
     * fails. 0 or -errno. */
    int (*give)(struct stream *stream, const unsigned char *bytes, size_t length, size_t *sent);

    /* Owes bytes that did not come from the peer. 0 or -errno. NULL where there is no room. */
    int (*owe)(struct stream *stream, const unsigned char *bytes, size_t length);

    /* Forgets bytes that were taken. NULL: nothing to do. */
    void (*drop)(struct stream *stream, size_t bytes);

    /* take() and give() at once, of bytes that nobody looks at. 0, and no bytes moved where take()
     * has to be asked instead; or -errno. *moved is zero before, and counts either way. NULL: none.
     */
    int (*relay)(struct stream *stream, struct stream_moved *moved);

    /* More can be taken, though the kernel would not say so. NULL: never. */
    bool (*has_more)(const struct stream *stream);

    /* So much waits of what the owner does not know to be owed that nothing may be read. NULL:
     * never.
     */
    bool (*is_full)(const struct stream *stream);

    /* The output evbuffer has shrunk by so many bytes; returns how many of the stream's own those
     * were. NULL: all. */
    size_t (*drained)(struct stream *stream, size_t bytes);

    /* Bytes owed. NULL: what the output evbuffer holds. */
    size_t (*owed)(const struct stream *stream);

    /* Of `waiting` bytes in the kernel's queue and those that wait elsewhere, how many were not
     * taken yet. NULL: those in the queue. */
    size_t (*unread)(const struct stream *stream, size_t waiting);

    /* As stream_untaken(), stream_cut() and stream_end(). NULL: as TCP reports them. */
    size_t (*untaken)(const struct stream *stream);
    size_t (*cut)(const struct stream *stream);
    enum stream_end (*end)(const struct stream *stream);

    /* The words that come before our FIN, as stream_say_end(). NULL: none. */
    bool (*say_end)(struct stream *stream);

    /* As stream_is_truncated() and stream_describe_tls(). NULL: not TLS. */
    bool (*is_truncated)(const struct stream *stream);
    bool (*describe_tls)(const struct stream *stream, struct tls_info *out);

    /* The transport's own words for its last failure, static; NULL: it has none. */
    const char *(*error_text)(const struct stream *stream);

    /* Gives back what open() and relay() took, before the bufferevent is freed. NULL: nothing. */
    void (*close)(struct stream *stream);
};

extern const struct transport TRANSPORT_TCP, TRANSPORT_UNIX, TRANSPORT_TLS, TRANSPORT_BUFFERED,
    TRANSPORT_BUFFERED_UNIX;

/* errno of a read or write that may simply be tried again. */
static inline bool transport_is_transient(int failure)
{
    return failure == EAGAIN || failure == EINTR;
}

/* ---- what the transports share, in stream.c ---- */

/* stream_cut() and stream_end() of a Unix socket. Everything that it has sent is with its peer, and
 * its reset is what it leaves unread. */
size_t transport_unix_cut(const struct stream *stream);
enum stream_end transport_unix_end(const struct stream *stream);

/* The bound on one take(). */
size_t transport_take_max(const struct stream *stream);

/* Borrows the bufferevent's read event: from then on the loop calls the read callback as soon as
 * the descriptor is readable, and libevent reads nothing itself. 0 or -1. */
int transport_borrow_read(struct stream *stream) MUST_CHECK;

/* Assigns an event of the bufferevent anew. 0 or -1. */
int transport_assign(struct stream *stream, struct event *event, short what,
                     void (*callback)(int fd, short what, void *arg), void *arg) MUST_CHECK;

/* Gives back an event of the bufferevent that was assigned, before the bufferevent is freed: its
 * finalizer finds it by that event's argument. */
void transport_return(struct stream *stream, struct event *event, short what);

/* One recv(2) into the loop's buffer, as take() returns it. */
ssize_t transport_recv(struct stream *stream, int flags) MUST_CHECK;

/* One send(2), where nothing waits in the output evbuffer. Returns the bytes that the kernel took,
 * maybe none, or -errno. */
ssize_t transport_send(struct stream *stream, const unsigned char *bytes, size_t length) MUST_CHECK;

/* Puts bytes behind the output evbuffer's, for libevent to write. 0 or -ENOMEM. */
int transport_keep(struct stream *stream, const unsigned char *bytes, size_t length) MUST_CHECK;

#endif

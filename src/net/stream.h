/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream: one descriptor, the bufferevent that owns it, and its bytes both ways.
 *
 *     kernel --read--> input --stream_echo()--> kernel, at once, as much as it takes
 *                                          `--> output, what is left: owed, written when it can be
 *
 * This is the only room that knows bufferevents. There are two ways of reading, and nothing above
 * this header differs by them:
 *
 *  - buffered: the bufferevent reads into its input. Right for everything, the reference.
 *  - direct: the bufferevent's read event calls us instead; one recv(2) into a scratch buffer that
 *    all streams of a loop share, one send(2), and only what the kernel did not take is copied.
 *    libevent reads at most 4096 bytes at a time and asks FIONREAD first; this takes up to a
 * quarter less CPU for a small echo, and less than half for a large one (docs/PERFORMANCE.md).
 *
 * A TLS stream is always buffered: the bufferevent encrypts, and all bytes that are counted here
 * are the plain ones.
 *
 * A direct Unix stream leaves in the kernel's queue what it could not send yet: a Unix socket has
 * no reset, but closing it with unread bytes gives the peer ECONNRESET (unix(7)), so a loss is
 * never a clean end there either.
 *
 * Nothing here times out; whoever owns the stream does that.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct bufferevent;
struct loop;
struct pipe;
struct stream;
struct stream_tls;
struct tls_context;

enum stream_path { STREAM_DIRECT, STREAM_BUFFERED }; /* in the order of --read-path's words */

enum stream_end {
    STREAM_END_SENT,  /* what we have sent, or our FIN, is still on its way */
    STREAM_END_TAKEN, /* the peer's system has all of it: a reset takes nothing from it */
    STREAM_END_BOTH,  /* the peer's FIN has come, read or not: no reset can be sent any more */
};

/* Called from the loop, with the owner that was given at birth. A stream may be closed in each of
 * them; after that none comes. */
struct stream_callbacks {
    /* Bytes have come: stream_echo() or stream_discard() must take them now. */
    void (*on_input)(struct stream *stream);
    /* The kernel took that many of the bytes owed. */
    void (*on_drained)(struct stream *stream, size_t bytes);
    /* The peer's FIN was read: nothing will come any more. */
    void (*on_end)(struct stream *stream);
    /* The stream is dead; `error` is the errno that says why (stream_error_text() has the words).
     */
    void (*on_error)(struct stream *stream, int error);
    /* TLS alone, and first of all: the handshake is done. */
    void (*on_open)(struct stream *stream);
};

/* What the streams of one loop share. */
struct stream_env {
    struct loop *loop;
    struct stream_callbacks callbacks;
    enum stream_path path;
    unsigned char *scratch; /* direct: bytes on their way through */
    size_t scratch_bytes;
    struct pipe *pipe; /* direct, of TCP: the way through for much; NULL: all goes by scratch */
    size_t read_max;   /* how much one read may take; lowered where memory is tight */
};

/* Embedded in its owner, so that a connection is one allocation; no field is anybody else's. */
struct stream {
    const struct stream_env *env;
    struct bufferevent *bev;
    struct stream_tls *tls; /* NULL: plain */
    uint32_t read_max;      /* this stream's own bound on one read */
    uint32_t span;          /* direct: bytes in scratch or in the pipe, during on_input() */
    uint32_t held_back;     /* direct Unix: bytes seen and left in the kernel's queue */
    size_t owed_told;       /* output as of the last time its owner was told */
    uint8_t is_direct : 1;
    uint8_t is_unix : 1;
    uint8_t is_bulk : 1;  /* the last read brought much, so the next one is likely to */
    uint8_t is_piped : 1; /* the span is in the pipe */
};

struct stream_moved {
    size_t in;  /* bytes taken from the input */
    size_t out; /* of these, or of those owed before, taken by the kernel; the rest is owed */
};

/* Where a worker has memory for it, the scratch buffer that measured best. */
#define STREAM_SCRATCH_BYTES (256U * 1024U)

/* What one stream is, beside what all of its loop are. */
struct stream_how {
    uint64_t read_max;       /* bounds one read, in bytes; 0: only the environment's bound */
    struct tls_context *tls; /* NULL: plain; else always buffered, and on_open() comes first */
    bool is_unix;
    bool is_buffered; /* whatever path the environment says: for what does more than echo */
};

/* Takes over a connected, non-blocking descriptor; nothing is read before stream_resume(). 0, or -1
 * without memory: then the descriptor has been reset. */
int stream_open(struct stream *stream, const struct stream_env *env, int fd,
                const struct stream_how *how) MUST_CHECK;

/* True where one read may take as much as the scratch buffer holds. */
static inline bool stream_is_direct(const struct stream *stream)
{
    return stream->is_direct;
}

/* True where nothing may be read while anything is owed: what a direct Unix stream owes is still in
 * the kernel's queue. */
static inline bool stream_owes_unread(const struct stream *stream)
{
    return stream->is_direct && stream->is_unix;
}

/* Stops and starts reading. Resuming can fail for want of kernel memory: 0 or -1. */
void stream_hold(struct stream *stream);
int stream_resume(struct stream *stream) MUST_CHECK;

/* Sends the input back. 0, or -errno where the stream is dead; *moved counts either way. */
int stream_echo(struct stream *stream, struct stream_moved *moved) MUST_CHECK;

/* Sends bytes that did not come from the peer. They are owed until the loop has written them, and
 * on_drained() tells. Not for a direct Unix stream. 0 or -ENOMEM. */
int stream_write(struct stream *stream, const void *bytes, size_t length) MUST_CHECK;

/* Throws the input away; returns how many bytes that was. */
size_t stream_discard(struct stream *stream);

/* During on_input(): the bytes that have come. */
size_t stream_input(const struct stream *stream);

/* After stream_half_close(), how far the two ends have come. */
enum stream_end stream_end(const struct stream *stream);

/* Bytes taken in and not yet taken by the kernel. */
size_t stream_owed(const struct stream *stream);

/* Bytes that wait in the kernel, neither read nor counted yet. */
size_t stream_unread(const struct stream *stream);

/* Bytes in the kernel's hands that the peer has not taken; over TCP our FIN counts as one. It
 * shrinks as the peer takes them, and grows only when the kernel takes more. */
size_t stream_untaken(const struct stream *stream);

/* What a reset would now take back that the kernel has not even sent, the FIN aside: of a Unix
 * socket nothing, since it is with its peer already. */
size_t stream_cut(const struct stream *stream);

/* After libevent was refused memory or a registration with epoll(7): true where it has left bytes
 * for it, and would not come back to them, or come back at once and for ever. */
bool stream_is_starved(const struct stream *stream);

/* Says that nothing more will come, where the protocol has words for it (TLS: close_notify), before
 * our FIN. Nothing may be owed. False where the kernel has no room for it now: then on_drained() is
 * called once more, with 0 bytes. */
bool stream_say_end(struct stream *stream) MUST_CHECK;

/* Half-close: sends our FIN, after stream_say_end(). 0 or -errno. */
int stream_half_close(struct stream *stream) MUST_CHECK;

/* Ends the stream. The kernel goes on sending what it has taken; if the peer's FIN was not read
 * before, bytes still to come make it send a reset. The descriptor closes later in this loop turn.
 */
void stream_close(struct stream *stream);

/* Ends the stream with a reset: the peer learns that bytes are missing. */
void stream_reset(struct stream *stream);

/* What an error means in words: the system's, or OpenSSL's where it has some. */
const char *stream_error_text(const struct stream *stream, int error);

/* After on_end(): the peer's FIN came without the words that TLS has for it, so that somebody else
 * may have cut its bytes off. */
bool stream_is_truncated(const struct stream *stream);

/* What a TLS stream has agreed on; it outlives the stream. The bytes of the lengths are the peer's,
 * and may be anything. */
struct stream_tls_info {
    const char *version, *cipher; /* static */
    char alpn[255], server_name[255], subject[255];
    size_t alpn_length, server_name_length, subject_length; /* 0: none */
    bool is_resumed;
};

/* False where the stream is plain, or its handshake is not done. */
bool stream_describe_tls(const struct stream *stream, struct stream_tls_info *out);

/* A Unix peer's name, and our own address, as sock_unix_peer() and sock_local() tell them. */
size_t stream_unix_peer(const struct stream *stream, char *out, size_t size);
size_t stream_local(const struct stream *stream, char *out, size_t size);

#endif

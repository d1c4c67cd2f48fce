/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream: one descriptor, the bufferevent that owns it, and its bytes both ways.
 *
 *     kernel --stream_take()--> bytes to look at --stream_give()--> kernel, as much as it takes
 *                                                              `--> output evbuffer: owed, and
 *                                                                   written when it can be
 *     kernel --stream_relay()-------------------------------------> the same, where nobody looks
 *
 * This room is the only one that knows bufferevents. A stream has one kind, chosen when it opens:
 * a transport (transport.h) for TCP, Unix sockets, TLS, or libevent's own buffers. Nothing above
 * this header differs by it. All bytes that are counted here are the peer's: of TLS the plain ones.
 *
 * Nothing here times out; whoever owns the stream does that.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

struct bufferevent;
struct loop;
struct pipe;
struct stream;
struct stream_tls;
struct tls_context;
struct tls_info;
struct tls_room;
struct transport;

enum stream_path { STREAM_DIRECT, STREAM_BUFFERED };

enum stream_end {
    STREAM_END_SENT,  /* what we have sent, or our FIN, is still on its way */
    STREAM_END_TAKEN, /* the peer's system has all of it: a reset takes nothing from it */
    STREAM_END_BOTH,  /* the peer's FIN has come, read or not: no reset can be sent any more */
};

/* Called from the loop, with the stream. A stream may be closed in each of them; after that none
 * comes. */
struct stream_callbacks {
    /* Bytes may have come, or the end: stream_relay() or stream_take() says which. */
    void (*on_readable)(struct stream *stream);
    /* The kernel took that many of the bytes owed. */
    void (*on_drained)(struct stream *stream, size_t bytes);
    /* The stream is dead; `error` is the errno that says why (stream_error_text() has the words).
     */
    void (*on_error)(struct stream *stream, int error);
    /* TLS alone, and first of all: the handshake is done. */
    void (*on_open)(struct stream *stream);
    /* TLS alone: nothing is read for now, since the peer takes none of TLS's own answers. */
    void (*on_choked)(struct stream *stream);
};

/* What the streams of one loop share. */
struct stream_env {
    struct loop *loop;
    struct stream_callbacks callbacks;
    enum stream_path path;
    const struct transport *transport; /* NULL: chosen by the descriptor; a unit test's own */
    unsigned char *scratch;            /* STREAM_SCRATCH_BYTES on their way through */
    struct pipe *pipe;                 /* the way through for much; NULL: all goes by scratch */
    struct tls_room *tls;              /* for TLS; NULL: none can be opened */
    size_t read_max; /* how much one read may take; lowered where memory is tight */
};

/* Embedded in its owner, so that a connection is one allocation; no field is anybody else's. */
struct stream {
    const struct stream_env *env;
    const struct transport *transport;
    struct bufferevent *bev;
    struct stream_tls *tls;   /* NULL: plain */
    size_t output_bytes;      /* of the output evbuffer, as of the last time it was looked at */
    uint32_t read_max;        /* this stream's own bound on one read */
    uint32_t held_back;       /* Unix: bytes seen and left in the kernel's queue */
    uint8_t is_bulk : 1;      /* the last read brought much, so the next one is likely to */
    uint8_t has_read_end : 1; /* buffered: libevent has read the peer's FIN */
    uint8_t is_open : 1;      /* its handshake, if it has one, is done */
    uint8_t is_wanted : 1;    /* its owner wants what comes */
    uint8_t is_choked : 1;    /* all the same nothing is read: the transport is full */
    uint8_t is_borrowed : 1;  /* the read event is ours */
    uint8_t is_dead : 1;      /* the peer's reset has been read */
};

struct stream_moved {
    size_t in;  /* bytes taken from the input */
    size_t out; /* of these, or of those owed before, taken by the kernel; the rest is owed */
};

/* The scratch buffer that measured best. */
#define STREAM_SCRATCH_BYTES (256U * 1024U)

/* What one stream is, beside what all of its loop are. */
struct stream_how {
    uint64_t read_max;       /* bounds one read, in bytes; 0: only the environment's bound */
    struct tls_context *tls; /* NULL: plain; else on_open() comes first */
    bool is_unix;
    bool is_speaking; /* bytes of our own will be owed, too: stream_owe() */
};

/* Takes over a connected, non-blocking descriptor; nothing is read before stream_resume(). 0, or -1
 * without memory: then the descriptor has been reset. */
int stream_open(struct stream *stream, const struct stream_env *env, int fd,
                const struct stream_how *how) MUST_CHECK;

/* The most that one stream_take() brings, in bytes. */
size_t stream_take_bytes(const struct stream *stream);

/* True where nothing may be taken while anything is owed: what a Unix stream owes is still in the
 * kernel's queue. */
bool stream_owes_unread(const struct stream *stream);

/* Stops and starts reading. Resuming can fail for want of kernel memory: 0 or -1. */
void stream_hold(struct stream *stream);
int stream_resume(struct stream *stream) MUST_CHECK;

/* True while nothing is read although its owner wants it: the peer takes none of TLS's own answers,
 * which wait here, and are none of the bytes owed. */
bool stream_is_choked(const struct stream *stream);

/* The bytes that have come, for the owner to look at; they stay valid until it returns from
 * on_readable() or closes the stream. Each must then be given or dropped. Returns how many, 0 at
 * the peer's end, -EAGAIN where nothing has come, or another -errno where the stream is dead. */
ssize_t stream_take(struct stream *stream, const unsigned char **bytes) MUST_CHECK;

/* Sends back what was taken, as much as the kernel takes now; the rest is owed. *sent says how many
 * bytes went to the kernel. 0, or -errno where the stream is dead; *sent counts either way. */
int stream_give(struct stream *stream, const unsigned char *bytes, size_t length,
                size_t *sent) MUST_CHECK;

/* Forgets bytes that were taken. */
void stream_drop(struct stream *stream, size_t bytes);

/* Takes and gives at once what nobody looks at, without copying it. 0, and no bytes moved where
 * stream_take() has to be asked instead; or -errno where the stream is dead. *moved counts either
 * way. */
int stream_relay(struct stream *stream, struct stream_moved *moved) MUST_CHECK;

/* Owes bytes that did not come from the peer, until the loop has written them; on_drained() tells.
 * Only where the stream was opened for it (is_speaking). 0 or -ENOMEM. */
int stream_owe(struct stream *stream, const unsigned char *bytes, size_t length) MUST_CHECK;

/* After stream_half_close(), how far the two ends have come. */
enum stream_end stream_end(const struct stream *stream);

/* Bytes taken and not yet given to the kernel. */
size_t stream_owed(const struct stream *stream);

/* Bytes that wait in the kernel, neither read nor counted yet. */
size_t stream_unread(const struct stream *stream);

/* Bytes in the kernel's hands that the peer has not taken; over TCP our FIN counts as one. It
 * shrinks as the peer takes them, and grows only when the kernel takes more. */
size_t stream_untaken(const struct stream *stream);

/* What a reset would now take back that the kernel has not even sent, the FIN aside: of a Unix
 * socket nothing, since it is with its peer already. */
size_t stream_cut(const struct stream *stream);

/* Says that nothing more will come, where the protocol has words for it (TLS: close_notify), before
 * our FIN. Nothing may be owed. False where the kernel has no room for it now: then on_drained() is
 * called once more, with 0 bytes. */
bool stream_say_end(struct stream *stream) MUST_CHECK;

/* Half-close: sends our FIN, after stream_say_end(). 0 or -errno. */
int stream_half_close(struct stream *stream) MUST_CHECK;

/* Ends the stream and closes its descriptor. The kernel goes on sending what it has taken; if the
 * peer's FIN was not read before, bytes still to come make it send a reset. */
void stream_close(struct stream *stream);

/* Ends the stream with a reset: the peer learns that bytes are missing. */
void stream_reset(struct stream *stream);

/* What an error means in words: the system's, or OpenSSL's where it has some. */
const char *stream_error_text(const struct stream *stream, int error);

/* After the peer's end was read: its FIN came without the words that TLS has for it, so that
 * somebody else may have cut its bytes off. */
bool stream_is_truncated(const struct stream *stream);

/* What the stream has agreed on; false if it is plain, or its handshake is not done. */
bool stream_describe_tls(const struct stream *stream, struct tls_info *out);

/* A Unix peer's name, and our own address, as sock_unix_peer() and sock_local() tell them. */
size_t stream_unix_peer(const struct stream *stream, char *out, size_t size);
size_t stream_local(const struct stream *stream, char *out, size_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream: one descriptor, the bufferevent that owns it, and the bytes in both directions.
 *
 *     kernel --stream_take()--> bytes to inspect --stream_give()--> kernel, as many as it accepts
 *                                                              `--> output evbuffer: owed, written
 *                                                                   when the socket is writable
 *     kernel --stream_relay()-------------------------------------> the same, without inspection
 *
 * Only this directory uses bufferevents. A stream has one transport (transport.h), chosen when it
 * opens: TCP, Unix sockets, TLS, or libevent's own buffers. Code above this header does not depend
 * on the transport. All byte counts here are of the peer's data: for TLS, of plain bytes.
 *
 * Streams have no timeouts; their owner has.
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
    STREAM_END_SENT,  /* our data or our FIN is not acknowledged yet */
    STREAM_END_TAKEN, /* the peer's system has acknowledged all of it: a reset destroys nothing */
    STREAM_END_BOTH,  /* the peer's FIN has arrived, read or not: a reset cannot be sent any more */
};

/* Called from the loop, with the stream. Each may close the stream; after that none is called. */
struct stream_callbacks {
    /* The read callback: bytes or the end may have arrived. It moves bytes by stream_relay(), or by
     * stream_take() and stream_give(), and returns their number; 0 at the peer's end, -EAGAIN if
     * nothing has arrived, or another -errno if the stream has failed. It must not close the
     * stream: the next three follow from what it returns. */
    ssize_t (*on_readable)(struct stream *stream);
    /* Bytes have been moved. */
    void (*on_moved)(struct stream *stream);
    /* The peer has ended: nothing more arrives. */
    void (*on_end)(struct stream *stream);
    /* The kernel accepted `bytes` of the bytes owed. */
    void (*on_drained)(struct stream *stream, size_t bytes);
    /* The stream has failed; `error` is the errno (stream_error_text() has the text). */
    void (*on_error)(struct stream *stream, int error);
    /* TLS only, before all others: the handshake is done. */
    void (*on_open)(struct stream *stream);
    /* TLS only: reading has stopped, since the peer does not read TLS's own answers. */
    void (*on_choked)(struct stream *stream);
};

/* Shared by the streams of one loop. */
struct stream_env {
    struct loop *loop;
    struct stream_callbacks callbacks;
    enum stream_path path;
    const struct transport *transport; /* NULL: chosen by the descriptor; a unit test's own */
    unsigned char *scratch;            /* a buffer of STREAM_SCRATCH_BYTES */
    struct pipe *pipe;                 /* for large transfers; NULL: all bytes use scratch */
    struct tls_room *tls;              /* for TLS; NULL: no TLS stream can be opened */
    size_t read_max; /* the most bytes of one read; lowered if memory is limited */
};

/* Embedded in its owner, so that a connection is one allocation. The fields are private. */
struct stream {
    const struct stream_env *env;
    const struct transport *transport;
    struct bufferevent *bev;
    struct stream_tls *tls;   /* NULL: plain */
    size_t output_bytes;      /* of the output evbuffer, when last checked */
    uint32_t read_max;        /* this stream's own limit of one read */
    int fd;                   /* the bufferevent's; asking it takes two calls */
    uint32_t held_back;       /* Unix: bytes peeked at and left in the kernel's queue */
    uint8_t is_bulk : 1;      /* the last read was large, so the next one probably is */
    uint8_t has_read_end : 1; /* buffered: libevent has read the peer's FIN */
    uint8_t is_open : 1;      /* its handshake, if any, is done */
    uint8_t is_wanted : 1;    /* its owner wants to read */
    uint8_t is_choked : 1;    /* but reading has stopped: the transport is full */
    uint8_t is_borrowed : 1;  /* we use the read event ourselves */
    uint8_t is_dead : 1;      /* the peer's reset has been read */
};

struct stream_moved {
    size_t in;  /* bytes taken from the input */
    size_t out; /* of these, or of those owed before, accepted by the kernel; the rest is owed */
};

/* The size that measured best. */
#define STREAM_SCRATCH_BYTES (256U * 1024U)

/* The settings of one stream, in addition to the shared ones. */
struct stream_how {
    uint64_t read_max;       /* the most bytes of one read; 0: only the shared limit */
    struct tls_context *tls; /* NULL: plain; else on_open() is called first */
    bool is_unix;
    bool is_speaking; /* stream_owe() will be used */
};

/* Takes ownership of a connected, non-blocking descriptor. Nothing is read before stream_resume().
 * Returns 0; or -1 if memory is short, and the descriptor has been reset and closed. */
int stream_open(struct stream *stream, const struct stream_env *env, int fd,
                const struct stream_how *how) MUST_CHECK;

/* The most bytes that one stream_take() returns. */
size_t stream_take_bytes(const struct stream *stream);

/* True if nothing may be taken while bytes are owed: those that a Unix stream owes are still in the
 * kernel's queue. */
bool stream_owes_unread(const struct stream *stream);

/* Stop and start reading. stream_resume() returns 0, or -1 if kernel memory is short. */
void stream_hold(struct stream *stream);
int stream_resume(struct stream *stream) MUST_CHECK;

/* True while reading is stopped although the owner wants to read: the peer does not read TLS's own
 * answers. These are queued here and do not count as bytes owed. */
bool stream_is_choked(const struct stream *stream);

/* Reads bytes for the owner to inspect. They stay valid until it returns from on_readable() or
 * closes the stream. It must give or drop each of them. Returns their number, 0 at the peer's end,
 * -EAGAIN if nothing has arrived, or another -errno if the stream has failed. */
ssize_t stream_take(struct stream *stream, const unsigned char **bytes) MUST_CHECK;

/* Sends taken bytes back, as many as the kernel accepts now; the rest is owed. *sent is the number
 * that the kernel accepted, valid on failure too. Returns 0, or -errno if the stream has failed. */
int stream_give(struct stream *stream, const unsigned char *bytes, size_t length,
                size_t *sent) MUST_CHECK;

/* Discards bytes that were taken. */
void stream_drop(struct stream *stream, size_t bytes);

/* Takes and gives bytes that the owner need not inspect, without copying them. Returns 0, or -errno
 * if the stream has failed; *moved is valid in both cases. If it returns 0 and moved nothing, call
 * stream_take() instead. */
int stream_relay(struct stream *stream, struct stream_moved *moved) MUST_CHECK;

/* Queues our own bytes, which are owed until the loop has written them (on_drained()). Only if the
 * stream was opened with is_speaking. Returns 0 or -ENOMEM. */
int stream_owe(struct stream *stream, const unsigned char *bytes, size_t length) MUST_CHECK;

/* After stream_half_close(): the state of both directions. */
enum stream_end stream_end(const struct stream *stream);

/* Bytes taken that the kernel has not accepted yet. */
size_t stream_owed(const struct stream *stream);

/* Bytes received that were neither taken nor counted yet. */
size_t stream_unread(const struct stream *stream);

/* Bytes accepted by the kernel that the peer has not acknowledged (TCP) or read (Unix); over TCP
 * our FIN counts as one. It grows only if the kernel accepts more. */
size_t stream_untaken(const struct stream *stream);

/* Bytes that the kernel has not sent yet and that a reset would discard, without the FIN. 0 for a
 * Unix socket: its bytes are with the peer already. */
size_t stream_cut(const struct stream *stream);

/* Sends the protocol's own end mark, if it has one (TLS: close_notify), before our FIN. Nothing may
 * be owed. False if the kernel has no room for it now: then on_drained() is called once more, with
 * 0 bytes. */
bool stream_say_end(struct stream *stream) MUST_CHECK;

/* Half-close: sends our FIN, after stream_say_end(). Returns 0 or -errno. */
int stream_half_close(struct stream *stream) MUST_CHECK;

/* Ends the stream and closes its descriptor. The kernel still sends the bytes it has accepted. If
 * the peer's FIN was not read before, the kernel answers later bytes with a reset. */
void stream_close(struct stream *stream);

/* Ends the stream with a reset: the peer learns that bytes are missing. */
void stream_reset(struct stream *stream);

/* The text of an error: the system's, or OpenSSL's if it has one. */
const char *stream_error_text(const struct stream *stream, int error);

/* After the peer's end was read: true if its FIN came without close_notify, so that an attacker may
 * have cut off its data. */
bool stream_is_truncated(const struct stream *stream);

/* The negotiated TLS parameters; false if the stream is plain or its handshake is not done. */
bool stream_describe_tls(const struct stream *stream, struct tls_info *out);

/* A Unix peer's name, and our own address: see sock_unix_peer() and sock_local(). */
size_t stream_unix_peer(const struct stream *stream, char *out, size_t size);
size_t stream_local(const struct stream *stream, char *out, size_t size);

#endif

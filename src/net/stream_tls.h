/* SPDX-License-Identifier: BSD-2-Clause */
/* Between stream.c and stream_tls.c: what is different where the bytes are encrypted. All but
 * stream_tls_open() are for streams whose `tls` is set. */
#ifndef NET_STREAM_TLS_H
#define NET_STREAM_TLS_H

#include <stdbool.h>

#include "net/stream.h"

/* stream_open() of a TLS stream. */
int stream_tls_open(struct stream *stream, const struct stream_env *env, int fd,
                    struct tls_context *context) MUST_CHECK;

/* Before the input goes back: gives the client its ticket, and makes one piece of the input, so
 * that it becomes one record. 0 or -errno. */
int stream_tls_prepare(struct stream *stream) MUST_CHECK;

/* Of the bytes owed, those that the kernel has taken and the owner was not told of. */
size_t stream_tls_taken(const struct stream *stream);

/* Something encrypted waits for the kernel to have room; the loop will send it. */
bool stream_tls_is_blocked(const struct stream *stream);

/* stream_hold() and stream_resume(). */
void stream_tls_hold(struct stream *stream);
int stream_tls_resume(struct stream *stream) MUST_CHECK;

/* Bytes decrypted, and not given to the owner yet. */
size_t stream_tls_unread(const struct stream *stream);

/* The handshake is done. */
bool stream_tls_is_open(const struct stream *stream);

/* stream_is_starved(), for want of memory. */
bool stream_tls_is_starved(const struct stream *stream);

/* Sends close_notify, once, unless the peer's own end came without. False if the kernel has no room
 * for it: then on_drained() comes, with 0 bytes, when it has. */
bool stream_tls_say_end(struct stream *stream) MUST_CHECK;

/* Frees what stream_tls_open() made, before the bufferevent is freed. */
void stream_tls_close(struct stream *stream);

/* OpenSSL's words for an error of the stream, static; NULL where it has none. */
const char *stream_tls_error(const struct stream *stream);

#endif

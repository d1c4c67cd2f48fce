/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket as OpenSSL sees it: one that takes every record whole.
 *
 * OpenSSL may have to write while it reads: a peer's KeyUpdate asks for one of ours (RFC 8446,
 * 4.6.3). If a record of ours is half written then, OpenSSL gives the connection up ("bad length").
 * Not to read in the meantime is no way out: a peer that writes, and reads only afterwards, would
 * wait for us as we wait for it. So the part of a record that the kernel does not take is kept
 * here, and sent before anything else; what OpenSSL writes next goes behind it.
 *
 * Whoever owns the stream writes nothing more while anything is kept, so that is one record and a
 * few answers. A peer that asks for answers without end is not read from above a limit.
 */
#ifndef NET_TLS_WIRE_H
#define NET_TLS_WIRE_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"

/* Above so many bytes kept, nothing is read. One write of libevent's leaves at most two records. */
#define TLS_WIRE_KEPT_MAX 40960

/* Called each time that bytes are kept. False if the owner cannot wait for the kernel to have room:
 * then the write fails with ENOMEM. */
typedef bool (*tls_wire_on_kept)(void *owner);

/* A BIO on a non-blocking descriptor, which stays the caller's. For SSL_set_bio(), both ways.
 * on_kept may be NULL. NULL without memory. */
BIO *tls_wire_new(int fd, tls_wire_on_kept on_kept, void *owner) MUST_CHECK;

/* Bytes that wait for the kernel to have room. */
size_t tls_wire_kept(BIO *wire);

/* True if too much is kept for anything to be read: reading fails as if nothing had come. */
bool tls_wire_is_full(BIO *wire);

/* Sends what is kept. 0 if nothing is any more, -EAGAIN if the kernel has no room for all of it, or
 * another -errno. */
int tls_wire_flush(BIO *wire) MUST_CHECK;

/* Our FIN is sent, or sending has failed: what OpenSSL writes from now on (an answer to a
 * KeyUpdate) goes nowhere, and nothing that is kept holds up reading. */
void tls_wire_end(BIO *wire);

#endif

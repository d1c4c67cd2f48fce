/* SPDX-License-Identifier: BSD-2-Clause */
/* Between stream.c and stream_direct.c: the direct way of reading, and what all ways need. */
#ifndef NET_STREAM_DIRECT_H
#define NET_STREAM_DIRECT_H

#include <errno.h>
#include <stdbool.h>

#include "net/stream.h"

/* errno of a read or write that may simply be tried again. */
static inline bool stream_is_transient(int failure)
{
    return failure == EAGAIN || failure == EINTR;
}

/* The smallest of `most` and the bounds on one read. */
size_t stream_read_max(const struct stream *stream, size_t most);

/* A bufferevent's write callback: tells the owner what the loop has written. */
void stream_on_write(struct bufferevent *bev, void *arg);

/* Borrows the bufferevent's read event, and a Unix stream's write event. 0 or -1. */
int stream_direct_open(struct stream *stream) MUST_CHECK;

/* Gives the events back, before the bufferevent is freed. */
void stream_direct_close(struct stream *stream);

/* stream_echo() and stream_discard() of a direct stream. */
int stream_direct_echo(struct stream *stream, struct stream_moved *moved) MUST_CHECK;
size_t stream_direct_discard(struct stream *stream);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/tls_wire.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Room for more answers to KeyUpdates than the one that finds none. */
#define SPARE_BYTES 4096

struct wire {
    int fd;
    tls_wire_on_kept on_kept;
    void *owner;
    unsigned char *kept;     /* NULL: nothing was ever kept, or all has gone */
    size_t begin, end, room; /* in `kept`: what is yet to be sent, and its size */
    bool has_peer_fin, has_ended;
};

static bool is_transient(int error)
{
    return error == EAGAIN || error == EINTR || error == EWOULDBLOCK;
}

/* ---- what is kept ---- */

static bool keep(struct wire *wire, const char *bytes, size_t length)
{
    size_t waiting = wire->end - wire->begin;
    if (wire->end + length > wire->room) {
        size_t room = waiting + length + (waiting > 0 ? SPARE_BYTES : 0);
        unsigned char *kept = malloc(room);
        if (!kept)
            return false;
        if (waiting > 0)
            memcpy(kept, wire->kept + wire->begin, waiting);
        free(wire->kept);
        wire->kept = kept;
        wire->room = room;
        wire->begin = 0;
        wire->end = waiting;
    }
    memcpy(wire->kept + wire->end, bytes, length);
    wire->end += length;
    return !wire->on_kept || wire->on_kept(wire->owner);
}

size_t tls_wire_kept(BIO *bio)
{
    const struct wire *wire = BIO_get_data(bio);
    return wire->end - wire->begin;
}

bool tls_wire_is_full(BIO *bio)
{
    const struct wire *wire = BIO_get_data(bio);
    return !wire->has_ended && tls_wire_kept(bio) > TLS_WIRE_KEPT_MAX;
}

int tls_wire_flush(BIO *bio)
{
    struct wire *wire = BIO_get_data(bio);
    while (wire->begin < wire->end) {
        ssize_t sent =
            send(wire->fd, wire->kept + wire->begin, wire->end - wire->begin, MSG_NOSIGNAL);
        if (sent < 0)
            return is_transient(errno) ? -EAGAIN : -errno;
        wire->begin += (size_t)sent;
    }
    free(wire->kept);
    wire->kept = NULL;
    wire->begin = wire->end = wire->room = 0;
    return 0;
}

void tls_wire_end(BIO *bio)
{
    struct wire *wire = BIO_get_data(bio);
    wire->has_ended = true;
}

/* ---- what OpenSSL calls ---- */

static int on_write(BIO *bio, const char *bytes, int length)
{
    struct wire *wire = BIO_get_data(bio);
    size_t total = (size_t)length;
    ssize_t sent = 0;
    BIO_clear_retry_flags(bio);
    if (wire->has_ended)
        return length;
    if (wire->begin == wire->end)
        sent = send(wire->fd, bytes, total, MSG_NOSIGNAL);
    if (sent < 0 && !is_transient(errno))
        return -1;
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (taken == total || keep(wire, bytes + taken, total - taken))
        return length;
    errno = ENOMEM;
    return -1;
}

static int on_read(BIO *bio, char *bytes, int size)
{
    struct wire *wire = BIO_get_data(bio);
    ssize_t came = -1;
    BIO_clear_retry_flags(bio);
    errno = EAGAIN;
    if (!tls_wire_is_full(bio))
        came = recv(wire->fd, bytes, (size_t)size, 0);
    if (came < 0 && is_transient(errno))
        BIO_set_retry_read(bio);
    wire->has_peer_fin = came == 0;
    return (int)came;
}

static long on_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const struct wire *wire = BIO_get_data(bio);
    (void)number;
    switch (command) {
    case BIO_C_GET_FD: /* libevent compares it with its own */
        if (pointer)
            *(int *)pointer = wire->fd;
        return wire->fd;
    case BIO_CTRL_EOF:
        return wire->has_peer_fin;
    case BIO_CTRL_FLUSH: /* OpenSSL's end of a flight: it is ours to send from here */
    case BIO_CTRL_SET_CLOSE:
    case BIO_CTRL_DUP:
        return 1;
    default:
        return 0;
    }
}

static int on_free(BIO *bio)
{
    struct wire *wire = BIO_get_data(bio);
    if (wire)
        free(wire->kept);
    free(wire);
    return 1;
}

/* One for all threads, made by whoever comes first, and never freed. */
static const BIO_METHOD *method(void)
{
    static _Atomic(BIO_METHOD *) shared;
    BIO_METHOD *none = NULL, *made = atomic_load_explicit(&shared, memory_order_acquire);
    if (made)
        return made;
    made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "wire");
    if (made && BIO_meth_set_write(made, on_write) && BIO_meth_set_read(made, on_read) &&
        BIO_meth_set_ctrl(made, on_ctrl) && BIO_meth_set_destroy(made, on_free) &&
        atomic_compare_exchange_strong(&shared, &none, made))
        return made;
    BIO_meth_free(made);
    return none; /* another thread's, or no memory */
}

BIO *tls_wire_new(int fd, tls_wire_on_kept on_kept, void *owner)
{
    const BIO_METHOD *wires = method();
    struct wire *wire = wires ? malloc(sizeof(*wire)) : NULL;
    BIO *bio = wire ? BIO_new(wires) : NULL;
    if (!bio) {
        free(wire);
        return NULL;
    }
    *wire = (struct wire){.fd = fd, .on_kept = on_kept, .owner = owner};
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

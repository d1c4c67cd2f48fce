/* SPDX-License-Identifier: BSD-2-Clause */
/* The TLS way of a stream: a bufferevent that encrypts, how it is opened, and how it ends.
 *
 * What the kernel does not take of a record waits in the wire (tls_wire.h). Until it is gone
 * libevent writes nothing more, and of what libevent has written before nothing counts as sent.
 *
 * Its callbacks are deferred, or the end would come before the last bytes (libevent 2.1.12): so
 * what the loop has written may be told only after more input has come, and stream_echo() counts
 * it.
 */
#include "net/stream_tls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/reserve.h"
#include "net/sock.h"
#include "net/stream_direct.h"
#include "net/tls.h"
#include "net/tls_wire.h"

/* What bufferevent_openssl.c asks room for. */
#define LIBRARY_READ_BYTES 4096

struct stream_tls {
    SSL *ssl;           /* the bufferevent's */
    BIO *wire;          /* the SSL's */
    struct event *room; /* waits for the kernel to take what the wire keeps; NULL: never needed */
    const char *error;  /* OpenSSL's words for what ended the stream; static */
    bool is_open;       /* the handshake is done */
    bool has_ticket;    /* the client was given one */
    bool has_spare;     /* sending it has left a record buffer behind */
    bool has_peer_notify;
    bool has_said_end; /* close_notify is written, or will never be */
    bool is_ending;    /* the owner waits for the wire to be empty, so as to send our FIN */
    bool is_held;      /* the owner wants no input */
    bool is_truncated; /* the peer's FIN came without close_notify */
};

/* ---- libevent's callbacks ---- */

/* The SSL tells of each alert; the only one that says that the peer has finished is this. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct stream_tls *tls = SSL_get_app_data(ssl);
    if (where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
        tls->has_peer_notify = true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct stream *stream = arg;
    if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
        stream->env->callbacks.on_input(stream);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct stream *stream = arg;
    struct stream_tls *tls = stream->tls;
    if (tls->has_spare && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        tls->has_spare = SSL_free_buffers(tls->ssl) != 1; /* in use: with the next write then */
    if (!stream_tls_is_blocked(stream))
        stream_on_write(bev, arg);
}

/* The errno of a failed stream; OpenSSL's own words for it are kept. */
static int find_error(struct stream *stream, int failure)
{
    /* The last in OpenSSL's queue is the first to come; a number without a library is no reason. */
    unsigned long code = bufferevent_get_openssl_error(stream->bev);
    long verified = SSL_get_verify_result(stream->tls->ssl);
    if (ERR_SYSTEM_ERROR(code))
        return ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == 0)
        return failure ? failure : EIO;
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return ENOMEM;
    stream->tls->error = ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED
                             ? X509_verify_cert_error_string(verified)
                             : ERR_reason_error_string(code);
    return EPROTO;
}

/* libevent has stopped both ways; what is owed is still to be sent. */
static int end_input(struct stream *stream)
{
    bool is_owing = evbuffer_get_length(bufferevent_get_output(stream->bev)) > 0;
    stream->tls->is_truncated = !stream->tls->has_peer_notify;
    stream_tls_hold(stream);
    return is_owing && !stream_tls_is_blocked(stream) ? bufferevent_enable(stream->bev, EV_WRITE)
                                                      : 0;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    int failure = errno; /* valid only here, and only with BEV_EVENT_ERROR */
    struct stream *stream = arg;
    const struct stream_callbacks *callbacks = &stream->env->callbacks;
    if (what & BEV_EVENT_CONNECTED) {
        stream->tls->is_open = true;
        /* A client's last message asks for no answer. Without TCP_NODELAY its first data would wait
         * for our delayed acknowledgement (RFC 9293, 3.7.4 and 3.8.6.3). */
        sock_set_option(bufferevent_getfd(bev), IPPROTO_TCP, TCP_QUICKACK, 1);
        callbacks->on_open(stream);
    } else if (what & BEV_EVENT_ERROR) {
        callbacks->on_error(stream, find_error(stream, failure));
    } else if (what & BEV_EVENT_EOF && !stream->tls->is_open) {
        stream->tls->error = "the peer ended before the handshake was done";
        callbacks->on_error(stream, EPROTO);
    } else if (what & BEV_EVENT_EOF && end_input(stream) < 0) {
        callbacks->on_error(stream, ENOMEM);
    } else if (what & BEV_EVENT_EOF) {
        callbacks->on_end(stream);
    }
}

/* ---- the wire ---- */

bool stream_tls_is_blocked(const struct stream *stream)
{
    return tls_wire_kept(stream->tls->wire) > 0;
}

/* The loop may write again, and read if the owner wants it. */
static int unblock(struct stream *stream)
{
    bool may_read = !stream->tls->is_held && stream->tls->is_open;
    return bufferevent_enable(stream->bev, may_read ? EV_READ | EV_WRITE : EV_WRITE);
}

/* What was kept has gone: what libevent has written is sent. */
static void on_room(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    struct stream_tls *tls = stream->tls;
    int failure = tls_wire_flush(tls->wire);
    (void)fd;
    (void)what;
    if (failure == -EAGAIN)
        return;
    (void)event_del(tls->room);
    if (failure) {
        stream->env->callbacks.on_error(stream, -failure);
        return;
    }
    if (tls->is_ending)
        stream->env->callbacks.on_drained(stream, 0);
    else
        stream_on_write(stream->bev, stream);
    if (stream->bev && !stream_tls_is_blocked(stream) && unblock(stream) < 0)
        stream->env->callbacks.on_error(stream, ENOMEM);
}

/* In the midst of a call of OpenSSL's, most often libevent's. */
static bool on_kept(void *arg)
{
    struct stream *stream = arg;
    struct stream_tls *tls = stream->tls;
    (void)bufferevent_disable(stream->bev,
                              tls_wire_is_full(tls->wire) ? EV_READ | EV_WRITE : EV_WRITE);
    if (!tls->room)
        tls->room = event_new(stream->env->loop->base, bufferevent_getfd(stream->bev),
                              EV_WRITE | EV_PERSIST, on_room, stream);
    return tls->room &&
           (event_pending(tls->room, EV_WRITE, NULL) || event_add(tls->room, NULL) == 0);
}

void stream_tls_hold(struct stream *stream)
{
    stream->tls->is_held = true;
    (void)bufferevent_disable(stream->bev, EV_READ);
}

int stream_tls_resume(struct stream *stream)
{
    stream->tls->is_held = false;
    /* If too much is kept, unblock() does it. */
    return tls_wire_is_full(stream->tls->wire) ? 0 : bufferevent_enable(stream->bev, EV_READ);
}

/* ---- life ---- */

/* libevent 2.1.12 dereferences NULL where it has memory for a TLS bufferevent and none for its
 * buffers, and is silent where it has none to hear of output; so it gets what is set aside. On
 * failure the SSL has been freed, and the descriptor has not. */
static struct bufferevent *new_bufferevent(struct stream *stream, int fd)
{
    struct stream_tls *tls = stream->tls;
    tls->wire = tls_wire_new(fd, on_kept, stream);
    if (tls->wire)
        SSL_set_bio(tls->ssl, tls->wire, tls->wire);
    if (!tls->wire || SSL_set_app_data(tls->ssl, tls) != 1 || reserve_fill() < 0) {
        SSL_free(tls->ssl);
        return NULL;
    }
    SSL_set_info_callback(tls->ssl, on_info);
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        stream->env->loop->base, fd, tls->ssl, BUFFEREVENT_SSL_ACCEPTING,
        BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    reserve_drop();
    return bev;
}

int stream_tls_open(struct stream *stream, const struct stream_env *env, int fd,
                    struct tls_context *context)
{
    *stream = (struct stream){.env = env, .read_max = UINT32_MAX};
    struct stream_tls *tls = calloc(1, sizeof(*tls));
    stream->tls = tls;
    if (tls)
        tls->ssl = tls_accept_new(context);
    if (tls && tls->ssl)
        stream->bev = new_bufferevent(stream, fd);
    if (!stream->bev) {
        free(tls);
        stream->tls = NULL;
        sock_reset(fd);
        return -1;
    }
    tls->is_held = true; /* until stream_resume() */
    bufferevent_setcb(stream->bev, on_read, on_write, on_event, stream);
    bufferevent_setwatermark(stream->bev, EV_WRITE, SIZE_MAX, 0);
    return 0;
}

void stream_tls_close(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    /* libevent frees the SSL one step later, and with it goes all that could call on_info(). */
    SSL_set_info_callback(tls->ssl, NULL);
    if (tls->room)
        event_free(tls->room);
    free(tls);
    stream->tls = NULL;
}

bool stream_tls_say_end(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    /* A stream that was cut off is not answered with a clean end: whoever cut it may stand between,
     * and the peer would not learn that bytes are missing. */
    if (!tls->has_said_end && !tls->is_truncated) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl); /* if it fails the peer is gone */
        ERR_clear_error();
    }
    tls->has_said_end = true;
    tls->is_ending = stream_tls_is_blocked(stream);
    if (!tls->is_ending)
        tls_wire_end(tls->wire);
    return !tls->is_ending;
}

/* ---- bytes ---- */

int stream_tls_prepare(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    struct evbuffer *input = bufferevent_get_input(stream->bev);
    if (!tls->has_ticket) {
        tls->has_ticket = tls->has_spare = true;
        (void)SSL_new_session_ticket(tls->ssl); /* TLS 1.2 has sent its own */
        ERR_clear_error();
    }
    return evbuffer_get_length(input) == 0 || evbuffer_pullup(input, -1) ? 0 : -ENOMEM;
}

size_t stream_tls_taken(const struct stream *stream)
{
    size_t waiting = evbuffer_get_length(bufferevent_get_output(stream->bev));
    return stream_tls_is_blocked(stream) ? 0 : stream->owed_told - waiting;
}

size_t stream_tls_unread(const struct stream *stream)
{
    return evbuffer_get_length(bufferevent_get_input(stream->bev)) +
           (size_t)SSL_pending(stream->tls->ssl);
}

bool stream_tls_is_open(const struct stream *stream)
{
    return stream->tls->is_open;
}

/* libevent 2.1.12 asks for room before it reads, and where there is none it says nothing: the rest
 * of a record waits in OpenSSL until the peer sends more, and what the kernel holds makes the loop
 * spin. */
bool stream_tls_is_starved(const struct stream *stream)
{
    struct bufferevent *bev = stream->bev;
    char byte;
    if (!(bufferevent_get_enabled(bev) & EV_READ))
        return false;
    if (SSL_pending(stream->tls->ssl) > 0)
        return true;
    bool is_waiting = recv(bufferevent_getfd(bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
    return is_waiting && evbuffer_expand(bufferevent_get_input(bev), LIBRARY_READ_BYTES) < 0;
}

/* ---- what is told of it ---- */

const char *stream_tls_error(const struct stream *stream)
{
    return stream->tls->error;
}

bool stream_is_truncated(const struct stream *stream)
{
    return stream->tls && stream->tls->is_truncated;
}

static size_t copy(char *out, size_t size, const void *bytes, size_t length)
{
    length = length < size ? length : size;
    if (length > 0)
        memcpy(out, bytes, length);
    return length;
}

static void describe_peer(SSL *ssl, struct stream_tls_info *out)
{
    const X509 *cert = SSL_get0_peer_certificate(ssl);
    BIO *text = cert ? BIO_new(BIO_s_mem()) : NULL;
    char *bytes = NULL;
    if (!text)
        return;
    /* Without memory for all of it, part would be somebody else's name. */
    if (X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(text, &bytes);
        out->subject_length =
            copy(out->subject, sizeof(out->subject), bytes, length > 0 ? (size_t)length : 0);
    }
    BIO_free(text);
}

bool stream_describe_tls(const struct stream *stream, struct stream_tls_info *out)
{
    const unsigned char *alpn;
    unsigned alpn_length;
    if (!stream->tls || !stream->tls->is_open)
        return false;
    SSL *ssl = stream->tls->ssl;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    *out = (struct stream_tls_info){.version = SSL_get_version(ssl),
                                    .cipher = SSL_get_cipher_name(ssl),
                                    .is_resumed = SSL_session_reused(ssl) == 1};
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_length);
    out->alpn_length = copy(out->alpn, sizeof(out->alpn), alpn, alpn_length);
    out->server_name_length =
        copy(out->server_name, sizeof(out->server_name), name, name ? strlen(name) : 0);
    describe_peer(ssl, out);
    ERR_clear_error();
    return true;
}

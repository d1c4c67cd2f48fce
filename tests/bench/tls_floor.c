/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor of TLS: one epoll loop over OpenSSL, one 16 KiB buffer, one SSL_read and one SSL_write
 * for each echo. Bytes that the kernel does not accept are stored for that connection, which is not
 * read meanwhile. No limits, no deadlines, no counters, no log.
 *
 *     tls_floor PORT CERT KEY */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 16384
#define EVENTS 256

struct peer {
    SSL *ssl;
    int fd;
    uint32_t watched;
    char *rest; /* not accepted yet; OpenSSL requires the same bytes again */
    int rest_length;
};

static int epoll_fd;

static void watch(struct peer *peer, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = peer};
    if (events != peer->watched)
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, peer->fd, &event);
    peer->watched = events;
}

static void end(struct peer *peer)
{
    SSL_shutdown(peer->ssl);
    SSL_free(peer->ssl);
    close(peer->fd);
    free(peer->rest);
    free(peer);
}

/* False if the peer is gone. */
static int wait_or_end(struct peer *peer, int result)
{
    int why = SSL_get_error(peer->ssl, result);
    if (why == SSL_ERROR_WANT_READ)
        watch(peer, EPOLLIN);
    else if (why == SSL_ERROR_WANT_WRITE)
        watch(peer, EPOLLOUT);
    else
        end(peer);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* Sends the stored bytes; false if some remain. */
static int pay_rest(struct peer *peer)
{
    int written = SSL_write(peer->ssl, peer->rest, peer->rest_length);
    if (written <= 0) {
        wait_or_end(peer, written);
        return 0;
    }
    free(peer->rest);
    peer->rest = NULL;
    watch(peer, EPOLLIN);
    return 1;
}

static void on_event(struct peer *peer)
{
    static char buffer[BUFFER_BYTES];
    if (peer->rest && !pay_rest(peer))
        return;
    for (;;) {
        int length = SSL_read(peer->ssl, buffer, sizeof(buffer));
        if (length <= 0) {
            wait_or_end(peer, length);
            return;
        }
        int written = SSL_write(peer->ssl, buffer, length);
        if (written <= 0) {
            if (!wait_or_end(peer, written))
                return;
            peer->rest = malloc((size_t)length);
            memcpy(peer->rest, buffer, (size_t)length);
            peer->rest_length = length;
            return;
        }
        if (SSL_pending(peer->ssl) == 0)
            return;
    }
}

static void on_listener(int listener, SSL_CTX *context)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *peer = calloc(1, sizeof(*peer));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        *peer = (struct peer){.ssl = SSL_new(context), .fd = fd, .watched = EPOLLIN};
        SSL_set_fd(peer->ssl, fd);
        SSL_set_accept_state(peer->ssl);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int open_listener(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4096) < 0) {
        perror("tls_floor");
        exit(3);
    }
    return fd;
}

static SSL_CTX *open_context(const char *cert, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "tls_floor: %s, %s: no certificate and key\n", cert, key);
        exit(3);
    }
    return context;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    struct rlimit limit;
    if (argc != 4)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    SSL_CTX *context = open_context(argv[2], argv[3]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = open_listener(argv[1]);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_event(events[i].data.ptr);
            else
                on_listener(listener, context);
        }
    }
}

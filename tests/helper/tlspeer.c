/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tlspeer: a TLS client that runs a script of steps that ordinary clients do not make.
 *
 *     tlspeer [-2d] [-m N] [-a ALPN] [-n NAME] [-c CERT] [-k KEY] HOST:PORT STEP...
 *
 * TLS works in memory, and the tool itself writes to the socket, so a step can hold records back,
 * send several in one segment, or send a handshake byte by byte. It sends the pattern of wire.h;
 * the byte received at an offset must be the byte sent there. It verifies no certificate. With -m
 * there are N clients, each a process. With -d small writes wait for an acknowledgement (no
 * TCP_NODELAY).
 *
 *     trickle:MS    before anything else: the handshake is sent byte by byte
 *     handshake     implied by all steps below
 *     send:SIZE     and read nothing      fill:SIZE   until SIZE, or no more is accepted
 *     echo:SIZE     send and read it      tiny:N      N records of one byte each
 *     mixed:SIZE    fill, with a KeyUpdate that requests another after each record
 *     notify        close_notify          fin         half-close TCP
 *     cork uncork   between them nothing is sent, then all in one write
 *     update:N      N times KeyUpdate with a request for another (TLS 1.3)
 *     renegotiate   request it (-2)       raw:TEXT    bytes outside of TLS
 *     pause:MS      read-all              until the end, and report it
 *     close         without close_notify  reset
 *
 * Facts at the end: sent, got, end (notify, fin, reset, timeout, error, open), echo_us (the
 * duration of the last echo step) and, if there is one, error; leak=yes if the server's bytes
 * contained our data unencrypted. It exits 0 if each byte was correct and no step failed.
 */
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "wire.h"

#define CHUNK 16384
#define HELD_MS 400
#define APART_MS 5
#define PATIENCE_MS 10000
#define SEED 1

static struct peer {
    int fd;
    SSL *ssl;
    BIO *in, *out; /* bytes received, and bytes to send */
    int trickle_ms;
    bool is_delaying, is_corked, is_held, wants_fin, has_fin_sent, is_over;
    uint64_t sent, got;
    const char *end, *error;
    bool has_leak;
    int count;
    long long echo_us;
} peer = {.fd = -1, .end = "open"};

static _Noreturn void finish(int code)
{
    printf("sent=%llu\ngot=%llu\nend=%s\n", (unsigned long long)peer.sent,
           (unsigned long long)peer.got, peer.end);
    printf("resumed=%s\n", peer.ssl && SSL_session_reused(peer.ssl) ? "yes" : "no");
    printf("echo_us=%lld\n", peer.echo_us);
    if (peer.has_leak)
        printf("leak=yes\n");
    if (peer.error)
        printf("error=%s\n", peer.error);
    exit(code);
}

static _Noreturn void fail(const char *end, const char *error)
{
    if (!peer.is_over)
        peer.end = end;
    peer.error = error ? error : ERR_reason_error_string(ERR_peek_last_error());
    finish(TOOL_BROKEN);
}

/* ---- the socket ---- */

/* The first 16 bytes of the pattern must never appear on the wire. */
static void look_for_leak(const uint8_t *bytes, size_t length)
{
    uint8_t pattern[16];
    wire_fill(SEED, 0, pattern, sizeof pattern);
    peer.has_leak = peer.has_leak || memmem(bytes, length, pattern, sizeof pattern) != NULL;
}

static void take(void)
{
    uint8_t bytes[CHUNK];
    ssize_t n = recv(peer.fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        peer.is_over = true;
        peer.end = n < 0 ? "reset" : "fin";
        return;
    }
    look_for_leak(bytes, (size_t)n);
    BIO_write(peer.in, bytes, (int)n);
}

static void give(void)
{
    char *bytes;
    long length = BIO_get_mem_data(peer.out, &bytes);
    if (peer.trickle_ms && length > 1) {
        poll(NULL, 0, peer.trickle_ms);
        length = 1;
    }
    ssize_t n = send(peer.fd, bytes, (size_t)length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        peer.is_over = true;
        peer.end = "reset";
    }
    static uint8_t sink[1 << 20];
    for (ssize_t left = n; left > 0;)
        left -=
            BIO_read(peer.out, sink, left < (ssize_t)sizeof sink ? (int)left : (int)sizeof sink);
}

/* One round: writes, and reads if is_reading. False if nothing happened in time. */
static bool turn(bool is_reading, int wait_ms)
{
    bool is_giving = !peer.is_corked && BIO_pending(peer.out) > 0;
    struct pollfd p = {.fd = peer.fd,
                       .events = (short)((is_reading ? POLLIN : 0) | (is_giving ? POLLOUT : 0))};
    if (!is_giving && peer.wants_fin && !peer.has_fin_sent && !peer.is_corked) {
        shutdown(peer.fd, SHUT_WR);
        peer.has_fin_sent = true;
    }
    if (peer.is_over || poll(&p, 1, wait_ms) <= 0)
        return false;
    if (is_reading && p.revents & (POLLIN | POLLHUP | POLLERR))
        take();
    if (is_giving && p.revents & (POLLOUT | POLLERR))
        give();
    return true;
}

static void flush(void)
{
    while (!peer.is_corked && !peer.is_held && BIO_pending(peer.out) > 0 &&
           turn(false, PATIENCE_MS))
        continue;
}

/* ---- TLS ---- */

static void handshake(void)
{
    while (!SSL_is_init_finished(peer.ssl)) {
        int result = SSL_do_handshake(peer.ssl);
        if (result == 1)
            break;
        if (SSL_get_error(peer.ssl, result) != SSL_ERROR_WANT_READ)
            fail("error", NULL);
        if (!turn(true, PATIENCE_MS))
            fail("timeout", peer.is_over ? "the server ended the handshake" : "it took too long");
    }
    peer.trickle_ms = 0;
    flush();
}

/* Reads available data. Returns 1, 0 at close_notify, or -1 if there is none. */
static int read_some(void)
{
    uint8_t bytes[CHUNK], expected[CHUNK];
    int n = SSL_read(peer.ssl, bytes, sizeof bytes);
    if (n <= 0) {
        int error = SSL_get_error(peer.ssl, n);
        if (error == SSL_ERROR_ZERO_RETURN)
            return 0;
        if (error != SSL_ERROR_WANT_READ)
            fail("error", NULL);
        return -1;
    }
    wire_fill(SEED, peer.got, expected, (size_t)n);
    if (peer.got + (uint64_t)n > peer.sent || memcmp(bytes, expected, (size_t)n) != 0)
        fail("error", "a wrong byte");
    peer.got += (uint64_t)n;
    return 1;
}

static void write_record(size_t length)
{
    uint8_t bytes[CHUNK];
    wire_fill(SEED, peer.sent, bytes, length);
    if (SSL_write(peer.ssl, bytes, (int)length) != (int)length)
        fail("error", NULL);
    peer.sent += length;
}

static void update_keys(void)
{
    SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(peer.ssl);
}

/* Returns after `size` bytes, or, if may_be_held, when none is accepted for a while. */
static void send_all(uint64_t size, bool may_be_held, bool is_updating)
{
    uint64_t until = peer.sent + size;
    while (peer.sent < until) {
        write_record(until - peer.sent < CHUNK ? until - peer.sent : CHUNK);
        if (is_updating)
            update_keys();
        while (!peer.is_corked && BIO_pending(peer.out) > 4 * CHUNK) {
            if (turn(false, may_be_held ? HELD_MS : PATIENCE_MS))
                continue;
            peer.is_held = may_be_held; /* the rest is sent while a later step reads */
            if (may_be_held)
                return;
            fail("timeout", "nothing is taken");
        }
    }
    if (!may_be_held)
        flush();
}

static void read_until(uint64_t offset)
{
    while (peer.got < offset) {
        int result = read_some();
        if (result == 0)
            fail("notify", "too early");
        if (result < 0 && !turn(true, PATIENCE_MS))
            fail("timeout", "the echo is not whole");
    }
}

static void echo(uint64_t size)
{
    uint64_t from_us = wire_now_us();
    send_all(size, false, false);
    read_until(peer.sent);
    peer.echo_us = (long long)(wire_now_us() - from_us);
}

static void read_all(void)
{
    int result;
    while ((result = read_some()) != 0) {
        if (result < 0 && !turn(true, PATIENCE_MS)) {
            if (!peer.is_over)
                fail("timeout", "it does not end");
            /* Data received before the end is still in memory. */
            while ((result = read_some()) > 0)
                continue;
            break;
        }
    }
    if (result != 0)
        return;
    while (!peer.is_over && turn(true, PATIENCE_MS))
        continue;
    peer.end = !peer.is_over ? "timeout" : strcmp(peer.end, "fin") == 0 ? "notify" : peer.end;
}

/* ---- steps ---- */

static void do_step(const char *step)
{
    const char *value = strchr(step, ':');
    size_t length = value ? (size_t)(value - step) : strlen(step);
    int64_t n = value ? wire_size(value + 1) : 0;
#define IS(word) (length == strlen(word) && strncmp(step, word, length) == 0)
    if (IS("trickle")) {
        peer.trickle_ms = (int)n;
        return;
    }
    handshake();
    if (IS("send"))
        send_all((uint64_t)n, false, false);
    else if (IS("fill") || IS("mixed"))
        send_all((uint64_t)n, true, IS("mixed"));
    else if (IS("echo"))
        echo((uint64_t)n);
    else if (IS("tiny"))
        for (; n > 0; n--)
            write_record(1);
    else if (IS("notify"))
        SSL_shutdown(peer.ssl);
    else if (IS("fin"))
        peer.wants_fin = true;
    else if (IS("cork") || IS("uncork"))
        peer.is_corked = IS("cork");
    else if (IS("update"))
        for (; n > 0; n--)
            update_keys();
    else if (IS("renegotiate"))
        SSL_renegotiate(peer.ssl), SSL_do_handshake(peer.ssl);
    else if (IS("raw"))
        BIO_write(peer.out, value + 1, (int)strlen(value + 1));
    else if (IS("pause"))
        poll(NULL, 0, (int)n);
    else if (IS("read-all"))
        read_all();
    else if (IS("reset"))
        wire_reset_on_close(peer.fd), close(peer.fd), finish(TOOL_OK);
    else if (IS("close"))
        close(peer.fd), finish(TOOL_OK);
    else if (!IS("handshake")) {
        fprintf(stderr, "tlspeer: unknown step '%s'\n", step);
        exit(TOOL_USAGE);
    }
    if (!IS("fill") && !IS("mixed") && !peer.is_over && !IS("notify"))
        flush();
}

static SSL *new_ssl(int argc, char **argv)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const char *name = NULL;
    unsigned char alpn[256];
    int option;
    SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    while ((option = getopt(argc, argv, "2a:c:dk:m:n:")) != -1) {
        if (option == '2')
            SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        else if (option == 'a') {
            alpn[0] = (unsigned char)strlen(optarg);
            memcpy(alpn + 1, optarg, alpn[0]);
            SSL_CTX_set_alpn_protos(context, alpn, alpn[0] + 1U);
        } else if (option == 'n')
            name = optarg;
        else if (option == 'm')
            peer.count = atoi(optarg);
        else if (option == 'd')
            peer.is_delaying = true;
        else if (option == 'c')
            SSL_CTX_use_certificate_file(context, optarg, SSL_FILETYPE_PEM);
        else if (option == 'k')
            SSL_CTX_use_PrivateKey_file(context, optarg, SSL_FILETYPE_PEM);
        else
            exit(TOOL_USAGE);
    }
    SSL *ssl = SSL_new(context);
    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    return ssl;
}

int main(int argc, char **argv)
{
    struct wire_address address;
    peer.ssl = new_ssl(argc, argv);
    if (optind >= argc || wire_address(argv[optind], &address) < 0) {
        fprintf(stderr, "usage: tlspeer [-2d] [-a ALPN] [-n NAME] HOST:PORT STEP...\n");
        return TOOL_USAGE;
    }
    for (; peer.count > 1 && fork() != 0; peer.count--)
        poll(NULL, 0, APART_MS);
    peer.fd = wire_socket(&address);
    if (wire_connect(peer.fd, &address, PATIENCE_MS) != 0)
        return TOOL_NO_CONNECTION;
    if (peer.is_delaying)
        setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &(int){0}, sizeof(int));
    peer.in = BIO_new(BIO_s_mem());
    peer.out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer.in, -1);
    SSL_set_bio(peer.ssl, peer.in, peer.out);
    SSL_set_connect_state(peer.ssl);
    for (int i = optind + 1; i < argc; i++)
        do_step(argv[i]);
    flush();
    finish(TOOL_OK);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A link over TLS, with OpenSSL as the server on the other end, both in one thread. */
#include "link_peer.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdlib.h>

#include "base/pattern.h"
#include "client/link_tls.h"

#define RECORD_BYTES 16384
#define SEED 7

struct pair {
    struct link_plan plan;
    struct link link;
    SSL *peer;
    int listening, fd;
};

static SSL_CTX *server; /* with a self-signed certificate for 127.0.0.1 */
static char *cacert;    /* the same in a file */

/* ---- the server ---- */

static int make_server(void **state)
{
    static char path[] = "/tmp/test_link_tls.XXXXXX";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509V3_CTX context;
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    server = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(server, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    cacert = path;
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

static int free_server(void **state)
{
    (void)state;
    unlink(cacert);
    SSL_CTX_free(server);
    return 0;
}

/* ---- a pair ---- */

static void make_plan(struct pair *pair, struct link_tls_options options)
{
    struct error err;
    options.server_name = options.server_name ? options.server_name : "127.0.0.1";
    pair->listening = link_peer_listen(&pair->plan);
    pair->plan.layer = link_tls_new(&options, &err);
    assert_non_null(pair->plan.layer);
    link_init(&pair->link);
}

/* Runs both ends in turn, each as far as possible. Returns the link's step. */
static enum link_step shake_hands(struct pair *pair)
{
    enum link_step step = link_start(&pair->link, &pair->plan);
    short ready;
    pair->fd = accept(pair->listening, NULL, NULL);
    pair->peer = SSL_new(server);
    fcntl(pair->fd, F_SETFL, O_NONBLOCK);
    SSL_set_fd(pair->peer, pair->fd);
    int kind = SSL_ERROR_NONE; /* SSL_ERROR_SSL: the peer has refused us with an alert */
    while (step == LINK_WAIT ||
           (step == LINK_DONE && !SSL_is_init_finished(pair->peer) && kind != SSL_ERROR_SSL)) {
        kind = SSL_get_error(pair->peer, SSL_accept(pair->peer));
        ERR_clear_error(); /* errors of the peer, which usually is another process */
        if (step == LINK_WAIT && link_poll(&pair->link, 0, 10, -1, &ready) > 0)
            step = link_advance(&pair->link);
    }
    return step;
}

static void open_pair(struct pair *pair, struct link_tls_options options)
{
    make_plan(pair, options);
    assert_int_equal(shake_hands(pair), LINK_DONE);
    assert_int_equal(pair->link.state, LINK_OPEN);
}

static void end_peer(struct pair *pair)
{
    SSL_free(pair->peer);
    close(pair->fd);
}

static void close_pair(struct pair *pair)
{
    link_clear(&pair->link);
    end_peer(pair);
    close(pair->listening);
    pair->plan.layer->free(pair->plan.layer);
}

/* Receives bytes that the link has reported: at least one, or its end. */
static ssize_t receive(struct link *link, void *bytes, size_t size)
{
    ssize_t came;
    do {
        link_peer_await(link);
        came = link_recv(link, bytes, size);
    } while (came == 0); /* a ticket is not data */
    return came;
}

/* ---- tests ---- */

static void test_it_is_verified(void **state)
{
    struct pair pair = {0};
    char text[256];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.cacert = cacert});
    assert_non_null(strstr(link_describe(&pair.link, text, sizeof(text)), "certificate verified"));
    assert_true(pair.link.handshake_ns > 0);
    close_pair(&pair);
}

static void test_it_is_refused(void **state)
{
    static const struct {
        const char *server_name, *text;
    } CASES[] = {{"127.0.0.2", "TLS: IP address mismatch; --servername"},
                 {"localhost", "TLS: hostname mismatch; --servername"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct pair pair = {0};
        char text[256];
        make_plan(&pair,
                  (struct link_tls_options){.cacert = cacert, .server_name = CASES[i].server_name});
        assert_int_equal(shake_hands(&pair), LINK_ENDED);
        assert_int_equal(pair.link.ending.outcome, OUTCOME_TLS);
        ending_text(&pair.link.ending, text, sizeof(text));
        assert_int_equal(strncmp(text, CASES[i].text, strlen(CASES[i].text)), 0);
        close_pair(&pair);
    }
}

/* A peer that requests a certificate verifies it after our own handshake is done (RFC 8446,
 * 4.4.2.4): its alert is reported, whatever we do next. */
static void be_refused(struct pair *pair)
{
    make_plan(pair, (struct link_tls_options){.cacert = cacert});
    SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    enum link_step step = shake_hands(pair);
    SSL_CTX_set_verify(server, SSL_VERIFY_NONE, NULL);
    assert_int_equal(step, LINK_DONE);
}

static void assert_refused(const struct pair *pair)
{
    assert_int_equal(pair->link.ending.outcome, OUTCOME_TLS);
    assert_string_equal(pair->link.ending.reason, "tlsv13 alert certificate required");
}

static void test_an_alert_is_not_forgotten(void **state)
{
    struct pair pair = {0};
    char byte;
    (void)state;
    be_refused(&pair);
    assert_int_equal(receive(&pair.link, &byte, 1), -1);
    assert_refused(&pair);
    assert_int_equal(link_send(&pair.link, "x", 1), -1);
    assert_int_equal(link_half_close(&pair.link), LINK_ENDED);
    assert_refused(&pair);
    close_pair(&pair);
}

static void test_an_alert_before_a_reset(void **state)
{
    struct pair pair = {0};
    (void)state;
    be_refused(&pair);
    sock_set_reset(pair.fd);
    end_peer(&pair);
    pair.peer = NULL;
    pair.fd = -1;
    link_peer_await(&pair.link);
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    char byte;
    assert_int_equal(receive(&pair.link, &byte, 1), -1);
    assert_refused(&pair);
    close_pair(&pair);
}

/* A failed send does not hide bytes or a TLS end received before. */
static void test_a_send_that_meets_a_reset(void **state)
{
    (void)state;
    for (int has_notify = 0; has_notify < 2; has_notify++) {
        struct pair pair = {0};
        char came[16];
        const int on = 1;
        open_pair(&pair, (struct link_tls_options){.is_insecure = true});
        /* A reset would discard bytes held back by Nagle's algorithm. */
        assert_int_equal(setsockopt(pair.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
        assert_int_equal(SSL_write(pair.peer, "last", 4), 4);
        if (has_notify)
            assert_int_equal(SSL_shutdown(pair.peer), 0);
        sock_set_reset(pair.fd);
        end_peer(&pair);
        pair.peer = NULL;
        pair.fd = -1;
        link_peer_await(&pair.link);
        while (!link_cannot_send(&pair.link))
            assert_true(link_send(&pair.link, "x", 1) >= 0);
        assert_true(link_has_more(&pair.link));
        assert_int_equal(link_recv(&pair.link, came, 3), 3);
        assert_int_equal(link_recv(&pair.link, came, sizeof(came)), 1);
        assert_int_equal(link_recv(&pair.link, came, sizeof(came)), -1);
        assert_int_equal(pair.link.ending.end, has_notify ? STREAM_END_FIN : STREAM_END_RST);
        assert_int_equal(pair.link.ending.outcome, has_notify ? OUTCOME_OK : OUTCOME_RESET);
        close_pair(&pair);
    }
}

/* Bytes decrypted ahead are reported, for every size of read. */
static void test_records_received_at_once(void **state)
{
    struct pair pair = {0};
    unsigned char sent[5000], came[5000];
    size_t at = 0;
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    pattern_fill(SEED, 0, sent, sizeof(sent));
    for (size_t i = 0; i < sizeof(sent); i += 1000)
        assert_int_equal(SSL_write(pair.peer, sent + i, 1000), 1000);
    while (at < sizeof(sent)) {
        ssize_t some = receive(&pair.link, came + at, at + 300 < sizeof(came) ? 300 : 200);
        assert_true(some > 0);
        at += (size_t)some;
    }
    assert_memory_equal(sent, came, sizeof(sent));
    assert_false(link_has_more(&pair.link));
    close_pair(&pair);
}

static void test_the_end_comes_after_the_last_bytes(void **state)
{
    struct pair pair = {0};
    char came[16];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    assert_int_equal(SSL_write(pair.peer, "last", 4), 4);
    assert_int_equal(SSL_shutdown(pair.peer), 0); /* and no FIN: poll() reports nothing more */
    assert_int_equal(receive(&pair.link, came, sizeof(came)), 4);
    assert_int_equal(receive(&pair.link, came, sizeof(came)), -1);
    assert_int_equal(pair.link.ending.end, STREAM_END_FIN);
    assert_int_equal(pair.link.ending.outcome, OUTCOME_OK);
    close_pair(&pair);
}

static void test_an_end_without_close_notify(void **state)
{
    struct pair pair = {0};
    char came[16];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    assert_int_equal(SSL_write(pair.peer, "last", 4), 4);
    shutdown(pair.fd, SHUT_WR);
    assert_int_equal(receive(&pair.link, came, sizeof(came)), 4);
    assert_int_equal(receive(&pair.link, came, sizeof(came)), -1);
    assert_int_equal(pair.link.ending.end, STREAM_END_TRUNCATED);
    assert_int_equal(pair.link.ending.outcome, OUTCOME_TLS);
    close_pair(&pair);
}

static void test_our_half_close(void **state)
{
    struct pair pair = {0};
    char came[16];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    assert_int_equal(SSL_read(pair.peer, came, sizeof(came)), 0);
    assert_int_equal(SSL_get_shutdown(pair.peer) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    assert_int_equal(recv(pair.fd, came, 1, 0), 0); /* a FIN behind it */
    assert_int_equal(SSL_write(pair.peer, "tail", 4), 4);
    assert_int_equal(receive(&pair.link, came, sizeof(came)), 4);
    close_pair(&pair);
}

/* The peer reads `until` bytes in all and compares them. */
static void read_peer(struct pair *pair, uint64_t *at, uint64_t until)
{
    static unsigned char came[RECORD_BYTES];
    while (*at < until) {
        int some = SSL_read(pair->peer, came, sizeof(came));
        if (some <= 0)
            return;
        assert_int_equal(pattern_match(SEED, *at, came, (size_t)some), some);
        *at += (uint64_t)some;
    }
}

/* A record sent in part is held, and sent again from another place in memory with more bytes after
 * it: no byte is lost or duplicated. */
static void test_a_held_record(void **state)
{
    struct pair pair = {0};
    static unsigned char buffers[2][100000];
    uint64_t sent = 0, at = 0;
    unsigned held = 0;
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    for (unsigned turn = 0; held < 5 && turn < 100000; turn++) {
        unsigned char *bytes = buffers[turn % 2];
        size_t length = 20000 + 7919 * turn % 80000;
        pattern_fill(SEED, sent, bytes, length);
        ssize_t some = link_send(&pair.link, bytes, length);
        assert_true(some >= 0);
        sent += (uint64_t)some;
        if (pair.link.held == 0)
            continue;
        held++;
        assert_true(pair.link.held <= RECORD_BYTES);
        read_peer(&pair, &at, sent);
    }
    assert_int_equal(held, 5);
    while (pair.link.held > 0) {
        pattern_fill(SEED, sent, buffers[0], pair.link.held);
        ssize_t some = link_send(&pair.link, buffers[0], pair.link.held);
        assert_true(some >= 0);
        sent += (uint64_t)some;
        read_peer(&pair, &at, sent);
    }
    read_peer(&pair, &at, sent);
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    while (at < sent)
        read_peer(&pair, &at, sent);
    close_pair(&pair);
}

/* Sends until a record is held. */
static void send_until_held(struct pair *pair, uint64_t *sent)
{
    static unsigned char bytes[100000];
    while (pair->link.held == 0) {
        pattern_fill(SEED, *sent, bytes, sizeof(bytes));
        ssize_t some = link_send(&pair->link, bytes, sizeof(bytes));
        assert_true(some >= 0);
        *sent += (uint64_t)some;
    }
}

/* Sends the held record, and the peer reads it. */
static void send_held(struct pair *pair, uint64_t *sent, uint64_t *at)
{
    unsigned char bytes[RECORD_BYTES];
    while (pair->link.held > 0) {
        read_peer(pair, at, *sent);
        pattern_fill(SEED, *sent, bytes, pair->link.held);
        *sent += (uint64_t)link_send(&pair->link, bytes, pair->link.held);
    }
    while (*at < *sent)
        read_peer(pair, at, *sent);
}

/* Receiving sends no held record: otherwise the caller could receive an echo of bytes that it has
 * not counted as sent. */
static void test_receiving_leaves_a_held_record(void **state)
{
    struct pair pair = {0};
    char came[16];
    uint64_t sent = 0, at = 0;
    short ready;
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    send_until_held(&pair, &sent);
    while (at < sent)
        read_peer(&pair, &at, sent);
    assert_true(link_poll(&pair.link, POLLOUT, LINK_PEER_MS, -1, &ready) > 0);
    assert_int_equal(link_recv(&pair.link, came, sizeof(came)), 0);
    assert_int_equal(SSL_key_update(pair.peer, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(pair.peer), 1);
    link_peer_await(&pair.link);
    assert_int_equal(link_recv(&pair.link, came, sizeof(came)), 0);
    assert_int_equal(SSL_read(pair.peer, came, sizeof(came)), -1);
    send_held(&pair, &sent, &at);
    close_pair(&pair);
}

static void test_a_held_record_that_meets_a_reset(void **state)
{
    struct pair pair = {0};
    char bytes[RECORD_BYTES] = {0};
    uint64_t sent = 0;
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    send_until_held(&pair, &sent);
    sock_set_reset(pair.fd);
    end_peer(&pair);
    pair.peer = NULL;
    pair.fd = -1;
    link_peer_await(&pair.link);
    assert_int_equal(link_send(&pair.link, bytes, pair.link.held), 0);
    assert_true(link_cannot_send(&pair.link));
    assert_int_equal(pair.link.held, 0);
    assert_int_equal(link_recv(&pair.link, bytes, sizeof(bytes)), -1); /* it does not block */
    assert_int_equal(pair.link.ending.end, STREAM_END_RST);
    close_pair(&pair);
}

/* If a peer requests key updates without end and reads no answers, it is not read until it reads
 * them. */
static void test_too_many_answers(void **state)
{
    struct pair pair = {0};
    char came[16];
    uint64_t sent = 0, at = 0;
    unsigned updates = 0;
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    send_until_held(&pair, &sent);
    for (; link_waits(&pair.link, POLLIN) & POLLIN && updates < 5000; updates++) {
        assert_int_equal(SSL_key_update(pair.peer, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(pair.peer), 1);
        link_peer_await(&pair.link);
        assert_int_equal(link_recv(&pair.link, came, sizeof(came)), 0);
    }
    assert_int_equal(link_waits(&pair.link, POLLIN), POLLOUT);
    assert_int_equal(SSL_write(pair.peer, "x", 1), 1);
    assert_int_equal(link_recv(&pair.link, came, sizeof(came)), 0);
    send_held(&pair, &sent, &at);
    assert_int_equal(receive(&pair.link, came, sizeof(came)), 1);
    assert_int_equal(link_waits(&pair.link, POLLIN), POLLIN);
    close_pair(&pair);
}

/* While it reads, OpenSSL answers a KeyUpdate although the kernel has accepted only a part of a
 * record. */
static void test_new_keys_while_a_record_is_held(void **state)
{
    struct pair pair = {0};
    static unsigned char bytes[100000];
    char came[16];
    uint64_t sent = 0, at = 0;
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    for (unsigned updates = 0; updates < 40;) {
        pattern_fill(SEED, sent, bytes, sizeof(bytes));
        ssize_t some = link_send(&pair.link, bytes, sizeof(bytes));
        assert_true(some >= 0);
        sent += (uint64_t)some;
        if (pair.link.held == 0)
            continue;
        for (unsigned i = 0; i < 10; i++, updates++) {
            assert_int_equal(SSL_key_update(pair.peer, SSL_KEY_UPDATE_REQUESTED), 1);
            assert_int_equal(SSL_do_handshake(pair.peer), 1);
        }
        link_peer_await(&pair.link);
        assert_int_equal(link_recv(&pair.link, came, sizeof(came)), 0);
        read_peer(&pair, &at, sent);
    }
    while (pair.link.held > 0) {
        pattern_fill(SEED, sent, bytes, pair.link.held);
        sent += (uint64_t)link_send(&pair.link, bytes, pair.link.held);
        read_peer(&pair, &at, sent);
    }
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    while (at < sent)
        read_peer(&pair, &at, sent);
    assert_int_equal(SSL_read(pair.peer, came, sizeof(came)), 0);
    assert_int_equal(SSL_get_shutdown(pair.peer) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    /* After our FIN the answer cannot be sent. */
    assert_int_equal(SSL_key_update(pair.peer, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_write(pair.peer, "x", 1), 1);
    assert_int_equal(receive(&pair.link, came, 1), 1);
    close_pair(&pair);
}

/* An attacker in between may have cut the stream; the server must not receive a clean end. */
static void test_a_truncated_stream_gets_no_clean_end(void **state)
{
    struct pair pair = {0};
    char came[16];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    assert_int_equal(shutdown(pair.fd, SHUT_WR), 0);
    link_peer_await(&pair.link);
    assert_int_equal(link_recv(&pair.link, came, sizeof(came)), -1);
    assert_int_equal(pair.link.ending.end, STREAM_END_TRUNCATED);
    assert_int_equal(link_half_close(&pair.link), LINK_ENDED);
    assert_true(link_leave(&pair.link, LINK_LEAVE_MS));
    /* A FIN without close_notify, which no TLS server takes for a clean end. */
    assert_int_equal(SSL_get_error(pair.peer, SSL_read(pair.peer, came, sizeof(came))),
                     SSL_ERROR_SSL);
    ERR_clear_error();
    close_pair(&pair);
}

static void test_a_session_is_resumed(void **state)
{
    struct pair pair = {0};
    char came[16];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true, .resumes = true});
    assert_false(pair.link.is_resumed);
    assert_int_equal(SSL_write(pair.peer, "x", 1), 1); /* after the tickets */
    assert_int_equal(receive(&pair.link, came, 1), 1);
    assert_non_null(pair.link.session);
    assert_int_equal(link_half_close(&pair.link), LINK_DONE);
    link_close(&pair.link);
    end_peer(&pair);
    assert_int_equal(shake_hands(&pair), LINK_DONE);
    assert_true(pair.link.is_resumed);
    close_pair(&pair);
}

static void test_leaving_sends_close_notify(void **state)
{
    struct pair pair = {0};
    char came[16];
    (void)state;
    open_pair(&pair, (struct link_tls_options){.is_insecure = true});
    assert_false(link_leave(&pair.link,
                            LINK_LEAVE_MS)); /* waits a moment for an answer that is never sent */
    assert_int_equal(pair.link.state, LINK_CLOSED);
    assert_int_equal(SSL_read(pair.peer, came, sizeof(came)), 0);
    assert_int_equal(SSL_get_shutdown(pair.peer) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_verified),
        cmocka_unit_test(test_it_is_refused),
        cmocka_unit_test(test_an_alert_is_not_forgotten),
        cmocka_unit_test(test_an_alert_before_a_reset),
        cmocka_unit_test(test_a_send_that_meets_a_reset),
        cmocka_unit_test(test_records_received_at_once),
        cmocka_unit_test(test_the_end_comes_after_the_last_bytes),
        cmocka_unit_test(test_an_end_without_close_notify),
        cmocka_unit_test(test_our_half_close),
        cmocka_unit_test(test_a_held_record),
        cmocka_unit_test(test_receiving_leaves_a_held_record),
        cmocka_unit_test(test_a_held_record_that_meets_a_reset),
        cmocka_unit_test(test_too_many_answers),
        cmocka_unit_test(test_new_keys_while_a_record_is_held),
        cmocka_unit_test(test_a_truncated_stream_gets_no_clean_end),
        cmocka_unit_test(test_a_session_is_resumed),
        cmocka_unit_test(test_leaving_sends_close_notify),
    };
    return cmocka_run_group_tests(tests, make_server, free_server);
}

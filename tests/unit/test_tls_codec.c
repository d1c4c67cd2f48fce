/* SPDX-License-Identifier: BSD-2-Clause */
/* A service's codec and a client's, over memory. */
#include "unit.h"

#include "tls_pair.h"
#include "wrap_memory.h"

#define ALL SIZE_MAX
#define RECORD 16384

/* ---- memory ---- */

static int fails_in; /* the number of allocations until one fails; 0: none */

static bool is_out_of_memory(size_t bytes)
{
    (void)bytes;
    return fails_in > 0 && --fails_in == 0;
}

/* ---- the two ends ---- */

static struct tls_end service, client;
static long blocks_before;

static void open_ends(SSL *ssl)
{
    fails_in = 0;
    blocks_before = live_blocks;
    assert_int_equal(tls_end_open(&service, tls_accept_new(pair_server)), 0);
    assert_int_equal(tls_end_open(&client, ssl), 0);
}

static void close_ends(void)
{
    tls_end_close(&service);
    tls_end_close(&client);
    assert_int_equal(live_blocks, blocks_before); /* all was freed */
}

/* Runs the handshake to its end; the service is fed `most` bytes at a time. */
static void shake_hands(size_t most)
{
    assert_int_equal(tls_end_shake(&client, ALL), 0);
    for (bool moves = true; moves;) {
        moves = tls_carry(&client, &service) > 0;
        while (service.wire_length > 0 && !service.codec.is_open)
            assert_in_range(tls_end_shake(&service, most), 0, 1);
        moves = tls_carry(&service, &client) > 0 || moves;
        while (client.wire_length > 0 && !client.codec.is_open)
            assert_in_range(tls_end_shake(&client, ALL), 0, 1);
    }
    assert_true(client.codec.is_open && service.codec.is_open);
}

static void open_pair(int version)
{
    open_ends(tls_pair_connect(version));
    shake_hands(ALL);
}

/* The client is done, and its last message has not been fed yet. */
static void open_half(void)
{
    open_ends(tls_pair_connect(TLS1_3_VERSION));
    assert_int_equal(tls_end_shake(&client, ALL), 0);
    (void)tls_carry(&client, &service);
    assert_int_equal(tls_end_shake(&service, ALL), 0);
    (void)tls_carry(&service, &client);
    assert_int_equal(tls_end_shake(&client, ALL), 1);
}

static const unsigned char *pattern(void)
{
    static unsigned char bytes[300000];
    for (size_t i = 0; bytes[1] == 0 && i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 7 % 251);
    return bytes;
}

/* The marks add up to all the record bytes and all the plain bytes. */
static void assert_marks(const struct tls_end *end, size_t plain)
{
    const struct tls_room *room = end->room;
    size_t records = 0, sum = 0;
    for (size_t i = 0; i < room->marks_count; i++) {
        assert_true(room->marks[i].record_bytes > room->marks[i].plain_bytes);
        records += room->marks[i].record_bytes;
        sum += room->marks[i].plain_bytes;
    }
    assert_int_equal(records, room->records_length);
    assert_int_equal(sum, plain);
}

static void assert_writes(struct tls_end *from, struct tls_end *to, const void *bytes,
                          size_t length)
{
    assert_int_equal(tls_codec_write(&from->codec, bytes, length), 0);
    assert_marks(from, length);
    (void)tls_carry(from, to);
}

/* Exactly these bytes are read, however they are fed. */
static void assert_reads(struct tls_end *end, const unsigned char *bytes, size_t length,
                         size_t most)
{
    size_t got = 0;
    while (got < length) {
        ssize_t came = tls_end_read(end, most);
        if (came == -EAGAIN && end->wire_length > 0)
            continue;
        assert_true(came > 0 && (size_t)came <= length - got);
        assert_memory_equal(end->room->plain, bytes + got, came);
        got += (size_t)came;
    }
    assert_int_equal(end->room->input_length, 0);
    assert_int_equal(tls_end_read(end, most), -EAGAIN);
}

/* ---- the tests ---- */

static const int VERSIONS[] = {TLS1_3_VERSION, TLS1_2_VERSION};

static void test_handshake(void **state)
{
    static const size_t MOSTS[] = {1, 7, ALL};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(VERSIONS) * COUNT_OF(MOSTS); i++) {
        open_ends(tls_pair_connect(VERSIONS[i % 2]));
        shake_hands(MOSTS[i / 2]);
        assert_int_equal(SSL_version(service.codec.ssl), VERSIONS[i % 2]);
        assert_writes(&client, &service, "hello", 5);
        assert_reads(&service, (const unsigned char *)"hello", 5, MOSTS[i / 2]);
        close_ends();
    }
}

/* The client's last handshake message, its first data and its end are fed in one piece. */
static void test_data_after_handshake(void **state)
{
    (void)state;
    open_half();
    assert_int_equal(tls_codec_write(&client.codec, pattern(), 40000), 0);
    tls_codec_end(&client.codec);
    (void)tls_carry(&client, &service);
    assert_int_equal(tls_end_shake(&service, ALL), 1);
    assert_int_equal(service.wire_length, 0);
    assert_true(service.codec.kept_length > 40000); /* bytes fed and not decrypted */
    assert_true(tls_codec_has_more(&service.codec));
    assert_int_equal(tls_end_read(&service, ALL), 40000);
    assert_memory_equal(service.room->plain, pattern(), 40000);
    assert_true(tls_codec_has_more(&service.codec)); /* the end */
    assert_int_equal(tls_end_read(&service, ALL), 0);
    close_ends();
}

static void test_much_both_ways(void **state)
{
    static const size_t LENGTHS[] = {1, RECORD - 1, RECORD, RECORD + 1, 262144, 300000};
    static const size_t MOSTS[] = {1000, 262144};
    (void)state;
    for (size_t v = 0; v < COUNT_OF(VERSIONS) * COUNT_OF(MOSTS); v++) {
        open_pair(VERSIONS[v % 2]);
        for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
            assert_writes(&client, &service, pattern(), LENGTHS[i]);
            assert_reads(&service, pattern(), LENGTHS[i], MOSTS[v / 2]);
            assert_writes(&service, &client, pattern(), LENGTHS[i]);
            assert_reads(&client, pattern(), LENGTHS[i], MOSTS[v / 2]);
        }
        close_ends();
    }
}

/* Records of all writes since the room was cleared stay, in order. */
static void test_marks_add_up(void **state)
{
    (void)state;
    open_pair(TLS1_3_VERSION);
    for (size_t i = 1; i <= 200; i++)
        assert_int_equal(tls_codec_write(&client.codec, pattern() + i - 1, 1), 0);
    assert_int_equal(client.room->marks_count, 200);
    assert_marks(&client, 200);
    (void)tls_carry(&client, &service);
    assert_reads(&service, pattern(), 200, ALL);
    close_ends();
}

/* For a client that limits the size of records, each mark is still one record: so the completely
 * sent bytes are known. */
static void test_small_records(void **state)
{
    (void)state;
    for (uint8_t code = 0; code <= 4; code++) {
        SSL *ssl = tls_pair_connect(TLS1_3_VERSION);
        size_t most = code ? 256U << code : RECORD;
        assert_int_equal(SSL_set_tlsext_max_fragment_length(ssl, code), 1);
        open_ends(ssl);
        shake_hands(ALL);
        assert_writes(&service, &client, "x", 1); /* and the ticket */
        assert_reads(&client, (const unsigned char *)"x", 1, ALL);
        assert_int_equal(tls_codec_write(&service.codec, pattern(), 40000), 0);
        assert_marks(&service, 40000);
        assert_int_equal(service.room->marks_count, (40000 + most - 1) / most);
        for (size_t i = 0; i < service.room->marks_count; i++)
            assert_in_range(service.room->marks[i].plain_bytes, 1, most);
        (void)tls_carry(&service, &client);
        assert_reads(&client, pattern(), 40000, ALL);
        close_ends();
    }
}

/* Both ends update keys and request updates while earlier records are still queued. */
static void test_key_updates(void **state)
{
    (void)state;
    open_pair(TLS1_3_VERSION);
    assert_int_equal(tls_codec_write(&service.codec, pattern(), 1000), 0); /* not sent yet */
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(SSL_key_update(client.codec.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(client.codec.ssl), 1);
        assert_true(tls_carry(&client, &service) > 0);
        size_t before = service.room->records_length;
        assert_int_equal(tls_end_read(&service, ALL), -EAGAIN);
        /* Each is answered at once; OpenSSL answers the very first together with the next. */
        assert_true(service.room->records_length > before || i == 0);
    }
    assert_marks(&service, 1000);
    assert_writes(&client, &service, pattern(), 500);
    assert_reads(&service, pattern(), 500, ALL);
    (void)tls_carry(&service, &client);
    assert_reads(&client, pattern(), 1000, ALL);
    assert_writes(&service, &client, pattern(), 2000); /* with the latest keys */
    assert_reads(&client, pattern(), 2000, ALL);
    close_ends();
}

static void test_end(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT_OF(VERSIONS); v++) {
        open_pair(VERSIONS[v]);
        assert_int_equal(tls_codec_write(&client.codec, pattern(), 3000), 0);
        tls_codec_end(&client.codec);
        size_t length = client.room->records_length;
        tls_codec_end(&client.codec);
        assert_int_equal(client.room->records_length, length); /* once */
        (void)tls_carry(&client, &service);
        assert_int_equal(tls_end_read(&service, ALL), 3000);
        assert_int_equal(tls_end_read(&service, ALL), 0);
        assert_true(service.codec.has_ended);
        assert_int_equal(service.room->records_length,
                         0); /* the codec does not answer the end itself */
        assert_writes(&service, &client, pattern(), 3000); /* the other direction still works */
        tls_codec_end(&service.codec);
        assert_marks(&service, 0);
        (void)tls_carry(&service, &client);
        assert_int_equal(tls_end_read(&client, ALL), 3000);
        assert_int_equal(tls_end_read(&client, ALL), 0);
        close_ends();
    }
}

/* Returns the data first, then the failure after it in the same feed, and nothing more. */
static void test_failure_after_data(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT_OF(VERSIONS); v++) {
        open_pair(VERSIONS[v]);
        assert_writes(&client, &service, pattern(), 100);
        assert_int_equal(tls_codec_write(&client.codec, pattern(), 50), 0);
        client.room->records[client.room->records_length - 1] ^= 1;
        (void)tls_carry(&client, &service);
        assert_writes(&client, &service, pattern(), 70);
        assert_int_equal(tls_end_read(&service, ALL), 100);
        assert_memory_equal(service.room->plain, pattern(), 100);
        assert_true(tls_codec_has_more(&service.codec));
        assert_int_equal(tls_end_read(&service, ALL), -EPROTO);
        assert_string_equal(service.codec.error, "decryption failed or bad record mac");
        assert_int_equal(tls_end_read(&service, ALL), -EPROTO); /* no more plain bytes */
        assert_true(service.room->records_length > 0);          /* the alert */
        (void)tls_carry(&service, &client);
        assert_int_equal(tls_end_read(&client, ALL), -EPROTO);
        assert_non_null(strstr(client.codec.error, "bad record mac"));
        close_ends();
    }
}

static void test_no_tls(void **state)
{
    (void)state;
    open_ends(tls_pair_connect(0));
    tls_end_hear(&service, (const unsigned char *)"GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(tls_end_shake(&service, ALL), -EPROTO);
    assert_string_equal(service.codec.error, "http request");
    assert_false(service.codec.is_open);
    close_ends();
}

static void test_no_memory_for_records(void **state)
{
    (void)state;
    open_pair(TLS1_3_VERSION);
    assert_int_equal(tls_codec_write(&service.codec, pattern(), 280000), 0);
    fails_in = 1;
    assert_int_equal(tls_codec_write(&service.codec, pattern(), 30000), -ENOMEM);
    assert_int_equal(fails_in, 0);
    close_ends();
    open_pair(TLS1_3_VERSION); /* the marks */
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(tls_codec_write(&client.codec, pattern(), 1), 0);
    fails_in = 1;
    assert_int_equal(tls_codec_write(&client.codec, pattern(), 1), -ENOMEM);
    assert_int_equal(fails_in, 0);
    close_ends();
}

/* Connections share the room: a memory failure of one must not become the failure of another. */
static void test_no_memory_is_one_connections(void **state)
{
    (void)state;
    open_pair(TLS1_3_VERSION);
    assert_int_equal(tls_codec_write(&client.codec, pattern(), 50), 0);
    client.room->records[client.room->records_length - 1] ^= 1;
    (void)tls_carry(&client, &service);
    assert_int_equal(tls_end_read(&service, ALL), -EPROTO);
    (void)tls_carry(&service, &client);
    client.room->is_refused = true;
    assert_int_equal(tls_end_read(&client, ALL), -EPROTO); /* an alert is not answered by another */
    close_ends();
}

static void test_no_memory_to_keep(void **state)
{
    static unsigned char fed[100000];
    (void)state;
    open_half();
    assert_int_equal(tls_codec_write(&client.codec, pattern(), 1000), 0);
    (void)tls_carry(&client, &service);
    assert_true(tls_end_feed(&service, fed, sizeof(fed)));
    assert_int_equal(tls_codec_shake(&service.codec), 1);
    fails_in = 1;
    assert_int_equal(tls_codec_rest(&service.codec), -ENOMEM);
    assert_int_equal(fails_in, 0);
    assert_null(service.codec.kept);
    assert_int_equal(service.codec.kept_length, 0);
    close_ends();
}

static void test_no_memory_for_a_room(void **state)
{
    (void)state;
    for (int i = 1; i <= 4; i++) {
        long before = live_blocks;
        fails_in = i;
        assert_null(tls_room_new());
        assert_int_equal(fails_in, 0);
        assert_int_equal(live_blocks, before);
    }
    tls_room_free(NULL);
}

static void test_renegotiation_is_refused(void **state)
{
    (void)state;
    open_pair(TLS1_2_VERSION);
    assert_int_equal(SSL_renegotiate(client.codec.ssl), 1);
    tls_codec_feed(&client.codec, NULL, 0);
    (void)SSL_do_handshake(client.codec.ssl);
    assert_true(tls_carry(&client, &service) > 0);
    assert_int_equal(tls_end_read(&service, ALL), -EAGAIN);
    assert_marks(&service, 0);
    assert_true(tls_carry(&service, &client) > 0);
    assert_int_equal(tls_end_read(&client, ALL), -EPROTO);
    assert_string_equal(client.codec.error, "no renegotiation");
    assert_writes(&service, &client, "goes on", 7);
    close_ends();
}

/* A ticket of TLS 1.3 is sent with the first bytes written, and only with them. */
static void test_ticket(void **state)
{
    (void)state;
    open_pair(TLS1_3_VERSION);
    assert_false(service.codec.has_ticket);
    assert_int_equal(tls_end_read(&client, ALL), -EAGAIN);
    assert_false(SSL_SESSION_has_ticket(SSL_get0_session(client.codec.ssl)));
    assert_int_equal(tls_codec_write(&service.codec, pattern(), 10), 0);
    assert_int_equal(service.room->marks_count, 2);
    assert_int_equal(service.room->marks[0].plain_bytes, 0);
    assert_marks(&service, 10);
    (void)tls_carry(&service, &client);
    assert_reads(&client, pattern(), 10, ALL);
    assert_true(SSL_SESSION_has_ticket(SSL_get0_session(client.codec.ssl)));
    assert_int_equal(tls_codec_write(&service.codec, pattern(), 10), 0);
    assert_int_equal(service.room->marks_count, 1); /* one is enough */
    assert_false(service.codec.has_spare);
    SSL_SESSION *session = SSL_get1_session(client.codec.ssl);
    tls_codec_end(&client.codec); /* an aborted session cannot be resumed */
    close_ends();
    SSL *ssl = tls_pair_connect(TLS1_3_VERSION); /* and the ticket is valid */
    SSL_set_session(ssl, session);
    open_ends(ssl);
    shake_hands(ALL);
    assert_int_equal(SSL_session_reused(service.codec.ssl), 1);
    SSL_SESSION_free(session);
    close_ends();
}

/* ---- OpenSSL's own memory in an idle codec ---- */

static long live_bytes;

static void *count_malloc(size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    size_t *memory = bytes ? __real_malloc(bytes + 16) : NULL;
    if (!memory)
        return NULL;
    *memory = bytes;
    live_bytes += (long)bytes;
    return memory + 2;
}

static void count_free(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    size_t *begin = memory;
    if (!memory)
        return;
    live_bytes -= (long)begin[-2];
    __real_free(begin - 2);
}

static void *count_realloc(void *old, size_t bytes, const char *file, int line)
{
    size_t *begin = old, length = old ? begin[-2] : 0;
    void *memory = count_malloc(bytes, file, line);
    if (memory && old)
        memcpy(memory, old, length < bytes ? length : bytes);
    if (memory || bytes == 0)
        count_free(old, file, line);
    return memory;
}

static void test_idle_keeps_no_buffers(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT_OF(VERSIONS); v++) {
        open_pair(VERSIONS[v]);
        assert_writes(&client, &service, "x", 1);
        assert_reads(&service, (const unsigned char *)"x", 1, ALL);
        assert_writes(&service, &client, "x", 1);
        assert_reads(&client, (const unsigned char *)"x", 1, ALL);
        assert_null(service.codec.kept);
        long idle = live_bytes;
        for (size_t i = 0; i < 3; i++) {
            assert_writes(&client, &service, pattern(), 200000);
            assert_reads(&service, pattern(), 200000, 10000);
            assert_writes(&service, &client, pattern(), 200000);
            assert_reads(&client, pattern(), 200000, 10000);
        }
        assert_in_range(live_bytes, 0, idle + 256);
        SSL *ssl = service.codec.ssl;
        long before = live_bytes;
        service.codec.ssl = NULL;
        SSL_free(ssl);
        assert_in_range(before - live_bytes, 1, 15000); /* a record's buffer alone is 16 KiB */
        close_ends();
    }
}

static int set_up(void **state)
{
    return CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) == 1
               ? tls_pair_setup(state)
               : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_data_after_handshake),
        cmocka_unit_test(test_much_both_ways),
        cmocka_unit_test(test_marks_add_up),
        cmocka_unit_test(test_small_records),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_failure_after_data),
        cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_no_memory_for_records),
        cmocka_unit_test(test_no_memory_is_one_connections),
        cmocka_unit_test(test_no_memory_to_keep),
        cmocka_unit_test(test_no_memory_for_a_room),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_ticket),
        cmocka_unit_test(test_idle_keeps_no_buffers),
    };
    return cmocka_run_group_tests(tests, set_up, tls_pair_teardown);
}

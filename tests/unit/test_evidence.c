/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "client/evidence.h"

#define RUN_SEED 4711
#define CONNECTION 7

static const struct evidence_place PLACE = {
    .run_seed = RUN_SEED, .connection = CONNECTION, .offset = 1000, .sent = 100000};

static struct evidence look(const char *bytes, size_t length)
{
    return evidence_of(&PLACE, (const unsigned char *)bytes, length);
}

static void expect(const struct evidence *evidence, const char *kind, const char *words)
{
    if (!evidence->kind || strcmp(evidence->kind, kind) != 0)
        fail_msg("'%.32s' looks like %s (%s), not %s", evidence->bytes,
                 evidence->kind ? evidence->kind : "nothing", evidence->looks_like, kind);
    if (!strstr(evidence->looks_like, words))
        fail_msg("%s: '%s' lacks '%s'", kind, evidence->looks_like, words);
}

#define LOOKS(bytes, kind, words)                                  \
    do {                                                           \
        struct evidence evidence = look(bytes, sizeof(bytes) - 1); \
        expect(&evidence, kind, words);                            \
    } while (0)

static void test_other_protocols(void **state)
{
    (void)state;
    LOOKS("HTTP/1.1 400 Bad Request\r\n", "http-response", "HTTP response");
    LOOKS("HTTP/1.0 503 Service Unavailable\r\n", "http-response", "HTTP response");
    LOOKS("GET / HTTP/1.1\r\nHost: x\r\n", "http-request", "HTTP request");
    LOOKS("OPTIONS / HTTP/1.0\r\n\r\n", "http-request", "HTTP request");
    LOOKS("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2", "HTTP/2");
    LOOKS("\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", "http2", "HTTP/2");
    LOOKS("<!DOCTYPE html>", "html", "HTML");
    LOOKS("<html><head>", "html", "HTML");
    LOOKS("\x15\x03\x01\0\x02\x02\x46", "tls-alert", "protocol_version");
    LOOKS("\x15\x03\x03\0\x02\x02\x0a", "tls-alert", "is tls:// meant?");
    LOOKS("\x15\x03\x03\0\x02\x02\xf0", "tls-alert", "240");
    LOOKS("\x15\x03", "tls-alert", "is tls:// meant?");
    LOOKS("\x16\x03\x01\x02\0\x01", "tls-handshake", "TLS handshake");
    LOOKS("\x17\x03\x03\x02\0\x01", "tls-data", "TLS");
    LOOKS("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "ssh", "SSH");
    LOOKS("220 mail.example.org ESMTP Postfix\r\n", "smtp", "SMTP");
    LOOKS("220 (vsFTPd 3.0.3)\r\n", "ftp", "FTP");
    LOOKS("220-Welcome\r\n", "smtp-or-ftp", "SMTP or FTP");
    LOOKS("500 5.5.1 Invalid command\r\n", "smtp-or-ftp", "SMTP or FTP");
    LOOKS("+OK POP3 ready\r\n", "pop3", "POP3");
    LOOKS("* OK [CAPABILITY IMAP4rev1]\r\n", "imap", "IMAP");
    LOOKS("-ERR unknown command 'x'\r\n", "redis", "Redis");
    LOOKS("-NOAUTH Authentication required.\r\n", "redis", "Redis");
    LOOKS("-DENIED Redis is running in protected mode", "redis", "Redis");
    LOOKS("ERROR\r\n", "memcached", "memcached");
    LOOKS("J\0\0\0\x0a"
          "8.0.35\0",
          "mysql", "MySQL");
    LOOKS("E\0\0\0\xff\x6a\x04Host '10.0.0.1' is not allowed", "mysql", "MySQL");
    LOOKS("E\0\0\0\x8bSFATAL\0VFATAL\0", "postgresql", "PostgreSQL");
    LOOKS("RFB 003.008\n", "vnc", "VNC");
    LOOKS("AMQP\0\0\x09\x01", "amqp", "AMQP");
    LOOKS("\xff\xfd\x18\xff\xfd ", "telnet", "Telnet");
    LOOKS("!\"#$%&'()*+,-./0123456789", "chargen", "chargen");
    LOOKS(" !\"#$%&'()*+,-./0123456789", "chargen", "chargen");
}

/* A PROXY header is called ours only if we have sent one. */
static void test_proxy_headers(void **state)
{
    static const char V1[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    struct evidence_place sender = PLACE;
    (void)state;
    LOOKS("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "proxy-v1",
          "something on the way sends a PROXY header");
    LOOKS("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "proxy-v2",
          "something on the way sends a PROXY header");
    sender.has_sent_proxy = true;
    struct evidence evidence = evidence_of(&sender, (const unsigned char *)V1, sizeof(V1) - 1);
    expect(&evidence, "proxy-v1", "that is our PROXY header");
}

/* What begins by chance as our bytes do is recognised all the same: the first bytes were taken for
 * right. */
static void test_a_beginning_that_was_right_by_chance(void **state)
{
    struct evidence_place place = {.run_seed = 0, .connection = 1, .sent = 100};
    (void)state;
    while (pattern_byte(pattern_seed(place.run_seed, 1), 0) != 'H')
        place.run_seed++;
    place.offset = 1;
    struct evidence evidence = evidence_of(&place, (const unsigned char *)"TTP/1.1 400 Bad", 15);
    expect(&evidence, "http-response", "HTTP");
    assert_memory_equal(evidence.bytes, "TTP/1.1", 7);
}

static void expect_own(uint64_t connection, uint64_t offset, size_t length, const char *kind,
                       const char *words)
{
    unsigned char bytes[200];
    pattern_fill(pattern_seed(RUN_SEED, connection), offset, bytes, length);
    struct evidence evidence = evidence_of(&PLACE, bytes, length);
    expect(&evidence, kind, words);
}

static void test_our_own_bytes(void **state)
{
    (void)state;
    static const size_t LENGTHS[] = {6, 9, 16, 23, 24, 31, 100, 200};
    for (size_t i = 0; i < COUNT_OF(LENGTHS); i++) {
        expect_own(CONNECTION, 960, LENGTHS[i], "own-earlier", "offset 960, 40 bytes back");
        expect_own(CONNECTION, 1001, LENGTHS[i], "own-later", "offset 1001, 1 byte ahead");
    }
    expect_own(CONNECTION, 90000, 24, "own-later", "offset 90000, 89000 bytes ahead");
    expect_own(CONNECTION, 100500, 31, "own-later", "ahead"); /* not sent yet: foreseen */
    for (uint64_t connection = 1; connection < 5000; connection += 97) {
        if (connection != CONNECTION)
            expect_own(connection, 1000 + connection, 40, "own-connection", "of connection ");
    }
    expect_own(8, 4096, 24, "own-connection", "connection 8, offset 4096");
    for (uint64_t at = 0; at < 16; at++) {
        unsigned char bytes[40];
        pattern_fill(pattern_seed(RUN_SEED + 1, 3), 8000 + at, bytes, sizeof(bytes));
        struct evidence evidence = evidence_of(&PLACE, bytes, sizeof(bytes));
        expect(&evidence, "other-run", "of another run");
    }
}

static void test_datagrams_are_called_so(void **state)
{
    struct evidence_place place = PLACE;
    unsigned char bytes[64];
    (void)state;
    place.is_datagram = true;
    pattern_fill(pattern_seed(RUN_SEED, 9), 16, bytes, sizeof(bytes));
    struct evidence evidence = evidence_of(&place, bytes, sizeof(bytes));
    expect(&evidence, "own-datagram", "datagram 9");
}

static void test_changed_and_inserted_bytes(void **state)
{
    unsigned char bytes[100];
    struct evidence evidence;
    (void)state;
    pattern_fill(pattern_seed(RUN_SEED, CONNECTION), 1000, bytes, sizeof(bytes));
    bytes[0] ^= 0x10;
    evidence = evidence_of(&PLACE, bytes, sizeof(bytes));
    expect(&evidence, "changed", "one bit is flipped (0x10), and what follows is right");
    bytes[0] ^= 0x03;
    evidence = evidence_of(&PLACE, bytes, sizeof(bytes));
    expect(&evidence, "changed", "1 byte is changed, and what follows is right");
    for (size_t i = 0; i < 5; i++)
        bytes[i] ^= (unsigned char)(0x5a + i);
    evidence = evidence_of(&PLACE, bytes, sizeof(bytes));
    expect(&evidence, "changed", "5 bytes are changed, and what follows is right");
    memcpy(bytes, "?!?", 3);
    pattern_fill(pattern_seed(RUN_SEED, CONNECTION), 1000, bytes + 3, sizeof(bytes) - 3);
    evidence = evidence_of(&PLACE, bytes, sizeof(bytes));
    expect(&evidence, "inserted", "3 bytes are inserted, and what was expected follows");
}

static void test_zeros_and_repetition(void **state)
{
    char bytes[64] = {0};
    (void)state;
    for (size_t length = 8; length <= sizeof(bytes); length++) {
        struct evidence evidence = look(bytes, length);
        expect(&evidence, "zeros", "zeros");
    }
    memset(bytes, '!', sizeof(bytes));
    struct evidence evidence = look(bytes, sizeof(bytes));
    expect(&evidence, "repeated-byte", "0x21");
}

/* Few bytes, or random ones, are like nothing, but for a chance that is small. */
static void test_strange_bytes_are_like_nothing(void **state)
{
    uint64_t random = 1;
    unsigned char bytes[64];
    size_t known = 0;
    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < sizeof(bytes); j++)
            bytes[j] = (unsigned char)unit_random(&random);
        known += evidence_of(&PLACE, bytes, 8 + i % 56).kind != NULL;
    }
    assert_true(known <= 2);
    assert_null(look("a", 1).kind);
    assert_null(look("H", 1).kind);
    assert_null(look("", 0).kind);
}

static char *printed(const struct evidence *evidence)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    evidence_print(evidence, "#   ", out);
    fclose(out);
    return text;
}

/* Every line fits in 80 columns, and nothing of it is a terminal's. */
static void test_lines_of_text(void **state)
{
    unsigned char bytes[EVIDENCE_BYTES + 8];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(0x1b + 7 * i);
    const struct evidence strange = evidence_of(&PLACE, bytes, sizeof(bytes));
    const struct evidence greeting = look("HTTP/1.1 400 Bad Request\r\nServer: nginx", 39);
    char *text = printed(&greeting);
    assert_string_equal(
        text, "#   that is an HTTP response: a web server, or a proxy's error page, answers\n"
              "#   came \"HTTP/1.1 400 Bad Request..Server\"\n"
              "#   hex 48545450 2f312e31 20343030 20426164 20526571 75657374 0d0a5365 72766572\n");
    free(text);
    text = printed(&strange);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") < 80);
    for (const char *at = text; *at; at++)
        assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
    free(text);
    text = printed(&(struct evidence){0});
    assert_string_equal(text, "");
    free(text);
}

static void test_fields_of_json(void **state)
{
    json_t *object = json_object();
    const struct evidence greeting = look("SSH-2.0-x\r\n", 11);
    (void)state;
    evidence_add_json(object, &greeting);
    assert_string_equal(json_string_value(json_object_get(object, "came_text")), "SSH-2.0-x..");
    assert_string_equal(json_string_value(json_object_get(object, "came_hex")),
                        "5353482d322e302d780d0a");
    assert_string_equal(json_string_value(json_object_get(object, "looks_like")), "ssh");
    evidence_add_json(object, &(struct evidence){0});
    assert_true(json_is_null(json_object_get(object, "came_text")));
    assert_true(json_is_null(json_object_get(object, "looks_like_text")));
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_proxy_headers),
        cmocka_unit_test(test_a_beginning_that_was_right_by_chance),
        cmocka_unit_test(test_our_own_bytes),
        cmocka_unit_test(test_datagrams_are_called_so),
        cmocka_unit_test(test_changed_and_inserted_bytes),
        cmocka_unit_test(test_zeros_and_repetition),
        cmocka_unit_test(test_strange_bytes_are_like_nothing),
        cmocka_unit_test(test_lines_of_text),
        cmocka_unit_test(test_fields_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

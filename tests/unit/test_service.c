/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "echo/service.h"

static const struct service_facts FACTS = {
    .unix_s = 383765863, /* 1982-02-28 17:37:43 */
    .id = 7,
    .name = "a \"host\"",
    .listener = "tcp://127.0.0.1:7",
    .peer = "unix:a\n\xff",
    .peer_length = 8,
    .local = "127.0.0.1:7",
    .local_length = 11,
};

static const struct service *find(const char *word)
{
    for (uint64_t i = 0; SERVICE_WORDS[i]; i++) {
        if (strcmp(SERVICE_WORDS[i], word) == 0)
            return service_at(i);
    }
    fail_msg("no service %s", word);
    return NULL;
}

static void assert_says(const char *word, const void *expected, size_t length)
{
    unsigned char out[SERVICE_SAYS_MAX];
    assert_int_equal(find(word)->make(&FACTS, 0, out, sizeof(out)), length);
    assert_memory_equal(out, expected, length);
    for (size_t room = 0; room <= length; room++) {
        memset(out, 0xa5, sizeof(out));
        assert_int_equal(find(word)->make(&FACTS, 0, out, room), room);
        assert_memory_equal(out, expected, room);
        assert_int_equal(out[room], 0xa5);
    }
}

static void test_table(void **state)
{
    size_t count = 0;
    (void)state;
    assert_string_equal(SERVICE_WORDS[0], "echo");
    for (; SERVICE_WORDS[count]; count++)
        assert_string_equal(service_at(count)->word, SERVICE_WORDS[count]);
    assert_int_equal(count, 6);
    assert_true(find("echo")->is_echo && !find("echo")->make);
    assert_true(!find("discard")->is_echo && !find("discard")->make);
    assert_true(find("chargen")->is_endless && !find("daytime")->is_endless);
}

/* RFC 864: after 95 lines the first is repeated; each line is rotated by one character. */
static void test_chargen(void **state)
{
    static unsigned char all[74 * 96], part[74 * 96];
    const struct service *chargen = find("chargen");
    (void)state;
    assert_int_equal(chargen->make(&FACTS, 0, all, sizeof(all)), sizeof(all));
    assert_memory_equal(
        all, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n", 74);
    assert_memory_equal(all + 74, "!\"#", 3);
    assert_memory_equal(all + 94 * 74, "~ !", 3);
    assert_memory_equal(all + 95 * 74, all, 74);
    for (size_t i = 1; i < 95; i++) {
        assert_memory_equal(all + i * 74 + 72, "\r\n", 2);
        assert_memory_equal(all + i * 74, all + (i - 1) * 74 + 1, 71);
    }
    for (size_t offset = 0; offset < sizeof(all); offset += 61) {
        size_t room = sizeof(all) - offset < 200 ? sizeof(all) - offset : 200;
        assert_int_equal(chargen->make(&FACTS, offset, part, room), room);
        assert_memory_equal(part, all + offset, room);
    }
}

static void test_daytime(void **state)
{
    (void)state;
    assert_says("daytime", "Sunday, February 28, 1982 17:37:43-UTC\r\n", 40);
}

/* The examples of RFC 868, and the time after its 32 bits overflow. */
static void test_time(void **state)
{
    static const struct {
        uint64_t unix_s;
        unsigned char bytes[4];
    } ROWS[] = {
        {0, {0x83, 0xaa, 0x7e, 0x80}},                         /* 2,208,988,800: 1970 */
        {2398291200U - 2208988800U, {0x8e, 0xf3, 0x05, 0x00}}, /* 2,398,291,200: 1976 */
        {2085978495U, {0xff, 0xff, 0xff, 0xff}},
        {2085978496U, {0, 0, 0, 0}},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        unsigned char out[5] = {0};
        const struct service_facts facts = {.unix_s = ROWS[i].unix_s};
        assert_int_equal(find("time")->make(&facts, 0, out, sizeof(out)), 4);
        assert_memory_equal(out, ROWS[i].bytes, 4);
    }
}

static void test_whoami(void **state)
{
    static const char EXPECTED[] =
        "{\"name\":\"a \\u0022host\\u0022\",\"id\":7,\"listener\":\"tcp://127.0.0.1:7\","
        "\"peer\":\"unix:a\\u000a\\u00ff\",\"local\":\"127.0.0.1:7\",\"proxy\":null,"
        "\"tls\":null}\n";
    (void)state;
    assert_says("whoami", EXPECTED, sizeof(EXPECTED) - 1);
}

/* All the fields of TLS and of a PROXY header. */
static void test_whoami_reports_all(void **state)
{
    static const char BYTES[] = "....h2example.orgidblueTLSv1.3a\nbAESSHA256RSA2048";
    static const struct proxy_header HEADER = {
        .version = 2,
        .transport = PROXY_TCP4,
        .has_ssl = true,
        .ssl_client = 3,
        .ssl_verify = 1,
        .source = {.family = AF_INET, .port = 1, .bytes = {192, 0, 2, 1}},
        .destination = {.family = AF_INET, .port = 2, .bytes = {192, 0, 2, 2}},
        .texts = {[PROXY_ALPN] = {4, 2},
                  [PROXY_AUTHORITY] = {6, 11},
                  [PROXY_UNIQUE_ID] = {17, 2},
                  [PROXY_NETNS] = {19, 4},
                  [PROXY_SSL_VERSION] = {23, 7},
                  [PROXY_SSL_CN] = {30, 3},
                  [PROXY_SSL_CIPHER] = {33, 3},
                  [PROXY_SSL_SIG_ALG] = {36, 6},
                  [PROXY_SSL_KEY_ALG] = {42, 7}},
    };
    static const struct tls_info TLS = {.version = "TLSv1.3",
                                        .cipher = "TLS_AES_128_GCM_SHA256",
                                        .alpn = "h2",
                                        .alpn_length = 2,
                                        .server_name = "a\x1b",
                                        .server_name_length = 2,
                                        .subject = "CN=\"x\"",
                                        .subject_length = 6,
                                        .is_resumed = true};
    static const char EXPECTED[] =
        "\"proxy\":{\"version\":2,\"command\":\"PROXY\",\"transport\":\"TCP4\","
        "\"from\":\"127.0.0.1:9\",\"source\":\"192.0.2.1:1\",\"destination\":\"192.0.2.2:2\","
        "\"alpn\":\"h2\",\"authority\":\"example.org\",\"unique_id\":\"id\",\"netns\":\"blue\","
        "\"ssl\":{\"client\":3,\"verify\":1,\"version\":\"TLSv1.3\",\"cn\":\"a\\u000ab\","
        "\"cipher\":\"AES\",\"sig_alg\":\"SHA256\",\"key_alg\":\"RSA2048\"}},"
        "\"tls\":{\"version\":\"TLSv1.3\",\"cipher\":\"TLS_AES_128_GCM_SHA256\","
        "\"resumed\":true,\"alpn\":\"h2\",\"sni\":\"a\\u001b\","
        "\"subject\":\"CN=\\u0022x\\u0022\"}}\n";
    char out[SERVICE_SAYS_MAX + 1] = "";
    struct service_facts facts = FACTS;
    (void)state;
    facts.proxied = &HEADER;
    facts.proxied_bytes = (const unsigned char *)BYTES;
    facts.proxy = "127.0.0.1:9";
    facts.proxy_length = 11;
    facts.tls = &TLS;
    find("whoami")->make(&facts, 0, (unsigned char *)out, SERVICE_SAYS_MAX);
    assert_non_null(strstr(out, "\"proxy\""));
    assert_string_equal(strstr(out, "\"proxy\""), EXPECTED);
}

static void test_whoami_of_a_check(void **state)
{
    static const struct proxy_header LOCAL = {.version = 2, .is_local = true};
    char out[SERVICE_SAYS_MAX + 1] = "";
    struct service_facts facts = FACTS;
    (void)state;
    facts.proxied = &LOCAL;
    facts.proxied_bytes = (const unsigned char *)"";
    facts.proxy = "unix:";
    facts.proxy_length = 5;
    find("whoami")->make(&facts, 0, (unsigned char *)out, SERVICE_SAYS_MAX);
    assert_non_null(strstr(out, "\"proxy\":{\"version\":2,\"command\":\"LOCAL\","
                                "\"transport\":\"UNSPEC\",\"from\":\"unix:\"},"));
}

static const char *whoami_of(const unsigned char *bytes, size_t length, char *out)
{
    static const char NONE[] = "no PROXY header";
    struct proxy_header header;
    struct service_facts facts = FACTS;
    const char *why = NONE;
    if (proxy_parse(bytes, length, &header, &why) != (ssize_t)length)
        fail_msg("%s", why);
    facts.proxied = &header;
    facts.proxied_bytes = bytes;
    facts.proxy = "unix:";
    facts.proxy_length = 5;
    size_t said = find("whoami")->make(&facts, 0, (unsigned char *)out, SERVICE_SAYS_MAX);
    assert_true(said < SERVICE_SAYS_MAX);
    out[said] = '\0';
    return strstr(out, "\"from\"");
}

static void test_whoami_shows_unknown_fields(void **state)
{
    static const unsigned char HEADER[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x00\0\x27\xea\0\5\1vpce\xee\0\5\1\0\0\0\x0a\xe0\0\1\xff"
        "\xe1\0\0\x20\0\x0d\1\0\0\0\0\x26\0\0\xea\0\2\"\x1b";
    char out[SERVICE_SAYS_MAX + 1];
    (void)state;
    assert_string_equal(
        whoami_of(HEADER, sizeof(HEADER) - 1, out),
        "\"from\":\"unix:\",\"ssl\":{\"client\":1,\"verify\":0,\"tlvs\":["
        "{\"type\":\"0x26\",\"length\":0,\"hex\":\"\"},"
        "{\"type\":\"0xEA\",\"length\":2,\"hex\":\"221b\"}]},\"tlvs\":["
        "{\"type\":\"0xEA\",\"name\":\"AWS\",\"length\":5,\"hex\":\"0176706365\"},"
        "{\"type\":\"0xEE\",\"name\":\"Azure\",\"length\":5,\"hex\":\"010000000a\"},"
        "{\"type\":\"0xE0\",\"name\":\"GCP\",\"length\":1,\"hex\":\"ff\"},"
        "{\"type\":\"0xE1\",\"length\":0,\"hex\":\"\"}]},\"tls\":null}\n");
}

/* As many fields as a header can hold, and the longest one: the line is whole and says what is
 * missing. */
static void test_whoami_bounds_unknown_fields(void **state)
{
    static unsigned char bytes[PROXY_HEADER_MAX] = "\r\n\r\n\0\r\nQUIT\n\x21\x00\x0f\xf0";
    char out[SERVICE_SAYS_MAX + 1];
    (void)state;
    for (size_t at = 16; at < sizeof(bytes); at += 3)
        bytes[at] = 0xff;
    assert_non_null(
        strstr(whoami_of(bytes, sizeof(bytes), out),
               "{\"type\":\"0xFF\",\"length\":0,\"hex\":\"\"}],\"tlvs_left_out\":1344}"));
    bytes[17] = 0x0f;
    bytes[18] = 0xed;
    whoami_of(bytes, sizeof(bytes), out);
    const char *hex = strstr(out, "\"length\":4077,\"hex\":\"");
    assert_non_null(hex);
    assert_int_equal(strcspn(hex + 21, "\""), 2 * 255);
    assert_string_equal(hex + 21 + 2 * 255, "\"}]},\"tls\":null}\n");
}

/* With the longest fields it is still one complete line that fits. */
static void test_whoami_is_bounded(void **state)
{
    static char name[4096];
    static struct tls_info tls = {.version = "TLSv1.3", .cipher = "x"};
    unsigned char out[SERVICE_SAYS_MAX + 1];
    struct service_facts facts = FACTS;
    struct proxy_header header = {
        .version = 2, .transport = PROXY_UNIX_STREAM, .has_ssl = true, .source.family = AF_UNIX};
    (void)state;
    memset(name, 1, sizeof(name) - 1);
    facts.name = facts.listener = facts.peer = facts.local = facts.proxy = name;
    facts.peer_length = facts.local_length = facts.proxy_length = 192;
    facts.listener = name + sizeof(name) - 129;
    memset(tls.alpn, 1, sizeof(tls.alpn));
    memset(tls.server_name, 1, sizeof(tls.server_name));
    memset(tls.subject, 1, sizeof(tls.subject));
    tls.alpn_length = tls.server_name_length = tls.subject_length = sizeof(tls.alpn);
    facts.tls = &tls;
    for (int i = 0; i < PROXY_TEXT_COUNT; i++) {
        header.texts[i].at = 1;
        header.texts[i].length = 4000;
    }
    facts.proxied = &header;
    facts.proxied_bytes = (const unsigned char *)name;
    size_t length = find("whoami")->make(&facts, 0, out, sizeof(out));
    assert_true(length < SERVICE_SAYS_MAX);
    assert_memory_equal(out + length - 3, "}}\n", 3);
    assert_ptr_equal(memchr(out, '\n', length), out + length - 1);
}

/* The answer to a datagram is never longer than the datagram. */
static void test_answers(void **state)
{
    static const struct {
        const char *word;
        ssize_t asked, answered;
        const char *begins;
    } ROWS[] = {
        {"echo", 5, 5, "hello"},     {"echo", 0, 0, ""},
        {"discard", 5, -1, "hello"}, {"discard", 0, -1, ""},
        {"chargen", 5, 5, " !\"#$"}, {"chargen", 0, 0, ""},
        {"daytime", 5, 5, "Sunda"},  {"daytime", 100, 40, "Sunday, "},
        {"time", 100, 4, ""},        {"time", 1, 1, ""},
        {"whoami", 0, 0, ""},        {"whoami", 5, 5, "{\"nam"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        unsigned char bytes[101] = "hello";
        memset(bytes + ROWS[i].asked, 0xa5, sizeof(bytes) - (size_t)ROWS[i].asked);
        assert_int_equal(service_answer(find(ROWS[i].word), &FACTS, bytes, (size_t)ROWS[i].asked),
                         ROWS[i].answered);
        assert_memory_equal(bytes, ROWS[i].begins, strlen(ROWS[i].begins));
        assert_int_equal(bytes[ROWS[i].asked], 0xa5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_chargen),
        cmocka_unit_test(test_daytime),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_whoami),
        cmocka_unit_test(test_whoami_reports_all),
        cmocka_unit_test(test_whoami_of_a_check),
        cmocka_unit_test(test_whoami_shows_unknown_fields),
        cmocka_unit_test(test_whoami_bounds_unknown_fields),
        cmocka_unit_test(test_whoami_is_bounded),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy.h"

/* The bytes are in a block of exactly their size, so that a sanitizer detects a read past the
 * end. */
static ssize_t parse(const void *bytes, size_t length, struct proxy_header *out, const char **why)
{
    unsigned char *exact = malloc(length ? length : 1);
    memcpy(exact, bytes, length);
    *why = NULL;
    ssize_t verdict = proxy_parse(exact, length, out, why);
    assert_int_equal(verdict < 0, *why != NULL);
    free(exact);
    return verdict;
}

/* A header is complete only with its last byte, and bytes after it change nothing. */
static void assert_header(const void *bytes, size_t length, struct proxy_header *out)
{
    const char *why;
    unsigned char more[2 * PROXY_HEADER_MAX];
    for (size_t i = 0; i < length; i++) {
        if (parse(bytes, i, out, &why) != 0)
            fail_msg("a verdict after %zu of %zu bytes: %s", i, length, why ? why : "whole");
    }
    memcpy(more, bytes, length);
    memset(more + length, '\r', sizeof(more) - length);
    assert_int_equal(parse(more, sizeof(more), out, &why), length);
    if (parse(bytes, length, out, &why) != (ssize_t)length)
        fail_msg("not whole after %zu bytes: %s", length, why ? why : "more");
    assert_int_equal(out->length, length);
}

/* The header is invalid, in pieces too, and stays invalid with more bytes. */
static void assert_bad(const void *bytes, size_t length, const char *expected)
{
    struct proxy_header out;
    const char *why;
    if (parse(bytes, length, &out, &why) >= 0)
        fail_msg("%.*s: no verdict, not '%s'", (int)length, (const char *)bytes, expected);
    assert_string_equal(why, expected);
    bool is_bad = false;
    for (size_t i = 0; i <= length; i++) {
        ssize_t verdict = parse(bytes, i, &out, &why);
        assert_true(verdict <= 0);
        assert_true(!is_bad || verdict < 0);
        is_bad = verdict < 0;
    }
}

static void assert_addresses(const struct proxy_header *header, const void *bytes,
                             const char *source, const char *destination)
{
    char text[256];
    assert_int_equal(proxy_format(text, sizeof(text), header, bytes, true), strlen(source));
    assert_string_equal(text, source);
    assert_int_equal(proxy_format(text, sizeof(text), header, bytes, false), strlen(destination));
    assert_string_equal(text, destination);
    assert_int_equal(proxy_has_source(header), *source != '\0');
}

/* ---- version 1 ---- */

#define LONGEST                                                                                   \
    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff" \
    "ff 65535 65535\r\n"

static void test_v1(void **state)
{
    static const struct {
        const char *line, *word, *source, *destination;
    } ROWS[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.2 40000 7\r\n", "TCP4", "192.0.2.1:40000",
         "198.51.100.2:7"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "TCP4",
         "255.255.255.255:65535", "255.255.255.255:65535"},
        {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "TCP4", "0.0.0.0:0", "0.0.0.0:0"},
        {"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "TCP6", "[2001:db8::1]:1", "[::1]:2"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "TCP6", "192.0.2.1:1", "[::1]:2"},
        {"PROXY UNKNOWN\r\n", "UNSPEC", "", ""},
        {"PROXY UNKNOWN anything \x01 at all\r\n", "UNSPEC", "", ""},
        {LONGEST, "UNSPEC", "", ""},
    };
    (void)state;
    assert_int_equal(strlen(LONGEST), 107);
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct proxy_header header;
        assert_header(ROWS[i].line, strlen(ROWS[i].line), &header);
        assert_int_equal(header.version, 1);
        assert_false(header.is_local);
        assert_string_equal(proxy_transport_word((enum proxy_transport)header.transport),
                            ROWS[i].word);
        assert_addresses(&header, ROWS[i].line, ROWS[i].source, ROWS[i].destination);
    }
}

static void test_v1_bad(void **state)
{
    static const char MALFORMED[] = "a malformed address or port";
    static const char WORDS[] = "not two addresses and two ports";
    static const char KIND[] = "neither TCP4 nor TCP6 nor UNKNOWN";
    static const char END[] = "a line that does not end with CRLF";
    static const struct {
        const char *line, *why;
    } ROWS[] = {
        {"hello", "no PROXY header"},
        {"PROXX", "no PROXY header"},
        {"PROXY\t", "no PROXY header"},
        {"proxy TCP4", "no PROXY header"},
        {"GET / HTTP/1.1\r\n", "no PROXY header"},
        {"\x16\x03\x01", "no PROXY header"},
        {"PROXY \r\n", KIND},
        {"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", KIND},
        {"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", KIND},
        {"PROXY UNKNOWNS\r\n", KIND},
        {"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", KIND},
        {"PROXY TCP4\r\n", WORDS},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", WORDS},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", WORDS},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", WORDS},
        {"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", WORDS},
        {"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", MALFORMED},
        {"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 256.2.3.4 1 2\r\n", MALFORMED},
        {"PROXY TCP4 ::1 ::1 1 2\r\n", MALFORMED},
        {"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", MALFORMED},
        {"PROXY TCP6 ::1%lo ::1 1 2\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2x\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 999999\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n", MALFORMED},
        {"PROXY TCP4  1.2.3.4 1 2\r\n", MALFORMED},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", END},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", END},
        {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", END},
        {"PROXY UNKNOWN\n\r\n", END},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        assert_bad(ROWS[i].line, strlen(ROWS[i].line), ROWS[i].why);
    assert_bad("PROXY UNKNOWN \0\r\n", 17, END);
    char line[109] = "PROXY UNKNOWN ";
    memset(line + 14, 'x', sizeof(line) - 14);
    assert_bad(line, 107, "a line of more than 107 bytes");
    memcpy(line + 106, "\r\n", 2); /* 108 bytes, its end at the right place */
    assert_bad(line, 108, "a line of more than 107 bytes");
}

/* ---- version 2 ---- */

struct v2 {
    unsigned char bytes[2 * PROXY_HEADER_MAX];
    size_t length;
};

static void set_length(struct v2 *v2, size_t length)
{
    v2->bytes[14] = (unsigned char)(length >> 8);
    v2->bytes[15] = (unsigned char)length;
}

static void add(struct v2 *v2, const void *bytes, size_t length)
{
    memcpy(v2->bytes + v2->length, bytes, length);
    v2->length += length;
    set_length(v2, v2->length - 16);
}

static void begin(struct v2 *v2, unsigned char command, unsigned char family, const void *addresses,
                  size_t length)
{
    memset(v2, 0, sizeof(*v2));
    memcpy(v2->bytes, "\r\n\r\n\0\r\nQUIT\n", 12);
    v2->bytes[12] = command;
    v2->bytes[13] = family;
    v2->length = 16;
    add(v2, addresses, length);
}

static const unsigned char IN4[12] = {192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 0, 7};
static const unsigned char IN6[36] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
                                      0,    0, 0,    1,    0, 0, 0, 0, 0, 0, 0, 0,
                                      0,    0, 0,    0,    0, 0, 0, 1, 0, 1, 0, 2};

static void add_tlv(struct v2 *v2, unsigned char type, const void *value, size_t length)
{
    const unsigned char head[] = {type, (unsigned char)(length >> 8), (unsigned char)length};
    add(v2, head, sizeof(head));
    add(v2, value, length);
}

static void test_v2(void **state)
{
    unsigned char paths[216] = "/run/client.sock", abstract[216] = "\0name", full[216];
    memset(full, 'f', sizeof(full));
    strcpy((char *)paths + 108, "/run/server.sock");
    const struct {
        unsigned char family;
        const void *addresses;
        size_t length;
        const char *word, *source, *destination;
    } ROWS[] = {
        {0x11, IN4, 12, "TCP4", "192.0.2.1:40000", "198.51.100.2:7"},
        {0x12, IN4, 12, "UDP4", "192.0.2.1:40000", "198.51.100.2:7"},
        {0x21, IN6, 36, "TCP6", "[2001:db8::1]:1", "[::1]:2"},
        {0x22, IN6, 36, "UDP6", "[2001:db8::1]:1", "[::1]:2"},
        {0x31, paths, 216, "UNIX_STREAM", "unix:/run/client.sock", "unix:/run/server.sock"},
        {0x32, abstract, 216, "UNIX_DGRAM", "unix:@name", "unix:"},
        {0x00, "", 0, "UNSPEC", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct v2 v2;
        struct proxy_header header;
        begin(&v2, 0x21, ROWS[i].family, ROWS[i].addresses, ROWS[i].length);
        for (int rounds = 0; rounds < 2; rounds++) {
            assert_header(v2.bytes, v2.length, &header);
            assert_int_equal(header.version, 2);
            assert_false(header.is_local);
            assert_string_equal(proxy_transport_word((enum proxy_transport)header.transport),
                                ROWS[i].word);
            assert_addresses(&header, v2.bytes, ROWS[i].source, ROWS[i].destination);
            add_tlv(&v2, 0xee, "unknown", 7);
        }
        begin(&v2, 0x21, ROWS[i].family, ROWS[i].addresses, ROWS[i].length);
        if (ROWS[i].length == 0)
            continue;
        v2.length--;
        set_length(&v2, ROWS[i].length - 1);
        assert_bad(v2.bytes, v2.length, "too short for its addresses");
    }
    struct v2 v2;
    struct proxy_header header;
    char text[20];
    begin(&v2, 0x21, 0x31, full, sizeof(full));
    assert_header(v2.bytes, v2.length, &header);
    assert_int_equal(proxy_format(text, sizeof(text), &header, v2.bytes, true), 19);
    assert_string_equal(text, "unix:ffffffffffffff");
}

static void test_v2_mapped(void **state)
{
    unsigned char in6[36] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1};
    struct v2 v2;
    struct proxy_header header;
    (void)state;
    begin(&v2, 0x21, 0x21, in6, sizeof(in6));
    assert_header(v2.bytes, v2.length, &header);
    assert_addresses(&header, v2.bytes, "192.0.2.1:0", "[::]:0");
}

/* Of a LOCAL header nothing is used, for any family and any content. */
static void test_v2_local(void **state)
{
    struct v2 v2;
    struct proxy_header header;
    (void)state;
    for (unsigned family = 0; family < 256; family += 17) {
        begin(&v2, 0x20, (unsigned char)family, "\1\2\3", family % 4);
        assert_header(v2.bytes, v2.length, &header);
        assert_true(header.is_local);
        assert_addresses(&header, v2.bytes, "", "");
    }
}

static void assert_text(const struct proxy_header *header, const struct v2 *v2,
                        enum proxy_text text, const char *expected)
{
    assert_int_equal(header->texts[text].length, strlen(expected));
    assert_memory_equal(v2->bytes + header->texts[text].at, expected, strlen(expected));
}

static void test_v2_fields(void **state)
{
    struct v2 v2;
    struct proxy_header header;
    (void)state;
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x01, "h2", 2);
    add_tlv(&v2, 0x02, "example.org", 11);
    add_tlv(&v2, 0x04, "\0\0\0", 3);
    add_tlv(&v2, 0x05, "id", 2);
    add_tlv(&v2, 0x30, "blue", 4);
    assert_header(v2.bytes, v2.length, &header);
    assert_text(&header, &v2, PROXY_ALPN, "h2");
    assert_text(&header, &v2, PROXY_AUTHORITY, "example.org");
    assert_text(&header, &v2, PROXY_UNIQUE_ID, "id");
    assert_text(&header, &v2, PROXY_NETNS, "blue");
    assert_false(header.has_ssl);
    assert_int_equal(header.texts[PROXY_SSL_CN].at, 0);
}

/* A TLS field that contains fields. */
static void test_v2_ssl(void **state)
{
    static const char SSL[] = "\x07\x00\x00\x01\x02"
                              "\x21\x00\x07TLSv1.3"
                              "\x22\x00\x04"
                              "a\n b"
                              "\x23\x00\x03"
                              "AES"
                              "\x24\x00\x06SHA256"
                              "\x25\x00\x07RSA2048"
                              "\x26\x00\x05later";
    struct v2 v2;
    struct proxy_header header;
    (void)state;
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x20, SSL, sizeof(SSL) - 1);
    assert_header(v2.bytes, v2.length, &header);
    assert_true(header.has_ssl);
    assert_int_equal(header.ssl_client, 7);
    assert_int_equal(header.ssl_verify, 0x102);
    assert_text(&header, &v2, PROXY_SSL_VERSION, "TLSv1.3");
    assert_text(&header, &v2, PROXY_SSL_CN, "a\n b");
    assert_text(&header, &v2, PROXY_SSL_CIPHER, "AES");
    assert_text(&header, &v2, PROXY_SSL_SIG_ALG, "SHA256");
    assert_text(&header, &v2, PROXY_SSL_KEY_ALG, "RSA2048");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x20, SSL, 4);
    assert_bad(v2.bytes, v2.length, "a field that reaches beyond its end");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x20, SSL, sizeof(SSL) - 2);
    assert_bad(v2.bytes, v2.length, "a field that reaches beyond its end");
}

/* ---- fields that no member of struct proxy_header stands for ---- */

/* One field as text: "ee:757064", with "ssl/" before it if it is in the TLS field. */
static void describe(char *out, size_t size, const struct proxy_field *field)
{
    size_t used = (size_t)snprintf(out, size, "%s%02x:", field->is_in_ssl ? "ssl/" : "",
                                   (unsigned)field->type);
    for (size_t i = 0; i < field->length; i++)
        used += (size_t)snprintf(out + used, size - used, "%02x", field->value[i]);
}

/* The header is whole, and its unknown fields are these, with a blank after each. */
static void assert_unknown(const struct v2 *v2, const char *expected)
{
    struct proxy_header header;
    struct proxy_field field = {0};
    char all[2048] = "", one[512];
    assert_header(v2->bytes, v2->length, &header);
    assert_int_equal(header.transport == PROXY_UNSPEC, !proxy_has_source(&header));
    while (proxy_next_unknown(&header, v2->bytes, &field)) {
        describe(one, sizeof(one), &field);
        strcat(strcat(all, one), " ");
    }
    assert_string_equal(all, expected);
}

static void test_v2_unknown(void **state)
{
    static const char SSL[] = "\x01\0\0\0\0\x21\0\x02v1\x26\0\x01g\x28\0\0";
    struct v2 v2;
    (void)state;
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    assert_unknown(&v2, "");
    add_tlv(&v2, 0xea, "\1vpce", 5);
    add_tlv(&v2, 0x02, "example.org", 11);
    add_tlv(&v2, 0x04, "\0\0", 2);
    add_tlv(&v2, 0xee, "\1\0\0\0\7", 5);
    add_tlv(&v2, 0x20, SSL, sizeof(SSL) - 1);
    add_tlv(&v2, 0x22, "not in ssl", 1);
    add_tlv(&v2, 0xea, "", 0);
    assert_unknown(&v2, "ea:0176706365 ee:0100000007 ssl/26:67 ssl/28: 22:6e ea: ");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x20, SSL, 5); /* nothing within it */
    add_tlv(&v2, 0x26, "x", 1);
    assert_unknown(&v2, "26:78 ");
    begin(&v2, 0x20, 0x11, IN4, sizeof(IN4)); /* LOCAL: all is discarded */
    add_tlv(&v2, 0xee, "x", 1);
    assert_unknown(&v2, "");
}

/* A receiver ignores the address bytes of UNSPEC. No length says how many there are, so the fields
 * begin where all that follows is fields. */
static void test_v2_unspec_with_addresses(void **state)
{
    static const size_t LENGTHS[] = {0, 12, 36, 216};
    unsigned char noise[216], zeros[216] = {0};
    struct v2 v2;
    (void)state;
    memset(noise, 0xc0, sizeof(noise));
    for (size_t i = 0; i < 2 * COUNT_OF(LENGTHS); i++) {
        begin(&v2, 0x21, 0x00, i % 2 ? zeros : noise, LENGTHS[i / 2]);
        assert_unknown(&v2, "");
        add_tlv(&v2, 0xee, "azure", 5);
        add_tlv(&v2, 0x01, "h2", 2);
        assert_unknown(&v2, "ee:617a757265 ");
        struct proxy_header header;
        assert_header(v2.bytes, v2.length, &header);
        assert_text(&header, &v2, PROXY_ALPN, "h2");
        assert_addresses(&header, v2.bytes, "", "");
    }
    begin(&v2, 0x21, 0x00, noise, 7); /* no family has so many */
    add_tlv(&v2, 0xee, "azure", 5);
    assert_unknown(&v2, "");
    begin(&v2, 0x21, 0x00, noise, 12);
    add_tlv(&v2, 0x03, "\1\2\3\4", 4);
    assert_bad(v2.bytes, v2.length, "a wrong checksum");
}

/* CRC32C of RFC 3720 over the header with zeros in its place. */
static uint32_t crc32c(const unsigned char *bytes, size_t length)
{
    uint32_t crc = ~0U;
    while (length--) {
        crc ^= *bytes++;
        for (int i = 0; i < 8; i++)
            crc = (crc >> 1) ^ (0x82f63b78U & -(crc & 1));
    }
    return ~crc;
}

static void test_v2_checksum(void **state)
{
    struct v2 v2;
    struct proxy_header header;
    (void)state;
    assert_int_equal(crc32c((const unsigned char *)"123456789", 9), 0xe3069283U);
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x03, "\0\0\0\0", 4);
    size_t at = v2.length - 4;
    add_tlv(&v2, 0x01, "h2", 2);
    uint32_t crc = crc32c(v2.bytes, v2.length);
    for (int i = 0; i < 4; i++)
        v2.bytes[at + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    assert_header(v2.bytes, v2.length, &header);
    for (size_t i = 16; i < v2.length; i++) { /* one bit anywhere */
        const char *why;
        v2.bytes[i] ^= 0x10;
        assert_true(parse(v2.bytes, v2.length, &header, &why) < 0 || i == at - 3);
        v2.bytes[i] ^= 0x10;
    }
    add_tlv(&v2, 0x03, "\0\0\0\0", 4);
    assert_bad(v2.bytes, v2.length, "a malformed checksum");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x03, "\0\0\0", 3);
    assert_bad(v2.bytes, v2.length, "a malformed checksum");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x03, "\1\2\3\4", 4);
    assert_bad(v2.bytes, v2.length, "a wrong checksum");
}

static void test_v2_bad(void **state)
{
    static const unsigned char ZEROS[PROXY_HEADER_MAX] = {0};
    struct v2 v2;
    struct proxy_header header;
    (void)state;
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    v2.bytes[11] = 'N';
    assert_bad(v2.bytes, v2.length, "no PROXY header");
    static const unsigned char COMMANDS[] = {0x11, 0x31, 0x01, 0x22, 0x2f, 0};
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) {
        begin(&v2, COMMANDS[i], 0x11, IN4, sizeof(IN4));
        assert_bad(v2.bytes, 13, "not version 2, or neither LOCAL nor PROXY");
    }
    static const unsigned char FAMILIES[] = {0x01, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff};
    for (size_t i = 0; i < COUNT_OF(FAMILIES); i++) {
        begin(&v2, 0x21, FAMILIES[i], IN4, sizeof(IN4));
        assert_bad(v2.bytes, 14, "an unknown family or protocol");
    }
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add(&v2, "\1", 1);
    assert_bad(v2.bytes, v2.length, "a field that reaches beyond its end");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add(&v2, "\1\0\3h2", 5);
    assert_bad(v2.bytes, v2.length, "a field that reaches beyond its end");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x05, ZEROS, 128);
    assert_header(v2.bytes, v2.length, &header);
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x05, ZEROS, 129);
    assert_bad(v2.bytes, v2.length, "a unique id of more than 128 bytes");
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    add_tlv(&v2, 0x04, ZEROS, PROXY_HEADER_MAX - 16 - 12 - 3);
    assert_header(v2.bytes, v2.length, &header);
    assert_int_equal(v2.length, PROXY_HEADER_MAX);
    begin(&v2, 0x21, 0x11, IN4, sizeof(IN4));
    set_length(&v2, PROXY_HEADER_MAX - 15);
    assert_bad(v2.bytes, 16, "a header of more than 4096 bytes");
    set_length(&v2, 65535);
    assert_bad(v2.bytes, 16, "a header of more than 4096 bytes");
}

/* Random bytes: no read past the end, and a verdict after PROXY_HEADER_MAX bytes. */
static void test_garbage(void **state)
{
    static unsigned char bytes[PROXY_HEADER_MAX];
    static const char *const BEGINNINGS[] = {"", "PROXY ", "PROXY TCP4 ", "PROXY TCP6 "};
    static const char LIKELY[] = "0123456789abcdef:. \r\n";
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t length = i % 10 ? unit_random(&random) % 120 : sizeof(bytes), start = 0;
        struct proxy_header header;
        const char *why;
        for (size_t j = 0; j < length; j++)
            bytes[j] = i % 3 ? (unsigned char)LIKELY[unit_random(&random) % (sizeof(LIKELY) - 1)]
                             : (unsigned char)unit_random(&random);
        if (i % 5 == 4 && length >= 16) {
            memcpy(bytes, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0", 15);
        } else {
            start = strlen(BEGINNINGS[i % 4]);
            memcpy(bytes, BEGINNINGS[i % 4], start < length ? start : length);
        }
        ssize_t verdict = parse(bytes, length, &header, &why);
        assert_true(verdict <= (ssize_t)length);
        assert_true(length < sizeof(bytes) || verdict != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),         cmocka_unit_test(test_v1_bad),
        cmocka_unit_test(test_v2),         cmocka_unit_test(test_v2_mapped),
        cmocka_unit_test(test_v2_local),   cmocka_unit_test(test_v2_fields),
        cmocka_unit_test(test_v2_ssl),     cmocka_unit_test(test_v2_checksum),
        cmocka_unit_test(test_v2_bad),     cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_v2_unknown), cmocka_unit_test(test_v2_unspec_with_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

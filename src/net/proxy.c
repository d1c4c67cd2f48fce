/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SIGNATURE_LENGTH (sizeof(SIGNATURE) - 1)

/* ---- version 1: a line of text ---- */

#define V1_FIRST "PROXY "
#define V1_FIRST_LENGTH (sizeof(V1_FIRST) - 1)
#define V1_MAX 107 /* with its CRLF */
#define V1_WORDS 5

static ssize_t bad(const char **why, const char *what)
{
    *why = what;
    return -1;
}

/* Splits at single spaces. Returns the number of words, V1_WORDS + 1 if there are more. */
static size_t split(char *line, char *words[V1_WORDS])
{
    size_t count = 0;
    for (char *word; (word = strsep(&line, " "));) {
        if (count == V1_WORDS)
            return V1_WORDS + 1;
        words[count++] = word;
    }
    return count;
}

/* Parses a decimal port without leading zeros, as the protocol requires; -1 if it is not one. */
static int parse_port(const char *text)
{
    int port = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 5 || strspn(text, "0123456789") != length ||
        (length > 1 && *text == '0'))
        return -1;
    for (; *text; text++)
        port = port * 10 + (*text - '0');
    return port <= UINT16_MAX ? port : -1;
}

static bool parse_v1_address(int family, const char *host, const char *port, struct address *out)
{
    union {
        struct sockaddr plain;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } sockaddr = {.plain.sa_family = (sa_family_t)family};
    int number = parse_port(port);
    void *bytes =
        family == AF_INET ? (void *)&sockaddr.in4.sin_addr : (void *)&sockaddr.in6.sin6_addr;
    if (number < 0 || inet_pton(family, host, bytes) != 1)
        return false;
    *out = address_from_sockaddr(&sockaddr.plain);
    out->port = (uint16_t)number;
    return true;
}

/* Parses the line between its first word and its CRLF. */
static ssize_t parse_v1_line(char *line, struct proxy_header *out, const char **why)
{
    char *words[V1_WORDS];
    if (strncmp(line, "UNKNOWN", 7) == 0 && (line[7] == '\0' || line[7] == ' '))
        return 0; /* the rest of an UNKNOWN line is ignored */
    size_t count = split(line, words);
    if (strcmp(words[0], "TCP4") != 0 && strcmp(words[0], "TCP6") != 0)
        return bad(why, "neither TCP4 nor TCP6 nor UNKNOWN");
    if (count != V1_WORDS)
        return bad(why, "not two addresses and two ports");
    int family = words[0][3] == '4' ? AF_INET : AF_INET6;
    if (!parse_v1_address(family, words[1], words[3], &out->source) ||
        !parse_v1_address(family, words[2], words[4], &out->destination))
        return bad(why, "a malformed address or port");
    out->transport = family == AF_INET ? PROXY_TCP4 : PROXY_TCP6;
    return 0;
}

static ssize_t parse_v1(const unsigned char *bytes, size_t length, struct proxy_header *out,
                        const char **why)
{
    char line[V1_MAX + 1];
    size_t most = length < V1_MAX ? length : V1_MAX;
    const unsigned char *end = memchr(bytes, '\r', most);
    const unsigned char *odd = memchr(bytes, '\n', end ? (size_t)(end - bytes) : most);
    if (odd || memchr(bytes, '\0', end ? (size_t)(end - bytes) : most))
        return bad(why, "a line that does not end with CRLF");
    if (!end || end + 1 == bytes + most)
        return most == V1_MAX ? bad(why, "a line of more than 107 bytes") : 0;
    if (end[1] != '\n')
        return bad(why, "a line that does not end with CRLF");
    size_t text = (size_t)(end - bytes) - V1_FIRST_LENGTH;
    memcpy(line, bytes + V1_FIRST_LENGTH, text);
    line[text] = '\0';
    out->version = 1;
    out->length = (uint16_t)(end + 2 - bytes);
    return parse_v1_line(line, out, why) < 0 ? -1 : out->length;
}

/* ---- version 2: binary ---- */

#define V2_FIXED 16
#define TLV_HEAD 3 /* type and length */
#define SSL_HEAD 5 /* client and verify */
#define UNIQUE_ID_MAX 128
#define CRC_LENGTH 4

enum { TLV_ALPN = 1, TLV_AUTHORITY, TLV_CRC32C, TLV_NOOP, TLV_UNIQUE_ID };
enum { TLV_SSL = 0x20, SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG };
enum { TLV_NETNS = 0x30 };

struct v2 {
    const unsigned char *bytes;
    struct proxy_header *out;
    const char **why;
    size_t crc_at; /* 0: none */
};

static size_t get16(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get32(const unsigned char *bytes)
{
    return (uint32_t)get16(bytes) << 16 | (uint32_t)get16(bytes + 2);
}

/* RFC 3720's CRC32C of the header, with the checksum itself as zeros. Few headers have one, and
 * headers are short, so a bitwise loop is fast enough. */
static uint32_t checksum(const unsigned char *bytes, size_t length, size_t crc_at)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length; i++) {
        crc ^= i >= crc_at && i < crc_at + CRC_LENGTH ? 0 : bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    }
    return ~crc;
}

static void keep(struct v2 *v2, enum proxy_text text, size_t at, size_t length)
{
    v2->out->texts[text].at = (uint16_t)at;
    v2->out->texts[text].length = (uint16_t)length;
}

static ssize_t walk(struct v2 *v2, size_t at, size_t end,
                    ssize_t (*take)(struct v2 *v2, unsigned type, size_t at, size_t length))
{
    while (at < end) {
        if (end - at < TLV_HEAD || end - at - TLV_HEAD < get16(v2->bytes + at + 1))
            return bad(v2->why, "a field that reaches beyond its end");
        size_t length = get16(v2->bytes + at + 1);
        if (take(v2, v2->bytes[at], at + TLV_HEAD, length) < 0)
            return -1;
        at += TLV_HEAD + length;
    }
    return 0;
}

static ssize_t store_ssl(struct v2 *v2, unsigned type, size_t at, size_t length)
{
    if (type >= SSL_VERSION && type <= SSL_KEY_ALG)
        keep(v2, (enum proxy_text)(PROXY_SSL_VERSION + (type - SSL_VERSION)), at, length);
    return 0;
}

static ssize_t store_tlv(struct v2 *v2, unsigned type, size_t at, size_t length)
{
    switch (type) {
    case TLV_ALPN:
        keep(v2, PROXY_ALPN, at, length);
        return 0;
    case TLV_AUTHORITY:
        keep(v2, PROXY_AUTHORITY, at, length);
        return 0;
    case TLV_NETNS:
        keep(v2, PROXY_NETNS, at, length);
        return 0;
    case TLV_UNIQUE_ID:
        keep(v2, PROXY_UNIQUE_ID, at, length);
        return length <= UNIQUE_ID_MAX ? 0 : bad(v2->why, "a unique id of more than 128 bytes");
    case TLV_CRC32C:
        if (length != CRC_LENGTH || v2->crc_at)
            return bad(v2->why, "a malformed checksum");
        v2->crc_at = at;
        return 0;
    case TLV_SSL:
        if (length < SSL_HEAD)
            return bad(v2->why, "a field that reaches beyond its end");
        v2->out->has_ssl = true;
        v2->out->ssl_client = v2->bytes[at];
        v2->out->ssl_verify = get32(v2->bytes + at + 1);
        return walk(v2, at + SSL_HEAD, at + length, store_ssl);
    default:
        return 0; /* padding and unknown types are ignored */
    }
}

static struct address address_at(int family, const unsigned char *host, const unsigned char *port)
{
    union {
        struct sockaddr plain;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } sockaddr = {.plain.sa_family = (sa_family_t)family};
    if (family == AF_INET)
        memcpy(&sockaddr.in4.sin_addr, host, sizeof(sockaddr.in4.sin_addr));
    else
        memcpy(&sockaddr.in6.sin6_addr, host, sizeof(sockaddr.in6.sin6_addr));
    struct address address = address_from_sockaddr(&sockaddr.plain);
    address.port = (uint16_t)get16(port);
    return address;
}

/* The transports by the header's byte of family and protocol, with the length of their
 * addresses. */
static const struct {
    unsigned char code;
    enum proxy_transport transport;
    size_t addresses;
} TRANSPORTS[] = {
    {0x00, PROXY_UNSPEC, 0},
    {0x11, PROXY_TCP4, 12},
    {0x12, PROXY_UDP4, 12},
    {0x21, PROXY_TCP6, 36},
    {0x22, PROXY_UDP6, 36},
    {0x31, PROXY_UNIX_STREAM, 2 * PROXY_UNIX_PATH_MAX},
    {0x32, PROXY_UNIX_DGRAM, 2 * PROXY_UNIX_PATH_MAX},
};
#define TRANSPORT_COUNT (sizeof(TRANSPORTS) / sizeof(TRANSPORTS[0]))

static size_t transport_of(unsigned char code)
{
    size_t i = 0;
    while (i < TRANSPORT_COUNT && TRANSPORTS[i].code != code)
        i++;
    return i;
}

static void store_addresses(struct v2 *v2, enum proxy_transport transport)
{
    const unsigned char *at = v2->bytes + V2_FIXED;
    struct proxy_header *out = v2->out;
    out->transport = (uint8_t)transport;
    switch (transport) {
    case PROXY_UNSPEC:
        return; /* parse_v2_unspec() */
    case PROXY_TCP4:
    case PROXY_UDP4:
        out->source = address_at(AF_INET, at, at + 8);
        out->destination = address_at(AF_INET, at + 4, at + 10);
        return;
    case PROXY_TCP6:
    case PROXY_UDP6:
        out->source = address_at(AF_INET6, at, at + 32);
        out->destination = address_at(AF_INET6, at + 16, at + 34);
        return;
    case PROXY_UNIX_STREAM:
    case PROXY_UNIX_DGRAM:
        out->source.family = out->destination.family = AF_UNIX;
        keep(v2, PROXY_SOURCE_PATH, V2_FIXED, PROXY_UNIX_PATH_MAX);
        keep(v2, PROXY_DESTINATION_PATH, V2_FIXED + PROXY_UNIX_PATH_MAX, PROXY_UNIX_PATH_MAX);
    }
}

/* Parses the fields (TLVs) from `at` to the end of the header, and verifies a checksum. */
static ssize_t parse_fields(struct v2 *v2, size_t at)
{
    size_t end = v2->out->length;
    v2->out->fields_at = (uint16_t)at;
    if (walk(v2, at, end, store_tlv) < 0)
        return -1;
    if (v2->crc_at && get32(v2->bytes + v2->crc_at) != checksum(v2->bytes, end, v2->crc_at))
        return bad(v2->why, "a wrong checksum");
    return (ssize_t)end;
}

static ssize_t ignore_tlv(struct v2 *v2, unsigned type, size_t at, size_t length)
{
    (void)v2;
    (void)at;
    (void)length;
    return type == 0 ? -1 : 0; /* no field has type 0, and an address may be all zeros */
}

/* A receiver ignores the address bytes of UNSPEC, whose number is not given. So the fields are
 * searched after the addresses of each family: they are there if the rest of the header consists of
 * complete fields. If no place fits, the header has no fields. */
static ssize_t parse_v2_unspec(struct v2 *v2)
{
    const char *why_not;
    struct v2 search = {.bytes = v2->bytes, .why = &why_not};
    size_t end = v2->out->length;
    for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
        size_t at = V2_FIXED + TRANSPORTS[i].addresses;
        if (at < end && walk(&search, at, end, ignore_tlv) == 0)
            return parse_fields(v2, at);
    }
    return (ssize_t)end;
}

/* Parses a complete header of the command PROXY. */
static ssize_t parse_v2_proxied(struct v2 *v2, size_t transport)
{
    size_t fields = V2_FIXED + TRANSPORTS[transport].addresses;
    if (TRANSPORTS[transport].transport == PROXY_UNSPEC)
        return parse_v2_unspec(v2);
    if (v2->out->length < fields)
        return bad(v2->why, "too short for its addresses");
    store_addresses(v2, TRANSPORTS[transport].transport);
    return parse_fields(v2, fields);
}

static ssize_t parse_v2(const unsigned char *bytes, size_t length, struct proxy_header *out,
                        const char **why)
{
    struct v2 v2 = {.bytes = bytes, .out = out, .why = why};
    if (length > 12 && bytes[12] != 0x20 && bytes[12] != 0x21)
        return bad(why, "not version 2, or neither LOCAL nor PROXY");
    bool is_local = length > 12 && bytes[12] == 0x20;
    /* The family of a LOCAL header is ignored. */
    size_t transport = length > 13 && !is_local ? transport_of(bytes[13]) : 0;
    if (transport == TRANSPORT_COUNT)
        return bad(why, "an unknown family or protocol");
    if (length < V2_FIXED)
        return 0;
    size_t whole = V2_FIXED + get16(bytes + 14);
    if (whole > PROXY_HEADER_MAX)
        return bad(why, "a header of more than 4096 bytes");
    if (length < whole)
        return 0;
    out->version = 2;
    out->length = (uint16_t)whole;
    out->is_local = is_local;
    return is_local ? (ssize_t)whole : parse_v2_proxied(&v2, transport);
}

/* ---- fields ---- */

static bool is_known(const struct proxy_field *field)
{
    if (field->is_in_ssl)
        return field->type >= SSL_VERSION && field->type <= SSL_KEY_ALG;
    return (field->type >= TLV_ALPN && field->type <= TLV_UNIQUE_ID) || field->type == TLV_NETNS;
}

bool proxy_next_unknown(const struct proxy_header *header, const unsigned char *bytes,
                        struct proxy_field *field)
{
    size_t at = field->next ? field->next : header->fields_at;
    while (at > 0 && at < header->length) {
        field->is_in_ssl = at < field->ssl_end;
        field->type = bytes[at];
        field->length = get16(bytes + at + 1);
        field->value = bytes + at + TLV_HEAD;
        bool is_ssl = field->type == TLV_SSL && !field->is_in_ssl;
        if (is_ssl)
            field->ssl_end = at + TLV_HEAD + field->length;
        at += TLV_HEAD + (is_ssl ? SSL_HEAD : field->length); /* into it, or past it */
        field->next = at;
        if (!is_ssl && !is_known(field))
            return true;
    }
    return false;
}

/* ---- both ---- */

ssize_t proxy_parse(const unsigned char *bytes, size_t length, struct proxy_header *out,
                    const char **why)
{
    size_t v1 = length < V1_FIRST_LENGTH ? length : V1_FIRST_LENGTH;
    size_t v2 = length < SIGNATURE_LENGTH ? length : SIGNATURE_LENGTH;
    *out = (struct proxy_header){0};
    if (length == 0)
        return 0;
    if (memcmp(bytes, V1_FIRST, v1) == 0)
        return v1 < V1_FIRST_LENGTH ? 0 : parse_v1(bytes, length, out, why);
    if (memcmp(bytes, SIGNATURE, v2) == 0)
        return v2 < SIGNATURE_LENGTH ? 0 : parse_v2(bytes, length, out, why);
    return bad(why, "no PROXY header");
}

const char *proxy_transport_word(enum proxy_transport transport)
{
    static const char *const WORDS[] = {"UNSPEC", "TCP4",        "TCP6",      "UDP4",
                                        "UDP6",   "UNIX_STREAM", "UNIX_DGRAM"};
    return WORDS[transport];
}

size_t proxy_format(char *out, size_t size, const struct proxy_header *header,
                    const unsigned char *bytes, bool is_source)
{
    const struct address *address = is_source ? &header->source : &header->destination;
    out[0] = '\0';
    if (address->family == AF_UNSPEC)
        return 0;
    if (address->family != AF_UNIX)
        return strlen(address_format(out, size, address));
    const unsigned char *path =
        bytes + header->texts[is_source ? PROXY_SOURCE_PATH : PROXY_DESTINATION_PATH].at;
    bool is_abstract = path[0] == '\0' && path[1] != '\0';
    size_t length = strnlen((const char *)path + is_abstract, PROXY_UNIX_PATH_MAX - is_abstract);
    int used = snprintf(out, size, "unix:%s%.*s", is_abstract ? "@" : "", (int)length,
                        (const char *)path + is_abstract);
    return (size_t)used < size ? (size_t)used : size - 1;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/greeting.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TLS_HEADER_BYTES 5
#define HTTP2_HEADER_BYTES 9

/* ---- those that begin with certain bytes ---- */

struct beginning {
    const char *kind, *looks_like, *bytes;
    size_t length;
};

#define BEGINS(bytes, kind, looks_like)             \
    {                                               \
        kind, looks_like, bytes, sizeof(bytes) - 1, \
    }
#define HTTP_RESPONSE "that is an HTTP response: a web server, or a proxy's error page, answers"
#define HTTP_REQUEST "that is an HTTP request: a client or a health check speaks to us"
#define HTML "that is HTML: a web server answers"
#define HTTP2 "that is HTTP/2 (gRPC speaks it too): is this the right port?"
#define REDIS "that is a Redis reply: is this the right port?"
#define MAIL_OR_FILES "that is a greeting or reply of SMTP or FTP: is this the right port?"
#define CHARGEN "that is chargen (RFC 864), and not an echo"

/* The first that fits is it. */
static const struct beginning BEGINNINGS[] = {
    BEGINS("HTTP/", "http-response", HTTP_RESPONSE),
    BEGINS("GET ", "http-request", HTTP_REQUEST),
    BEGINS("HEAD ", "http-request", HTTP_REQUEST),
    BEGINS("POST ", "http-request", HTTP_REQUEST),
    BEGINS("PUT ", "http-request", HTTP_REQUEST),
    BEGINS("OPTIONS ", "http-request", HTTP_REQUEST),
    BEGINS("CONNECT ", "http-request", HTTP_REQUEST),
    BEGINS("PRI * HTTP/2", "http2", HTTP2),
    BEGINS("<!DOCTYPE", "html", HTML),
    BEGINS("<!doctype", "html", HTML),
    BEGINS("<html", "html", HTML),
    BEGINS("SSH-", "ssh", "that is an SSH banner: is this the right port?"),
    BEGINS("+OK", "pop3", "that is a POP3 greeting: is this the right port?"),
    BEGINS("* OK", "imap", "that is an IMAP greeting: is this the right port?"),
    BEGINS("-ERR ", "redis", REDIS),
    BEGINS("-NOAUTH", "redis", REDIS),
    BEGINS("-DENIED", "redis", REDIS),
    BEGINS("-LOADING", "redis", REDIS),
    BEGINS("+PONG", "redis", REDIS),
    BEGINS("ERROR\r\n", "memcached", "that is a reply of memcached: is this the right port?"),
    BEGINS("RFB 00", "vnc", "that is a VNC greeting: is this the right port?"),
    BEGINS("AMQP", "amqp", "that is AMQP: is this the right port?"),
    BEGINS("\xff\xfb", "telnet", "that is Telnet's negotiation: is this the right port?"),
    BEGINS("\xff\xfd", "telnet", "that is Telnet's negotiation: is this the right port?"),
    BEGINS("!\"#$%&'()", "chargen", CHARGEN),
    BEGINS(" !\"#$%&'(", "chargen", CHARGEN),
};

static const struct beginning PROXY_HEADERS[] = {
    BEGINS("PROXY ", "proxy-v1", ""),
    BEGINS("\r\n\r\n\0\r\nQUIT\n", "proxy-v2", ""),
};

static const struct beginning *find(const struct beginning *rows, size_t count,
                                    const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (length >= rows[i].length && memcmp(bytes, rows[i].bytes, rows[i].length) == 0)
            return &rows[i];
    }
    return NULL;
}

static struct greeting make(const char *kind, const char *looks_like)
{
    struct greeting greeting = {.kind = kind};
    snprintf(greeting.looks_like, sizeof(greeting.looks_like), "%s", looks_like);
    return greeting;
}

/* ---- those that have a form ---- */

/* RFC 8446, 6 */
static const char *alert_name(unsigned char alert, char *out, size_t size)
{
    static const struct {
        unsigned char alert;
        const char *name;
    } NAMES[] = {
        {0, "close_notify"},          {10, "unexpected_message"}, {20, "bad_record_mac"},
        {22, "record_overflow"},      {40, "handshake_failure"},  {42, "bad_certificate"},
        {47, "illegal_parameter"},    {48, "unknown_ca"},         {50, "decode_error"},
        {70, "protocol_version"},     {80, "internal_error"},     {112, "unrecognized_name"},
        {116, "certificate_required"}};
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        if (NAMES[i].alert == alert)
            return NAMES[i].name;
    }
    snprintf(out, size, "number %u", (unsigned)alert);
    return out;
}

/* A record of TLS (RFC 8446, 5.1), as far as it has come. */
static struct greeting read_tls(const unsigned char *bytes, size_t length)
{
    char number[16], text[GREETING_LOOKS_MAX];
    if (length < 2 || bytes[1] != 3 || (length > 2 && bytes[2] > 4))
        return (struct greeting){0};
    if (bytes[0] == 0x16)
        return make("tls-handshake", "that is a TLS handshake: a TLS client or server is there");
    if (bytes[0] == 0x17 && length > 2)
        return make("tls-data", "that is a TLS record: is tls:// meant?");
    if (bytes[0] != 0x15)
        return (struct greeting){0};
    bool has_alert = length >= TLS_HEADER_BYTES + 2 && bytes[3] == 0 && bytes[4] == 2;
    snprintf(text, sizeof(text), "that is a TLS alert%s%s%s: is tls:// meant?",
             has_alert ? " (" : "",
             has_alert ? alert_name(bytes[TLS_HEADER_BYTES + 1], number, sizeof(number)) : "",
             has_alert ? ")" : "");
    return make("tls-alert", text);
}

static bool has_text(const unsigned char *bytes, size_t length, const char *text)
{
    return memmem(bytes, length, text, strlen(text)) != NULL;
}

/* Three digits, as RFC 5321 and RFC 959 have it. */
static struct greeting read_reply(const unsigned char *bytes, size_t length)
{
    bool is_reply = length >= 4 && bytes[0] >= '2' && bytes[0] <= '5' && isdigit(bytes[1]) &&
                    isdigit(bytes[2]) && (bytes[3] == ' ' || bytes[3] == '-');
    if (!is_reply)
        return (struct greeting){0};
    if (has_text(bytes, length, "SMTP"))
        return make("smtp", "that is an SMTP greeting: is this the right port?");
    if (has_text(bytes, length, "FTP"))
        return make("ftp", "that is an FTP greeting: is this the right port?");
    return make("smtp-or-ftp", MAIL_OR_FILES);
}

/* The first packet of a MySQL server: its version, or an error. */
static bool is_mysql(const unsigned char *bytes, size_t length)
{
    return length >= 6 && bytes[2] == 0 && bytes[3] == 0 &&
           ((bytes[4] == 10 && isdigit(bytes[5])) ||
            (bytes[4] == 0xff && has_text(bytes, length, "Host")));
}

/* ErrorResponse, with its severity first. */
static bool is_postgresql(const unsigned char *bytes, size_t length)
{
    return length >= 6 && bytes[0] == 'E' && bytes[1] == 0 && bytes[2] == 0 && bytes[5] == 'S';
}

/* SETTINGS or GOAWAY on stream 0 (RFC 9113, 4.1). */
static bool is_http2(const unsigned char *bytes, size_t length)
{
    static const unsigned char STREAM[] = {0, 0, 0, 0};
    return length >= HTTP2_HEADER_BYTES && bytes[0] == 0 && (bytes[3] == 4 || bytes[3] == 7) &&
           bytes[4] == 0 && memcmp(bytes + 5, STREAM, sizeof(STREAM)) == 0;
}

struct greeting greeting_of(const unsigned char *bytes, size_t length, bool has_sent_proxy)
{
    const struct beginning *proxy = find(PROXY_HEADERS, COUNT(PROXY_HEADERS), bytes, length);
    const struct beginning *other = find(BEGINNINGS, COUNT(BEGINNINGS), bytes, length);
    if (proxy)
        return make(proxy->kind, has_sent_proxy
                                     ? "that is our PROXY header: the endpoint does not read one"
                                     : "something on the way sends a PROXY header, and the "
                                       "endpoint reads none");
    if (other)
        return make(other->kind, other->looks_like);
    if (is_http2(bytes, length))
        return make("http2", HTTP2);
    if (is_mysql(bytes, length))
        return make("mysql", "that is a MySQL greeting: is this the right port?");
    if (is_postgresql(bytes, length))
        return make("postgresql", "that is an error of PostgreSQL: is this the right port?");
    const struct greeting tls = read_tls(bytes, length);
    return tls.kind ? tls : read_reply(bytes, length);
}

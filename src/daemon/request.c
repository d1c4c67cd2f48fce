/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/request.h"

#include <string.h>
#include <strings.h>

/* A part of the bytes read. */
struct text {
    const char *at;
    size_t length;
};

struct fields {
    unsigned hosts;
    bool is_host_in_target; /* then it overrides the Host field (RFC 9112, 3.2.2) */
    bool is_http_1_0;
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* RFC 9110, 5.6.2: the characters of methods and field names. */
static bool is_token(struct text text)
{
    static const char OTHERS[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.at[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && !is_digit(byte) && (byte == '\0' || !strchr(OTHERS, byte)))
            return false;
    }
    return text.length > 0;
}

static bool is_word(struct text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

/* Removes the part before a separator from the front. */
static bool cut(struct text *rest, char separator, struct text *front)
{
    const char *end = memchr(rest->at, separator, rest->length);
    if (!end)
        return false;
    *front = (struct text){rest->at, (size_t)(end - rest->at)};
    rest->at = end + 1;
    rest->length -= front->length + 1;
    return true;
}

/* Removes a line from the front; its end may be a bare LF (RFC 9112, 2.2). False if it is
 * incomplete; *line is then the part received. */
static bool cut_line(struct text *rest, struct text *line)
{
    bool is_whole = cut(rest, '\n', line);
    if (!is_whole)
        *line = *rest;
    if (line->length > 0 && line->at[line->length - 1] == '\r')
        line->length--;
    return is_whole;
}

/* A line may contain no control character except tab, so a CR is only at its end. */
static bool has_control(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

/* ---- the parts; each returns 0, or the status to answer ---- */

/* Parses "/path?query", or an absolute URI, which proxies send (RFC 9112, 3.2.2). */
static int read_target(struct text target, struct request *request, struct fields *fields)
{
    static const char SCHEME[] = "http://";
    const size_t scheme_length = sizeof(SCHEME) - 1;
    if (target.length > scheme_length && strncasecmp(target.at, SCHEME, scheme_length) == 0) {
        struct text after = {target.at + scheme_length, target.length - scheme_length};
        const char *slash = memchr(after.at, '/', after.length);
        const char *mark = memchr(after.at, '?', after.length);
        bool has_path = slash && (!mark || slash < mark);
        const char *end = has_path ? slash : mark ? mark : after.at + after.length;
        fields->is_host_in_target = true;
        request->host = after.at;
        request->host_length = (size_t)(end - after.at);
        target = has_path ? (struct text){slash, (size_t)(after.at + after.length - slash)}
                          : (struct text){"/", 1};
    }
    if (target.length == 0 || target.at[0] != '/')
        return 400;
    const char *query = memchr(target.at, '?', target.length);
    request->path = target.at;
    request->path_length = query ? (size_t)(query - target.at) : target.length;
    return 0;
}

static int read_version(struct text version, struct fields *fields)
{
    static const char NAME[] = "HTTP/";
    const size_t name_length = sizeof(NAME) - 1;
    if (version.length != name_length + 3 || memcmp(version.at, NAME, name_length) != 0 ||
        !is_digit(version.at[5]) || version.at[6] != '.' || !is_digit(version.at[7]))
        return 400;
    fields->is_http_1_0 = version.at[7] == '0';
    return version.at[5] == '1' ? 0 : 505;
}

static int read_first_line(struct text line, struct request *request, struct fields *fields)
{
    struct text method, target;
    if (!cut(&line, ' ', &method) || !is_token(method) || !cut(&line, ' ', &target))
        return 400;
    int status = read_version(line, fields);
    if (status)
        return status;
    request->is_head = is_word(method, "HEAD");
    if (!request->is_head && !is_word(method, "GET"))
        return 405;
    return read_target(target, request, fields);
}

/* Removes surrounding blanks. */
static struct text trim(struct text value)
{
    while (value.length > 0 && (value.at[0] == ' ' || value.at[0] == '\t')) {
        value.at++;
        value.length--;
    }
    while (value.length > 0 &&
           (value.at[value.length - 1] == ' ' || value.at[value.length - 1] == '\t'))
        value.length--;
    return value;
}

/* Refuses a request with a body: requests for these pages have none. */
static int read_length(struct text value)
{
    bool is_zero = true;
    for (size_t i = 0; i < value.length; i++) {
        if (!is_digit(value.at[i]))
            return 400;
        is_zero = is_zero && value.at[i] == '0';
    }
    return value.length == 0 ? 400 : is_zero ? 0 : 413;
}

static bool is_name(struct text text, const char *name)
{
    return text.length == strlen(name) && strncasecmp(text.at, name, text.length) == 0;
}

static void read_host(struct text value, struct request *request, struct fields *fields)
{
    fields->hosts++;
    if (fields->is_host_in_target)
        return;
    request->host = value.at;
    request->host_length = value.length;
}

static int read_field(struct text line, struct request *request, struct fields *fields)
{
    struct text name;
    if (!cut(&line, ':', &name) || !is_token(name))
        return 400;
    line = trim(line);
    if (is_name(name, "Host"))
        read_host(line, request, fields);
    if (is_name(name, "Transfer-Encoding"))
        return 413;
    return is_name(name, "Content-Length") ? read_length(line) : 0;
}

/* RFC 9112, 3.2: exactly one Host field; HTTP/1.0 does not require it. */
static int check_host(const struct fields *fields)
{
    return fields->hosts == 1 || (fields->hosts == 0 && fields->is_http_1_0) ? 0 : 400;
}

/* ---- the whole ---- */

static enum request_verdict verdict_of(struct request *request, int status)
{
    request->status = status ? status : 200;
    return status ? REQUEST_BAD : REQUEST_OK;
}

/* The request is incomplete: wants more, if there is room for the rest. */
static enum request_verdict want_more(struct request *request, size_t length, int status)
{
    return length < REQUEST_BYTES_MAX ? REQUEST_MORE : verdict_of(request, status);
}

enum request_verdict request_parse(const char *bytes, size_t length, struct request *request)
{
    struct text rest = {bytes, length < REQUEST_BYTES_MAX ? length : REQUEST_BYTES_MAX}, line;
    struct fields fields = {0};
    *request = (struct request){0};
    bool has_first = false;
    int status = 0;
    do {
        bool is_whole = cut_line(&rest, &line);
        if (has_control(line))
            status = 400;
        else if (!is_whole)
            return want_more(request, length, has_first ? 431 : 414);
        else if (has_first && line.length == 0)
            return verdict_of(request, check_host(&fields));
        else if (has_first)
            status = read_field(line, request, &fields);
        else if (line.length > 0) { /* an empty line may come before a request (RFC 9112, 2.2) */
            status = read_first_line(line, request, &fields);
            has_first = true;
        }
    } while (!status);
    return verdict_of(request, status);
}

bool request_is_for(const struct request *request, const char *path)
{
    return is_word((struct text){request->path, request->path_length}, path);
}

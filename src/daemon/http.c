/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/http.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "echo/listener.h"

/* The most bytes written to one peer in one event, so that others are not delayed. */
#define WRITE_MAX (64U * 1024U)
/* The most bytes after the request that are read and discarded: close(2) with bytes unread would
 * send a reset, which destroys the answer. */
#define DISCARD_MAX (1024U * 1024U)
#define RETRY_MS 100 /* after a failed accept */
#define BODY_FIRST 16384
#define HEADER_MAX 512

enum phase { FREE, READING, PENDING, WRITING, ENDING };

/* A body under construction in memory. Not by open_memstream(3), which does not report that memory
 * ran out: a part of a page would look complete. */
struct body {
    FILE *out;
    char *bytes;
    size_t length, room;
};

struct http_exchange {
    struct http *http;
    int fd;
    enum phase phase;
    struct event *readable, *writable, *timer;
    char bytes[REQUEST_BYTES_MAX];
    size_t used; /* of these; in ENDING: bytes discarded */
    bool is_head, is_marked;
    struct body body;
    char *answer;
    size_t length, sent;
};

struct http {
    struct log *log;
    struct listener listeners[SOCK_LISTENING_MAX];
    size_t listener_count;
    struct loop *loop;
    http_on_request *on_request;
    void *owner;
    struct event *retry_timer;
    struct http_exchange exchanges[HTTP_EXCHANGES_MAX];
    size_t exchange_count;
};

/* ---- accepting ---- */

static void on_retry(evutil_socket_t fd, short what, void *arg);

static void pause_all(struct http *http)
{
    for (size_t i = 0; i < http->listener_count; i++)
        listener_pause(&http->listeners[i]);
}

static void pause_after_failure(struct http *http)
{
    const struct timeval pause = {.tv_usec = RETRY_MS * 1000};
    pause_all(http);
    (void)event_add(http->retry_timer, &pause);
}

static void resume_all(struct http *http)
{
    bool is_resumed = true;
    if (http->exchange_count == HTTP_EXCHANGES_MAX ||
        event_pending(http->retry_timer, EV_TIMEOUT, NULL))
        return;
    for (size_t i = 0; i < http->listener_count; i++)
        is_resumed = listener_resume(&http->listeners[i]) == 0 && is_resumed;
    if (!is_resumed)
        pause_after_failure(http);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    resume_all(arg);
}

static void on_error(void *owner, struct listener *listener, int error)
{
    log_limited(listener->log, LOG_LEVEL_WARN, "cannot accept a status request",
                LOG_TEXT("endpoint", listener->sock.name), LOG_TEXT("error", strerror(error)));
    pause_after_failure(owner);
}

/* ---- bodies ---- */

static ssize_t on_body(void *cookie, const char *bytes, size_t length)
{
    struct body *body = cookie;
    while (body->room - body->length < length) {
        size_t room = body->room ? 2 * body->room : BODY_FIRST;
        char *larger = realloc(body->bytes, room);
        if (!larger)
            return 0; /* sets the stream's error indicator */
        body->bytes = larger;
        body->room = room;
    }
    memcpy(body->bytes + body->length, bytes, length);
    body->length += length;
    return (ssize_t)length;
}

static void body_free(struct body *body)
{
    if (body->out)
        (void)fclose(body->out);
    free(body->bytes);
    *body = (struct body){0};
}

/* ---- the end of an exchange ---- */

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

static void finish(struct http_exchange *exchange)
{
    struct http *http = exchange->http;
    free_event(exchange->readable);
    free_event(exchange->writable);
    free_event(exchange->timer);
    close(exchange->fd);
    body_free(&exchange->body);
    free(exchange->answer);
    exchange->phase = FREE;
    http->exchange_count--;
}

static void end(struct http_exchange *exchange)
{
    struct http *http = exchange->http;
    finish(exchange);
    resume_all(http);
}

/* Logs why memory or the system failed, and closes the exchange. */
static void abandon(struct http_exchange *exchange, const char *why)
{
    log_limited(exchange->http->log, LOG_LEVEL_WARN, "a status request was not answered",
                LOG_TEXT("error", why));
    end(exchange);
}

static void on_time_over(evutil_socket_t fd, short what, void *arg)
{
    struct http_exchange *exchange = arg;
    (void)fd;
    (void)what;
    if (exchange->phase == ENDING)
        end(exchange);
    else
        abandon(exchange, "it took too long");
}

/* ---- answering ---- */

const char *http_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 431:
        return "Request Header Fields Too Large";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Service Unavailable";
    }
}

static void write_some(struct http_exchange *exchange)
{
    size_t left = exchange->length - exchange->sent;
    ssize_t sent = send(exchange->fd, exchange->answer + exchange->sent,
                        left < WRITE_MAX ? left : WRITE_MAX, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        end(exchange); /* the peer is gone */
        return;
    }
    exchange->sent += sent > 0 ? (size_t)sent : 0;
    if (exchange->sent < exchange->length) {
        if (event_add(exchange->writable, NULL) < 0)
            abandon(exchange, strerror(ENOMEM));
        return;
    }
    exchange->phase = ENDING;
    exchange->used = 0;
    (void)shutdown(exchange->fd, SHUT_WR);
    if (event_add(exchange->readable, NULL) < 0)
        end(exchange);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    write_some(arg);
}

/* Joins the header and, except for HEAD, the body. Returns 0, or -1 if memory is short. */
static int compose(struct http_exchange *exchange, int status, const char *type)
{
    const struct body *body = &exchange->body;
    char header[HEADER_MAX];
    size_t header_length = (size_t)snprintf(
        header, sizeof(header),
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n",
        status, http_phrase(status), type, body->length,
        status == 405 ? "Allow: GET, HEAD\r\n" : "");
    size_t body_length = exchange->is_head ? 0 : body->length;
    exchange->answer = malloc(header_length + body_length);
    if (!exchange->answer)
        return -1;
    memcpy(exchange->answer, header, header_length);
    if (body_length > 0)
        memcpy(exchange->answer + header_length, body->bytes, body_length);
    exchange->length = header_length + body_length;
    return 0;
}

FILE *http_body(struct http_exchange *exchange)
{
    struct body *body = &exchange->body;
    body->out = fopencookie(body, "w", (cookie_io_functions_t){.write = on_body});
    if (!body->out)
        abandon(exchange, strerror(ENOMEM));
    return body->out;
}

void http_answer(struct http_exchange *exchange, int status, const char *type)
{
    struct body *body = &exchange->body;
    bool is_whole = !ferror(body->out);
    is_whole = fclose(body->out) == 0 && is_whole;
    body->out = NULL;
    is_whole = is_whole && compose(exchange, status, type) == 0;
    body_free(body);
    if (!is_whole) {
        abandon(exchange, strerror(ENOMEM));
        return;
    }
    exchange->phase = WRITING;
    write_some(exchange);
}

struct http_exchange *http_pending(struct http *http, size_t place)
{
    struct http_exchange *exchange = &http->exchanges[place];
    return exchange->phase == PENDING ? exchange : NULL;
}

bool http_is_marked(const struct http_exchange *exchange)
{
    return exchange->is_marked;
}

void http_mark(struct http_exchange *exchange)
{
    exchange->is_marked = true;
}

/* ---- reading ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct http_exchange *exchange = arg;
    bool is_reading = exchange->phase == READING;
    size_t place = is_reading ? exchange->used : 0;
    ssize_t count =
        recv(fd, exchange->bytes + place, sizeof(exchange->bytes) - place, MSG_DONTWAIT);
    (void)what;
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    exchange->used += count > 0 ? (size_t)count : 0;
    if (count <= 0 || (!is_reading && exchange->used > DISCARD_MAX)) {
        end(exchange);
        return;
    }
    struct request request;
    if (!is_reading || request_parse(exchange->bytes, exchange->used, &request) == REQUEST_MORE)
        return;
    exchange->phase = PENDING;
    exchange->is_head = request.is_head;
    (void)event_del(exchange->readable);
    exchange->http->on_request(exchange->http->owner, exchange, &request);
}

static struct http_exchange *find_free(struct http *http)
{
    for (size_t i = 0; i < HTTP_EXCHANGES_MAX; i++) {
        if (http->exchanges[i].phase == FREE)
            return &http->exchanges[i];
    }
    return NULL;
}

static void on_accept(void *owner, struct listener *listener, int fd, const struct address *peer)
{
    struct http *http = owner;
    struct event_base *base = http->loop->base;
    const struct timeval time = {.tv_sec = HTTP_TIME_S};
    struct http_exchange *exchange = find_free(http);
    (void)listener;
    (void)peer;
    if (!exchange) { /* with two listeners, one may accept before it is paused */
        sock_reset(fd);
        return;
    }
    exchange->http = http;
    exchange->fd = fd;
    exchange->phase = READING;
    exchange->used = exchange->sent = exchange->length = 0;
    exchange->is_marked = false;
    exchange->body = (struct body){0};
    exchange->answer = NULL;
    exchange->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, exchange);
    exchange->writable = event_new(base, fd, EV_WRITE, on_writable, exchange);
    exchange->timer = evtimer_new(base, on_time_over, exchange);
    if (++http->exchange_count == HTTP_EXCHANGES_MAX)
        pause_all(http);
    if (!exchange->readable || !exchange->writable || !exchange->timer ||
        event_add(exchange->readable, NULL) < 0 || event_add(exchange->timer, &time) < 0)
        abandon(exchange, strerror(ENOMEM));
}

/* ---- life ---- */

struct http *http_new(const struct endpoint *endpoint, const struct sock_options *how,
                      struct log *log, struct error *err)
{
    struct http *http = calloc(1, sizeof(*http));
    struct sock_listening socks[SOCK_LISTENING_MAX];
    struct error notice;
    char text[ERROR_TEXT_MAX];
    int count = http ? sock_listen(endpoint, how, socks, &notice, err)
                     : error_start(err, "no memory for the status endpoint");
    if (count < 0) {
        free(http);
        return NULL;
    }
    if (error_is_set(&notice))
        log_event(log, LOG_LEVEL_NOTICE, "an address is not served",
                  LOG_TEXT("why", error_text(&notice, text, sizeof(text))));
    for (; http->listener_count < (size_t)count; http->listener_count++)
        http->listeners[http->listener_count] =
            (struct listener){.log = log, .sock = socks[http->listener_count]};
    http->log = log;
    return http;
}

int http_start(struct http *http, struct loop *loop, http_on_request *on_request, void *owner,
               struct error *err)
{
    static const struct listener_callbacks CALLBACKS = {on_accept, on_error};
    http->loop = loop;
    http->on_request = on_request;
    http->owner = owner;
    http->retry_timer = evtimer_new(loop->base, on_retry, http);
    if (!http->retry_timer)
        return error_start(err, "no memory for the status endpoint");
    for (size_t i = 0; i < http->listener_count; i++) {
        if (listener_open(&http->listeners[i], loop, NULL, &CALLBACKS, http, err) < 0)
            return -1;
    }
    return 0;
}

const char *http_name(const struct http *http, size_t index)
{
    return index < http->listener_count ? http->listeners[index].sock.name : NULL;
}

size_t http_descriptors(const struct http *http)
{
    return http->listener_count + HTTP_EXCHANGES_MAX;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < HTTP_EXCHANGES_MAX; i++) {
        if (http->exchanges[i].phase != FREE)
            finish(&http->exchanges[i]);
    }
    for (size_t i = 0; i < http->listener_count; i++)
        listener_close(&http->listeners[i]);
    free_event(http->retry_timer);
    free(http);
}

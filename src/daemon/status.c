/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/status.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/listener.h"
#include "daemon/status_host.h"

#define BACKLOG 64
/* A turn of the loop writes so much to one scraper, and then others have theirs. */
#define WRITE_MAX (64U * 1024U)
/* What comes after the request is read and thrown away up to here: closing with bytes unread would
 * be a reset, which takes the answer with it. */
#define DISCARD_MAX (1024U * 1024U)
#define RETRY_MS 100 /* after a failed accept */
#define BODY_FIRST 16384
#define HEADER_MAX 512

enum phase { FREE, READING, ASKING, WRITING, ENDING };

/* One scraper's. */
struct exchange {
    struct status *status;
    int fd;
    enum phase phase;
    struct event *readable, *writable, *timer;
    char bytes[REQUEST_BYTES_MAX];
    size_t used; /* of these; once ENDING, bytes thrown away */
    bool is_head;
    bool is_asked_for; /* ASKING: by the census that the workers are writing */
    char *answer;
    size_t length, sent;
};

struct status {
    struct listener *listeners;
    size_t listener_count;
    struct endpoint endpoint;
    bool is_public;
    struct loop *loop;
    struct status_facts facts;
    struct event *retry_timer;
    struct exchange exchanges[STATUS_SCRAPERS_MAX];
    size_t exchange_count;
    struct waker waker; /* by the workers, about a census */
    struct census *censuses;
    bool *has_census;
    bool is_asking;
};

/* ---- accepting ---- */

static void on_retry(evutil_socket_t fd, short what, void *arg);

static void pause_all(struct status *status)
{
    for (size_t i = 0; i < status->listener_count; i++)
        listener_pause(&status->listeners[i]);
}

static void pause_after_failure(struct status *status)
{
    const struct timeval pause = {.tv_usec = RETRY_MS * 1000};
    pause_all(status);
    (void)event_add(status->retry_timer, &pause);
}

static void resume_all(struct status *status)
{
    bool is_resumed = true;
    if (status->exchange_count == STATUS_SCRAPERS_MAX ||
        event_pending(status->retry_timer, EV_TIMEOUT, NULL))
        return;
    for (size_t i = 0; i < status->listener_count; i++)
        is_resumed = listener_resume(&status->listeners[i]) == 0 && is_resumed;
    if (!is_resumed)
        pause_after_failure(status);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    resume_all(arg);
}

static void on_error(void *owner, struct listener *listener, int error)
{
    log_limited(LOG_LEVEL_WARN, "cannot accept a status request",
                LOG_TEXT("endpoint", listener->sock.name), LOG_TEXT("error", strerror(error)));
    pause_after_failure(owner);
}

/* ---- the end of an exchange ---- */

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

static void finish(struct exchange *exchange)
{
    struct status *status = exchange->status;
    free_event(exchange->readable);
    free_event(exchange->writable);
    free_event(exchange->timer);
    close(exchange->fd);
    free(exchange->answer);
    exchange->phase = FREE;
    status->exchange_count--;
}

static void end(struct exchange *exchange)
{
    struct status *status = exchange->status;
    finish(exchange);
    resume_all(status);
}

/* Memory or the system failed it. */
static void give_up(struct exchange *exchange, const char *why)
{
    log_limited(LOG_LEVEL_WARN, "a status request was not answered", LOG_TEXT("error", why));
    end(exchange);
}

static void on_time_over(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *exchange = arg;
    (void)fd;
    (void)what;
    if (exchange->phase == ENDING)
        end(exchange);
    else
        give_up(exchange, "it took too long");
}

/* ---- answering ---- */

static void write_some(struct exchange *exchange)
{
    size_t left = exchange->length - exchange->sent;
    ssize_t sent = send(exchange->fd, exchange->answer + exchange->sent,
                        left < WRITE_MAX ? left : WRITE_MAX, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        end(exchange); /* the scraper is gone */
        return;
    }
    exchange->sent += sent > 0 ? (size_t)sent : 0;
    if (exchange->sent < exchange->length) {
        if (event_add(exchange->writable, NULL) < 0)
            give_up(exchange, strerror(ENOMEM));
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

/* A body that is being written to memory. A stream of our own, since open_memstream(3) forgets that
 * memory ran out: part of a page would look like all of it. */
struct body {
    FILE *out;
    char *bytes;
    size_t length, room;
};

static ssize_t on_body(void *cookie, const char *bytes, size_t length)
{
    struct body *body = cookie;
    while (body->room - body->length < length) {
        size_t room = body->room ? 2 * body->room : BODY_FIRST;
        char *larger = realloc(body->bytes, room);
        if (!larger)
            return 0; /* the stream is in error from now on */
        body->bytes = larger;
        body->room = room;
    }
    memcpy(body->bytes + body->length, bytes, length);
    body->length += length;
    return (ssize_t)length;
}

static bool body_open(struct body *body)
{
    *body = (struct body){0};
    body->out = fopencookie(body, "w", (cookie_io_functions_t){.write = on_body});
    return body->out != NULL;
}

/* True where all of it could be kept. */
static bool body_close(struct body *body)
{
    bool is_whole = !ferror(body->out);
    return fclose(body->out) == 0 && is_whole;
}

/* Puts the header and, unless it is not wanted, the body into one piece. 0, or -1 without memory.
 */
static int compose(struct exchange *exchange, int code, const char *type, const struct body *body)
{
    char header[HEADER_MAX];
    size_t header_length = (size_t)snprintf(
        header, sizeof(header),
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%sConnection: close\r\n\r\n",
        code, status_page_phrase(code), type, body->length,
        code == 405 ? "Allow: GET, HEAD\r\n" : "");
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

/* Sends a body, which this frees, with its header. */
static void answer(struct exchange *exchange, int code, const char *type, struct body *body)
{
    bool is_whole = body_close(body) && compose(exchange, code, type, body) == 0;
    free(body->bytes);
    if (!is_whole) {
        give_up(exchange, strerror(ENOMEM));
        return;
    }
    exchange->phase = WRITING;
    write_some(exchange);
}

static void answer_error(struct exchange *exchange, int code)
{
    struct body body;
    if (!body_open(&body)) {
        give_up(exchange, strerror(ENOMEM));
        return;
    }
    status_page_write_error(body.out, code);
    answer(exchange, code, "text/plain; charset=utf-8", &body);
}

static void answer_page(struct exchange *exchange, const struct status_page *page)
{
    struct body body;
    if (!body_open(&body)) {
        give_up(exchange, strerror(ENOMEM));
        return;
    }
    status_page_look(&exchange->status->facts);
    int code = page->write(body.out, &exchange->status->facts);
    answer(exchange, code, page->type, &body);
}

/* ---- the census ---- */

/* Each worker is asked once for everybody who wants to know; whoever comes while they write is told
 * what is asked for afterwards. */
static void ask_workers(struct status *status)
{
    const struct totals *totals = &status->facts.totals;
    bool is_wanted = false;
    for (size_t i = 0; i < STATUS_SCRAPERS_MAX; i++) {
        struct exchange *exchange = &status->exchanges[i];
        is_wanted = is_wanted || exchange->phase == ASKING;
        exchange->is_asked_for = exchange->phase == ASKING;
    }
    status->is_asking = is_wanted;
    for (size_t i = 0; is_wanted && i < totals->worker_count; i++)
        worker_want_census(totals->workers[i], &status->waker);
}

static void answer_census(struct exchange *exchange)
{
    const struct status *status = exchange->status;
    struct body body;
    if (!body_open(&body)) {
        give_up(exchange, strerror(ENOMEM));
        return;
    }
    census_write(body.out, status->censuses, status->facts.totals.worker_count);
    answer(exchange, 200, "application/json", &body);
}

static void on_wake(void *owner)
{
    struct status *status = owner;
    const struct totals *totals = &status->facts.totals;
    bool is_complete = true;
    for (size_t i = 0; i < totals->worker_count; i++) {
        if (!status->has_census[i])
            status->has_census[i] = worker_take_census(totals->workers[i], &status->censuses[i]);
        is_complete = is_complete && status->has_census[i];
    }
    if (!is_complete)
        return;
    for (size_t i = 0; i < STATUS_SCRAPERS_MAX; i++) {
        if (status->exchanges[i].phase == ASKING && status->exchanges[i].is_asked_for)
            answer_census(&status->exchanges[i]);
    }
    for (size_t i = 0; i < totals->worker_count; i++) {
        census_clear(&status->censuses[i]);
        status->has_census[i] = false;
    }
    ask_workers(status);
}

/* ---- reading ---- */

/* A request without a name is no browser's, and nobody but this machine reaches a Unix socket. */
static bool is_host_allowed(const struct status *status, const struct request *request)
{
    return status->is_public || status->endpoint.kind == ENDPOINT_UNIX || !request->host ||
           status_host_is_ours(request->host, request->host_length, status->endpoint.host);
}

static void respond(struct exchange *exchange, enum request_verdict verdict,
                    const struct request *request)
{
    struct status *status = exchange->status;
    const struct status_page *page = NULL;
    exchange->is_head = request->is_head;
    (void)event_del(exchange->readable);
    if (verdict == REQUEST_OK)
        page = status_page_find(request);
    if (verdict == REQUEST_BAD) {
        answer_error(exchange, request->status);
    } else if (!is_host_allowed(status, request)) {
        answer_error(exchange, 403);
    } else if (!page) {
        answer_error(exchange, 404);
    } else if (page->write) {
        answer_page(exchange, page);
    } else {
        exchange->phase = ASKING;
        exchange->is_asked_for = false;
        if (!status->is_asking)
            ask_workers(status);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *exchange = arg;
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
    enum request_verdict verdict = REQUEST_MORE;
    if (is_reading)
        verdict = request_parse(exchange->bytes, exchange->used, &request);
    if (verdict != REQUEST_MORE)
        respond(exchange, verdict, &request);
}

static struct exchange *find_free(struct status *status)
{
    for (size_t i = 0; i < STATUS_SCRAPERS_MAX; i++) {
        if (status->exchanges[i].phase == FREE)
            return &status->exchanges[i];
    }
    return NULL;
}

static void on_accept(void *owner, struct listener *listener, int fd, const struct address *peer)
{
    struct status *status = owner;
    struct event_base *base = status->loop->base;
    const struct timeval time = {.tv_sec = STATUS_TIME_S};
    struct exchange *exchange = find_free(status);
    (void)listener;
    (void)peer;
    if (!exchange) { /* of two listeners one was told to pause too late */
        sock_reset(fd);
        return;
    }
    exchange->status = status;
    exchange->fd = fd;
    exchange->phase = READING;
    exchange->used = exchange->sent = exchange->length = 0;
    exchange->answer = NULL;
    exchange->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, exchange);
    exchange->writable = event_new(base, fd, EV_WRITE, on_writable, exchange);
    exchange->timer = evtimer_new(base, on_time_over, exchange);
    if (++status->exchange_count == STATUS_SCRAPERS_MAX)
        pause_all(status);
    if (!exchange->readable || !exchange->writable || !exchange->timer ||
        event_add(exchange->readable, NULL) < 0 || event_add(exchange->timer, &time) < 0)
        give_up(exchange, strerror(ENOMEM));
}

/* ---- life ---- */

/* 0 where only this machine reaches it. */
static int check_reach(const struct endpoint *endpoint, struct error *err)
{
    struct address addresses[ADDRESS_RESOLVED_MAX];
    if (endpoint->kind == ENDPOINT_UNIX)
        return 0;
    int count = address_resolve(endpoint->host, endpoint->port, addresses, err);
    for (int i = 0; i < count; i++) {
        if (!address_is_loopback(&addresses[i]))
            return error_usage(err, "others could reach it; say --status-public if that is meant, "
                                    "or name a loopback address or a Unix socket");
    }
    return count < 0 ? -1 : 0;
}

static int read_endpoint(const struct options *options, struct endpoint *endpoint,
                         struct error *err)
{
    const char *attributes;
    if (endpoint_parse(options->status, endpoint, &attributes, err) < 0)
        return -1;
    if (attributes)
        return error_usage(err, "'%s': a status endpoint has no attributes", attributes);
    if (endpoint->kind != ENDPOINT_TCP && endpoint->kind != ENDPOINT_UNIX)
        return error_usage(err,
                           "%s is no status endpoint; tcp://HOST:PORT or unix:PATH is expected",
                           endpoint_scheme(endpoint->kind));
    return options->status_public ? 0 : check_reach(endpoint, err);
}

static int blame(const struct options *options, struct error *err)
{
    return error_prefix(err, "--status '%.200s': ", options->status);
}

int status_check(const struct options *options, struct error *err)
{
    struct endpoint endpoint;
    if (options->status && read_endpoint(options, &endpoint, err) < 0)
        return blame(options, err);
    return 0;
}

struct status *status_new(const struct options *options, struct error *err)
{
    struct status *status = calloc(1, sizeof(*status));
    struct listener *listeners = calloc(SOCK_LISTENING_MAX, sizeof(*listeners));
    struct sock_listening socks[SOCK_LISTENING_MAX];
    const struct sock_options how = {BACKLOG, (mode_t)options->policy.mode,
                                     options->policy.keepalive_ms};
    struct error notice;
    int count = -1;
    if (!status || !listeners)
        error_start(err, "no memory for the status endpoint");
    else if (read_endpoint(options, &status->endpoint, err) == 0)
        count = sock_listen(&status->endpoint, &how, socks, &notice, err);
    if (count < 0) {
        blame(options, err);
        free(listeners);
        free(status);
        return NULL;
    }
    if (notice.text[0])
        log_event(LOG_LEVEL_NOTICE, "an address is not served", LOG_TEXT("why", notice.text));
    status->is_public = options->status_public;
    status->waker.fd = -1;
    status->listeners = listeners;
    for (; status->listener_count < (size_t)count; status->listener_count++)
        listeners[status->listener_count].sock = socks[status->listener_count];
    return status;
}

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int status_start(struct status *status, struct loop *loop, const struct status_facts *facts,
                 struct error *err)
{
    static const struct listener_callbacks CALLBACKS = {on_accept, on_error};
    status->loop = loop;
    status->facts = *facts;
    status->facts.started_ms = unix_ms();
    status->censuses = calloc(facts->totals.worker_count, sizeof(*status->censuses));
    status->has_census = calloc(facts->totals.worker_count, sizeof(*status->has_census));
    status->retry_timer = evtimer_new(loop->base, on_retry, status);
    if (!status->censuses || !status->has_census || !status->retry_timer)
        return error_start(err, "no memory for the status endpoint");
    if (waker_open(&status->waker, loop, on_wake, status, err) < 0)
        return -1;
    for (size_t i = 0; i < status->listener_count; i++) {
        if (listener_open(&status->listeners[i], loop, NULL, &CALLBACKS, status, err) < 0)
            return -1;
        log_event(LOG_LEVEL_NOTICE, "status", LOG_TEXT("endpoint", status->listeners[i].sock.name));
    }
    return 0;
}

void status_set_draining(struct status *status)
{
    status->facts.is_draining = true;
}

size_t status_descriptors(const struct status *status)
{
    return status->listener_count + STATUS_SCRAPERS_MAX + 1; /* the waker */
}

void status_free(struct status *status)
{
    if (!status)
        return;
    for (size_t i = 0; i < STATUS_SCRAPERS_MAX; i++) {
        if (status->exchanges[i].phase != FREE)
            finish(&status->exchanges[i]);
    }
    for (size_t i = 0; i < status->listener_count; i++)
        listener_close(&status->listeners[i]);
    free_event(status->retry_timer);
    waker_close(&status->waker);
    for (size_t i = 0; status->censuses && i < status->facts.totals.worker_count; i++)
        census_clear(&status->censuses[i]);
    free(status->censuses);
    free(status->has_census);
    free(status->listeners);
    free(status);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/status.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "daemon/http.h"
#include "daemon/status_host.h"

#define BACKLOG 64
#define TEXT_TYPE "text/plain; charset=utf-8"

struct status {
    struct log *log;
    struct http *http;
    struct endpoint endpoint;
    bool is_public;
    struct status_facts facts;
    struct waker waker; /* woken by workers that have written a list */
    struct conn_list *lists;
    bool *has_list;
    bool is_asking;
};

static void answer_error(struct http_exchange *exchange, int code)
{
    FILE *out = http_body(exchange);
    if (!out)
        return;
    status_page_write_error(out, code);
    http_answer(exchange, code, TEXT_TYPE);
}

static void answer_page(struct status *status, struct http_exchange *exchange,
                        const struct status_page *page)
{
    FILE *out = http_body(exchange);
    if (!out)
        return;
    status_page_look(&status->facts);
    int code = page->write(out, &status->facts);
    http_answer(exchange, code, page->type);
}

/* ---- the list ---- */

/* Requests each worker's list once for all pending exchanges. Exchanges that arrive while the
 * workers write are answered by the next request. */
static void request_lists(struct status *status)
{
    status->is_asking = false;
    for (size_t i = 0; i < HTTP_EXCHANGES_MAX; i++) {
        struct http_exchange *exchange = http_pending(status->http, i);
        if (!exchange)
            continue;
        http_mark(exchange);
        status->is_asking = true;
    }
    if (status->is_asking)
        evecho_request_lists(status->facts.echo, &status->waker);
}

static void answer_list(struct status *status, struct http_exchange *exchange)
{
    FILE *out = http_body(exchange);
    if (!out)
        return;
    conn_list_write(out, status->lists, evecho_workers(status->facts.echo));
    http_answer(exchange, 200, "application/json");
}

static void on_wake(void *owner)
{
    struct status *status = owner;
    struct evecho *echo = status->facts.echo;
    bool is_complete = true;
    for (size_t i = 0; i < evecho_workers(echo); i++) {
        if (!status->has_list[i])
            status->has_list[i] = evecho_take_list(echo, i, &status->lists[i]);
        is_complete = is_complete && status->has_list[i];
    }
    if (!is_complete)
        return;
    for (size_t i = 0; i < HTTP_EXCHANGES_MAX; i++) {
        struct http_exchange *exchange = http_pending(status->http, i);
        if (exchange && http_is_marked(exchange))
            answer_list(status, exchange);
    }
    for (size_t i = 0; i < evecho_workers(echo); i++) {
        conn_list_clear(&status->lists[i]);
        status->has_list[i] = false;
    }
    request_lists(status);
}

/* ---- requests ---- */

/* A request without a host is not from a browser, and only this machine can reach a Unix socket. */
static bool is_host_allowed(const struct status *status, const struct request *request)
{
    return status->is_public || status->endpoint.kind == ENDPOINT_UNIX || !request->host ||
           status_host_is_ours(request->host, request->host_length, status->endpoint.host);
}

static void on_request(void *owner, struct http_exchange *exchange, const struct request *request)
{
    struct status *status = owner;
    const struct status_page *page = NULL;
    if (request->status != 200) {
        answer_error(exchange, request->status);
    } else if (!is_host_allowed(status, request)) {
        answer_error(exchange, 403);
    } else if (!(page = status_page_find(request))) {
        answer_error(exchange, 404);
    } else if (page->write) {
        answer_page(status, exchange, page);
    } else if (!status->is_asking) {
        request_lists(status);
    }
}

/* ---- life ---- */

/* Returns 0 if only this machine can reach the endpoint. */
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

static int read_endpoint(const struct daemon_options *options, struct endpoint *endpoint,
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

static int blame(const struct daemon_options *options, struct error *err)
{
    return error_blame(err, "status", options->status);
}

int status_check(const struct daemon_options *options, struct error *err)
{
    struct endpoint endpoint;
    if (options->status && read_endpoint(options, &endpoint, err) < 0)
        return blame(options, err);
    return 0;
}

struct status *status_new(const struct daemon_options *options, struct log *log, struct error *err)
{
    struct status *status = calloc(1, sizeof(*status));
    const struct sock_options how = {BACKLOG, (mode_t)options->policy.mode,
                                     options->policy.keepalive_ms};
    if (!status)
        error_start(err, "no memory for the status endpoint");
    else if (read_endpoint(options, &status->endpoint, err) == 0)
        status->http = http_new(&status->endpoint, &how, log, err);
    if (!status || !status->http) {
        blame(options, err);
        free(status);
        return NULL;
    }
    status->log = log;
    status->is_public = options->status_public;
    status->waker.fd = -1;
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
    const char *name;
    status->facts = *facts;
    status->facts.started_ms = unix_ms();
    status->lists = calloc(evecho_workers(facts->echo), sizeof(*status->lists));
    status->has_list = calloc(evecho_workers(facts->echo), sizeof(*status->has_list));
    if (!status->lists || !status->has_list)
        return error_start(err, "no memory for the status endpoint");
    if (waker_open(&status->waker, loop, on_wake, status, err) < 0 ||
        http_start(status->http, loop, on_request, status, err) < 0)
        return -1;
    for (size_t i = 0; (name = http_name(status->http, i)); i++)
        log_event(status->log, LOG_LEVEL_NOTICE, "status", LOG_TEXT("endpoint", name));
    return 0;
}

void status_set_draining(struct status *status)
{
    status->facts.is_draining = true;
}

size_t status_descriptors(const struct status *status)
{
    return http_descriptors(status->http) + 1; /* the waker */
}

void status_free(struct status *status)
{
    if (!status)
        return;
    http_free(status->http);
    waker_close(&status->waker);
    for (size_t i = 0; status->lists && i < evecho_workers(status->facts.echo); i++)
        conn_list_clear(&status->lists[i]);
    free(status->lists);
    free(status->has_list);
    free(status);
}

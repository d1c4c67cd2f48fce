/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/status_page.h"

#include <stdlib.h>
#include <string.h>

#include "base/descriptors.h"
#include "config.h"
#include "daemon/http.h"
#include "daemon/metrics.h"

#define SPARE_SHARE 20 /* one of so many places must be free to end is_full */

#define TEXT_TYPE "text/plain; charset=utf-8"

/* Two listeners may have one name (a descriptor given twice), but a series must be unique: the
 * first one includes the others. Returns the number of names. */
static size_t sum_listeners(const struct evecho *echo, struct metrics_listener *out)
{
    size_t count = 0;
    for (size_t i = 0; i < evecho_sockets(echo); i++) {
        const char *name = evecho_socket_name(echo, i);
        struct counters counters;
        size_t place = 0;
        while (place < count && strcmp(out[place].name, name) != 0)
            place++;
        if (place == count)
            out[count++].name = name;
        evecho_sum_socket(echo, i, &counters);
        counters_sum(&out[place].counters, &counters);
    }
    return count;
}

static int write_metrics(FILE *out, const struct status_facts *facts)
{
    struct metrics_listener *listeners = calloc(evecho_sockets(facts->echo), sizeof(*listeners));
    if (!listeners)
        return 503;
    struct metrics metrics = {.version = PACKAGE_VERSION,
                              .listeners = listeners,
                              .listener_count = sum_listeners(facts->echo, listeners),
                              .open_connections = evecho_connections(facts->echo),
                              .workers = evecho_workers(facts->echo),
                              .descriptor_limit = descriptors_limit(),
                              .started_ms = facts->started_ms,
                              .connection_limit = evecho_connections_max(facts->echo),
                              .is_draining = facts->is_draining,
                              .is_full = facts->is_full};
    evecho_sum(facts->echo, &metrics.sum);
    metrics_write(out, &metrics);
    free(listeners);
    return 200;
}

static int write_health(FILE *out, const struct status_facts *facts)
{
    (void)facts;
    fprintf(out, "ok\n");
    return 200;
}

static int write_readiness(FILE *out, const struct status_facts *facts)
{
    bool is_ready = !facts->is_draining && !facts->is_full;
    fprintf(out, "%s\n", facts->is_draining ? "draining" : facts->is_full ? "full" : "ready");
    return is_ready ? 200 : 503;
}

void status_page_look(struct status_facts *facts)
{
    uint64_t most = evecho_connections_max(facts->echo), open = evecho_connections(facts->echo);
    uint64_t spare = most < SPARE_SHARE ? 1 : most / SPARE_SHARE;
    if (most && open >= most)
        facts->is_full = true;
    else if (open + spare <= most || !most)
        facts->is_full = false;
}

static const struct status_page PAGES[] = {
    {"/metrics", METRICS_CONTENT_TYPE, write_metrics},
    {"/healthz", TEXT_TYPE, write_health},
    {"/readyz", TEXT_TYPE, write_readiness},
    {"/connections", "application/json", NULL},
};
#define PAGE_COUNT (sizeof(PAGES) / sizeof(PAGES[0]))

const struct status_page *status_page_find(const struct request *request)
{
    for (size_t i = 0; i < PAGE_COUNT; i++) {
        if (request_is_for(request, PAGES[i].path))
            return &PAGES[i];
    }
    return NULL;
}

void status_page_write_error(FILE *out, int status)
{
    fprintf(out, "%s:", http_phrase(status));
    if (status == 404)
        for (size_t i = 0; i < PAGE_COUNT; i++)
            fprintf(out, " %s", PAGES[i].path);
    else if (status == 403)
        fprintf(out, " a Host of localhost, a loopback address or the name that --status was given "
                     "is expected; --status-public allows any");
    else
        fprintf(out, " GET or HEAD, HTTP/1.0 or 1.1, no body, %d bytes at most", REQUEST_BYTES_MAX);
    fprintf(out, "\n");
}

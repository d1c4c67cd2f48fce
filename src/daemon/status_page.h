/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of the status endpoint: only their bodies, no connection and no event. */
#ifndef DAEMON_STATUS_PAGE_H
#define DAEMON_STATUS_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/request.h"
#include "echo/evecho.h"

/* The data of the pages; the server owns all of it. */
struct status_facts {
    struct evecho *echo;
    uint64_t started_ms; /* Unix time */
    bool is_draining;
    bool is_full; /* see status_page_look() */
};

struct status_page {
    const char *path, *type;
    /* Writes the body; returns the HTTP status. NULL: the page is the workers' connection list. */
    int (*write)(FILE *out, const struct status_facts *facts);
};

/* Updates is_full: true as soon as the limit on connections is reached, and until a twentieth of
 * the places, at least one, is free. Without this hysteresis a load balancer would see alternating
 * answers if one peer connects for each that leaves. */
void status_page_look(struct status_facts *facts);

/* NULL if the page does not exist. */
const struct status_page *status_page_find(const struct request *request);

/* Writes a line about an error status, with advice. */
void status_page_write_error(FILE *out, int status);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the status endpoint shows, page by page: bodies alone, no connection and no event. */
#ifndef DAEMON_STATUS_PAGE_H
#define DAEMON_STATUS_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/request.h"
#include "echo/evecho.h"

/* What the pages are made of; all of it belongs to the server. */
struct status_facts {
    struct evecho *echo;
    uint64_t started_ms; /* Unix time */
    bool is_draining;
    bool is_full; /* see status_page_look() */
};

struct status_page {
    const char *path, *type;
    /* Writes the body; returns the answer's status. NULL: the page is a connection list of the
     * workers. */
    int (*write)(FILE *out, const struct status_facts *facts);
};

/* Finds out whether connections wait because there are as many as there may be. From then on it is
 * full until a twentieth of the places is free, at least one: where one peer comes for each that
 * goes, a balancer would else hear the one and the other by turns. */
void status_page_look(struct status_facts *facts);

/* NULL: there is no such page. */
const struct status_page *status_page_find(const struct request *request);

/* The words of an answer that is no page, in a line, with what would be right. */
void status_page_write_error(FILE *out, int status);

#endif

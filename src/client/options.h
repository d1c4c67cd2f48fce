/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's options: one table a command, one structure that they fill. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/option.h"
#include "net/endpoint.h"

#define OPTIONS_PROGRAM "evecho"

struct attempts;

/* One command and its table. */
struct command {
    const char *name;
    const char *summary;
    const char *operand; /* its name in --help, if it is not ENDPOINT; else NULL */
    const struct option_row *rows;
    size_t row_count;
};

struct client_options {
    uint64_t connections, threads, requests, pipeline, per_connection;
    uint64_t rate_per_1000s; /* bench: messages; 0: a closed loop */
    uint64_t started_ns;     /* the time of day (moment.h) when the command began */
    uint64_t seed;           /* of this run: from --seed, or random */
    uint64_t duration_ms, interval_ms, timeout_ms, ramp_up_ms, warm_up_ms, idle_ms;
    uint64_t budget_ms, repeat;  /* check */
    uint64_t peer;               /* enum check_peer */
    uint64_t count;              /* ping: messages; 0: until interrupted */
    uint64_t size_min, size_max; /* bytes of a message */
    uint64_t proxy;              /* enum proxy_version */
    char *cacert, *cert, *key, *server_name, *alpn, *proxy_source, *proxy_destination;
    char *size, *json, *hdr_out, *require, *only, *skip;
    bool quiet, list, strict, help, insecure, resume, ipv4, ipv6, all_addresses, timestamps;
    struct attempts *attempts; /* what became of the addresses; their owner is main() */
    const char *endpoint_text;
    struct endpoint endpoint;
    struct option_set set;
};

/* All commands, ended by a row without a name. */
extern const struct command OPTIONS_COMMANDS[];

/* The command of that name, or NULL. */
const struct command *options_command(const char *name);

/* Reads the arguments after the command's name. Returns 0, or -1 with *options cleared. */
int options_read(struct client_options *options, const struct command *command, int argc,
                 char **argv, struct error *err) MUST_CHECK;
void options_clear(struct client_options *options);
void options_print_help(const struct command *command, FILE *out);

#endif

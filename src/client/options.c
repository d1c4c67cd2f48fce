/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pattern.h"
#include "base/units.h"
#include "client/moment.h"

#define AT(field) offsetof(struct client_options, field)
#define MS_MAX (1000ULL * 3600 * 24 * 365)
#define SIZE_MAX_BYTES (1ULL << 30)
#define CONNECTIONS_MAX 1000000
#define PIPELINE_MAX 1024
#define RATE_MAX UINT64_C(10000000000) /* in thousandths */

/* A connection is made there. */
#define FOR_STREAMS OPTION_FOR(ENDPOINTS_STREAMS_HERE)
#define FOR_TLS OPTION_FOR(ENDPOINTS_TLS)
/* It has a host, which may be a name with several addresses. */
#define FOR_NAMES OPTION_FOR(ENDPOINTS_TCP | ENDPOINTS_TLS | ENDPOINTS_UDP)

/* Rows that several commands share. */
#define ROW_TIMEOUT(seconds)                                                            \
    {                                                                                   \
        "timeout", 0, OPTION_TIME, 0, "TIME", seconds, 1, MS_MAX, NULL, AT(timeout_ms), \
            "give up if connecting, or an answer, takes longer"                         \
    }
#define ROW_SEED                                                                              \
    {                                                                                         \
        "seed", 0, OPTION_COUNT, 0, "N|random", "random", 0, INT64_MAX, SEED_WORDS, AT(seed), \
            "seed of the bytes: the same N, the same bytes; random: a new one each run"       \
    }
#define ROW_SIZE                                                                 \
    {                                                                            \
        "size", 's', OPTION_TEXT, 0, "SIZE|MIN-MAX", "64", 0, 0, NULL, AT(size), \
            "bytes of a message"                                                 \
    }
#define ROW_JSON                                                       \
    {                                                                  \
        "json", 0, OPTION_TEXT, 0, "FILE", NULL, 0, 0, NULL, AT(json), \
            "write the results to FILE as JSON; - is standard output"  \
    }
#define ROW_TEXT(name, use, argument, field, help)                             \
    {                                                                          \
        name, 0, OPTION_TEXT, use, argument, NULL, 0, 0, NULL, AT(field), help \
    }
#define ROW_FLAG(name, letter, use, field, help)                                \
    {                                                                           \
        name, letter, OPTION_FLAG, use, NULL, NULL, 0, 0, NULL, AT(field), help \
    }
/* Which of a name's addresses. */
#define ROWS_ADDRESSES                                                                \
    ROW_FLAG("ipv4", '4', FOR_NAMES, ipv4, "use only the name's IPv4 addresses"),     \
        ROW_FLAG("ipv6", '6', FOR_NAMES, ipv6, "use only the name's IPv6 addresses"), \
        ROW_FLAG("all-addresses", 0, FOR_NAMES, all_addresses,                        \
                 "run on each address of the name, one after the other; exit 1 if one is dead")
/* How a connection is made: TLS in curl's words, and the PROXY header. */
#define ROWS_LINK                                                                                \
    ROW_TEXT("cacert", FOR_TLS, "FILE", cacert,                                                  \
             "tls://: trusted certificates, PEM; else those of the system"),                     \
        ROW_TEXT("cert", FOR_TLS, "FILE", cert, "tls://: our own certificate, PEM"),             \
        ROW_TEXT("key", FOR_TLS, "FILE", key,                                                    \
                 "tls://: its key, PEM; else it is in --cert's file"),                           \
        ROW_FLAG("insecure", 'k', FOR_TLS, insecure, "tls://: accept any certificate"),          \
        ROW_TEXT("servername", FOR_TLS, "NAME", server_name,                                     \
                 "tls://: ask for this name and expect its certificate; else ENDPOINT's host"),  \
        ROW_TEXT("alpn", FOR_TLS, "LIST", alpn, "tls://: protocols to offer, like h2,http/1.1"), \
        {"proxy",                                                                                \
         0,                                                                                      \
         OPTION_WORD,                                                                            \
         FOR_STREAMS,                                                                            \
         "none|v1|v2",                                                                           \
         "none",                                                                                 \
         0,                                                                                      \
         0,                                                                                      \
         PROXY_WORDS,                                                                            \
         AT(proxy),                                                                              \
         "begin each connection with a PROXY protocol header"},                                  \
        ROW_TEXT("proxy-src", FOR_STREAMS, "ADDRESS:PORT", proxy_source,                         \
                 "the source in that header; else our own end"),                                 \
        ROW_TEXT("proxy-dst", FOR_STREAMS, "ADDRESS:PORT", proxy_destination,                    \
                 "the destination in that header; else the peer's end")
#define ROW_QUIET                                                                           \
    {                                                                                       \
        "quiet", 'q', OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(quiet), "show no progress" \
    }
#define ROW_HELP                                                                             \
    {                                                                                        \
        "help", 'h', OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(help), "print this and exit" \
    }

static const char *const SEED_WORDS[] = {"random", NULL};

/* As enum check_peer counts. */
static const char *const PEER_WORDS[] = {"unknown", "evechod", NULL};

/* As enum proxy_version counts. */
static const char *const PROXY_WORDS[] = {"none", "v1", "v2", NULL};

static const struct option_row CAT_ROWS[] = {
    ROW_TIMEOUT("10s"), ROWS_ADDRESSES, ROWS_LINK, ROW_QUIET, ROW_HELP,
};

static const struct option_row PING_ROWS[] = {
    {"count", 'c', OPTION_COUNT, 0, "N", "0", 0, 0, NULL, AT(count),
     "stop after so many messages; 0: when interrupted"},
    {"interval", 'i', OPTION_TIME, 0, "TIME", "1s", 1, MS_MAX, NULL, AT(interval_ms),
     "from one message to the next"},
    ROW_FLAG("timestamps", 'D', 0, timestamps,
             "begin each line with the time of day, UTC, in microseconds"),
    ROW_SIZE,
    ROW_TIMEOUT("10s"),
    ROWS_ADDRESSES,
    ROWS_LINK,
    ROW_SEED,
    ROW_JSON,
    ROW_QUIET,
    ROW_HELP,
};

static const struct option_row BENCH_ROWS[] = {
    {"connections", 'c', OPTION_COUNT, 0, "N", "1", 1, CONNECTIONS_MAX, NULL, AT(connections),
     "connections open at once"},
    {"threads", 'T', OPTION_COUNT, 0, "N", "1", 1, 256, NULL, AT(threads),
     "threads that share the connections"},
    ROW_SIZE,
    {"pipeline", 'p', OPTION_COUNT, 0, "N", "1", 1, PIPELINE_MAX, NULL, AT(pipeline),
     "messages under way on a connection at once"},
    {"rate", 'r', OPTION_RATE, 0, "N", "0", 0, RATE_MAX, NULL, AT(rate_per_1000s),
     "messages a second in all, on a schedule (open loop), like 0.5 or 20k; 0: as fast as answers "
     "come"},
    {"duration", 't', OPTION_TIME, 0, "TIME", "10s", 0, MS_MAX, NULL, AT(duration_ms),
     "measure for this time; 0: until --requests"},
    {"requests", 'n', OPTION_COUNT, 0, "N", "0", 0, 0, NULL, AT(requests),
     "stop after so many messages; 0: after --duration"},
    {"requests-per-connection", 0, OPTION_COUNT, FOR_STREAMS, "N", "0", 0, 0, NULL,
     AT(per_connection), "after so many messages close a connection and open another; 0: never"},
    {"resume", 0, OPTION_FLAG, FOR_TLS, NULL, NULL, 0, 0, NULL, AT(resume),
     "tls://: each such connection resumes the TLS session of the one before it"},
    {"ramp-up", 0, OPTION_TIME, FOR_STREAMS, "TIME", "0", 0, MS_MAX, NULL, AT(ramp_up_ms),
     "spread the opening of the connections over this time"},
    {"warm-up", 0, OPTION_TIME, 0, "TIME", "0", 0, MS_MAX, NULL, AT(warm_up_ms),
     "run for this time before the measurement"},
    ROW_TIMEOUT("5s"),
    ROWS_ADDRESSES,
    ROWS_LINK,
    ROW_SEED,
    {"require", 0, OPTION_TEXT, 0, "LIST", NULL, 0, 0, NULL, AT(require),
     "exit 1 unless all of these hold: at most, with a unit: p50= p75= p90= p95= p99= p999= p9999= "
     "max= mean= connect-p50= connect-p90= connect-p99= connect-max= handshake-p99= "
     "handshake-max=; at most: connect-slow= errors= unanswered= unsent= loss= ; at least: rate= "
     "connections= ; like p99=5ms,errors=0,rate=50k; and unless unanswered=0 holds, if neither it "
     "nor loss= is given"},
    ROW_JSON,
    {"hdr-out", 0, OPTION_TEXT, 0, "FILE", NULL, 0, 0, NULL, AT(hdr_out),
     "write the corrected latency distribution to FILE, in .hgrm form"},
    ROW_QUIET,
    ROW_HELP,
};

static const struct option_row CHECK_ROWS[] = {
    {"list", 0, OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(list), "name all properties and exit"},
    {"only", 0, OPTION_TEXT, 0, "NAME,...", NULL, 0, 0, NULL, AT(only), "check only these"},
    {"skip", 0, OPTION_TEXT, 0, "NAME,...", NULL, 0, 0, NULL, AT(skip), "leave these out"},
    {"idle", 0, OPTION_TIME, 0, "TIME", "0", 0, MS_MAX, NULL, AT(idle_ms),
     "also check that an echo arrives after this time of silence; 0: do not"},
    {"budget", 0, OPTION_TIME, 0, "TIME", "40s", 1000, MS_MAX, NULL, AT(budget_ms),
     "bound on the time of the whole check, without --idle's silence"},
    {"repeat", 0, OPTION_COUNT, 0, "N", "1", 1, 1000000, NULL, AT(repeat),
     "test each property so many times; the first failure fails it"},
    {"strict", 0, OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL, AT(strict),
     "fail each property that would be skipped as a choice of the endpoint"},
    {"peer", 0, OPTION_WORD, FOR_STREAMS, "unknown|evechod", "unknown", 0, 0, PEER_WORDS, AT(peer),
     "the program that serves the echo; if evechod, a missing end is a fault"},
    ROW_TIMEOUT("5s"),
    ROWS_ADDRESSES,
    ROWS_LINK,
    ROW_SEED,
    ROW_JSON,
    ROW_QUIET,
    ROW_HELP,
};

static const struct option_row EXPLAIN_ROWS[] = {
    ROW_HELP,
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

const struct command OPTIONS_COMMANDS[] = {
    {"cat", "standard input to the endpoint, its echo to standard output", NULL, ROWS(CAT_ROWS)},
    {"ping", "one message at a time, and the time of each", NULL, ROWS(PING_ROWS)},
    {"bench", "many connections: throughput and latency, every byte checked", NULL,
     ROWS(BENCH_ROWS)},
    {"check", "is the endpoint a faithful echo? One line for each property", NULL,
     ROWS(CHECK_ROWS)},
    {"explain", "the usual causes of a failure, and the next command to try", "[NAME]",
     ROWS(EXPLAIN_ROWS)},
    {NULL, NULL, NULL, NULL, 0},
};

const struct command *options_command(const char *name)
{
    for (const struct command *command = OPTIONS_COMMANDS; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

/* "64" or "1-4k". */
static int parse_sizes(struct client_options *options, struct error *err)
{
    char text[64];
    const char *dash = options->size ? strchr(options->size, '-') : NULL;
    if (!options->size)
        return 0;
    const char *high = dash ? dash + 1 : options->size;
    size_t length = dash ? (size_t)(dash - options->size) : strlen(options->size);
    if (length >= sizeof(text))
        length = 0;
    memcpy(text, options->size, length);
    text[length] = '\0';
    if (units_parse_size(text, &options->size_min) < 0 ||
        units_parse_size(high, &options->size_max) < 0)
        return error_option(err, "size", "'%s' is not a size like 64 or 16k, nor a range like 1-4k",
                            options->size);
    if (options->size_min < 1 || options->size_max > SIZE_MAX_BYTES ||
        options->size_min > options->size_max)
        return error_option(err, "size",
                            "'%s' is out of range: 1 to 1G is expected, and no more "
                            "than its end for a range's start",
                            options->size);
    return 0;
}

static int read_endpoint(struct client_options *options, struct error *err)
{
    const char *attributes;
    options->endpoint_text = options->set.argument;
    if (!options->endpoint_text)
        return error_usage(err, "no ENDPOINT; expected one like localhost:7007 or unix:/run/echo");
    if (endpoint_parse(options->endpoint_text, &options->endpoint, &attributes, err) < 0)
        return error_prefix(err, "'%.200s': ", options->endpoint_text);
    if (attributes)
        return error_usage(err, "'%.200s': a client's endpoint takes no attributes",
                           options->endpoint_text);
    if (options->ipv4 && options->ipv6)
        return error_usage(err, "-4 and -6: one of them is expected; without either all are used");
    if (endpoint_has_port(&options->endpoint) && options->endpoint.port == 0)
        return error_usage(err, "'%.200s': port 0 is for listening alone; 1 to 65535 is expected",
                           options->endpoint_text);
    return option_set_check(&options->set, option_set_given(&options->set),
                            endpoint_kinds(&options->endpoint), err);
}

/* A seed for this run alone, so that no bytes of another one are taken for its own. It is below
 * 2^53: a JSON reader may keep a number as a double (RFC 8259, 6). */
static uint64_t draw_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = pattern_seed(clock_now_ns(), (uint64_t)getpid());
    return seed >> 11;
}

static const char *operand_of(const struct command *command)
{
    return command->operand ? command->operand : "ENDPOINT";
}

int options_read(struct client_options *options, const struct command *command, int argc,
                 char **argv, struct error *err)
{
    *options = (struct client_options){.started_ns = moment_time_of_day_ns(),
                                       .set = {.rows = command->rows,
                                               .count = command->row_count,
                                               .kinds = ENDPOINT_KINDS,
                                               .target = options,
                                               .argument_name = operand_of(command)}};
    int result = option_set_defaults(&options->set, err);
    if (result == 0)
        result = option_set_command(&options->set, argc, argv, err);
    if (result == 0 && !options->help && !options->list && !command->operand)
        result = read_endpoint(options, err);
    if (result == 0)
        result = parse_sizes(options, err);
    if (options->seed == OPTION_AUTO)
        options->seed = draw_seed();
    if (result < 0)
        options_clear(options);
    return result;
}

void options_clear(struct client_options *options)
{
    option_set_clear(&options->set);
    *options = (struct client_options){0};
}

void options_print_help(const struct command *command, FILE *out)
{
    const struct option_set set = {.rows = command->rows, .count = command->row_count};
    fprintf(out, "Usage: " OPTIONS_PROGRAM " %s [OPTION]... %s\n%s.\n\n", command->name,
            operand_of(command), command->summary);
    option_print_help(&set, out);
}

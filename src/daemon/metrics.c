/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/escape.h"

#define PREFIX "evechod_"
#define LABEL_MAX 512 /* an endpoint's name with every byte escaped */

static void begin(FILE *out, const char *name, const char *type, const char *text)
{
    fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, text, name, type);
}

static void write_number(FILE *out, const char *name, uint64_t number)
{
    fprintf(out, PREFIX "%s %" PRIu64 "\n", name, number);
}

static void write_gauge(FILE *out, const char *name, const char *text, uint64_t number)
{
    begin(out, name, "gauge", text);
    write_number(out, name, number);
}

/* Escaped as in the log (escape.h), and with backslashes doubled as the format requires. */
static void write_label(FILE *out, const char *value)
{
    char escaped[LABEL_MAX];
    size_t length = escape_value(escaped, sizeof(escaped), value, strlen(value));
    for (size_t i = 0; i < length; i++) {
        if (escaped[i] == '\\')
            fputc('\\', out);
        fputc(escaped[i], out);
    }
}

static void write_counters(FILE *out, const struct counters *sum)
{
    for (int i = 0; i < COUNTER_END; i++) {
        const struct counter_about *about = counter_about((enum counter)i);
        if (!about->metric)
            continue;
        begin(out, about->metric, about->type == COUNTER_TYPE_GAUGE ? "gauge" : "counter",
              about->text);
        write_number(out, about->metric, counter_get(sum, (enum counter)i));
    }
}

static void write_reasons(FILE *out, const struct counters *sum)
{
    static const char NAME[] = "connections_closed_total";
    begin(out, NAME, "counter", "connections ended, by reason");
    for (int i = 0; i < REASON_COUNT; i++)
        fprintf(out, PREFIX "%s{reason=\"%s\"} %" PRIu64 "\n", NAME, reason_word((enum reason)i),
                counter_get(sum, counter_of_reason((enum reason)i)));
}

static void write_lifetimes(FILE *out, const struct counters *sum)
{
    static const char NAME[] = "connection_lifetime_seconds";
    uint64_t count = 0;
    begin(out, NAME, "histogram", "how long the connections that have ended were open");
    for (unsigned i = 0; i < LIFETIME_BOUNDS; i++) {
        uint64_t bound_ms = lifetime_bound_ms(i);
        count += sum->lifetimes[i];
        fprintf(out, PREFIX "%s_bucket{le=\"%" PRIu64 ".%03" PRIu64 "\"} %" PRIu64 "\n", NAME,
                bound_ms / 1000, bound_ms % 1000, count);
    }
    count += sum->lifetimes[LIFETIME_BOUNDS];
    fprintf(out, PREFIX "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", NAME, count);
    fprintf(out, PREFIX "%s_sum %" PRIu64 ".%03" PRIu64 "\n", NAME, sum->lifetime_ms / 1000,
            sum->lifetime_ms % 1000);
    fprintf(out, PREFIX "%s_count %" PRIu64 "\n", NAME, count);
}

static void write_listeners(FILE *out, const struct metrics *metrics)
{
    static const struct {
        enum counter counter;
        const char *name, *text;
    } FAMILIES[] = {
        {COUNTER_ACCEPTED, "listener_connections_accepted_total",
         "connections taken over by a worker, by listener"},
        {COUNTER_CLOSED, "listener_connections_closed_total", "of these, ended"},
        {COUNTER_BYTES_IN, "listener_received_bytes_total",
         "bytes read, less what came after our own end, by listener"},
        {COUNTER_BYTES_OUT, "listener_sent_bytes_total",
         "bytes that the system took to send back, by listener"},
        {COUNTER_UDP_IN, "listener_udp_received_total", "datagrams received, by listener"},
        {COUNTER_UDP_OUT, "listener_udp_sent_total",
         "of the datagrams, those that were answered, by listener"},
    };
    for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(FAMILIES[0]); i++) {
        begin(out, FAMILIES[i].name, "counter", FAMILIES[i].text);
        for (size_t j = 0; j < metrics->listener_count; j++) {
            fprintf(out, PREFIX "%s{listener=\"", FAMILIES[i].name);
            write_label(out, metrics->listeners[j].name);
            fprintf(out, "\"} %" PRIu64 "\n",
                    counter_get(&metrics->listeners[j].counters, FAMILIES[i].counter));
        }
    }
}

void metrics_write(FILE *out, const struct metrics *metrics)
{
    begin(out, "build_info", "gauge", "1, with the version as a label");
    fprintf(out, PREFIX "build_info{version=\"");
    write_label(out, metrics->version);
    fprintf(out, "\"} 1\n");
    begin(out, "start_time_seconds", "gauge", "when the service started, in Unix time");
    fprintf(out, PREFIX "start_time_seconds %" PRIu64 ".%03" PRIu64 "\n",
            metrics->started_ms / 1000, metrics->started_ms % 1000);
    write_gauge(out, "ready", "1 while new connections are taken",
                !metrics->is_draining && !metrics->is_full);
    write_gauge(out, "full", "1 while new connections wait, at the limit on all", metrics->is_full);
    write_gauge(out, "draining", "1 from the signal to stop on", metrics->is_draining);
    write_gauge(out, "workers", "event loops that serve connections", metrics->workers);
    write_gauge(out, "descriptor_limit", "descriptors that the process may have open",
                metrics->descriptor_limit);
    write_gauge(out, "connections_open", "connections open now", metrics->open_connections);
    write_gauge(out, "connections_limit", "connections that may be open, 0 without a limit",
                metrics->connection_limit);
    write_counters(out, &metrics->sum);
    write_reasons(out, &metrics->sum);
    write_lifetimes(out, &metrics->sum);
    write_listeners(out, metrics);
}

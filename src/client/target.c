/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/target.h"

#include "client/attempts.h"
#include "client/interrupt.h"
#include "client/link_tls.h"

#define NS_PER_MS UINT64_C(1000000)

/* One of the PROXY header's ends; without a text it stays without a family. */
static int read_end(const char *option, const char *text, struct address *out, struct error *err)
{
    struct address addresses[ADDRESS_RESOLVED_MAX];
    struct endpoint endpoint;
    const char *attributes;
    if (!text)
        return 0;
    if (endpoint_parse(text, &endpoint, &attributes, err) < 0 || endpoint.kind != ENDPOINT_TCP ||
        attributes)
        return error_option(err, option,
                            "'%.200s' is not like 192.0.2.1:4711 or [2001:db8::1]:4711", text);
    if (address_resolve(endpoint.host, endpoint.port, addresses, err) < 1)
        return error_blame(err, option, NULL);
    *out = addresses[0];
    return 0;
}

static int make_plan(const struct client_options *options, struct link_plan *plan,
                     struct error *err)
{
    const char *host = options->endpoint.host;
    *plan = (struct link_plan){.proxy = (enum proxy_version)options->proxy};
    if (!options->proxy && (options->proxy_source || options->proxy_destination))
        return error_option(err, options->proxy_source ? "proxy-src" : "proxy-dst",
                            "needs --proxy v1 or v2, whose header it is in");
    if (read_end("proxy-src", options->proxy_source, &plan->proxy_source, err) < 0 ||
        read_end("proxy-dst", options->proxy_destination, &plan->proxy_destination, err) < 0)
        return -1;
    if (plan->proxy_source.family && plan->proxy_destination.family &&
        plan->proxy_source.family != plan->proxy_destination.family)
        return error_usage(err, "--proxy-src and --proxy-dst: both IPv4 or both IPv6 are expected");
    if (options->endpoint.kind != ENDPOINT_TLS)
        return 0;
    const struct link_tls_options tls = {
        .cacert = options->cacert,
        .cert = options->cert,
        .key = options->key,
        .server_name = options->server_name ? options->server_name : host,
        .alpn = options->alpn,
        .is_insecure = options->insecure,
        .resumes = options->resume,
    };
    plan->layer = link_tls_new(&tls, err);
    return plan->layer ? 0 : -1;
}

/* ---- the attempts ---- */

/* Each has a plan of its own, which leads to its address. */
struct stream_race {
    struct attempts *attempts;
    uint64_t timeout_ns;
    struct link_plan plans[DIAL_TARGETS_MAX];
    struct link links[DIAL_TARGETS_MAX];
};

static enum link_step note_step(struct stream_race *race, int index, enum link_step step)
{
    struct attempt *attempt = &race->attempts->list[index];
    const struct link *link = &race->links[index];
    attempt->fd = link->fd;
    attempt->events = link_waits(link, 0);
    attempt->connect_ns = link->connect_ns;
    if (step != LINK_ENDED)
        return step;
    struct ending plain = link->ending;
    attempt->outcome = plain.outcome;
    attempt->hint = plain.hint;
    plain.hint = NULL;
    (void)ending_text(&plain, attempt->reason, sizeof(attempt->reason));
    return step;
}

static enum link_step start(void *own, int index)
{
    struct stream_race *race = own;
    struct attempt *attempt = &race->attempts->list[index];
    race->plans[index].target = attempt->target;
    attempt->due_ns = attempt->start_ns + race->timeout_ns;
    return note_step(race, index, link_start(&race->links[index], &race->plans[index]));
}

static enum link_step advance(void *own, int index, bool is_due)
{
    struct stream_race *race = own;
    struct link *link = &race->links[index];
    return note_step(race, index,
                     is_due ? link_end(link, link_timeout(link, race->timeout_ns))
                            : link_advance(link));
}

static void stop(void *own, int index)
{
    struct stream_race *race = own;
    link_clear(&race->links[index]);
}

static int make_attempts(const struct client_options *options, struct link_plan *plan,
                         struct link *link, struct error *err)
{
    static const struct attempt_kind KIND = {start, advance, stop};
    struct stream_race race = {.attempts = options->attempts,
                               .timeout_ns = options->timeout_ms * NS_PER_MS};
    if (attempts_resolve(options, err) < 0)
        return -1;
    for (int i = 0; i < options->attempts->count; i++) {
        race.plans[i] = *plan;
        link_init(&race.links[i]);
    }
    int winner = attempts_make(options->attempts, &KIND, &race);
    if (winner < 0)
        return attempts_refuse(options, "cannot connect to", err);
    *plan = race.plans[winner];
    link_move(link, &race.links[winner], plan);
    return 0;
}

int target_connect(const struct client_options *options, struct link_plan *plan, struct link *link,
                   struct error *err)
{
    link_init(link);
    interrupt_while_connecting(options->endpoint_text);
    if (make_plan(options, plan, err) == 0 && make_attempts(options, plan, link, err) == 0)
        return 0;
    target_close(plan);
    return -1;
}

void target_close(struct link_plan *plan)
{
    if (plan->layer)
        plan->layer->free(plan->layer);
    plan->layer = NULL;
}

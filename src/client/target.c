/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/target.h"

#include "client/interrupt.h"
#include "client/link_tls.h"

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

static int try_targets(const struct client_options *options, struct link_plan *plan,
                       struct link *link, struct error *err)
{
    struct dial_target targets[DIAL_TARGETS_MAX];
    char reasons[400] = "", reason[200];
    int count = dial_resolve(&options->endpoint, targets, err);
    if (count < 0)
        return error_prefix(err, "'%.200s': ", options->endpoint_text);
    for (int i = 0; i < count; i++) {
        plan->target = targets[i];
        if (link_connect(link, plan, options->timeout_ms))
            return 0;
        dial_add_reason(reasons, sizeof(reasons), options->endpoint_text, &targets[i],
                        ending_text(&link->ending, reason, sizeof(reason)));
        link_clear(link);
    }
    return error_start(err, "cannot connect to %.200s: %s", options->endpoint_text, reasons);
}

int target_connect(const struct client_options *options, struct link_plan *plan, struct link *link,
                   struct error *err)
{
    link_init(link);
    interrupt_while_connecting(options->endpoint_text);
    if (make_plan(options, plan, err) == 0 && try_targets(options, plan, link, err) == 0)
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

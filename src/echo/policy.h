/* SPDX-License-Identifier: BSD-2-Clause */
/* What the connections of one listener are held to. A policy never changes: a reload makes new
 * ones, and a connection keeps the one it was accepted under, so each holds a reference. */
#ifndef ECHO_POLICY_H
#define ECHO_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "net/cidr.h"

/* A zero time or size means none. */
struct policy_values {
    uint64_t idle_ms;      /* nothing owed, nothing came */
    uint64_t stall_ms;     /* something owed, nothing taken */
    uint64_t flush_ms;     /* for paying all that is owed at the end */
    uint64_t linger_ms;    /* for the peer's FIN after ours */
    uint64_t quiet_ms;     /* while draining: nothing owed, nothing came */
    uint64_t buffer_bytes; /* high-water mark: owed to one peer before its sender is held */
    uint64_t keepalive_ms; /* of silence, then a TCP peer is probed */
    uint64_t handshake_ms; /* for the whole of a TLS handshake */
    uint64_t backlog;
    uint64_t mode;     /* of a Unix socket's path */
    uint64_t service;  /* for service_at() */
    uint64_t is_proxy; /* a PROXY header is demanded, and taken from these alone */
    uint64_t proxy_ms; /* for the whole of that header */
    struct cidr_list proxy_from;
};

struct tls_context;

struct policy {
    struct policy_values values;
    struct tls_context *tls; /* a reference that whoever makes the policy gives it; NULL: plain */
    char *listener_name;     /* for the log: tcp://127.0.0.1:7007 */
    uint32_t listener;       /* its place among the listeners: where its connections are counted */
    _Atomic uint32_t references;
};

/* Returns a policy with one reference, or NULL without memory. */
struct policy *policy_new(const struct policy_values *values, const char *listener_name,
                          size_t listener);

/* From any thread. The last one to leave frees it; NULL is allowed. */
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy);

#endif

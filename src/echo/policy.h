/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings for the connections of one listener. A policy never changes: a reload makes new
 * ones. A connection keeps the policy under which it was accepted, so each holds a reference. */
#ifndef ECHO_POLICY_H
#define ECHO_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "net/cidr.h"

/* A zero time or size means no limit. */
struct policy_values {
    uint64_t idle_ms;      /* nothing owed, nothing received */
    uint64_t stall_ms;     /* bytes owed, none accepted */
    uint64_t flush_ms;     /* for sending all bytes owed at the end */
    uint64_t linger_ms;    /* for the peer's FIN after ours */
    uint64_t quiet_ms;     /* while draining: nothing owed, nothing received */
    uint64_t buffer_bytes; /* high-water mark: with so many bytes owed, reading stops */
    uint64_t keepalive_ms; /* silence before a TCP peer is probed */
    uint64_t handshake_ms; /* for the whole of a TLS handshake */
    uint64_t backlog;
    uint64_t mode;     /* of a Unix socket's path */
    uint64_t service;  /* for service_at() */
    uint64_t is_proxy; /* a PROXY header is required, and accepted only from these addresses */
    uint64_t proxy_ms; /* for the whole of that header */
    struct cidr_list proxy_from;
};

struct tls_context;

struct policy {
    struct policy_values values;
    struct tls_context *tls; /* a reference set by the policy's maker; NULL: plain */
    char *listener_name;     /* for the log: tcp://127.0.0.1:7007 */
    uint32_t listener; /* the listener's index, which selects the counters of its connections */
    _Atomic uint32_t references;
};

/* Returns a policy with one reference, or NULL if memory is short. */
struct policy *policy_new(const struct policy_values *values, const char *listener_name,
                          size_t listener);

/* Take and drop a reference, from any thread. Dropping the last one frees the policy; NULL is
 * allowed. */
struct policy *policy_ref(struct policy *policy);
void policy_unref(struct policy *policy);

#endif

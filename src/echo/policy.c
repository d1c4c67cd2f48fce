/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/policy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

struct policy *policy_new(const struct policy_values *values, const char *listener_name,
                          size_t listener)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    char *name = strdup(listener_name);
    if (!policy || !name) {
        free(policy);
        free(name);
        return NULL;
    }
    policy->values = *values;
    policy->listener_name = name;
    policy->listener = (uint32_t)listener;
    atomic_init(&policy->references, 1);
    return policy;
}

struct policy *policy_ref(struct policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void policy_unref(struct policy *policy)
{
    if (!policy || atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(policy->tls);
    free(policy->listener_name);
    free(policy);
}

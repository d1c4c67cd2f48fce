/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/target.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int target_connect(const struct options *options, struct dial_target *target, enum outcome *outcome,
                   struct error *err)
{
    struct dial_target targets[DIAL_TARGETS_MAX];
    char reasons[400] = "";
    size_t used = 0;
    int timeout_ms = options->timeout_ms < INT_MAX ? (int)options->timeout_ms : INT_MAX;
    *outcome = OUTCOME_DNS;
    int count = dial_resolve(&options->endpoint, targets, err);
    if (count < 0)
        return error_prefix(err, "'%.200s': ", options->endpoint_text);
    for (int i = 0; i < count; i++) {
        int fd = dial_wait(&targets[i], timeout_ms);
        if (fd >= 0) {
            *target = targets[i];
            *outcome = OUTCOME_OK;
            return fd;
        }
        *outcome = outcome_of_errno(-fd);
        used += (size_t)snprintf(reasons + used, sizeof(reasons) - used, "%s%s: %s", i ? "; " : "",
                                 targets[i].name, strerror(-fd));
        if (used >= sizeof(reasons))
            break;
    }
    return error_start(err, "cannot connect to %.200s: %s", options->endpoint_text, reasons);
}

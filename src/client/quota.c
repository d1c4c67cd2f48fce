/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/quota.h"

uint64_t quota_part(uint64_t requests, uint64_t connections, uint64_t number)
{
    if (requests == 0)
        return QUOTA_ENDLESS;
    return requests / connections + (number < requests % connections ? 1 : 0);
}

bool quota_take(struct quota *quota, uint64_t due_ns, uint64_t counted_from_ns)
{
    if (quota->left == 0)
        return false;
    if (quota->left != QUOTA_ENDLESS && due_ns >= counted_from_ns)
        quota->left--;
    return true;
}

bool quota_fails(struct quota *quota, uint64_t now_ns, uint64_t patience_ns)
{
    if (quota->failing_ns == 0)
        quota->failing_ns = now_ns;
    return now_ns - quota->failing_ns >= patience_ns;
}

uint64_t quota_drop(struct quota *quota)
{
    uint64_t left = quota->left == QUOTA_ENDLESS ? 0 : quota->left;
    quota->left = 0;
    return left;
}

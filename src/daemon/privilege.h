/* SPDX-License-Identifier: BSD-2-Clause */
/* Drops privileges for good (credentials(7)): groups, group, user; then verifies it. */
#ifndef DAEMON_PRIVILEGE_H
#define DAEMON_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

/* The user and group to become, looked up before anything is opened. */
struct privilege {
    bool has_user, has_group;
    uid_t user;
    gid_t group;
};

/* Looks up names or numbers; either may be NULL. If only a user is given, the user's own group is
 * used. Returns 0 or -1. */
int privilege_find(struct privilege *privilege, const char *user, const char *group,
                   struct error *err) MUST_CHECK;

/* Empties the bounding and ambient sets (capabilities(7)), so that no executed program can gain a
 * capability. That requires CAP_SETPCAP, which an ordinary user lacks, so call it before
 * privilege_drop(). Returns 0, or the errno if a capability remains in the bounding set. */
int privilege_close_bounds(void) MUST_CHECK;

/* Becomes the user and group, and fails if that could be reversed. Returns 0 or -1. */
int privilege_drop(const struct privilege *privilege, struct error *err) MUST_CHECK;

/* Drops every capability of this thread. Returns 0, or the errno if one remains. */
int privilege_shed(void) MUST_CHECK;

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up privileges for good (credentials(7)): groups, group, user, then proof. */
#ifndef DAEMON_PRIVILEGE_H
#define DAEMON_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

/* Who to become, looked up before anything is opened. */
struct privilege {
    bool has_user, has_group;
    uid_t user;
    gid_t group;
};

/* Looks up names or numbers; either may be NULL. A user without a group takes the user's own.
 * 0 or -1. */
int privilege_find(struct privilege *privilege, const char *user, const char *group,
                   struct error *err) MUST_CHECK;

/* Empties the bounding and ambient sets (capabilities(7)): nothing that is executed could get a
 * capability again. That needs CAP_SETPCAP, which an ordinary user has not, so it comes before the
 * next. 0, or the errno of why a capability is left in the bounding set. */
int privilege_close_bounds(void) MUST_CHECK;

/* Becomes it, and refuses to go on where any of it could be taken back. 0 or -1. */
int privilege_drop(const struct privilege *privilege, struct error *err) MUST_CHECK;

/* Gives up every capability of this thread. 0, or the errno of why one is left. */
int privilege_shed(void) MUST_CHECK;

#endif

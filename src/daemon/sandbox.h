/* SPDX-License-Identifier: BSD-2-Clause */
/* The sandbox: once every socket and file is open, the process needs few privileges.
 *
 *     sandbox_choose()    what the options request, and this build supports
 *     sandbox_confine()   user, capabilities, no_new_privs, Landlock: before there are threads,
 *                         since they apply to one thread and to those that it starts
 *     (threads start)
 *     sandbox_filter()    seccomp, for all threads at once; from then on no thread can start
 *
 * Protections that the system lacks are left out and reported; with `require` the start fails
 * instead.
 */
#ifndef DAEMON_SANDBOX_H
#define DAEMON_SANDBOX_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h"
#include "daemon/options.h"
#include "daemon/privilege.h"

/* In the order of the option's words. */
enum sandbox_mode { SANDBOX_OFF, SANDBOX_LOG, SANDBOX_ON, SANDBOX_REQUIRE };

#define SANDBOX_WHY_MAX 320

struct log;

struct sandbox {
    struct log *log;
    enum sandbox_mode mode;
    bool has_no_new_privs, has_seccomp, has_no_capabilities, has_no_bounds;
    int landlock_abi;          /* 0: not in force */
    char why[SANDBOX_WHY_MAX]; /* each protection not in force, with its reason; empty: none is
                                  missing */
};

/* Decides which protections to use. Returns 0 or -1. */
int sandbox_choose(struct sandbox *sandbox, const struct daemon_options *options, struct log *log,
                   struct error *err) MUST_CHECK;

/* Drops privileges in every mode, and applies the rest according to the mode. Returns 0 or -1. */
int sandbox_confine(struct sandbox *sandbox, const struct daemon_options *options,
                    const struct privilege *privilege, struct error *err) MUST_CHECK;

/* The last step; logs one line with the protections in force. Returns 0 or -1. */
int sandbox_filter(struct sandbox *sandbox, struct error *err) MUST_CHECK;

/* Checks that the files that a reload opens can be opened. Returns 0, or -1 with the reason. */
int sandbox_check_reload(const struct sandbox *sandbox, const struct daemon_options *options,
                         struct error *err) MUST_CHECK;

/* After a failed reload: adds a hint to the error if the sandbox may have prevented a file from
 * being opened. */
void sandbox_explain(const struct sandbox *sandbox, struct error *err);

#endif

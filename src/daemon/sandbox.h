/* SPDX-License-Identifier: BSD-2-Clause */
/* The sandbox: once every socket and file is open, a process that only echoes needs little.
 *
 *     sandbox_choose()    what the options ask for, and this build can do
 *     sandbox_confine()   user and capabilities, no_new_privs, Landlock: before any thread is
 * there, since each thread has its own, and takes what its creator has left (threads start)
 *     sandbox_filter()    seccomp, for all threads at once; no thread can start from then on
 *
 * What the system lacks is left out and told; with `require` it ends the start.
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
    char why[SANDBOX_WHY_MAX]; /* each that is not in force, with its reason; empty: nothing is
                                  missing */
};

/* 0 or -1. */
int sandbox_choose(struct sandbox *sandbox, const struct daemon_options *options, struct log *log,
                   struct error *err) MUST_CHECK;

/* Gives up privileges in any mode, and the rest as the mode says. 0 or -1. */
int sandbox_confine(struct sandbox *sandbox, const struct daemon_options *options,
                    const struct privilege *privilege, struct error *err) MUST_CHECK;

/* The last step; tells in one line what is in force. 0 or -1. */
int sandbox_filter(struct sandbox *sandbox, struct error *err) MUST_CHECK;

/* Whether the files that a reload opens can be opened. 0, or -1 with the reason. */
int sandbox_check_reload(const struct sandbox *sandbox, const struct daemon_options *options,
                         struct error *err) MUST_CHECK;

/* After a reload was refused: says so where it may be the sandbox that did not let a file be
 * opened. */
void sandbox_explain(const struct sandbox *sandbox, struct error *err);

#endif

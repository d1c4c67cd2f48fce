/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "config.h"
#include "daemon/sandbox_parts.h"

static bool is_enforcing(const struct sandbox *sandbox)
{
    return sandbox->mode == SANDBOX_ON || sandbox->mode == SANDBOX_REQUIRE;
}

/* Appends a missing protection and the reason. */
static void add_missing(struct sandbox *sandbox, const char *what, int failure)
{
    size_t used = strlen(sandbox->why);
    snprintf(sandbox->why + used, sizeof(sandbox->why) - used, "%s%s: %s", used > 0 ? "; " : "",
             what, failure == ENOSYS ? "not in this kernel or this build" : strerror(failure));
}

static int refuse_if_required(const struct sandbox *sandbox, struct error *err)
{
    if (sandbox->mode != SANDBOX_REQUIRE)
        return 0;
    error_start(err, "%s", sandbox->why);
    return error_blame(err, "sandbox", "require");
}

/* ---- files ---- */

static bool is_log_file(const struct daemon_options *options)
{
    return strcmp(options->log_target, "stderr") != 0 && strcmp(options->log_target, "syslog") != 0;
}

struct file_list {
    struct sandbox_file *files;
    size_t count;
    struct endpoint status; /* its path is in the list */
};

static void add_file(struct file_list *list, const char *path, enum sandbox_use use)
{
    if (path)
        list->files[list->count++] = (struct sandbox_file){path, use};
}

static void add_socket(struct file_list *list, const struct endpoint *endpoint)
{
    if (endpoint->kind == ENDPOINT_UNIX && !endpoint->is_abstract)
        add_file(list, endpoint->path, SANDBOX_REMOVE);
}

/* Lists every file that may be opened or removed after the start. */
static void find_files(struct file_list *list, const struct daemon_options *options)
{
    struct error unused;
    const char *attributes;
    add_file(list, options->config, SANDBOX_READ);
    add_file(list, is_log_file(options) ? options->log_target : NULL, SANDBOX_APPEND);
    add_file(list, options->pid_file, SANDBOX_REMOVE);
    if (options->status &&
        endpoint_parse(options->status, &list->status, &attributes, &unused) == 0)
        add_socket(list, &list->status);
    for (size_t i = 0; i < options->listener_count; i++) {
        const struct evecho_listener *listener = &options->listeners[i];
        add_socket(list, &listener->endpoint);
        add_file(list, listener->tls.cert, SANDBOX_READ);
        add_file(list, listener->tls.key, SANDBOX_READ);
        add_file(list, listener->tls.client_ca, SANDBOX_READ);
    }
}
#define FILES_OF_OPTIONS 4
#define FILES_A_LISTENER 4

/* True if a reload opens any file. */
static bool has_files_to_open(const struct daemon_options *options)
{
    bool has_any = options->config || is_log_file(options);
    for (size_t i = 0; i < options->listener_count; i++)
        has_any |= options->listeners[i].endpoint.kind == ENDPOINT_TLS;
    return has_any;
}

static int confine_files(struct sandbox *sandbox, const struct daemon_options *options,
                         struct error *err)
{
    struct file_list list = {.files = NULL};
    list.files =
        calloc(FILES_OF_OPTIONS + FILES_A_LISTENER * options->listener_count, sizeof(*list.files));
    if (!list.files)
        return error_start(err, "no memory for the sandbox");
    find_files(&list, options);
    int abi = sandbox_landlock(list.files, list.count);
    free(list.files);
    if (abi > 0)
        sandbox->landlock_abi = abi;
    else
        add_missing(sandbox, "landlock", -abi);
    return 0;
}

int sandbox_check_reload(const struct sandbox *sandbox, const struct daemon_options *options,
                         struct error *err)
{
    if (!is_enforcing(sandbox) || !sandbox->has_seccomp || sandbox->landlock_abi > 0 ||
        !has_files_to_open(options))
        return 0;
    return error_start(err, "the sandbox lets no file be opened, since there is no Landlock to "
                            "confine that to ours; restart instead, or start with --sandbox off");
}

void sandbox_explain(const struct sandbox *sandbox, struct error *err)
{
    if (is_enforcing(sandbox) && sandbox->landlock_abi > 0 && err->number == EACCES)
        error_hint(err, "unless its permissions say so, the sandbox does: it opens what is in "
                        "the folders named at the start and nothing else, so restart instead");
}

/* ---- the steps ---- */

int sandbox_choose(struct sandbox *sandbox, const struct daemon_options *options, struct log *log,
                   struct error *err)
{
    *sandbox = (struct sandbox){.log = log, .mode = (enum sandbox_mode)options->sandbox};
    /* Sanitizers and coverage counters need calls that a sandbox forbids. */
    if (!SANDBOX_IS_INSTRUMENTED || sandbox->mode == SANDBOX_OFF)
        return 0;
    snprintf(sandbox->why, sizeof(sandbox->why), "an instrumented build runs without it");
    if (refuse_if_required(sandbox, err) < 0)
        return -1;
    sandbox->mode = SANDBOX_OFF;
    return 0;
}

int sandbox_confine(struct sandbox *sandbox, const struct daemon_options *options,
                    const struct privilege *privilege, struct error *err)
{
    int bounds_failure = is_enforcing(sandbox) ? privilege_close_bounds() : 0;
    if (privilege_drop(privilege, err) < 0)
        return -1;
    if (sandbox->mode == SANDBOX_OFF)
        return 0;
    sandbox->has_no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (!sandbox->has_no_new_privs) {
        add_missing(sandbox, "no_new_privs", errno);
        return refuse_if_required(sandbox, err);
    }
    if (!is_enforcing(sandbox))
        return 0;
    sandbox->has_no_bounds = bounds_failure == 0;
    if (bounds_failure)
        add_missing(sandbox, "bounding set", bounds_failure);
    int failure = privilege_shed();
    sandbox->has_no_capabilities = failure == 0;
    if (failure)
        add_missing(sandbox, "capabilities", failure);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        add_missing(sandbox, "dumpable", errno);
    return confine_files(sandbox, options, err);
}

static void log_in_force(const struct sandbox *sandbox)
{
    static const char *const MODES[] = {"off", "log", "on", "require"};
    log_event(sandbox->log, LOG_LEVEL_NOTICE, "sandbox", LOG_TEXT("mode", MODES[sandbox->mode]),
              LOG_TEXT("seccomp", !sandbox->has_seccomp          ? "no"
                                  : sandbox->mode == SANDBOX_LOG ? "log"
                                                                 : "kill"),
              LOG_NUMBER("landlock", (uint64_t)sandbox->landlock_abi),
              LOG_TEXT("no_new_privs", sandbox->has_no_new_privs ? "yes" : "no"),
              LOG_TEXT("capabilities", sandbox->has_no_capabilities ? "none" : "kept"),
              LOG_TEXT("bounding_set", sandbox->has_no_bounds ? "empty" : "kept"),
              LOG_TEXT("missing", sandbox->why[0] ? sandbox->why : "nothing"));
}

int sandbox_filter(struct sandbox *sandbox, struct error *err)
{
    int failure = sandbox->mode == SANDBOX_OFF
                      ? 0
                      : -sandbox_seccomp(!is_enforcing(sandbox), sandbox->landlock_abi > 0);
    sandbox->has_seccomp = sandbox->mode != SANDBOX_OFF && failure == 0;
    if (failure && sandbox->mode == SANDBOX_REQUIRE)
        sandbox->why[0] = '\0'; /* this failure replaces the earlier ones */
    if (failure)
        add_missing(sandbox, "seccomp", failure);
    if (failure && refuse_if_required(sandbox, err) < 0)
        return -1;
    log_in_force(sandbox);
    return 0;
}

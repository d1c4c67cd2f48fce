/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/reload.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "daemon/server_parts.h"

/* Applies new options. All steps that can fail run before anything is changed. */
static int apply_options(struct server *server, const struct daemon_options *new, struct error *err)
{
    struct limit_values values;
    if (!evecho_has_endpoints(server->echo, new->listeners, new->listener_count))
        return error_usage(err, "listen: endpoints change only at a restart");
    if (server_check_inherited(server, new, err) < 0 ||
        server_find_limits(server, new, &values, err) < 0 ||
        evecho_reload(server->echo, new->listeners, new->listener_count, &values, new->udp_rate,
                      err) < 0)
        return -1;
    options_tell_unchangeable(server->options, new, server->log);
    return 0;
}

/* Opening a FIFO would block the main loop. */
static int check_config_file(const struct daemon_options *options, struct error *err)
{
    struct stat status;
    if (!options->config || stat(options->config, &status) < 0 || S_ISREG(status.st_mode))
        return 0;
    return error_option(err, "config", "'%s' is not a file, and is read only at the start",
                        options->config);
}

/* The log is reopened even if the reload fails otherwise, since log rotation depends on it. If it
 * cannot be reopened, the reload continues, so that new certificates are still used. */
static bool reopen_log(const struct server *server)
{
    struct error err = {0};
    char text[ERROR_TEXT_MAX];
    const struct log_config log = server_log_config(server->options);
    if (log_reopen(server->log, &log, &err) == 0)
        return true;
    sandbox_explain(&server->sandbox, &err);
    log_event(server->log, LOG_LEVEL_ERROR, "the old log stays",
              LOG_TEXT("why", error_text(&err, text, sizeof(text))));
    return false;
}

static void reload(struct server *server)
{
    struct error err = {0};
    char text[ERROR_TEXT_MAX];
    struct daemon_options *new = calloc(1, sizeof(*new));
    notify_reloading(&server->notify);
    bool is_read =
        new &&sandbox_check_reload(&server->sandbox, server->options, &err) == 0 &&
        check_config_file(server->options, &err) == 0 &&
        options_read(new, server->options->activation, server->argc, server->argv, &err) == 0;
    if (is_read && apply_options(server, new, &err) == 0) {
        options_clear(server->options);
        free(server->options);
        server->options = new;
        bool is_log_open = reopen_log(server);
        log_event(server->log, LOG_LEVEL_NOTICE, "reloaded");
        server_tell_serving(server, is_log_open ? "" : "; the log file could not be opened again");
        return;
    }
    sandbox_explain(&server->sandbox, &err);
    if (is_read)
        options_locate(new, &err);
    (void)reopen_log(server);
    log_event(server->log, LOG_LEVEL_ERROR, "reload refused: the old configuration stays",
              LOG_TEXT("why", new ? error_text(&err, text, sizeof(text)) : "no memory"));
    server_tell_serving(server, "; the last reload was refused, see the log");
    if (is_read)
        options_clear(new);
    free(new);
}

static void reopen_only(struct server *server)
{
    (void)reopen_log(server);
    log_event(server->log, LOG_LEVEL_NOTICE, "draining: nothing but the log is opened again");
}

void reload_on_signal(struct server *server)
{
    if (server->is_stopping)
        reopen_only(server);
    else
        reload(server);
}

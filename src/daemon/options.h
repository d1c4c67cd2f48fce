/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's options: one table (options.c), and the structure that it fills.
 *
 *     defaults < configuration file < command line;   a listener's attribute < nothing: it wins
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/option.h"
#include "daemon/activation.h"
#include "echo/evecho_listener.h"

#define OPTIONS_PROGRAM "evechod"
#define OPTIONS_NO_FD OPTION_AUTO

struct log;

struct daemon_options {
    struct option_list listen;
    uint64_t workers;         /* OPTION_AUTO: one a processor */
    uint64_t max_connections; /* OPTION_AUTO: from the descriptor limit */
    uint64_t max_per_source;
    uint64_t max_owed_bytes;
    uint64_t source_prefix; /* bits of an IPv6 address */
    uint64_t udp_rate;      /* datagrams a second for each source */
    uint64_t drain_delay_ms;
    uint64_t drain_timeout_ms;
    uint64_t read_path;  /* enum stream_path, from EVECHOD_READ_PATH in the environment */
    uint64_t log_level;  /* enum log_level */
    uint64_t log_format; /* enum log_format */
    uint64_t sandbox;    /* enum sandbox_mode */
    uint64_t ready_fd;   /* or OPTIONS_NO_FD */
    struct policy_values policy;
    struct tls_settings tls;
    struct option_list proxy_from; /* of the listener being parsed */
    char *log_target, *name, *config, *pid_file, *user, *group;
    char *status; /* an endpoint, or NULL */
    bool status_public;
    bool check_config, help, version;

    const struct activation *activation; /* valid as long as the process */
    struct evecho_listener *listeners;   /* from `listen`, the passed sockets, or the default;
                                            `attributes` of each has a bit for each row */
    size_t listener_count;
    char **attributes; /* of the listeners, split: their texts point into these */
    size_t attributes_count;
    struct option_set set;
};

/* Reads the command line and the file that it names, and parses every listener. The result has no
 * pointers into argv, which may be permuted. Returns 0, or -1 with *options cleared. */
int options_read(struct daemon_options *options, const struct activation *activation, int argc,
                 char **argv, struct error *err) MUST_CHECK;

/* For an inherited socket, whose kind is known only once it is opened. Returns 0, or -1 if it has
 * an attribute that does not apply to that kind. */
int options_check_inherited(const struct evecho_listener *listener, enum endpoint_kind kind,
                            struct error *err) MUST_CHECK;

/* Adds the file and line of the option at fault to the error, if the configuration file set it. */
void options_locate(const struct daemon_options *options, struct error *err);

/* True if a listener uses that descriptor. */
bool options_serve_fd(const struct daemon_options *options, int fd);

/* If the error is that an endpoint's address is in use, and a socket with its port or path was
 * passed: names that socket in the error. Returns -1. */
int options_explain_busy(const struct daemon_options *options, struct error *err);

/* Logs a warning for each passed socket that no listener uses: peers would wait in its backlog for
 * ever. */
void options_tell_unserved(const struct daemon_options *options, struct log *log);

/* After a reload: logs a warning for each changed option that a reload cannot change. */
void options_tell_unchangeable(const struct daemon_options *old, const struct daemon_options *new,
                               struct log *log);

void options_clear(struct daemon_options *options);

void options_print_help(const struct daemon_options *options, FILE *out);

#endif

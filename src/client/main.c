/* SPDX-License-Identifier: BSD-2-Clause */
/* evecho(1): finds the command and hands over. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/standard.h"
#include "client/all_addresses.h"
#include "client/attempts.h"
#include "client/commands.h"
#include "client/options.h"
#include "client/report.h"
#include "config.h"

static const struct {
    const char *name;
    int (*run)(const struct client_options *options);
} RUNNERS[] = {{"cat", cat_run},
               {"ping", ping_run},
               {"bench", bench_run},
               {"check", check_run},
               {"explain", explain_run}};

static void print_help(FILE *out)
{
    fprintf(out, "Usage: " OPTIONS_PROGRAM " COMMAND [OPTION]... ENDPOINT\n\n");
    for (const struct command *command = OPTIONS_COMMANDS; command->name; command++)
        fprintf(out, "  %-7s %s\n", command->name, command->summary);
    fprintf(out, "\n" OPTIONS_PROGRAM " COMMAND --help lists the options of a command.\n"
                 "Try: " OPTIONS_PROGRAM " check localhost:7007\n"
                 "And if something fails: " OPTIONS_PROGRAM " explain\n");
}

static int run(const struct command *command, const struct client_options *options)
{
    if (options->help) {
        options_print_help(command, stdout);
        return EXIT_CODE_OK;
    }
    for (size_t i = 0; i < sizeof(RUNNERS) / sizeof(RUNNERS[0]); i++) {
        if (strcmp(RUNNERS[i].name, command->name) != 0)
            continue;
        return options->all_addresses ? all_addresses_run(options, command->name, RUNNERS[i].run)
                                      : RUNNERS[i].run(options);
    }
    return EXIT_CODE_USAGE;
}

static int start(int argc, char **argv)
{
    struct error err = {0};
    struct client_options options;
    struct attempts attempts = {0};
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return EXIT_CODE_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf(OPTIONS_PROGRAM " " PACKAGE_VERSION "\n");
        return EXIT_CODE_OK;
    }
    const struct command *command = options_command(name);
    if (!command) {
        error_usage(&err,
                    *name ? "unknown command '%s'; cat, ping, bench, check and explain are known"
                          : "no command%s; " OPTIONS_PROGRAM " --help tells what there is",
                    name);
        return error_report(&err, OPTIONS_PROGRAM);
    }
    signal(SIGPIPE, SIG_IGN);
    if (options_read(&options, command, argc - 1, argv + 1, &err) < 0)
        return error_report(&err, OPTIONS_PROGRAM);
    options.attempts = &attempts;
    int code =
        report_file_check(options.json, &err) < 0 || report_file_check(options.hdr_out, &err) < 0
            ? error_report(&err, OPTIONS_PROGRAM)
            : run(command, &options);
    options_clear(&options);
    return code;
}

int main(int argc, char **argv)
{
    struct error err;
    standard_descriptors_open(O_PATH);
    int code = start(argc, argv);
    int failure = standard_output_flush();
    if (failure == 0 || code == EXIT_CODE_START)
        return code; /* the failure is reported already */
    error_system(&err, failure, "standard output");
    int refused = error_report(&err, OPTIONS_PROGRAM);
    return code == EXIT_CODE_OK ? refused : code;
}

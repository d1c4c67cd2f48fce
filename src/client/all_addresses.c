/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/all_addresses.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/standard.h"
#include "client/attempts.h"
#include "client/interrupt.h"
#include "client/report.h"

#define NOT_RUN (-1)

struct all_addresses {
    const struct client_options *options;
    const char *command;
    int (*run)(const struct client_options *options);
    FILE *out;
    off_t input; /* cat: where standard input begins */
    int codes[DIAL_TARGETS_MAX];
    json_t *documents[DIAL_TARGETS_MAX]; /* of each run; NULL: it wrote none */
};

/* What can be done once only, or has no end, cannot be done on each. */
static int check_options(struct all_addresses *all, struct error *err)
{
    const struct client_options *options = all->options;
    bool is_cat = strcmp(all->command, "cat") == 0;
    if (strcmp(all->command, "ping") == 0 && options->count == 0)
        return error_option(err, "all-addresses",
                            "needs --count, or the ping of the first address has no end");
    if (options->hdr_out)
        return error_option(err, "all-addresses", "--hdr-out has room for one address's results");
    all->input = is_cat ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
    if (all->input < 0)
        return error_usage(err, "cat --all-addresses reads standard input once for each address: a "
                                "file is expected there");
    return 0;
}

static void run_one(struct all_addresses *all, int index)
{
    struct attempts *attempts = all->options->attempts;
    struct attempts one = {.count = 1, .list = {attempts->list[index]}};
    struct client_options options = *all->options;
    options.attempts = &one;
    fprintf(all->out, "%s# %s, address %d of %d\n", index ? "\n" : "", one.list[0].target.name,
            index + 1, attempts->count);
    standard_flush(all->out);
    if (strcmp(all->command, "cat") == 0)
        (void)lseek(STDIN_FILENO, all->input, SEEK_SET);
    report_json_keep(&all->documents[index]);
    all->codes[index] = all->run(&options);
    report_json_keep(NULL);
    standard_flush(stdout);
    attempts->list[index] = one.list[0];
}

static void print_summary(const struct all_addresses *all)
{
    const struct attempts *attempts = all->options->attempts;
    fputc('\n', all->out);
    for (int i = 0; i < attempts->count; i++) {
        const struct attempt *attempt = &attempts->list[i];
        char text[ATTEMPT_TEXT_MAX], time[ATTEMPT_TIME_MAX];
        bool is_connected = attempt->connect_ns > 0;
        fprintf(all->out, "# %s: ", attempt->target.name);
        if (all->codes[i] == NOT_RUN)
            fprintf(all->out, "not tried, interrupted before\n");
        else if (attempt->state == ATTEMPT_FAILED)
            fprintf(all->out, "dead: %s\n", attempts_text(attempt, text, sizeof(text)));
        else
            fprintf(all->out, "exit status %d, %s in %s\n", all->codes[i],
                    is_connected ? "connected" : "answered",
                    attempts_time(is_connected ? attempt->connect_ns : attempt->elapsed_ns, time,
                                  sizeof(time)));
    }
    standard_flush(all->out);
}

static int write_json(struct all_addresses *all, struct error *err)
{
    json_t *root = report_json_head(all->command, all->options, all->options->endpoint_text);
    json_t *addresses = json_object_get(root, "addresses");
    (void)json_object_set_new(root, "interrupted", json_boolean(interrupt_has_come()));
    for (int i = 0; i < all->options->attempts->count; i++) {
        json_t *object = json_array_get(addresses, (size_t)i);
        bool was_run = all->codes[i] != NOT_RUN;
        (void)json_object_set_new(object, "exit_status",
                                  was_run ? json_integer(all->codes[i]) : json_null());
        (void)json_object_set_new(object, "results",
                                  all->documents[i] ? all->documents[i] : json_null());
    }
    return report_json_write(root, all->options->json, err);
}

/* The exit code of each, if they agree. Else one that is dead, failed or was not run makes it 1. */
static int conclude(const struct all_addresses *all)
{
    int count = all->options->attempts->count, code = all->codes[0];
    for (int i = 1; i < count; i++) {
        int other = all->codes[i];
        bool is_bad = code != other && (code != EXIT_CODE_OK || other != EXIT_CODE_UNTRIED) &&
                      (code != EXIT_CODE_UNTRIED || other != EXIT_CODE_OK);
        code = code == other ? code : is_bad ? EXIT_CODE_FAILED : EXIT_CODE_UNTRIED;
    }
    return code;
}

static int run_all(struct all_addresses *all)
{
    struct error err;
    int count = all->options->attempts->count;
    for (int i = 0; i < count; i++)
        all->codes[i] = NOT_RUN;
    for (int i = 0; i < count && !interrupt_has_come(); i++) {
        run_one(all, i);
        if (all->codes[i] == EXIT_CODE_USAGE)
            return EXIT_CODE_USAGE;
    }
    print_summary(all);
    if (all->options->json && write_json(all, &err) < 0)
        return error_report(&err, OPTIONS_PROGRAM);
    return conclude(all);
}

int all_addresses_run(const struct client_options *options, const char *command,
                      int (*run)(const struct client_options *options))
{
    struct error err;
    bool is_output_taken = strcmp(command, "cat") == 0 || report_is_output(options->json);
    struct all_addresses all = {.options = options,
                                .command = command,
                                .run = run,
                                .out = is_output_taken ? stderr : stdout};
    if (check_options(&all, &err) < 0)
        return error_report(&err, OPTIONS_PROGRAM);
    interrupt_while_connecting(options->endpoint_text);
    if (attempts_resolve(options, &err) < 0) {
        report_json_failure(command, options, &err);
        return error_report(&err, OPTIONS_PROGRAM);
    }
    return run_all(&all);
}

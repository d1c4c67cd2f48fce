/* SPDX-License-Identifier: BSD-2-Clause */
/* evechod(8): reads the options and starts the server. */
#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/standard.h"
#include "config.h"
#include "daemon/activation.h"
#include "daemon/options.h"
#include "daemon/privilege.h"
#include "daemon/server.h"
#include "daemon/status.h"
#include "echo/evecho.h"
#include "tls/tls.h"

#define KEPT_BYTES (4 * 1024 * 1024) /* free memory kept at the top of the heap */
#define MAPPED_BYTES \
    (1024 * 1024) /* larger blocks are returned to the system as soon as they are freed */

/* Blocks signals until the server handles them; ignores those that would end it without need. */
static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

static int check(const struct daemon_options *options, struct error *err)
{
    struct privilege unused;
    struct error notice;
    if (privilege_find(&unused, options->user, options->group, err) < 0 ||
        status_check(options, err) < 0 ||
        evecho_check(options->listeners, options->listener_count, &notice, err) < 0) {
        options_locate(options, err);
        return error_report(err, OPTIONS_PROGRAM);
    }
    if (error_is_set(&notice))
        (void)error_report(&notice, OPTIONS_PROGRAM);
    printf("configuration is right\n");
    return EXIT_CODE_OK;
}

/* Each TLS echo allocates and frees buffers. For every fifth, glibc returned the top of the heap to
 * the system and requested it again: page faults were half the cost of a 16 KiB echo. Both
 * thresholds are set, because setting one disables glibc's dynamic choice of the other
 * (mallopt(3)). */
static void keep_memory(void)
{
#ifdef HAVE_MALLOPT
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
#endif
}

static int serve(struct daemon_options *options, int argc, char **argv, struct error *err)
{
    block_signals();
    keep_memory();
    struct server *server = server_new(options, argc, argv, err);
    if (!server)
        return error_report(err, OPTIONS_PROGRAM);
    enum exit_code code = server_run(server);
    server_free(server);
    return (int)code;
}

static int run(const struct activation *activation, int argc, char **argv)
{
    struct error err = {0};
    struct daemon_options *options = calloc(1, sizeof(*options));
    if (!options)
        return EXIT_CODE_START;
    if (options_read(options, activation, argc, argv, &err) < 0) {
        free(options);
        return error_report(&err, OPTIONS_PROGRAM);
    }
    if (!options->help && !options->version && !options->check_config)
        return serve(options, argc, argv, &err);

    int code = EXIT_CODE_OK;
    if (options->help)
        options_print_help(options, stdout);
    else if (options->version)
        printf(OPTIONS_PROGRAM " " PACKAGE_VERSION " (libevent %s, %s)\n", event_get_version(),
               tls_library() ? tls_library() : "without TLS");
    else
        code = check(options, &err);
    int failure = standard_output_flush();
    if (failure && code == EXIT_CODE_OK) {
        error_system(&err, failure, "standard output");
        code = error_report(&err, OPTIONS_PROGRAM);
    }
    options_clear(options);
    free(options);
    return code;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct activation activation;
    standard_descriptors_open(O_RDWR);
    if (activation_read(&activation, &err) < 0)
        return error_report(&err, OPTIONS_PROGRAM);
    int code = run(&activation, argc, argv);
    activation_clear(&activation);
    return code;
}

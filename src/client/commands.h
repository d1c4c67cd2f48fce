/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands, one function each, called by main. Each prints its results and returns the exit
 * code: 0 all verified, 1 a mismatch or an error after connecting, 2 usage, 3 no connection, 4
 * interrupted twice, 5 nothing failed, but something could not be tried. */
#ifndef CLIENT_COMMANDS_H
#define CLIENT_COMMANDS_H

#include "client/options.h"

int cat_run(const struct client_options *options);
int ping_run(const struct client_options *options);
int bench_run(const struct client_options *options);
int check_run(const struct client_options *options);
int explain_run(const struct client_options *options);

#endif

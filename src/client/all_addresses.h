/* SPDX-License-Identifier: BSD-2-Clause */
/* --all-addresses: a command on each address of a name, one after the other. */
#ifndef CLIENT_ALL_ADDRESSES_H
#define CLIENT_ALL_ADDRESSES_H

#include "client/options.h"

/* Runs the command on each of the endpoint's addresses, says what became of them, and writes one
 * JSON document of all if --json asks for it. Returns the exit code of the whole. */
int all_addresses_run(const struct client_options *options, const char *command,
                      int (*run)(const struct client_options *options));

#endif

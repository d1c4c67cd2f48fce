/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CLIENT_UDP_PING_H
#define CLIENT_UDP_PING_H

#include "client/options.h"

/* evecho ping over udp://; returns the exit code. */
int udp_ping_run(const struct options *options);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* For which hosts' names the status endpoint answers. A web page from elsewhere, open in a browser
 * on this machine, can ask for a name of its own that leads to 127.0.0.1 (DNS rebinding), and would
 * read the answer. Its name gives it away.
 */
#ifndef DAEMON_STATUS_HOST_H
#define DAEMON_STATUS_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* True for "localhost", an address of loopback, or the endpoint's own host, with or without a port
 * (RFC 9110, 7.2); bytes as they came. */
bool status_host_is_ours(const char *host, size_t length, const char *own);

#endif

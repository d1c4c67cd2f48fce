/* SPDX-License-Identifier: BSD-2-Clause */
/* The host names for which the status endpoint answers. A foreign web page, open in a browser on
 * this machine, can request a name of its own that resolves to 127.0.0.1 (DNS rebinding), and could
 * read the answer. The Host field contains that name, so such requests are refused. */
#ifndef DAEMON_STATUS_HOST_H
#define DAEMON_STATUS_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* True for "localhost", a loopback address, or the endpoint's own host, with or without a port (RFC
 * 9110, 7.2). `host` holds unchecked bytes of the request. */
bool status_host_is_ours(const char *host, size_t length, const char *own);

#endif

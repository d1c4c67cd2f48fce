/* SPDX-License-Identifier: BSD-2-Clause */
/* Two connected TCP sockets: [0] is non-blocking, as in a service, [1] is its peer. */
#ifndef UNIT_TCP_PAIR_H
#define UNIT_TCP_PAIR_H

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void tcp_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    pair[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair[1], (struct sockaddr *)&address, length), 0);
    pair[0] = accept(listener, NULL, NULL);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    close(listener);
}

#endif

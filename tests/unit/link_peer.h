/* SPDX-License-Identifier: BSD-2-Clause */
/* The other end of a link, for the tests of links: a listening socket and its connections. */
#ifndef TESTS_LINK_PEER_H
#define TESTS_LINK_PEER_H

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/link.h"

#define LINK_PEER_MS 5000 /* a test that waits longer fails */

/* Listens on a free port of loopback, and makes a plan to connect to it. */
static inline int link_peer_listen(struct link_plan *plan)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&plan->target.address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    plan->target.length = sizeof(*address);
    assert_int_equal(bind(fd, (struct sockaddr *)address, plan->target.length), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &plan->target.length), 0);
    return fd;
}

/* Advances a link until it is open; the other end does nothing meanwhile. */
static inline void link_peer_open(struct link *link)
{
    enum link_step step = LINK_WAIT;
    short ready;
    while (step == LINK_WAIT) {
        assert_true(link_poll(link, 0, LINK_PEER_MS, -1, &ready) > 0);
        step = link_advance(link);
    }
    assert_int_equal(step, LINK_DONE);
}

/* Waits until the link may receive. */
static inline void link_peer_await(struct link *link)
{
    short ready;
    assert_true(link_poll(link, POLLIN, LINK_PEER_MS, -1, &ready) > 0);
}

#endif

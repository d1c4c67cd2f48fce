/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hand: opens listening sockets and passes them to a command as descriptors 3, 4, ...
 *
 *     hand [-m] ENDPOINT... -- COMMAND ARGUMENT...
 *
 * It works as a service manager does (sd_listen_fds(3)), with the same difficulties: the sockets
 * block, and an IPv6 socket serves IPv4 too. udp://ADDRESS:PORT is a bound datagram socket. With -m
 * the TCP sockets are Multipath TCP.
 */
#include <fcntl.h>

#include "wire.h"

#define FIRST_FD 3

static int open_listener(const char *endpoint, int protocol)
{
    struct wire_address addr;
    int fd, one = 1, is_udp = strncmp(endpoint, "udp://", 6) == 0;

    if (wire_address(endpoint, &addr) != 0)
        return -1;
    fd = socket(addr.sa.ss_family, is_udp ? SOCK_DGRAM : SOCK_STREAM,
                is_udp || addr.sa.ss_family == AF_UNIX ? 0 : protocol);
    if (!is_udp && addr.sa.ss_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&addr.sa, addr.len) != 0 || (!is_udp && listen(fd, 128) != 0))
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    char text[16];
    int i, protocol = 0;

    if (argc > 1 && strcmp(argv[1], "-m") == 0) {
        protocol = IPPROTO_MPTCP;
        argv++;
        argc--;
    }

    for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        int fd = open_listener(argv[i], protocol);

        if (fd < 0) {
            perror(argv[i]);
            return TOOL_NO_CONNECTION;
        }
        if (fd != FIRST_FD + i - 1) {
            dup2(fd, FIRST_FD + i - 1);
            close(fd);
        }
    }
    if (i + 1 >= argc)
        return TOOL_USAGE;
    snprintf(text, sizeof text, "%d", i - 1);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    execvp(argv[i + 1], argv + i + 1);
    perror(argv[i + 1]);
    return 127;
}

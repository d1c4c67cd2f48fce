/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/handshake.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX 16384 /* the kernel's messages are no longer than this */

static int send_request(int fd, uint8_t family, uint16_t port)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = 1U << TCP_SYN_RECV,
                    .id = {.idiag_sport = htons(port)}},
    };
    return send(fd, &message, sizeof(message), 0) == sizeof(message) ? 0 : -1;
}

/* Reads the answer to its end; otherwise the kernel would refuse the next request. */
static enum handshakes read_answer(int fd)
{
    alignas(struct nlmsghdr) char answer[ANSWER_MAX];
    enum handshakes found = HANDSHAKES_NONE;
    for (;;) {
        ssize_t bytes = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
        if (bytes <= 0)
            return HANDSHAKES_UNKNOWN;
        unsigned rest = (unsigned)bytes;
        const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)answer;
        for (; NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
            if (header->nlmsg_type == NLMSG_DONE)
                return found;
            if (header->nlmsg_type == NLMSG_ERROR)
                return HANDSHAKES_UNKNOWN;
            found = HANDSHAKES_SOME;
        }
    }
}

enum handshakes handshake_look(int fd, int family, uint16_t port)
{
    return send_request(fd, (uint8_t)family, port) == 0 ? read_answer(fd) : HANDSHAKES_UNKNOWN;
}

int handshake_open(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/udp_error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
/* After those of the C library. */
#include <linux/errqueue.h>

#include "client/failure.h"
#include "client/outcome.h"
#include "client/symptom.h"

#define CONTROL_BYTES 512

void udp_error_enable(int fd, int family)
{
    const int on = 1;
    if (family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
    else
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

static struct udp_error read_control(const struct cmsghdr *header)
{
    struct {
        struct sock_extended_err error;
        struct sockaddr_storage offender; /* SO_EE_OFFENDER of ip(7) */
    } told = {0};
    size_t length = header->cmsg_len - CMSG_LEN(0);
    memcpy(&told, CMSG_DATA(header), length < sizeof(told) ? length : sizeof(told));
    struct udp_error result = {.error = (int)told.error.ee_errno};
    if (told.error.ee_errno == EMSGSIZE)
        result.mtu = told.error.ee_info;
    if (told.error.ee_origin != SO_EE_ORIGIN_LOCAL)
        result.from = address_from_sockaddr((const struct sockaddr *)&told.offender);
    return result;
}

struct udp_error udp_error_take(int fd, int error)
{
    struct udp_error result = {.error = error};
    union {
        struct cmsghdr header;
        char bytes[CONTROL_BYTES];
    } control;
    for (;;) {
        char byte;
        struct iovec iov = {&byte, sizeof(byte)};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return result;
        for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
            bool is_error = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR) ||
                            (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR);
            if (is_error)
                result = read_control(at);
        }
    }
}

const char *udp_error_text(const struct udp_error *error, char *out, size_t size)
{
    char mtu[64] = "", from[INET6_ADDRSTRLEN] = "";
    if (error->from.family)
        (void)inet_ntop(error->from.family, error->from.bytes, from, sizeof(from));
    if (error->mtu)
        snprintf(mtu, sizeof(mtu), ": the path's MTU is %u bytes", (unsigned)error->mtu);
    snprintf(out, size, "%s%s%s%s", strerror(error->error), mtu, *from ? ", says " : "", from);
    return out;
}

const char *udp_error_symptom(const struct udp_error *error)
{
    return symptom_for(
        &(struct failure){.how = ending_of_errno(error->error), .is_datagram = true});
}

json_t *udp_error_json(const struct udp_error *error, const char *target)
{
    char text[UDP_ERROR_TEXT_MAX];
    json_t *object = json_object();
    (void)json_object_set_new(object, "class",
                              json_string(outcome_word(outcome_of_errno(error->error))));
    moment_add_json(object, &error->when);
    symptom_add_json(object, udp_error_symptom(error));
    (void)json_object_set_new(
        object, "text", json_sprintf("%s: %s", target, udp_error_text(error, text, sizeof(text))));
    return object;
}

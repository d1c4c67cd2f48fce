/* SPDX-License-Identifier: BSD-2-Clause */
/* The network's errors about sent datagrams: ICMP messages, from IP_RECVERR and IPV6_RECVERR of
 * ip(7) and ipv6(7), with their sender and the MTU of a path that is too small. */
#ifndef CLIENT_UDP_ERROR_H
#define CLIENT_UDP_ERROR_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "client/moment.h"
#include "net/address.h"

struct udp_error {
    int error;           /* errno; 0: nothing was said */
    struct address from; /* the host or router that said it; its family is 0: this machine */
    uint32_t mtu;        /* EMSGSIZE: bytes of the largest packet that passes; 0: unknown */
    struct moment when;  /* set by who took it */
};

/* Makes send(2) and recv(2) of a socket fail with the network's errors. From then on poll(2)
 * reports POLLERR until udp_error_take() is called. */
void udp_error_enable(int fd, int family);

/* The error of a failed send or recv, with all its details except ->when. Empties the socket's
 * error queue. */
struct udp_error udp_error_take(int fd, int error);

/* "No route to host, says 192.0.2.1"; returns `out`. */
#define UDP_ERROR_TEXT_MAX 160
const char *udp_error_text(const struct udp_error *error, char *out, size_t size);

/* The entry of symptom.h for it, or NULL. */
const char *udp_error_symptom(const struct udp_error *error);

/* As failure_json(): an object with "class", "text", "symptom" and moment.h's. */
json_t *udp_error_json(const struct udp_error *error, const char *target);

#endif

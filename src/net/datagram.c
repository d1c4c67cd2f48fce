/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/datagram.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/sock_option.h"

/* Each place starts one cache line further on: at a distance of exactly 64 KiB the first lines of
 * all datagrams would compete for one set of the cache. */
#define CACHE_LINE 64

/* The address in its IPv4 and IPv6 forms (a dual-stack socket reports both), and the drop count. */
#define CONTROL_IN_BYTES                                                              \
    (CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo)) + \
     CMSG_SPACE(sizeof(uint32_t)))
#define CONTROL_OUT_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

/* The largest run that the kernel splits into datagrams: UDP_MAX_SEGMENTS on every kernel that
 * supports it, and no more bytes than one IPv4 packet holds. */
#define SEGMENTS_MAX 64
#define SEGMENTED_BYTES_MAX 65000
/* If the kernel refuses to split even segments of this size, it refuses all: this fits the smallest
 * MTU of IPv6. */
#define SEGMENT_BYTES_SURE 1200

_Static_assert(DATAGRAM_BATCH <= SEGMENTS_MAX, "a run would have too many segments");

/* The control messages of one place of a batch. */
struct control_place {
    struct datagram datagram;
    struct sockaddr_storage peer;
    struct iovec iov;
    _Alignas(struct cmsghdr) char in[CONTROL_IN_BYTES];
    _Alignas(struct cmsghdr) char out[CONTROL_OUT_BYTES];
    size_t out_length;
};

struct datagram_batch {
    struct mmsghdr received[DATAGRAM_BATCH];
    struct mmsghdr runs[DATAGRAM_BATCH]; /* runs of answers, for one sendmmsg(2) */
    int run_counts[DATAGRAM_BATCH];      /* the number of answers in each run */
    struct iovec parts[DATAGRAM_BATCH];  /* the answers' bytes, in order */
    struct control_place places[DATAGRAM_BATCH];
    size_t bytes_max;
    size_t segment_max;           /* the largest answer that may be part of a run */
    int answered[DATAGRAM_BATCH]; /* the place of each answer */
    int answer_count, answer_first;
    uint32_t kernel_drops;
    unsigned char *memory;
};

/* ---- the socket ---- */

void datagram_let_fragment(int fd, int family)
{
    /* IPv4: without DF, a router fragments packets that are too large for its next hop. */
    sock_option_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    /* IPv6: routers do not fragment, so the sender must, to the size that every link carries (RFC
     * 8200, 5). If a datagram fits the interface's MTU, Linux does not fragment it before it
     * receives a Packet Too Big. */
    if (family == AF_INET6)
        sock_option_set(fd, IPPROTO_IPV6, IPV6_MTU, DATAGRAM_IPV6_MTU);
}

void datagram_set_options(int fd, int family)
{
    /* With CAP_NET_ADMIN this may exceed the system's limit. */
    sock_option_set(fd, SOL_SOCKET, SO_RCVBUF, DATAGRAM_ROOM_BYTES);
    sock_option_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, DATAGRAM_ROOM_BYTES);
    sock_option_set(fd, SOL_SOCKET, SO_SNDBUF, DATAGRAM_ROOM_BYTES);
    sock_option_set(fd, SOL_SOCKET, SO_SNDBUFFORCE, DATAGRAM_ROOM_BYTES);
    sock_option_set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    sock_option_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    datagram_let_fragment(fd, family);
    if (family == AF_INET6)
        sock_option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

int datagram_open(const struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t length = address_to_sockaddr(address, &storage);
    int fd = socket(address->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (address->family == AF_INET6)
        sock_option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    datagram_set_options(fd, address->family);
    if (bind(fd, (struct sockaddr *)&storage, length) < 0) {
        int failure = errno;
        close(fd);
        return -failure;
    }
    return fd;
}

size_t datagram_room(int fd)
{
    int room = 0;
    socklen_t length = sizeof(room);
    /* The kernel doubles the value, for its own overhead (socket(7)). */
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &length) == 0 ? (size_t)room / 2 : 0;
}

uint32_t datagram_drops(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof(memory);
    (void)getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length);
    return memory[SK_MEMINFO_DROPS];
}

/* ---- batches ---- */

struct datagram_batch *datagram_batch_new(size_t bytes_max)
{
    struct datagram_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    size_t distance = bytes_max + CACHE_LINE;
    batch->bytes_max = bytes_max;
    batch->segment_max = SEGMENTED_BYTES_MAX / 2;
    batch->memory = malloc(DATAGRAM_BATCH * distance);
    if (!batch->memory) {
        free(batch);
        return NULL;
    }
    for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
        struct control_place *place = &batch->places[i];
        place->datagram.bytes = batch->memory + i * distance;
        place->iov.iov_base = place->datagram.bytes;
        batch->received[i].msg_hdr = (struct msghdr){.msg_name = &place->peer,
                                                     .msg_iov = &place->iov,
                                                     .msg_iovlen = 1,
                                                     .msg_control = place->in};
    }
    return batch;
}

void datagram_batch_free(struct datagram_batch *batch)
{
    if (!batch)
        return;
    free(batch->memory);
    free(batch);
}

static struct cmsghdr *begin_control(struct control_place *place, int level, int type,
                                     size_t length)
{
    struct cmsghdr *header = (struct cmsghdr *)(void *)place->out;
    *header =
        (struct cmsghdr){.cmsg_len = CMSG_LEN(length), .cmsg_level = level, .cmsg_type = type};
    place->out_length = CMSG_SPACE(length);
    return header;
}

/* Reads the address that an IPv4 datagram was sent to, and the one to answer from. They are the
 * same except for broadcast and multicast, for which the kernel provides one of this host's
 * addresses (ip(7): ipi_spec_dst). On an inherited socket, a datagram received before IP_PKTINFO
 * was set has no such address: then only the globally defined broadcast and multicast addresses are
 * recognized; the kernel sends nothing from a network's own broadcast address. */
static void take_ipv4(struct control_place *place, const struct cmsghdr *header)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(header), sizeof(info));
    bool is_offered = info.ipi_spec_dst.s_addr != htonl(INADDR_ANY);
    bool is_many_everywhere = IN_MULTICAST(ntohl(info.ipi_addr.s_addr)) ||
                              info.ipi_addr.s_addr == htonl(INADDR_BROADCAST);
    place->datagram.is_to_many =
        is_offered ? info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr : is_many_everywhere;
    info.ipi_spec_dst = is_offered ? info.ipi_spec_dst : info.ipi_addr;
    place->datagram.local = (struct address){.family = AF_INET};
    memcpy(place->datagram.local.bytes, &info.ipi_addr, sizeof(info.ipi_addr));
    if (place->peer.ss_family != AF_INET)
        return;           /* on an IPv6 socket the answer uses the IPv6 form */
    info.ipi_ifindex = 0; /* the routing table chooses the interface */
    memcpy(CMSG_DATA(begin_control(place, IPPROTO_IP, IP_PKTINFO, sizeof(info))), &info,
           sizeof(info));
}

static void take_ipv6(struct control_place *place, const struct cmsghdr *header)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(header), sizeof(info));
    struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr};
    bool is_link_local = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr);
    place->datagram.local = address_from_sockaddr((const struct sockaddr *)&local);
    place->datagram.is_to_many |= IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
    if (!is_link_local)
        info.ipi6_ifindex = 0;
    memcpy(CMSG_DATA(begin_control(place, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(info))), &info,
           sizeof(info));
}

static void take_control(struct datagram_batch *batch, struct control_place *place,
                         struct msghdr *header)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO)
            take_ipv4(place, at);
        else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO)
            take_ipv6(place, at);
        else if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_RXQ_OVFL)
            memcpy(&batch->kernel_drops, CMSG_DATA(at), sizeof(batch->kernel_drops));
    }
}

static void take_datagram(struct datagram_batch *batch, int index)
{
    struct control_place *place = &batch->places[index];
    struct msghdr *header = &batch->received[index].msg_hdr;
    place->datagram.length = batch->received[index].msg_len;
    place->datagram.peer = address_from_sockaddr((const struct sockaddr *)&place->peer);
    place->datagram.local = (struct address){0};
    place->datagram.is_to_many = false;
    place->datagram.is_truncated = header->msg_flags & MSG_TRUNC;
    place->out_length = 0;
    take_control(batch, place, header);
}

int datagram_receive(struct datagram_batch *batch, int fd)
{
    for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
        struct msghdr *header = &batch->received[i].msg_hdr;
        header->msg_namelen = sizeof(batch->places[i].peer);
        header->msg_controllen = sizeof(batch->places[i].in);
        batch->places[i].iov.iov_len = batch->bytes_max;
    }
    batch->answer_count = batch->answer_first = 0;
    int count = recvmmsg(fd, batch->received, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++)
        take_datagram(batch, i);
    return count;
}

const struct datagram *datagram_at(const struct datagram_batch *batch, int index)
{
    return &batch->places[index].datagram;
}

uint32_t datagram_kernel_drops(const struct datagram_batch *batch)
{
    return batch->kernel_drops;
}

void datagram_answer(struct datagram_batch *batch, int index, size_t length)
{
    batch->parts[batch->answer_count] = (struct iovec){batch->places[index].datagram.bytes, length};
    batch->answered[batch->answer_count++] = index;
}

int datagram_unsent(const struct datagram_batch *batch)
{
    return batch->answer_count - batch->answer_first;
}

/* ---- runs of answers ---- */

static struct control_place *place_of(struct datagram_batch *batch, int answer)
{
    return &batch->places[batch->answered[answer]];
}

/* True if both answers go to the same peer from the same address. */
static bool is_same_way(struct datagram_batch *batch, int one, int other)
{
    const struct control_place *a = place_of(batch, one), *b = place_of(batch, other);
    return address_is_same_host(&a->datagram.peer, &b->datagram.peer) &&
           a->datagram.peer.port == b->datagram.peer.port && a->out_length == b->out_length &&
           memcmp(a->out, b->out, a->out_length) == 0;
}

/* The number of answers from `first` on that can be one run: all as long as the first, except the
 * last, which may be shorter (udp(7): UDP_SEGMENT). */
static int run_length(struct datagram_batch *batch, int first)
{
    size_t size = batch->parts[first].iov_len, total = size;
    int end = first + 1;
    if (size == 0 || size > batch->segment_max)
        return 1;
    while (end < batch->answer_count) {
        size_t length = batch->parts[end].iov_len;
        if (length == 0 || length > size || total + length > SEGMENTED_BYTES_MAX ||
            !is_same_way(batch, first, end))
            break;
        total += length;
        end++;
        if (length < size)
            break;
    }
    return end - first;
}

/* Fills one message: a datagram, or a run that the kernel splits. */
static void write_run(struct datagram_batch *batch, struct mmsghdr *run, int first, int count)
{
    struct control_place *place = place_of(batch, first);
    size_t length = place->out_length;
    if (count > 1) {
        uint16_t size = (uint16_t)batch->parts[first].iov_len;
        struct cmsghdr *header = (struct cmsghdr *)(void *)(place->out + length);
        *header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(size)), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
        memcpy(CMSG_DATA(header), &size, sizeof(size));
        length += CMSG_SPACE(sizeof(size));
    }
    run->msg_hdr =
        (struct msghdr){.msg_name = &place->peer,
                        .msg_namelen = batch->received[batch->answered[first]].msg_hdr.msg_namelen,
                        .msg_iov = &batch->parts[first],
                        .msg_iovlen = (size_t)count,
                        .msg_control = length ? place->out : NULL,
                        .msg_controllen = length};
}

/* Groups all queued answers into runs. Returns the number of runs. */
static int form_runs(struct datagram_batch *batch)
{
    int runs = 0;
    for (int first = batch->answer_first; first < batch->answer_count; runs++) {
        batch->run_counts[runs] = run_length(batch, first);
        write_run(batch, &batch->runs[runs], first, batch->run_counts[runs]);
        first += batch->run_counts[runs];
    }
    return runs;
}

/* True if the kernel refused to split a run: it does so if a segment exceeds the path MTU or if
 * checksums cannot be offloaded, and before Linux 4.18 always. From then on such answers are sent
 * one by one. */
static bool is_uncut(struct datagram_batch *batch, int failure)
{
    size_t size = batch->parts[batch->answer_first].iov_len;
    if (batch->run_counts[0] == 1 || (failure != EINVAL && failure != EMSGSIZE && failure != EIO))
        return false;
    batch->segment_max = size > SEGMENT_BYTES_SURE && failure != EIO ? size - 1 : 0;
    return true;
}

int datagram_send(struct datagram_batch *batch, int fd, uint64_t *bytes)
{
    int sent;
    do
        sent = sendmmsg(fd, batch->runs, (unsigned)form_runs(batch), MSG_DONTWAIT);
    while (sent < 0 && is_uncut(batch, errno));
    if (sent < 0)
        return -errno;
    int before = batch->answer_first;
    for (int i = 0; i < sent; i++) {
        *bytes += batch->runs[i].msg_len;
        batch->answer_first += batch->run_counts[i];
    }
    return batch->answer_first - before;
}

const struct datagram *datagram_first_unsent(const struct datagram_batch *batch)
{
    return &batch->places[batch->answered[batch->answer_first]].datagram;
}

void datagram_skip(struct datagram_batch *batch)
{
    batch->answer_first++;
}

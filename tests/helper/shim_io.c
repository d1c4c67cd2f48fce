/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim_io: a preloaded library that makes reads and writes short or transiently fail, by a seed.
 *
 * Reads and writes on stream sockets are short, or fail with EAGAIN or EINTR. The system may do
 * this at any time, but rarely does on an idle machine. A short call really moves that many bytes.
 * Other descriptors are not affected.
 *
 *     SHIM_SEED=N     seed of the sequence (default 1)
 *     SHIM_RATE=N     how many of 100 calls are disturbed (default 50)
 *     SHIM_MOST=N     a short call moves 1 to N bytes (default 997)
 *     SHIM_REPORT=F   at exit, "short=N eagain=N eintr=N calls=N" is written to F
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define IOV_ROOM 256

enum verdict { LEAVE, SHORTEN, FAIL };

static struct {
    uint64_t seed;
    unsigned rate, most;
    int report; /* opened at the start: the sandbox forbids it later */
    _Atomic uint64_t calls, shorts, eagains, eintrs;
} shim;

#define REAL(name) static __typeof__(name) *real_##name
REAL(read);
REAL(readv);
REAL(recv);
REAL(recvfrom);
REAL(recvmsg);
REAL(write);
REAL(writev);
REAL(send);
REAL(sendto);
REAL(sendmsg);
REAL(splice);

static void *find(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void shim_start(void)
{
    if (real_read != NULL)
        return;
    real_readv = find("readv");
    real_recv = find("recv");
    real_recvfrom = find("recvfrom");
    real_recvmsg = find("recvmsg");
    real_write = find("write");
    real_writev = find("writev");
    real_send = find("send");
    real_sendto = find("sendto");
    real_sendmsg = find("sendmsg");
    real_splice = find("splice");
    shim.seed = number_from("SHIM_SEED", 1);
    shim.rate = (unsigned)number_from("SHIM_RATE", 50);
    shim.most = (unsigned)number_from("SHIM_MOST", 997);
    shim.report = getenv("SHIM_REPORT") != NULL
                      ? open(getenv("SHIM_REPORT"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
                      : -1;
    real_read = find("read");
}

__attribute__((destructor)) static void shim_end(void)
{
    if (shim.report < 0)
        return;
    dprintf(shim.report, "short=%llu eagain=%llu eintr=%llu calls=%llu\n",
            (unsigned long long)shim.shorts, (unsigned long long)shim.eagains,
            (unsigned long long)shim.eintrs, (unsigned long long)shim.calls);
    close(shim.report);
}

static bool is_stream_socket(int fd)
{
    int type = 0, saved = errno;
    socklen_t len = sizeof type;
    bool is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;

    errno = saved;
    return is;
}

/* Decides the result of this call; reduces *len if it shall be short. */
static enum verdict judge(int fd, size_t *len)
{
    uint64_t z, call;

    shim_start();
    if (*len == 0 || !is_stream_socket(fd))
        return LEAVE;
    call = atomic_fetch_add(&shim.calls, 1);
    z = shim.seed * 0x9e3779b97f4a7c15u + call * 0xd1b54a32d192ed03u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    if (z % 100 >= shim.rate)
        return LEAVE;
    z /= 100;
    switch (z % 4) {
    case 0:
        atomic_fetch_add(&shim.eagains, 1);
        errno = EAGAIN;
        return FAIL;
    case 1:
        atomic_fetch_add(&shim.eintrs, 1);
        errno = EINTR;
        return FAIL;
    default:
        z = 1 + z / 4 % shim.most;
        if (z >= *len)
            return LEAVE;
        atomic_fetch_add(&shim.shorts, 1);
        *len = z;
        return SHORTEN;
    }
}

static size_t iov_length(const struct iovec *iov, int count)
{
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    return len;
}

/* The same vector, cut to `len` bytes; returns its count. */
static int iov_cut(struct iovec *to, const struct iovec *iov, int count, size_t len)
{
    int n = 0;

    for (; n < count && n < IOV_ROOM && len > 0; n++) {
        to[n] = iov[n];
        if (to[n].iov_len > len)
            to[n].iov_len = len;
        len -= to[n].iov_len;
    }
    return n;
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    return judge(fd, &len) == FAIL ? -1 : real_read(fd, buf, len);
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    return judge(fd, &len) == FAIL ? -1 : real_recv(fd, buf, len, flags);
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
                        socklen_t *from_len)
{
    return judge(fd, &len) == FAIL ? -1 : real_recvfrom(fd, buf, len, flags, from, from_len);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    return judge(fd, &len) == FAIL ? -1 : real_write(fd, buf, len);
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    return judge(fd, &len) == FAIL ? -1 : real_send(fd, buf, len, flags);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t to_len)
{
    return judge(fd, &len) == FAIL ? -1 : real_sendto(fd, buf, len, flags, to, to_len);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
    struct iovec cut[IOV_ROOM];
    size_t len = iov_length(iov, count);
    enum verdict v = judge(fd, &len);

    if (v == FAIL)
        return -1;
    return v == LEAVE ? real_readv(fd, iov, count)
                      : real_readv(fd, cut, iov_cut(cut, iov, count, len));
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
    struct iovec cut[IOV_ROOM];
    size_t len = iov_length(iov, count);
    enum verdict v = judge(fd, &len);

    if (v == FAIL)
        return -1;
    return v == LEAVE ? real_writev(fd, iov, count)
                      : real_writev(fd, cut, iov_cut(cut, iov, count, len));
}

static enum verdict judge_msg(int fd, const struct msghdr *msg, struct msghdr *cut,
                              struct iovec *room)
{
    size_t len = iov_length(msg->msg_iov, (int)msg->msg_iovlen);
    enum verdict v = judge(fd, &len);

    *cut = *msg;
    if (v == SHORTEN) {
        cut->msg_iov = room;
        cut->msg_iovlen = (size_t)iov_cut(room, msg->msg_iov, (int)msg->msg_iovlen, len);
    }
    return v;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct iovec room[IOV_ROOM];
    struct msghdr cut;
    struct iovec *iov = msg->msg_iov;
    size_t iovlen = msg->msg_iovlen;
    ssize_t n;

    if (judge_msg(fd, msg, &cut, room) == FAIL)
        return -1;
    n = real_recvmsg(fd, &cut, flags);
    *msg = cut;
    msg->msg_iov = iov;
    msg->msg_iovlen = iovlen;
    return n;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct iovec room[IOV_ROOM];
    struct msghdr cut;

    return judge_msg(fd, msg, &cut, room) == FAIL ? -1 : real_sendmsg(fd, &cut, flags);
}

EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    int fd = is_stream_socket(in) ? in : out;

    return judge(fd, &len) == FAIL ? -1 : real_splice(in, in_at, out, out_at, len, flags);
}

/* The calls of a fortified build. */
/* The names of read and recv if _FORTIFY_SOURCE knows the buffer; no header declares them. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    (void)room;
    return read(fd, buf, len);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
    (void)room;
    return recv(fd, buf, len, flags);
}

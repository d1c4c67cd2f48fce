/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lockfile.h"
#include "net/address.h"
#include "net/datagram.h"
#include "net/sock_option.h"

/* The unsent bytes that the kernel may buffer for a slow reader (TCP_NOTSENT_LOWAT), in addition to
 * our own buffer. Bytes in flight are not limited by it, so no path becomes slower. Without it the
 * kernel accepts 4 MiB and more before a sender is stopped. Meanwhile the receive buffer grows to
 * the limit of tcp_rmem, and a client that never reads may have sent 40 MB. (A fixed SO_RCVBUF does
 * not help: if both directions are full, the kernel drops the data that arrives with the ACKs, and
 * transfers stall for seconds.) */
#define UNSENT_BYTES (512 * 1024)

/* The lock file beside a Unix socket's path while a start binds it, and how long to wait for
 * another start. */
#define LOCK_WAIT_MS 5000

/* Port 0 means one free port for all addresses: the number of ports to try. */
#define PORT_TRIES 32

static void set_keepalive(int fd, uint64_t keepalive_ms)
{
    sock_option_set(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive_ms > 0);
    if (keepalive_ms == 0)
        return;
    sock_option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)((keepalive_ms + 999) / 1000));
    sock_option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, SOCK_KEEPALIVE_INTERVAL_S);
    sock_option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, SOCK_KEEPALIVE_PROBES);
}

/* On a listening socket: accepted sockets inherit them on Linux, which saves seven system calls a
 * connection. On an accepted socket: for options that it did not inherit. */
static void set_stream_options(int fd, uint64_t keepalive_ms)
{
    sock_option_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    set_keepalive(fd, keepalive_ms);
    sock_option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    sock_option_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
}

/* SO_OOBINLINE leaves an urgent byte in its place. A Unix socket does not inherit it; without it
 * MSG_PEEK would skip that byte and return another length than the read that follows. */
void sock_set_accepted(const struct sock_listening *listening, int fd, uint64_t keepalive_ms)
{
    if (listening->is_unix)
        sock_option_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
    else if (listening->is_inherited)
        set_stream_options(fd, keepalive_ms);
    else if (listening->keepalive_ms != keepalive_ms)
        set_keepalive(fd, keepalive_ms);
}

int sock_family(const struct sock_listening *listening)
{
    int family = 0;
    socklen_t length = sizeof(family);
    (void)getsockopt(listening->fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
    return family;
}

enum endpoint_kind sock_kind(const struct sock_listening *listening)
{
    return listening->is_datagram ? ENDPOINT_UDP
           : listening->is_unix   ? ENDPOINT_UNIX
                                  : ENDPOINT_TCP;
}

/* ---- TCP ---- */

/* Binds and listens; returns the descriptor or -errno. */
static int listen_tcp_once(const struct address *address, const struct sock_options *options)
{
    struct sockaddr_storage storage;
    socklen_t length = address_to_sockaddr(address, &storage);
    int fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    sock_option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address->family == AF_INET6)
        sock_option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_stream_options(fd, options->keepalive_ms);
    if (bind(fd, (struct sockaddr *)&storage, length) < 0 || listen(fd, options->backlog) < 0) {
        int failure = errno;
        close(fd);
        return -failure;
    }
    return fd;
}

static struct address address_of(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof(storage);
    (void)getsockname(fd, (struct sockaddr *)&storage, &length);
    return address_from_sockaddr((struct sockaddr *)&storage);
}

static bool is_missing_family(int failure)
{
    return failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL;
}

static void name_inet(struct sock_listening *listening, enum endpoint_kind kind,
                      const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    snprintf(listening->name, sizeof(listening->name), "%s://%s", endpoint_scheme(kind),
             address_format(text, sizeof(text), address));
    listening->port = address->port;
    listening->is_datagram = kind == ENDPOINT_UDP;
}

/* Tries all addresses once. Returns the number of opened sockets, or -errno with *failed set to the
 * address that failed. */
static int listen_inet_all(enum endpoint_kind kind, struct address *addresses, int count,
                           const struct sock_options *options, struct sock_listening *out,
                           int *failed, struct error *notice)
{
    int opened = 0, missing = 0;
    uint16_t port = addresses[0].port;
    for (int i = 0; i < count; i++) {
        addresses[i].port = port;
        int fd = kind == ENDPOINT_UDP ? datagram_open(&addresses[i])
                                      : listen_tcp_once(&addresses[i], options);
        *failed = i;
        if (fd < 0 && is_missing_family(-fd) && missing + 1 < count) {
            char text[ADDRESS_TEXT_MAX];
            error_system(notice, -fd, "%s://%s is left out", endpoint_scheme(kind),
                         address_format(text, sizeof(text), &addresses[i]));
            missing++;
            continue;
        }
        if (fd < 0) {
            while (opened > 0)
                close(out[--opened].fd);
            return fd;
        }
        struct address bound = address_of(fd);
        port = bound.port;
        out[opened] = (struct sock_listening){.fd = fd, .keepalive_ms = options->keepalive_ms};
        name_inet(&out[opened++], kind, &bound);
    }
    return opened;
}

/* Advice for a failed bind(2), or NULL. */
static const char *bind_hint(int failure)
{
    switch (failure) {
    case EADDRINUSE:
        return "another socket has that port: ss -lntup shows which process";
    case EACCES:
        return "a port below 1024 (net.ipv4.ip_unprivileged_port_start) needs root, the capability "
               "CAP_NET_BIND_SERVICE, or a service manager that passes the socket";
    case EADDRNOTAVAIL:
        return "no interface of this machine has that address: ip address lists them";
    default:
        return NULL;
    }
}

static int listen_inet(const struct endpoint *endpoint, const struct sock_options *options,
                       struct sock_listening *out, struct error *notice, struct error *err)
{
    struct address addresses[ADDRESS_RESOLVED_MAX];
    int count = address_resolve(endpoint->host, endpoint->port, addresses, err);
    if (count < 0)
        return -1;
    int opened, failed = 0;
    for (int tries = 0;; tries++) {
        addresses[0].port = endpoint->port;
        opened = listen_inet_all(endpoint->kind, addresses, count, options, out, &failed, notice);
        /* A port that is free in one family may be in use in the other: try another port. */
        if (opened != -EADDRINUSE || endpoint->port != 0 || tries == PORT_TRIES)
            break;
    }
    if (opened < 0) {
        char text[ADDRESS_TEXT_MAX];
        error_system(err, -opened, "cannot listen on %s://%s", endpoint_scheme(endpoint->kind),
                     address_format(text, sizeof(text), &addresses[failed]));
        return error_hint(err, bind_hint(-opened));
    }
    return opened;
}

/* ---- Unix ---- */

socklen_t sock_unix_address(const struct endpoint *endpoint, struct sockaddr_un *out)
{
    size_t length = strlen(endpoint->path);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path + (endpoint->is_abstract ? 1 : 0), endpoint->path, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

/* True if the path is a socket without a listener: only then may it be removed. */
static bool is_stale(const struct sockaddr_un *sockaddr, socklen_t length)
{
    struct stat status;
    if (lstat(sockaddr->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int result = connect(fd, (const struct sockaddr *)sockaddr, length);
    int failure = errno;
    close(fd);
    errno = result < 0 && failure != EAGAIN ? failure : EADDRINUSE;
    return result < 0 && failure == ECONNREFUSED;
}

static int bind_unix(int fd, const struct endpoint *endpoint, const struct sock_options *options)
{
    struct sockaddr_un sockaddr;
    socklen_t length = sock_unix_address(endpoint, &sockaddr);
    /* The umask gives the path its final permissions from the start. */
    mode_t umask_before = umask(0777 & ~options->mode);
    int result = bind(fd, (struct sockaddr *)&sockaddr, length);
    if (result < 0 && errno == EADDRINUSE && !endpoint->is_abstract &&
        is_stale(&sockaddr, length) && unlink(sockaddr.sun_path) == 0)
        result = bind(fd, (struct sockaddr *)&sockaddr, length);
    int failure = errno;
    umask(umask_before);
    errno = failure;
    return result;
}

static bool is_own_path(const struct sock_listening *listening)
{
    struct stat status;
    return listening->path[0] && lstat(listening->path, &status) == 0 &&
           status.st_dev == listening->path_device && status.st_ino == listening->path_inode &&
           status.st_mtim.tv_sec == listening->path_made.tv_sec &&
           status.st_mtim.tv_nsec == listening->path_made.tv_nsec;
}

/* Returns 0, or -errno if the path remains. */
static int remove_path(struct sock_listening *listening)
{
    if (is_own_path(listening) && unlink(listening->path) < 0)
        return -errno;
    listening->path[0] = '\0';
    return 0;
}

/* Binds and listens: before listen(2) the socket would look stale. Returns 0 or -1. */
static int bind_and_listen(const struct endpoint *endpoint, const struct sock_options *options,
                           struct sock_listening *out, struct error *err)
{
    if (bind_unix(out->fd, endpoint, options) < 0) {
        error_system(err, errno, "cannot listen on %s", out->name);
        return error_hint(err, err->number == EEXIST       ? "it is not a socket"
                               : err->number == EADDRINUSE ? "somebody answers on it"
                                                           : NULL);
    }
    struct stat status;
    if (!endpoint->is_abstract && lstat(endpoint->path, &status) == 0) {
        memcpy(out->path, endpoint->path, sizeof(out->path));
        out->path_device = status.st_dev;
        out->path_inode = status.st_ino;
        out->path_made = status.st_mtim;
    }
    if (listen(out->fd, options->backlog) == 0)
        return 0;
    error_system(err, errno, "cannot listen on %s", out->name);
    (void)remove_path(out);
    return -1;
}

/* Between the check for a stale path and its removal, another start could bind its own socket
 * there, and between bind(2) and listen(2) that socket would look stale too. So a lock file beside
 * the path admits one start at a time. (A lock on the directory does not help: any user who can
 * read it could hold that lock for ever.) */
static int bind_locked(const struct endpoint *endpoint, const struct sock_options *options,
                       struct sock_listening *out, struct error *err)
{
    char path[ENDPOINT_PATH_MAX + 16];
    int lock = lockfile_name(endpoint->path, path, sizeof(path));
    if (lock == 0)
        lock = lockfile_open(path, LOCK_WAIT_MS);
    if (lock < 0)
        return error_start(err, "cannot listen on %s: cannot lock it by '%s': %s", out->name, path,
                           lockfile_reason(-lock));
    int result = bind_and_listen(endpoint, options, out, err);
    (void)unlink(path);
    close(lock);
    return result;
}

static int listen_unix(const struct endpoint *endpoint, const struct sock_options *options,
                       struct sock_listening *out, struct error *err)
{
    *out = (struct sock_listening){.is_unix = true};
    snprintf(out->name, sizeof(out->name), "unix:%s%s", endpoint->is_abstract ? "@" : "",
             endpoint->path);
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0)
        return error_system(err, errno, "cannot listen on %s", out->name);
    int result = endpoint->is_abstract ? bind_and_listen(endpoint, options, out, err)
                                       : bind_locked(endpoint, options, out, err);
    if (result == 0)
        return 1;
    close(out->fd);
    return -1;
}

/* ---- inherited ---- */

static void name_unix(struct sock_listening *listening, const struct sockaddr_un *sockaddr,
                      socklen_t length)
{
    size_t header = offsetof(struct sockaddr_un, sun_path);
    size_t bytes = length > header ? length - header : 0;
    bool is_abstract = bytes > 0 && sockaddr->sun_path[0] == '\0';
    snprintf(listening->name, sizeof(listening->name), "unix:%s%.*s", is_abstract ? "@" : "",
             (int)bytes - is_abstract, sockaddr->sun_path + is_abstract);
}

static bool is_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
}

/* Accepts a bound UDP socket or a listening stream socket. Returns 0 or -1. */
static int check_fd(int fd, bool *is_datagram, struct error *err)
{
    int is_accepting = 0, type = 0, domain = 0;
    socklen_t length = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_accepting, &length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
        return error_system(err, errno, "cannot listen on fd:%d", fd);
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return error_start(err, "cannot listen on fd:%d: it is neither of TCP, Unix nor UDP", fd);
    *is_datagram = type == SOCK_DGRAM && domain != AF_UNIX && address_of(fd).port != 0;
    if (!*is_datagram && (!is_accepting || type != SOCK_STREAM))
        return error_start(err, "cannot listen on fd:%d: it is not a listening stream socket%s", fd,
                           is_connected(fd) ? " but one connection; inetd passes the listening one "
                                              "with `wait', systemd with Accept=no"
                                            : ", nor a bound UDP socket");
    return 0;
}

/* Its backlog and its path belong to the process that opened it. */
static int adopt_fd(int fd, const struct sock_options *options, struct sock_listening *out,
                    struct error *err)
{
    bool is_datagram;
    if (check_fd(fd, &is_datagram, err) < 0)
        return -1;
    /* A blocking listener would block the whole loop in accept(2). */
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_system(err, errno, "cannot listen on fd:%d", fd);
    union {
        struct sockaddr plain;
        struct sockaddr_un local;
        struct sockaddr_storage storage;
    } bound = {0};
    socklen_t length = sizeof(bound);
    (void)getsockname(fd, &bound.plain, &length);
    *out = (struct sock_listening){
        .fd = fd, .is_unix = bound.plain.sa_family == AF_UNIX, .is_inherited = true};
    if (out->is_unix) {
        name_unix(out, &bound.local, length);
    } else {
        struct address address = address_from_sockaddr(&bound.plain);
        name_inet(out, is_datagram ? ENDPOINT_UDP : ENDPOINT_TCP, &address);
        if (is_datagram)
            datagram_set_options(fd, bound.plain.sa_family);
        else
            set_stream_options(fd, options->keepalive_ms);
    }
    return 1;
}

int sock_backlog_max(void)
{
    int most = 0;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
    if (file && fscanf(file, "%d", &most) != 1)
        most = 0;
    if (file)
        fclose(file);
    return most > 0 ? most : INT_MAX;
}

int sock_listen(const struct endpoint *endpoint, const struct sock_options *options,
                struct sock_listening *out, struct error *notice, struct error *err)
{
    *notice = (struct error){0};
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
    case ENDPOINT_TLS:
    case ENDPOINT_UDP:
        return listen_inet(endpoint, options, out, notice, err);
    case ENDPOINT_UNIX:
        return listen_unix(endpoint, options, out, err);
    case ENDPOINT_FD:
        return adopt_fd(endpoint->fd, options, out, err);
    }
    return -1;
}

/* Some kernels require a privilege for this, which the process has dropped by then. Returns 0 or
 * -1. */
static int attach_filter(int fd, struct sock_filter *program, size_t length)
{
    struct sock_fprog filter = {(unsigned short)length, program};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

/* Attaches a filter that drops segments with SYN and without ACK. A socket filter sees a segment
 * from its TCP header on. */
static int drop_syns(int fd)
{
    enum { FLAGS_OFFSET = 13, FLAG_SYN = 0x02, FLAG_ACK = 0x10 };
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_OFFSET),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FLAG_SYN | FLAG_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FLAG_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    return attach_filter(fd, program, sizeof(program) / sizeof(program[0]));
}

/* Binds the socket to an interface that cannot exist. Then no SYN finds it, and the kernel refuses
 * new connections. Handshakes in progress have sockets of their own and still complete, except
 * those with SYN cookies; so the filter is better. Since Linux 5.7 this needs no privilege. */
static void refuse_syns(int fd)
{
    sock_option_set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, INT_MAX);
}

static void drop_all(int fd)
{
    struct sock_filter program[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    (void)attach_filter(fd, program, 1);
}

bool sock_has_handshakes(const struct sock_listening *listening)
{
    return sock_kind(listening) == ENDPOINT_TCP && !listening->is_inherited;
}

/* A path that refuses connections would look stale to another start, which would replace it. So
 * remove the path first. */
static void stop_unix(struct sock_listening *listening)
{
    remove_path(listening);
    (void)shutdown(listening->fd, SHUT_RD); /* connect(2) is refused, accept(2) is not */
}

void sock_stop_new(struct sock_listening *listening)
{
    if (listening->is_inherited)
        return;
    if (listening->is_unix)
        stop_unix(listening);
    else if (listening->is_datagram)
        drop_all(listening->fd);
    else if (drop_syns(listening->fd) < 0)
        refuse_syns(listening->fd);
}

int sock_close(struct sock_listening *listening)
{
    int result = remove_path(listening);
    close(listening->fd);
    listening->fd = -1;
    return result;
}

void sock_set_reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void sock_reset(int fd)
{
    sock_set_reset(fd);
    close(fd);
}

int sock_consume(int fd, void *scratch, size_t bytes)
{
    while (bytes > 0) {
        ssize_t taken = recv(fd, scratch, bytes, 0);
        if (taken == 0)
            return -EIO; /* peeked bytes are gone: no kernel does that */
        if (taken < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        bytes -= taken > 0 ? (size_t)taken : 0;
    }
    return 0;
}

static size_t queued(int fd, unsigned long queue)
{
    int bytes = 0;
    return ioctl(fd, queue, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

size_t sock_unread(int fd)
{
    return queued(fd, FIONREAD);
}

size_t sock_untaken(int fd)
{
    return queued(fd, SIOCOUTQ);
}

size_t sock_unsent(int fd)
{
    return queued(fd, SIOCOUTQNSD);
}

int sock_tcp_state(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_state : 0;
}

static size_t format_unix(char *out, size_t size, const struct sockaddr_un *address,
                          socklen_t length)
{
    size_t header = offsetof(struct sockaddr_un, sun_path);
    size_t used = (size_t)snprintf(out, size, "unix:");
    size_t bytes = length > header ? length - header : 0;
    bool is_abstract = bytes > 0 && address->sun_path[0] == '\0';
    if (!is_abstract)
        bytes = strnlen(address->sun_path, bytes);
    if (bytes > size - used - 1)
        bytes = size - used - 1;
    memcpy(out + used, address->sun_path, bytes);
    if (is_abstract && bytes > 0)
        out[used] = '@';
    out[used + bytes] = '\0';
    return used + bytes;
}

size_t sock_unix_peer(int fd, char *out, size_t size)
{
    struct sockaddr_un peer;
    socklen_t length = sizeof(peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
        length = 0;
    return format_unix(out, size, &peer, length);
}

size_t sock_local(int fd, char *out, size_t size)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof(storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0 || storage.ss_family == AF_UNIX)
        return format_unix(out, size, (struct sockaddr_un *)&storage, length);
    struct address address = address_from_sockaddr((struct sockaddr *)&storage);
    return strlen(address_format(out, size, &address));
}

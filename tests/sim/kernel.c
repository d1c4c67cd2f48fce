/* SPDX-License-Identifier: BSD-2-Clause */
/* The fortified headers would rename the calls that are defined here. */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 0

#include "kernel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "rare.h"
#include "records.h"

#define FIRST_FD 100
#define SOCKETS_MAX 8
#define EPOLL_FD (FIRST_FD + SOCKETS_MAX)
#define START_MS 1000000
#define PATTERN_BYTES 65537 /* a prime, so no power of two divides it */

static struct {
    uint64_t random, now_ms;
    const unsigned char *decisions; /* used before the seed */
    size_t decisions_left;
    struct kernel_rates rates;
    struct kernel_socket sockets[SOCKETS_MAX];
    int count;
    bool is_tracing;
    char complaint[160];
    uint64_t live;
    int pipe;     /* its end for writing; 0: none */
    int pipe_out; /* its end for reading */
} the;

static unsigned char pattern[PATTERN_BYTES];

#define TRACE(...) (the.is_tracing ? (void)fprintf(stderr, __VA_ARGS__) : (void)0)

/* ---- the state of the world ---- */

uint64_t rare_seen[RARE_COUNT];

const char *rare_text(enum rare which)
{
#define RARE_TEXT(name, text) text,
    static const char *const TEXTS[] = {RARE_PATHS(RARE_TEXT)};
    return TEXTS[which];
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t kernel_random(uint64_t limit)
{
    uint64_t number = 0;
    if (the.decisions_left == 0)
        return next_random(&the.random) % limit;
    for (uint64_t most = limit - 1; most > 0 && the.decisions_left > 0; most >>= 8) {
        number = number << 8 | *the.decisions++;
        the.decisions_left--;
    }
    return number % limit;
}

static bool happens(unsigned rate)
{
    return rate > 0 && kernel_random(1000) < rate;
}

void kernel_set_rates(const struct kernel_rates *rates)
{
    the.rates = *rates;
}

static void forget_sockets(void)
{
    for (int i = 0; i < the.count; i++) {
        if (the.sockets[i].wire)
            free(the.sockets[i].wire->bytes);
        free(the.sockets[i].wire);
    }
    memset(the.sockets, 0, sizeof(the.sockets));
    the.count = 0;
}

void kernel_begin(uint64_t seed, const unsigned char *decisions, size_t length)
{
    if (pattern[0] == 0) {
        uint64_t state = 1;
        for (size_t i = 0; i < PATTERN_BYTES; i++)
            pattern[i] = (unsigned char)(next_random(&state) | 1U);
    }
    forget_sockets();
    the.complaint[0] = '\0';
    the.random = seed * 0xd1b54a32d192ed03U;
    the.now_ms = START_MS;
    the.rates = (struct kernel_rates){0};
    the.decisions = decisions;
    the.decisions_left = length;
}

void kernel_trace(bool is_on)
{
    the.is_tracing = is_on;
}

void kernel_complain(const char *text, uint64_t number)
{
    TRACE("COMPLAINT: %s (%llu)\n", text, (unsigned long long)number);
    if (!the.complaint[0])
        snprintf(the.complaint, sizeof(the.complaint), "%s (%llu)", text,
                 (unsigned long long)number);
}

const char *kernel_complaint(void)
{
    return the.complaint[0] ? the.complaint : NULL;
}

void kernel_pass(uint64_t ms)
{
    TRACE("+%llu ms\n", (unsigned long long)ms);
    the.now_ms += ms;
}

/* ---- scanning TLS records ---- */

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* Writes the pattern from an offset on, or compares bytes with it; false if they differ. */
static bool with_pattern(const struct kernel_socket *socket, uint64_t offset, unsigned char *to,
                         const unsigned char *from, uint64_t length)
{
    for (uint64_t done = 0; done < length;) {
        uint64_t at = (socket->phase + offset + done) % PATTERN_BYTES;
        uint64_t run = least(PATTERN_BYTES - at, length - done);
        if (to)
            memcpy(to + done, pattern + at, run);
        else if (memcmp(from + done, pattern + at, run) != 0)
            return false;
        done += run;
    }
    return true;
}

/* Scans bytes of a header, or of a body. Returns their number. */
static uint64_t scan_some(const struct kernel_socket *socket, struct kernel_scan *scan,
                          const unsigned char *bytes, uint64_t length)
{
    if (scan->have < RECORD_HEADER) {
        scan->header[scan->have++] = *bytes;
        scan->left = (uint32_t)scan->header[2] << 8 | scan->header[3];
        return 1;
    }
    length = least(length, scan->left);
    if (scan->header[0] == RECORD_DATA) {
        if (!with_pattern(socket, scan->plain + scan->part, NULL, bytes, length))
            kernel_complain("a record of bytes that do not belong there, after", scan->plain);
        scan->part += length;
    }
    scan->left -= (uint32_t)length;
    return length;
}

static void scan(const struct kernel_socket *socket, struct kernel_scan *scan,
                 const unsigned char *bytes, uint64_t length)
{
    for (uint64_t done = 0; done < length;) {
        if (scan->has_end)
            kernel_complain("bytes behind close_notify, after", scan->plain);
        done += scan_some(socket, scan, bytes + done, length - done);
        if (scan->have < RECORD_HEADER || scan->left > 0)
            continue;
        scan->has_end = scan->header[0] == RECORD_END;
        scan->kinds |= 1U << scan->header[0];
        scan->plain += scan->part;
        scan->part = scan->have = 0;
    }
}

void kernel_speak_tls(struct kernel_socket *socket)
{
    socket->wire = calloc(1, sizeof(*socket->wire));
}

void kernel_make_record(struct kernel_socket *socket, int kind, uint64_t length)
{
    struct kernel_wire *wire = socket->wire;
    uint64_t need = wire->length + RECORD_HEADER + length;
    if (need > wire->room) {
        wire->room = 2 * need;
        wire->bytes = realloc(wire->bytes, wire->room);
    }
    unsigned char *at = wire->bytes + wire->length;
    memset(at, 0, RECORD_HEADER + length);
    at[0] = (unsigned char)kind;
    at[1] = RECORD_GUARD;
    at[2] = (unsigned char)(length >> 8);
    at[3] = (unsigned char)length;
    if (kind == RECORD_DATA) {
        (void)with_pattern(socket, wire->made, at + RECORD_HEADER, NULL, length);
        wire->made += length;
    }
    wire->length = need;
}

void kernel_unmake_records(struct kernel_socket *socket)
{
    socket->wire->length = socket->sent;
    socket->wire->made = socket->wire->sent.plain;
}

uint64_t kernel_plain_sent(const struct kernel_socket *socket)
{
    return socket->wire ? socket->wire->sent.plain : socket->sent;
}

uint64_t kernel_plain_read(const struct kernel_socket *socket)
{
    return socket->wire ? socket->wire->read.plain : socket->read;
}

uint64_t kernel_plain_out(const struct kernel_socket *socket)
{
    return socket->wire ? socket->wire->out.plain : socket->out;
}

/* ---- the peer's side ---- */

int kernel_socket(bool is_unix, uint64_t in_room, uint64_t out_room)
{
    if (the.count == SOCKETS_MAX)
        return -1;
    the.sockets[the.count] =
        (struct kernel_socket){.is_unix = is_unix, .in_room = in_room, .out_room = out_room};
    the.sockets[the.count].phase = (uint32_t)kernel_random(PATTERN_BYTES);
    return FIRST_FD + the.count++;
}

struct kernel_socket *kernel_at(int fd)
{
    return fd >= FIRST_FD && fd < FIRST_FD + the.count ? &the.sockets[fd - FIRST_FD] : NULL;
}

uint64_t kernel_send(struct kernel_socket *socket, uint64_t bytes)
{
    struct kernel_wire *wire = socket->wire;
    bytes = least(bytes, socket->in_room - (socket->sent - socket->read));
    if (wire)
        bytes = least(bytes, wire->length - socket->sent);
    if (socket->is_peer_reset || socket->has_peer_fin)
        return 0;
    if (socket->is_closed && bytes > 0) {
        kernel_reset(socket); /* the peer is gone */
        return 0;
    }
    if (wire && bytes > 0)
        scan(socket, &wire->sent, wire->bytes + socket->sent, bytes);
    socket->sent += bytes;
    return bytes;
}

uint64_t kernel_take(struct kernel_socket *socket, uint64_t bytes)
{
    bytes = least(bytes, socket->out - socket->taken);
    if (socket->is_peer_reset || socket->is_peer_gone)
        return 0;
    socket->taken += bytes;
    return bytes;
}

void kernel_reset(struct kernel_socket *socket)
{
    if (socket->is_peer_reset)
        return;
    socket->is_peer_reset = true;
    socket->error = ECONNRESET;
}

/* ---- the results of the service's calls ---- */

/* The socket of a call; complains if the descriptor is closed. */
static struct kernel_socket *socket_of(int fd)
{
    struct kernel_socket *socket = kernel_at(fd);
    if (socket && socket->is_closed)
        kernel_complain("a call on a descriptor that was closed", (uint64_t)fd);
    return socket;
}

static int fails_with(int error)
{
    errno = error;
    return -1;
}

/* The errno, transient or fatal, that this call fails with; 0: it succeeds. */
static int failure_of(struct kernel_socket *socket, bool is_write)
{
    static const int WRITE_ERRORS[] = {ENOBUFS, ENOMEM, EIO, EPIPE, ECONNRESET, ETIMEDOUT};
    static const int READ_ERRORS[] = {ENOMEM, EIO, ECONNRESET, ETIMEDOUT};
    if (happens(the.rates.agains))
        return kernel_random(2) ? EAGAIN : EINTR;
    if (!happens(the.rates.errors))
        return 0;
    int error = is_write ? WRITE_ERRORS[kernel_random(6)] : READ_ERRORS[kernel_random(4)];
    /* These three mean that the connection has ended; of the others the peer learns nothing. */
    if (error == EPIPE || error == ECONNRESET || error == ETIMEDOUT)
        socket->is_peer_reset = true;
    return error;
}

static ssize_t do_read(struct kernel_socket *socket, const struct iovec *iov, int count, int flags)
{
    uint64_t room = 0, waiting = socket->sent - socket->read, done = 0;
    int error = failure_of(socket, false);
    if (error)
        return fails_with(error);
    for (int i = 0; i < count; i++)
        room += iov[i].iov_len;
    if (waiting == 0 && socket->error) {
        error = socket->error;
        socket->error = 0; /* reported once: socket errors are not sticky */
        return fails_with(error);
    }
    if (waiting == 0 || room == 0)
        return socket->has_peer_fin || socket->is_peer_reset || room == 0 ? 0 : fails_with(EAGAIN);
    uint64_t bytes = least(room, waiting);
    if (bytes > 1 && happens(the.rates.shorts))
        bytes = 1 + kernel_random(bytes - 1);
    for (int i = 0; i < count && done < bytes; i++) {
        uint64_t part = least(iov[i].iov_len, bytes - done);
        if (socket->wire)
            memcpy(iov[i].iov_base, socket->wire->bytes + socket->read + done, part);
        else
            (void)with_pattern(socket, socket->read + done, iov[i].iov_base, NULL, part);
        done += part;
    }
    if (flags & MSG_PEEK) {
        if (socket->peeked > socket->read)
            rare_saw(RARE_UNIX_HELD_BACK);
        socket->peeked = socket->read + bytes;
        return (ssize_t)bytes;
    }
    if (socket->wire) {
        scan(socket, &socket->wire->read, socket->wire->bytes + socket->read, bytes);
        if (socket->wire->is_choked)
            rare_saw(RARE_UNCHOKED);
        socket->wire->is_choked = false;
    }
    socket->read += bytes;
    return (ssize_t)bytes;
}

static void compare(struct kernel_socket *socket, const unsigned char *bytes, uint64_t length)
{
    if (socket->wire)
        scan(socket, &socket->wire->out, bytes, length);
    else if (!with_pattern(socket, socket->out, NULL, bytes, length))
        kernel_complain("bytes that do not belong there, at or after", socket->out);
    socket->out += length;
}

/* The service cannot have written more than the peer has sent, or, over TLS, than it has read. */
static bool is_known(const struct kernel_socket *socket)
{
    const struct kernel_wire *wire = socket->wire;
    return wire ? wire->out.plain + wire->out.part <= wire->read.plain
                : socket->out <= socket->sent;
}

static ssize_t do_write(struct kernel_socket *socket, const struct iovec *iov, int count)
{
    uint64_t length = 0, room = socket->out_room - (socket->out - socket->taken), before;
    int error = failure_of(socket, true);
    if (error)
        return fails_with(error);
    if (socket->has_own_fin)
        kernel_complain("bytes written after our own FIN, at", socket->out);
    if (socket->is_peer_reset) {
        error = socket->error ? socket->error : EPIPE;
        socket->error = 0;
        return fails_with(error);
    }
    for (int i = 0; i < count; i++)
        length += iov[i].iov_len;
    if (socket->is_peer_gone) {
        if (socket->is_unix)
            return fails_with(EPIPE);
        kernel_reset(socket);
        room = length;
    }
    if (room == 0)
        return fails_with(EAGAIN);
    length = least(length, room);
    if (length > 1 && happens(the.rates.shorts))
        length = 1 + kernel_random(length - 1);
    before = socket->out;
    for (int i = 0; i < count && socket->out - before < length; i++)
        compare(socket, iov[i].iov_base, least(iov[i].iov_len, length - (socket->out - before)));
    if (socket->wire && socket->wire->out.have > 0)
        rare_saw(RARE_RECORD_PARTED);
    if (!is_known(socket))
        kernel_complain("more bytes written than were ever sent, at", socket->out);
    return (ssize_t)length;
}

/* The effect of a close on the peer. */
static void do_close(struct kernel_socket *socket)
{
    bool is_unread = socket->sent > socket->read;
    socket->is_closed = true;
    socket->interest = 0;
    /* A Unix socket has no reset, even with SO_LINGER: closing it with unread bytes acts as one
     * (unix(7)). A TCP socket that both ends have shut down cannot be reset any more. */
    if (socket->is_unix && is_unread)
        rare_saw(RARE_UNIX_RESET);
    if (socket->is_unix)
        socket->ends_in_reset = is_unread;
    else
        socket->ends_in_reset =
            (is_unread || socket->is_linger_zero) && !(socket->has_own_fin && socket->has_peer_fin);
}

static uint32_t readiness(const struct kernel_socket *socket)
{
    uint32_t events = 0;
    bool is_over = socket->has_peer_fin || socket->is_peer_reset;
    if (socket->sent > socket->read || is_over)
        events |= EPOLLIN;
    if (socket->out - socket->taken < socket->out_room || socket->is_peer_reset)
        events |= EPOLLOUT;
    if (is_over)
        events |= EPOLLRDHUP;
    if (socket->is_peer_reset || (socket->has_peer_fin && socket->has_own_fin))
        events |= EPOLLHUP;
    if (socket->error)
        events |= EPOLLERR;
    return events & (socket->interest | EPOLLERR | EPOLLHUP);
}

/* ---- the system calls ---- */

ssize_t readv(int fd, const struct iovec *iov, int count)
{
    struct kernel_socket *socket = socket_of(fd);
    if (!socket)
        return syscall(SYS_readv, fd, iov, count);
    ssize_t bytes = do_read(socket, iov, count, 0);
    if (bytes == 0 && socket->out < socket->read)
        rare_saw(RARE_BUFFERED_END);
    TRACE("  readv(%d) = %zd %s\n", fd, bytes, bytes < 0 ? strerror(errno) : "");
    return bytes;
}

ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    struct kernel_socket *socket = socket_of(fd);
    const struct iovec iov = {buffer, length};
    if (!socket)
        return syscall(SYS_recvfrom, fd, buffer, length, flags, NULL, NULL);
    ssize_t bytes = do_read(socket, &iov, 1, flags);
    TRACE("  recv(%d, %zu%s) = %zd %s\n", fd, length, flags & MSG_PEEK ? ", peek" : "", bytes,
          bytes < 0 ? strerror(errno) : "");
    return bytes;
}

ssize_t read(int fd, void *buffer, size_t length)
{
    if (fd == the.pipe_out && the.pipe)
        rare_saw(RARE_PIPE_READ_BACK);
    return kernel_at(fd) ? recv(fd, buffer, length, 0) : syscall(SYS_read, fd, buffer, length);
}

/* Fortified callers use these instead; no header declares them. */
ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t room, int flags);
ssize_t __recv_chk(int fd, void *buffer, size_t length, size_t room, int flags)
{
    (void)room;
    return recv(fd, buffer, length, flags);
}

ssize_t __read_chk(int fd, void *buffer, size_t length, size_t room);
ssize_t __read_chk(int fd, void *buffer, size_t length, size_t room)
{
    (void)room;
    return read(fd, buffer, length);
}

static ssize_t do_send(struct kernel_socket *socket, const struct iovec *iov, int count)
{
    uint64_t length = 0;
    for (int i = 0; i < count; i++)
        length += iov[i].iov_len;
    ssize_t bytes = do_write(socket, iov, count);
    socket->is_owing = bytes < (ssize_t)length;
    return bytes;
}

/* Only libevent calls writev(), for bytes owed; all other code uses send(). */
ssize_t writev(int fd, const struct iovec *iov, int count)
{
    struct kernel_socket *socket = socket_of(fd);
    if (!socket)
        return syscall(SYS_writev, fd, iov, count);
    struct kernel_wire *wire = socket->wire;
    bool was_parted = wire && wire->out.have > 0;
    if (wire)
        wire->out.kinds = 0;
    ssize_t bytes = do_send(socket, iov, count);
    if (bytes > 0)
        rare_saw(was_parted ? RARE_RECORD_COMPLETED : RARE_LATER_WRITE);
    if (wire && wire->out.kinds & 1U << RECORD_ANSWER)
        rare_saw(RARE_ANSWER_WAITED);
    if (wire && wire->out.kinds & 1U << RECORD_END)
        rare_saw(RARE_END_WAITED);
    TRACE("  writev(%d) = %zd %s\n", fd, bytes, bytes < 0 ? strerror(errno) : "");
    return bytes;
}

ssize_t send(int fd, const void *buffer, size_t length, int flags)
{
    struct kernel_socket *socket = socket_of(fd);
    const struct iovec iov = {(void *)(uintptr_t)buffer, length};
    if (!socket)
        return syscall(SYS_sendto, fd, buffer, length, flags, NULL, 0);
    ssize_t bytes = do_send(socket, &iov, 1);
    if (bytes > 0 && (size_t)bytes < length)
        rare_saw(RARE_SHORT_SEND);
    TRACE("  send(%d, %zu) = %zd %s\n", fd, length, bytes, bytes < 0 ? strerror(errno) : "");
    return bytes;
}

ssize_t write(int fd, const void *buffer, size_t length)
{
    return kernel_at(fd) ? send(fd, buffer, length, 0) : syscall(SYS_write, fd, buffer, length);
}

/* Complains if the pipe is not empty before it is filled or when a socket is closed. */
static void check_pipe(void)
{
    int left = 0;
    if (the.pipe && (syscall(SYS_ioctl, the.pipe, FIONREAD, &left) < 0 || left))
        kernel_complain("bytes were left in the pipe", (uint64_t)left);
}

/* Moves bytes between a socket and a real pipe; the pipe's bytes are simulated too. */
static ssize_t do_splice(int in, int out, size_t length)
{
    static unsigned char held[1 << 20];
    static size_t first, end;
    if (length == 0)
        kernel_complain("a splice(2) of nothing", 0);
    if (!kernel_at(in)) {
        ssize_t given = send(out, held + first, least(length, end - first), 0);
        if (given > 0 && syscall(SYS_read, in, held + first, (size_t)given) != given)
            kernel_complain("the pipe has not what was put into it", (uint64_t)given);
        if (given < (ssize_t)length)
            rare_saw(given > 0                           ? RARE_SPLICE_SHORT
                     : errno == EAGAIN || errno == EINTR ? RARE_SPLICE_NONE
                                                         : RARE_SPLICE_GIVE_FAILED);
        first += given > 0 ? (size_t)given : 0;
        the.pipe_out = in;
        return given;
    }
    ssize_t bytes = recv(in, held, least(length, sizeof(held)), 0);
    if (bytes < 0 && errno != EAGAIN && errno != EINTR)
        rare_saw(RARE_SPLICE_TAKE_FAILED);
    the.pipe = out;
    check_pipe();
    if (bytes > 0 && syscall(SYS_write, out, held, (size_t)bytes) != bytes)
        kernel_complain("the pipe is too small for", (uint64_t)bytes);
    first = 0;
    end = bytes > 0 ? (size_t)bytes : 0;
    return bytes;
}

/* Few worlds call it, so it fails more often than other calls. */
ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t length, unsigned flags)
{
    unsigned errors = the.rates.errors;
    (void)in_at, (void)out_at, (void)flags;
    the.rates.errors = (unsigned)least(8UL * errors, 500);
    ssize_t bytes = do_splice(in, out, length);
    the.rates.errors = errors;
    return bytes;
}

/* True if the peer's kernel has acknowledged our FIN, which it may do at any time. */
static bool is_fin_acked(struct kernel_socket *socket)
{
    socket->has_fin_acked = socket->has_fin_acked || (socket->has_own_fin && kernel_random(2) == 1);
    return socket->has_fin_acked;
}

uint64_t kernel_untaken(const struct kernel_socket *socket)
{
    return socket->has_fin_acked ? 0 : socket->out - socket->taken;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    struct kernel_socket *socket = socket_of(fd);
    if (!socket)
        return (int)syscall(SYS_getsockopt, fd, level, name, value, length);
    if (level != IPPROTO_TCP || name != TCP_INFO || socket->is_unix)
        return fails_with(EOPNOTSUPP);
    struct tcp_info *info = value;
    *info = (struct tcp_info){0};
    if (socket->is_peer_reset || (socket->has_peer_fin && is_fin_acked(socket)))
        info->tcpi_state = TCP_CLOSE;
    else if (!socket->has_own_fin)
        info->tcpi_state = socket->has_peer_fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED;
    else if (socket->has_peer_fin)
        info->tcpi_state = TCP_CLOSING;
    else
        info->tcpi_state = is_fin_acked(socket) ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1;
    return 0;
}

int shutdown(int fd, int how)
{
    struct kernel_socket *socket = socket_of(fd);
    if (!socket)
        return (int)syscall(SYS_shutdown, fd, how);
    TRACE("  shutdown(%d)\n", fd);
    if (socket->is_peer_reset || happens(the.rates.errors)) {
        rare_saw(RARE_SHUTDOWN_FAILED);
        return fails_with(ENOTCONN);
    }
    if (kernel_plain_out(socket) != kernel_plain_read(socket))
        kernel_complain("our FIN although bytes that were read are not sent", socket->out);
    socket->has_own_fin = true;
    return 0;
}

int close(int fd)
{
    struct kernel_socket *socket = socket_of(fd);
    if (fd == EPOLL_FD)
        return 0;
    the.pipe = fd == the.pipe ? 0 : the.pipe;
    if (!socket)
        return (int)syscall(SYS_close, fd);
    check_pipe();
    if (!socket->is_closed)
        do_close(socket);
    TRACE("  close(%d): %s\n", fd, socket->ends_in_reset ? "reset" : "fin");
    return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    struct kernel_socket *socket = socket_of(fd);
    if (!socket)
        return (int)syscall(SYS_setsockopt, fd, level, name, value, length);
    if (level == SOL_SOCKET && name == SO_LINGER)
        socket->is_linger_zero = true;
    return 0;
}

int getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    if (!socket_of(fd))
        return (int)syscall(SYS_getpeername, fd, address, length);
    address->sa_family = AF_UNIX;
    *length = sizeof(address->sa_family);
    return 0;
}

/* POSIX declares an int here, glibc does not. */
#ifdef __GLIBC__
int ioctl(int fd, unsigned long request, ...)
#else
int ioctl(int fd, int request, ...)
#endif
{
    struct kernel_socket *socket = socket_of(fd);
    va_list arguments;
    va_start(arguments, request);
    int *value = va_arg(arguments, int *);
    va_end(arguments);
    if (!socket)
        return (int)syscall(SYS_ioctl, fd, request, value);
    if (request != FIONREAD && request != SIOCOUTQ && request != SIOCOUTQNSD)
        return fails_with(EINVAL);
    if (request == SIOCOUTQ) {
        if (kernel_untaken(socket) < socket->asked && socket->is_owing)
            rare_saw(RARE_PEER_TOOK);
        socket->asked = kernel_untaken(socket);
    }
    bool has_fin = !socket->is_unix && socket->has_own_fin && !socket->has_fin_acked;
    *value = request == FIONREAD ? (int)(socket->sent - socket->read)
                                 : (int)kernel_untaken(socket) + has_fin;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = (time_t)(the.now_ms / 1000);
    now->tv_nsec = (long)(the.now_ms % 1000 * 1000000);
    return 0;
}

int epoll_create1(int flags)
{
    (void)flags;
    return EPOLL_FD;
}

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    struct kernel_socket *socket = socket_of(fd);
    (void)epoll_fd;
    if (!socket)
        return 0; /* the loop's own wakers, which are not used here */
    TRACE("  epoll_ctl(%d, %d, %x)\n", operation, fd,
          operation == EPOLL_CTL_DEL ? 0 : event->events);
    if (operation == EPOLL_CTL_ADD && socket->interest)
        return fails_with(EEXIST);
    if (operation != EPOLL_CTL_ADD && !socket->interest)
        return fails_with(ENOENT);
    if (operation == EPOLL_CTL_ADD && happens(the.rates.memories)) {
        rare_saw(RARE_NO_EPOLL_MEMORY);
        return fails_with(ENOMEM); /* a change needs no memory */
    }
    socket->interest = operation == EPOLL_CTL_DEL ? 0 : event->events;
    return 0;
}

/* Never blocks: the world changes between two iterations of the loop. */
int epoll_wait(int epoll_fd, struct epoll_event *events, int room, int timeout_ms)
{
    int ready = 0, first = (int)kernel_random(SOCKETS_MAX);
    (void)epoll_fd;
    (void)timeout_ms;
    if (happens(the.rates.agains))
        return fails_with(EINTR);
    for (int i = 0; i < SOCKETS_MAX && ready < room; i++) {
        int at = (first + i) % SOCKETS_MAX;
        if (at >= the.count || the.sockets[at].interest == 0 || happens(the.rates.agains))
            continue;
        uint32_t which = readiness(&the.sockets[at]);
        if (which == 0)
            continue;
        events[ready].events = which;
        events[ready++].data.fd = FIRST_FD + at;
        TRACE("event %d: %x\n", FIRST_FD + at, which);
    }
    return ready;
}

/* ---- memory ---- */

static void *change_memory(void *old, size_t bytes)
{
    void *memory = happens(the.rates.memories) ? NULL : realloc(old, bytes);
    if (!memory) {
        rare_saw(RARE_NO_MEMORY);
        TRACE("  no memory\n");
        errno = ENOMEM;
    }
    the.live += memory && !old;
    return memory;
}

static void *take_memory(size_t bytes)
{
    return change_memory(NULL, bytes);
}

static void give_memory(void *memory)
{
    the.live -= memory != NULL;
    free(memory);
}

void kernel_take_memory(void)
{
    event_set_mem_functions(take_memory, change_memory, give_memory);
}

bool kernel_is_out_of_memory(void)
{
    return happens(the.rates.memories);
}

uint64_t kernel_allocations_live(void)
{
    return the.live;
}

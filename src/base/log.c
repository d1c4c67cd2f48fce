/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's queue and its writer; log_line.c forms the lines, log_limit below thins them. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define QUEUE_BYTES (1024U * 1024U)
#define HURRY_BYTES (QUEUE_BYTES / 2) /* half full: the writer stops gathering */
#define GATHER_MS 20                  /* how long a first line waits for others */
#define CLOSE_MS 1000 /* how long log_close() waits for a target that stands still */
#define LIMIT_WINDOW_MS 10000
#define LIMIT_MESSAGES 32
#define SYSLOG_PATH "/dev/log"
#define SYSLOG_HEAD_MAX 128
#define TIME_LENGTH 25 /* "2026-01-31T12:00:00.123Z " */

enum target { TARGET_STDERR, TARGET_SYSLOG, TARGET_FILE };

/* A count that a queued line reports. Its line ends at that place of its batch. */
struct told {
    uint64_t count, since_ms;
    size_t end;
};

/* One limited message. Every event is either a line of its own or in exactly one of the counts. */
struct repeated {
    const char *message;
    enum log_level level;
    uint64_t window_end_ms;
    uint64_t suppressed, since_ms; /* not reported yet, and when the first of them came */
    bool is_due;                   /* they are of a window that is over */
    struct told queued, written;   /* in the batch that is filled, and in the one being written */
};

static struct log {
    _Atomic int level; /* -1: closed */
    _Atomic int format;
    _Atomic uint64_t dropped;
    enum target target;
    char *path;          /* TARGET_FILE */
    bool is_new;         /* the file was made by log_open() */
    const char *program; /* TARGET_SYSLOG */
    bool is_journal;     /* TARGET_STDERR, and the journal reads it */
    int fd;
    int next_fd; /* to be taken by the writer instead of fd, or -1 */
    pthread_t writer;
    bool has_writer;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_idle; /* the writer waits for a first line */
    bool is_stopping, has_ended;
    char *filling;
    size_t filled;
    char *writing;
    uint64_t dropped_told;
    struct told dropped_queued, dropped_written;
    struct repeated limits[LIMIT_MESSAGES];
} the = {.level = -1, .fd = -1, .next_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t unix_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

static struct timespec mono_timespec(uint64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000) * 1000000L};
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&the.dropped, memory_order_relaxed);
}

static void count_dropped(uint64_t lines)
{
    atomic_fetch_add_explicit(&the.dropped, lines, memory_order_relaxed);
}

/* syslog's priority of a level. */
static int priority_of(int level)
{
    static const int PRIORITIES[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
    return PRIORITIES[level];
}

/* ---- the queue; the lock is held ---- */

/* False where there is no room for the line: the caller must count it. */
static bool enqueue(enum log_level level, const char *message, const struct log_field *fields,
                    size_t count)
{
    char line[LOG_LINE_MAX], prefix[8] = "";
    /* syslog stamps its lines itself, and needs the level of each: a digit before the line. The
     * journal takes the priority in brackets (sd-daemon(3)), and off the line again. */
    bool is_syslog = the.target == TARGET_SYSLOG;
    if (is_syslog)
        snprintf(prefix, sizeof(prefix), "%d", (int)level);
    else if (the.is_journal)
        snprintf(prefix, sizeof(prefix), "<%d>", priority_of((int)level));
    size_t prefix_length = strlen(prefix);
    enum log_format format = (enum log_format)atomic_load(&the.format);
    size_t length =
        log_line(line, sizeof(line), format, unix_now_ms(), level, message, fields, count);
    size_t skip = is_syslog && format == LOG_FORMAT_TEXT ? TIME_LENGTH : 0;
    size_t need = length - skip + prefix_length;
    if (the.filled + need > QUEUE_BYTES)
        return false;
    memcpy(the.filling + the.filled, prefix, prefix_length);
    the.filled += prefix_length;
    memcpy(the.filling + the.filled, line + skip, length - skip);
    the.filled += length - skip;
    if (the.is_idle || the.filled > HURRY_BYTES)
        pthread_cond_signal(&the.wake);
    return true;
}

static struct repeated *limit_of(const char *message)
{
    struct repeated *free_slot = NULL;
    for (size_t i = 0; i < LIMIT_MESSAGES; i++) {
        struct repeated *limit = &the.limits[i];
        if (limit->message == message)
            return limit;
        if (!limit->message && !free_slot)
            free_slot = limit;
    }
    return free_slot;
}

static void suppress(struct repeated *limit, uint64_t events, uint64_t now_ms)
{
    limit->suppressed += events;
    if (limit->suppressed > events)
        return;
    limit->since_ms = now_ms;
    if (the.is_idle)
        pthread_cond_signal(&the.wake); /* it must report the count when the window ends */
}

/* Queues the line where its message's window is over, and else counts it. So is a line counted that
 * the queue has no room for. */
static void enqueue_limited(uint64_t events, enum log_level level, const char *message,
                            const struct log_field *fields, size_t count)
{
    struct repeated *limit = limit_of(message);
    uint64_t now_ms = clock_coarse_ms();
    if (!limit) {
        if (!enqueue(level, message, fields, count))
            count_dropped(1);
        return;
    }
    bool is_window_over = !limit->message || now_ms >= limit->window_end_ms;
    if (is_window_over) {
        limit->message = message;
        limit->level = level;
        limit->window_end_ms = now_ms + LIMIT_WINDOW_MS;
        limit->is_due = limit->suppressed > 0; /* the writer has not been by since it ended */
    }
    if (!is_window_over || !enqueue(level, message, fields, count))
        suppress(limit, events, now_ms);
}

/* Reports the count of every window that has ended, or of all; returns when the next one will end,
 * or UINT64_MAX. For the writer alone, while the queue is empty: so each count fits, and is in a
 * batch once. */
static uint64_t limits_tell(bool is_last)
{
    uint64_t next_ms = UINT64_MAX, now_ms = clock_coarse_ms();
    for (size_t i = 0; i < LIMIT_MESSAGES; i++) {
        struct repeated *limit = &the.limits[i];
        if (limit->suppressed == 0)
            continue;
        if (now_ms < limit->window_end_ms && !limit->is_due && !is_last) {
            next_ms = limit->window_end_ms < next_ms ? limit->window_end_ms : next_ms;
            continue;
        }
        const struct log_field fields[] = {LOG_NUMBER("repeated", limit->suppressed),
                                           LOG_MS("within_seconds", now_ms - limit->since_ms)};
        if (!enqueue(limit->level, limit->message, fields, sizeof(fields) / sizeof(fields[0])))
            continue;
        limit->queued = (struct told){limit->suppressed, limit->since_ms, the.filled};
        limit->suppressed = 0;
        limit->is_due = false;
    }
    return next_ms;
}

void log_write(uint64_t limited_events, enum log_level level, const char *message,
               const struct log_field *fields, size_t count)
{
    if ((int)level > atomic_load_explicit(&the.level, memory_order_relaxed))
        return;
    int saved_errno = errno;
    pthread_mutex_lock(&the.lock);
    if (limited_events > 0)
        enqueue_limited(limited_events, level, message, fields, count);
    else if (!enqueue(level, message, fields, count))
        count_dropped(1);
    pthread_mutex_unlock(&the.lock);
    errno = saved_errno;
}

/* ---- the writer ---- */

/* One line to the system's log, as RFC 3164 has it. Not by syslog(3): that opens and connects a new
 * socket where the old one's reader was started anew, and by then we may open no more. */
static bool send_syslog(int priority, const char *line, size_t length)
{
    struct sockaddr_un reader = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};
    char head[SYSLOG_HEAD_MAX], stamp[32];
    time_t now = time(NULL);
    struct tm local;
    ssize_t sent;
    strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", localtime_r(&now, &local));
    int head_length = snprintf(head, sizeof(head), "<%d>%s %s[%d]: ", LOG_DAEMON | priority, stamp,
                               the.program, (int)getpid());
    struct iovec parts[] = {{head, (size_t)head_length}, {(void *)(uintptr_t)line, length}};
    const struct msghdr message = {
        .msg_name = &reader, .msg_namelen = sizeof(reader), .msg_iov = parts, .msg_iovlen = 2};
    do
        sent = sendmsg(the.fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static uint64_t count_lines(const char *bytes, size_t length)
{
    uint64_t lines = 0;
    for (const char *at = bytes; at < bytes + length; lines++) {
        const char *end = memchr(at, '\n', (size_t)(bytes + length - at));
        at = end ? end + 1 : bytes + length;
    }
    return lines;
}

static bool is_lost(struct told *told, size_t from, size_t to)
{
    bool is_in = told->count > 0 && told->end > from && told->end <= to;
    if (is_in)
        told->end = 0;
    return is_in;
}

/* Counts what stands there in the batch as dropped; the counts that it would have reported are
 * reported later. At the end there is no later. The lock is not held. */
static void lose(const char *bytes, size_t from, size_t to)
{
    count_dropped(count_lines(bytes + from, to - from));
    pthread_mutex_lock(&the.lock);
    for (size_t i = 0; i < LIMIT_MESSAGES && !the.is_stopping; i++) {
        struct repeated *limit = &the.limits[i];
        if (is_lost(&limit->written, from, to)) {
            limit->suppressed += limit->written.count;
            limit->since_ms = limit->written.since_ms;
            limit->is_due = true;
        }
    }
    if (is_lost(&the.dropped_written, from, to))
        the.dropped_told -= the.dropped_written.count;
    pthread_mutex_unlock(&the.lock);
}

static bool write_syslog(const char *bytes, size_t length)
{
    bool is_written = true;
    for (const char *line = bytes; line < bytes + length;) {
        const char *end = memchr(line, '\n', (size_t)(bytes + length - line));
        if (!send_syslog(priority_of(*line - '0'), line + 1, (size_t)(end - line) - 1)) {
            lose(bytes, (size_t)(line - bytes), (size_t)(end + 1 - bytes));
            is_written = false;
        }
        line = end + 1;
    }
    return is_written;
}

/* Writes everything or counts what is left as dropped. A descriptor that is non-blocking is waited
 * for: whoever made it so (inherited) needs it so. */
static bool write_fd(int fd, const char *bytes, size_t length)
{
    for (size_t written = 0; written < length;) {
        ssize_t n = write(fd, bytes + written, length - written);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            (void)!poll(&writable, 1, -1);
            continue;
        }
        if (n < 0 && errno != EINTR) {
            lose(bytes, written, length);
            return false;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_batch(const char *bytes, size_t length)
{
    return the.target == TARGET_SYSLOG ? write_syslog(bytes, length)
                                       : write_fd(the.fd, bytes, length);
}

/* Waits for a first line, then a moment for others; the lock is held. At the end it waits for
 * nothing, and there may be none. */
static void wait_for_lines(void)
{
    the.is_idle = true;
    while (the.filled == 0) {
        uint64_t next_ms = limits_tell(the.is_stopping);
        if (the.filled > 0 || the.is_stopping)
            break;
        if (next_ms == UINT64_MAX) {
            pthread_cond_wait(&the.wake, &the.lock);
        } else {
            struct timespec until = mono_timespec(next_ms);
            pthread_cond_timedwait(&the.wake, &the.lock, &until);
        }
    }
    the.is_idle = false;
    struct timespec until = mono_timespec(clock_now_ns() / 1000000U + GATHER_MS);
    while (!the.is_stopping && the.filled <= HURRY_BYTES) {
        if (pthread_cond_timedwait(&the.wake, &the.lock, &until) == ETIMEDOUT)
            break;
    }
}

static void tell_dropped(void)
{
    uint64_t untold = log_dropped() - the.dropped_told;
    const struct log_field fields[] = {LOG_NUMBER("lines", untold)};
    if (untold == 0 || !enqueue(LOG_LEVEL_WARN, "log lines were dropped", fields, 1))
        return;
    the.dropped_told += untold;
    the.dropped_queued = (struct told){.count = untold, .end = the.filled};
}

/* Takes the batch that has been filled, and begins the next one with the counts that are due. */
static char *take_batch(size_t *length)
{
    char *bytes = the.filling;
    *length = the.filled;
    the.filling = the.writing;
    the.writing = bytes;
    the.filled = 0;
    the.dropped_written = the.dropped_queued;
    the.dropped_queued = (struct told){0};
    for (size_t i = 0; i < LIMIT_MESSAGES; i++) {
        the.limits[i].written = the.limits[i].queued;
        the.limits[i].queued = (struct told){0};
    }
    (void)limits_tell(the.is_stopping);
    return bytes;
}

/* The lock is held, but for the writing. */
static void write_filled(void)
{
    size_t length;
    const char *bytes = take_batch(&length);
    if (the.next_fd >= 0) {
        close(the.fd);
        the.fd = the.next_fd;
        the.next_fd = -1;
    }
    pthread_mutex_unlock(&the.lock);
    bool is_written = write_batch(bytes, length);
    pthread_mutex_lock(&the.lock);
    if (is_written && !the.is_stopping)
        tell_dropped();
}

static void *writer_main(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&the.lock);
    for (wait_for_lines(); the.filled > 0; wait_for_lines())
        write_filled();
    the.has_ended = true;
    pthread_cond_signal(&the.wake); /* log_close() may wait for it */
    pthread_mutex_unlock(&the.lock);
    return NULL;
}

/* ---- opening and closing ---- */

/* Opens it for appending, by a symbolic link too; *is_new: it was not there before. */
static int open_file(const char *path, bool *is_new, struct error *err)
{
    /* O_NONBLOCK: a FIFO without a reader is refused here instead of holding the start for ever. */
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, flags | O_EXCL | O_NOFOLLOW, 0640);
    *is_new = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(path, flags, 0640);
    if (fd < 0)
        return error_system(err, errno, "cannot open '%s' for writing", path);
    return fd;
}

/* JOURNAL_STREAM holds device and inode of the journal's socket (systemd.exec(5)). Standard error
 * may have been redirected since. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

static int open_target(const struct log_config *config, struct error *err)
{
    the.target = strcmp(config->target, "syslog") == 0   ? TARGET_SYSLOG
                 : strcmp(config->target, "stderr") == 0 ? TARGET_STDERR
                                                         : TARGET_FILE;
    the.is_journal = the.target == TARGET_STDERR && is_journal(STDERR_FILENO);
    switch (the.target) {
    case TARGET_SYSLOG:
        if (access(SYSLOG_PATH, W_OK) < 0)
            fprintf(stderr, "%s: log-target: syslog is not reachable at " SYSLOG_PATH ": %s\n",
                    config->program, strerror(errno));
        the.program = config->program;
        the.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return the.fd < 0 ? error_system(err, errno, "syslog") : 0;
    case TARGET_STDERR:
        the.fd = STDERR_FILENO;
        return 0;
    case TARGET_FILE:
        the.path = strdup(config->target);
        if (!the.path)
            return error_start(err, "no memory for its name");
        the.fd = open_file(the.path, &the.is_new, err);
        return the.fd < 0 ? -1 : 0;
    }
    return -1;
}

int log_open(const struct log_config *config, struct error *err)
{
    if (open_target(config, err) < 0)
        return error_blame(err, "log-target", NULL);
    the.filling = malloc(QUEUE_BYTES);
    the.writing = malloc(QUEUE_BYTES);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&the.wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    the.is_stopping = the.has_ended = false;
    the.filled = 0;
    if (!the.filling || !the.writing)
        return error_start(err, "log: no memory for its queue");
    tzset(); /* no file shall be read for it later */
    atomic_store(&the.format, (int)config->format);
    atomic_store(&the.level, (int)config->level);
    return 0;
}

/* A file that was there before is somebody's already, and its name may be a link to another. */
void log_give_to(uid_t user, gid_t group)
{
    if (the.target == TARGET_FILE && the.is_new)
        (void)!fchown(the.fd, user, group); /* where it fails, the next reload says so */
}

int log_start(struct error *err)
{
    int failure = pthread_create(&the.writer, NULL, writer_main, NULL);
    if (failure) {
        error_system(err, failure, "log: cannot start its writer");
        return failure == EAGAIN ? error_hint(err, "see ulimit -u") : -1;
    }
    the.has_writer = true;
    return 0;
}

int log_reopen(const struct log_config *config, struct error *err)
{
    bool unused;
    atomic_store(&the.format, (int)config->format);
    atomic_store(&the.level, (int)config->level);
    if (the.target != TARGET_FILE)
        return 0;
    int fd = open_file(the.path, &unused, err);
    if (fd < 0)
        return error_blame(err, "log-target", NULL);
    pthread_mutex_lock(&the.lock);
    if (the.next_fd >= 0)
        close(the.next_fd);
    the.next_fd = fd;
    pthread_mutex_unlock(&the.lock);
    return 0;
}

void log_close(void)
{
    if (atomic_exchange(&the.level, -1) < 0)
        return;
    pthread_mutex_lock(&the.lock);
    the.is_stopping = true;
    pthread_cond_signal(&the.wake);
    pthread_mutex_unlock(&the.lock);
    if (!the.has_writer)
        (void)writer_main(NULL);
    pthread_mutex_lock(&the.lock);
    struct timespec until = mono_timespec(clock_now_ns() / 1000000U + CLOSE_MS);
    while (!the.has_ended && pthread_cond_timedwait(&the.wake, &the.lock, &until) == 0)
        continue;
    bool has_ended = the.has_ended;
    pthread_mutex_unlock(&the.lock);
    if (!has_ended)
        return; /* the target stands still; the writer still uses everything here */
    if (the.has_writer)
        pthread_join(the.writer, NULL);
    the.has_writer = false;
    if (the.target != TARGET_STDERR)
        close(the.fd);
    free(the.path);
    free(the.filling);
    free(the.writing);
    the.path = the.filling = the.writing = NULL;
    the.fd = -1;
    memset(the.limits, 0, sizeof(the.limits));
}

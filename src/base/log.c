/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's queue and its writer. log_line.c formats the lines; `struct repeated` below limits how
 * often a message is written. */
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
#define CLOSE_MS 1000                 /* how long log_close() waits for a target that blocks */
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

/* One limited message. Every event is either a line of its own or part of exactly one of the
 * counts. */
struct repeated {
    const char *message;
    enum log_level level;
    uint64_t window_end_ms;
    uint64_t suppressed, since_ms; /* not reported yet, and the time of the first of them */
    bool is_due;                   /* their window has ended */
    struct told queued, written;   /* in the batch being filled, and in the one being written */
};

struct log {
    _Atomic int level; /* -1: closed */
    _Atomic int format;
    _Atomic uint64_t dropped;
    enum target target;
    char *path;          /* TARGET_FILE */
    bool is_new;         /* log_open() created the file */
    const char *program; /* TARGET_SYSLOG */
    bool is_journal;     /* TARGET_STDERR, and the journal reads it */
    int fd;
    int next_fd; /* replaces fd as soon as the writer sees it, or -1 */
    pthread_t writer;
    bool has_writer;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_idle; /* the writer waits for a first line */
    bool is_stopping, has_ended;
    char *filling;
    size_t filled;
    char *writing;
    uint64_t dropped_reported;
    struct told dropped_queued, dropped_written;
    struct repeated limits[LIMIT_MESSAGES];
};

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

uint64_t log_dropped(const struct log *log)
{
    return !log ? 0 : atomic_load_explicit(&log->dropped, memory_order_relaxed);
}

static void count_dropped(struct log *log, uint64_t lines)
{
    atomic_fetch_add_explicit(&log->dropped, lines, memory_order_relaxed);
}

/* syslog's priority of a level. */
static int priority_of(int level)
{
    static const int PRIORITIES[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
    return PRIORITIES[level];
}

/* ---- the queue; the lock is held ---- */

/* False if the line does not fit: the caller must count it. */
static bool enqueue(struct log *log, enum log_level level, const char *message,
                    const struct log_field *fields, size_t count)
{
    char line[LOG_LINE_MAX], prefix[8] = "";
    /* syslog adds its own time stamp but needs the level of each line: a digit before the line,
     * which send_syslog() uses. The journal reads the priority from the brackets (sd-daemon(3)) and
     * removes it from the line. */
    bool is_syslog = log->target == TARGET_SYSLOG;
    if (is_syslog)
        snprintf(prefix, sizeof(prefix), "%d", (int)level);
    else if (log->is_journal)
        snprintf(prefix, sizeof(prefix), "<%d>", priority_of((int)level));
    size_t prefix_length = strlen(prefix);
    enum log_format format = (enum log_format)atomic_load(&log->format);
    size_t length =
        log_line(line, sizeof(line), format, unix_now_ms(), level, message, fields, count);
    size_t skip = is_syslog && format == LOG_FORMAT_TEXT ? TIME_LENGTH : 0;
    size_t need = length - skip + prefix_length;
    if (log->filled + need > QUEUE_BYTES)
        return false;
    memcpy(log->filling + log->filled, prefix, prefix_length);
    log->filled += prefix_length;
    memcpy(log->filling + log->filled, line + skip, length - skip);
    log->filled += length - skip;
    if (log->is_idle || log->filled > HURRY_BYTES)
        pthread_cond_signal(&log->wake);
    return true;
}

static struct repeated *limit_of(struct log *log, const char *message)
{
    struct repeated *free_slot = NULL;
    for (size_t i = 0; i < LIMIT_MESSAGES; i++) {
        struct repeated *limit = &log->limits[i];
        if (limit->message == message)
            return limit;
        if (!limit->message && !free_slot)
            free_slot = limit;
    }
    return free_slot;
}

static void suppress(struct log *log, struct repeated *limit, uint64_t events, uint64_t now_ms)
{
    limit->suppressed += events;
    if (limit->suppressed > events)
        return;
    limit->since_ms = now_ms;
    if (log->is_idle)
        pthread_cond_signal(&log->wake); /* it must report the count when the window ends */
}

/* Queues the line if its message's window has ended. Otherwise, or if the queue is full, counts
 * it. */
static void enqueue_limited(struct log *log, uint64_t events, enum log_level level,
                            const char *message, const struct log_field *fields, size_t count)
{
    struct repeated *limit = limit_of(log, message);
    uint64_t now_ms = clock_coarse_ms();
    if (!limit) {
        if (!enqueue(log, level, message, fields, count))
            count_dropped(log, 1);
        return;
    }
    bool is_window_over = !limit->message || now_ms >= limit->window_end_ms;
    if (is_window_over) {
        limit->message = message;
        limit->level = level;
        limit->window_end_ms = now_ms + LIMIT_WINDOW_MS;
        limit->is_due = limit->suppressed > 0; /* the writer has not run since the window ended */
    }
    if (!is_window_over || !enqueue(log, level, message, fields, count))
        suppress(log, limit, events, now_ms);
}

/* Reports the count of every window that has ended, or of all windows if is_last. Returns the time
 * at which the next one ends, or UINT64_MAX. Only the writer calls it, while the queue is empty: so
 * each count fits, and is in a batch at most once. */
static uint64_t report_counts(struct log *log, bool is_last)
{
    uint64_t next_ms = UINT64_MAX, now_ms = clock_coarse_ms();
    for (size_t i = 0; i < LIMIT_MESSAGES; i++) {
        struct repeated *limit = &log->limits[i];
        if (limit->suppressed == 0)
            continue;
        if (now_ms < limit->window_end_ms && !limit->is_due && !is_last) {
            next_ms = limit->window_end_ms < next_ms ? limit->window_end_ms : next_ms;
            continue;
        }
        const struct log_field fields[] = {LOG_NUMBER("repeated", limit->suppressed),
                                           LOG_MS("within_seconds", now_ms - limit->since_ms)};
        if (!enqueue(log, limit->level, limit->message, fields, sizeof(fields) / sizeof(fields[0])))
            continue;
        limit->queued = (struct told){limit->suppressed, limit->since_ms, log->filled};
        limit->suppressed = 0;
        limit->is_due = false;
    }
    return next_ms;
}

bool log_is_on(const struct log *log, enum log_level level)
{
    return log && (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void log_write(struct log *log, uint64_t limited_events, enum log_level level, const char *message,
               const struct log_field *fields, size_t count)
{
    if (!log_is_on(log, level))
        return;
    int saved_errno = errno;
    pthread_mutex_lock(&log->lock);
    if (limited_events > 0)
        enqueue_limited(log, limited_events, level, message, fields, count);
    else if (!enqueue(log, level, message, fields, count))
        count_dropped(log, 1);
    pthread_mutex_unlock(&log->lock);
    errno = saved_errno;
}

/* ---- the writer ---- */

/* Sends one line to the system's log in the format of RFC 3164. Not by syslog(3): if the syslog
 * daemon was restarted, syslog(3) opens a new socket, and the sandbox may forbid that by then. */
static bool send_syslog(struct log *log, int priority, const char *line, size_t length)
{
    struct sockaddr_un reader = {.sun_family = AF_UNIX, .sun_path = SYSLOG_PATH};
    char head[SYSLOG_HEAD_MAX], stamp[32];
    time_t now = time(NULL);
    struct tm local;
    ssize_t sent;
    strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", localtime_r(&now, &local));
    int head_length = snprintf(head, sizeof(head), "<%d>%s %s[%d]: ", LOG_DAEMON | priority, stamp,
                               log->program, (int)getpid());
    struct iovec parts[] = {{head, (size_t)head_length}, {(void *)(uintptr_t)line, length}};
    const struct msghdr message = {
        .msg_name = &reader, .msg_namelen = sizeof(reader), .msg_iov = parts, .msg_iovlen = 2};
    do
        sent = sendmsg(log->fd, &message, MSG_NOSIGNAL);
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

/* Counts the lines in [from, to) of the batch as dropped. The counts that these lines would have
 * reported are reported later, except while the log closes. The lock is not held. */
static void count_lost(struct log *log, const char *bytes, size_t from, size_t to)
{
    count_dropped(log, count_lines(bytes + from, to - from));
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < LIMIT_MESSAGES && !log->is_stopping; i++) {
        struct repeated *limit = &log->limits[i];
        if (is_lost(&limit->written, from, to)) {
            limit->suppressed += limit->written.count;
            limit->since_ms = limit->written.since_ms;
            limit->is_due = true;
        }
    }
    if (is_lost(&log->dropped_written, from, to))
        log->dropped_reported -= log->dropped_written.count;
    pthread_mutex_unlock(&log->lock);
}

static bool write_syslog(struct log *log, const char *bytes, size_t length)
{
    bool is_written = true;
    for (const char *line = bytes; line < bytes + length;) {
        const char *end = memchr(line, '\n', (size_t)(bytes + length - line));
        if (!send_syslog(log, priority_of(*line - '0'), line + 1, (size_t)(end - line) - 1)) {
            count_lost(log, bytes, (size_t)(line - bytes), (size_t)(end + 1 - bytes));
            is_written = false;
        }
        line = end + 1;
    }
    return is_written;
}

/* Writes all bytes, or counts the remaining lines as dropped. If the descriptor is non-blocking,
 * waits with poll(2): it is inherited, and another process may depend on the flag. */
static bool write_fd(struct log *log, const char *bytes, size_t length)
{
    for (size_t written = 0; written < length;) {
        ssize_t n = write(log->fd, bytes + written, length - written);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd writable = {.fd = log->fd, .events = POLLOUT};
            (void)!poll(&writable, 1, -1);
            continue;
        }
        if (n < 0 && errno != EINTR) {
            count_lost(log, bytes, written, length);
            return false;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_batch(struct log *log, const char *bytes, size_t length)
{
    return log->target == TARGET_SYSLOG ? write_syslog(log, bytes, length)
                                        : write_fd(log, bytes, length);
}

/* Waits for a first line, then a moment for others. The lock is held. While the log closes it does
 * not wait, and there may be no line. */
static void wait_for_lines(struct log *log)
{
    log->is_idle = true;
    while (log->filled == 0) {
        uint64_t next_ms = report_counts(log, log->is_stopping);
        if (log->filled > 0 || log->is_stopping)
            break;
        if (next_ms == UINT64_MAX) {
            pthread_cond_wait(&log->wake, &log->lock);
        } else {
            struct timespec until = mono_timespec(next_ms);
            pthread_cond_timedwait(&log->wake, &log->lock, &until);
        }
    }
    log->is_idle = false;
    struct timespec until = mono_timespec(clock_now_ns() / 1000000U + GATHER_MS);
    while (!log->is_stopping && log->filled <= HURRY_BYTES) {
        if (pthread_cond_timedwait(&log->wake, &log->lock, &until) == ETIMEDOUT)
            break;
    }
}

static void report_dropped(struct log *log)
{
    uint64_t untold = log_dropped(log) - log->dropped_reported;
    const struct log_field fields[] = {LOG_NUMBER("lines", untold)};
    if (untold == 0 || !enqueue(log, LOG_LEVEL_WARN, "log lines were dropped", fields, 1))
        return;
    log->dropped_reported += untold;
    log->dropped_queued = (struct told){.count = untold, .end = log->filled};
}

/* Swaps the buffers: returns the filled batch, and starts the next one with the counts that are
 * due. */
static char *swap_batch(struct log *log, size_t *length)
{
    char *bytes = log->filling;
    *length = log->filled;
    log->filling = log->writing;
    log->writing = bytes;
    log->filled = 0;
    log->dropped_written = log->dropped_queued;
    log->dropped_queued = (struct told){0};
    for (size_t i = 0; i < LIMIT_MESSAGES; i++) {
        log->limits[i].written = log->limits[i].queued;
        log->limits[i].queued = (struct told){0};
    }
    (void)report_counts(log, log->is_stopping);
    return bytes;
}

/* The lock is held, except during the write. */
static void write_filled(struct log *log)
{
    size_t length;
    const char *bytes = swap_batch(log, &length);
    if (log->next_fd >= 0) {
        close(log->fd);
        log->fd = log->next_fd;
        log->next_fd = -1;
    }
    pthread_mutex_unlock(&log->lock);
    bool is_written = write_batch(log, bytes, length);
    pthread_mutex_lock(&log->lock);
    if (is_written && !log->is_stopping)
        report_dropped(log);
}

static void *writer_main(void *arg)
{
    struct log *log = arg;
    pthread_mutex_lock(&log->lock);
    for (wait_for_lines(log); log->filled > 0; wait_for_lines(log))
        write_filled(log);
    log->has_ended = true;
    pthread_cond_signal(&log->wake); /* log_close() may wait for it */
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* ---- opening and closing ---- */

/* Opens the file for appending and follows a symbolic link. *is_new: the file was created. */
static int open_file(const char *path, bool *is_new, struct error *err)
{
    /* O_NONBLOCK: a FIFO without a reader fails here instead of blocking the start for ever. */
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

static int open_target(struct log *log, const struct log_config *config, struct error *err)
{
    log->target = strcmp(config->target, "syslog") == 0   ? TARGET_SYSLOG
                  : strcmp(config->target, "stderr") == 0 ? TARGET_STDERR
                                                          : TARGET_FILE;
    log->is_journal = log->target == TARGET_STDERR && is_journal(STDERR_FILENO);
    switch (log->target) {
    case TARGET_SYSLOG:
        if (access(SYSLOG_PATH, W_OK) < 0)
            fprintf(stderr, "%s: log-target: syslog is not reachable at " SYSLOG_PATH ": %s\n",
                    config->program, strerror(errno));
        log->program = config->program;
        log->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return log->fd < 0 ? error_system(err, errno, "syslog") : 0;
    case TARGET_STDERR:
        log->fd = STDERR_FILENO;
        return 0;
    case TARGET_FILE:
        log->path = strdup(config->target);
        if (!log->path)
            return error_start(err, "no memory for its name");
        log->fd = open_file(log->path, &log->is_new, err);
        return log->fd < 0 ? -1 : 0;
    }
    return -1;
}

static int open_log(struct log *log, const struct log_config *config, struct error *err)
{
    if (open_target(log, config, err) < 0)
        return error_blame(err, "log-target", NULL);
    log->filling = malloc(QUEUE_BYTES);
    log->writing = malloc(QUEUE_BYTES);
    if (!log->filling || !log->writing)
        return error_start(err, "log: no memory for its queue");
    tzset(); /* loads the time zone now, so that no file is read later */
    return 0;
}

static void free_log(struct log *log)
{
    if (log->target != TARGET_STDERR && log->fd >= 0)
        close(log->fd);
    if (log->next_fd >= 0)
        close(log->next_fd);
    pthread_cond_destroy(&log->wake);
    pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log->filling);
    free(log->writing);
    free(log);
}

struct log *log_open(const struct log_config *config, struct error *err)
{
    struct log *log = calloc(1, sizeof(*log));
    pthread_condattr_t monotonic;
    if (!log) {
        error_start(err, "log: no memory");
        return NULL;
    }
    log->fd = log->next_fd = -1;
    log->format = (int)config->format;
    log->level = (int)config->level;
    pthread_mutex_init(&log->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (open_log(log, config, err) < 0) {
        free_log(log);
        return NULL;
    }
    return log;
}

/* A file that existed before has an owner already, and its name may be a link to another file. */
void log_give_to(struct log *log, uid_t user, gid_t group)
{
    if (log->target == TARGET_FILE && log->is_new)
        (void)!fchown(log->fd, user, group); /* if it fails, the next reload reports it */
}

int log_start(struct log *log, struct error *err)
{
    int failure = pthread_create(&log->writer, NULL, writer_main, log);
    if (failure) {
        error_system(err, failure, "log: cannot start its writer");
        return failure == EAGAIN ? error_hint(err, "see ulimit -u") : -1;
    }
    log->has_writer = true;
    return 0;
}

int log_reopen(struct log *log, const struct log_config *config, struct error *err)
{
    bool unused;
    atomic_store(&log->format, (int)config->format);
    atomic_store(&log->level, (int)config->level);
    if (log->target != TARGET_FILE)
        return 0;
    int fd = open_file(log->path, &unused, err);
    if (fd < 0)
        return error_blame(err, "log-target", NULL);
    pthread_mutex_lock(&log->lock);
    if (log->next_fd >= 0)
        close(log->next_fd);
    log->next_fd = fd;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    pthread_mutex_lock(&log->lock);
    log->is_stopping = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    if (!log->has_writer)
        (void)writer_main(log);
    pthread_mutex_lock(&log->lock);
    struct timespec until = mono_timespec(clock_now_ns() / 1000000U + CLOSE_MS);
    while (!log->has_ended && pthread_cond_timedwait(&log->wake, &log->lock, &until) == 0)
        continue;
    bool has_ended = log->has_ended;
    pthread_mutex_unlock(&log->lock);
    if (!has_ended)
        return; /* the target blocks: the writer still uses this memory, so it is not freed */
    if (log->has_writer)
        pthread_join(log->writer, NULL);
    free_log(log);
}

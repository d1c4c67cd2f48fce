/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: one event a line, written by a thread of its own.
 *
 *     log_event() --format--> filling buffer --swap--> writing buffer --write(2)--> target
 *
 * The thread that logs an event formats its line and copies it into a bounded buffer. The writer
 * swaps the whole buffer a moment after the first line, so lines are written in batches. If the
 * target blocks or fails (a pipe without a reader, a full disk), only the writer waits: lines that
 * no longer fit are dropped and counted, and the count is reported when writing works again.
 *
 * The owner passes its log to each object that logs; a program may have several logs. Events for a
 * log that is NULL are discarded. Messages are fixed words. Values go into fields, and text fields
 * are escaped (escape.h), so one event is always one line, no matter which bytes a peer sends.
 *
 *     2026-01-31T12:00:00.123Z info connection closed id=7 peer=127.0.0.1:40000 ... reason=eof
 *     {"time":"2026-01-31T12:00:00.123Z","level":"info","message":"connection closed","id":7,...}
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_config {
    enum log_level level; /* the least severe level that is written */
    enum log_format format;
    const char *target;  /* "stderr", "syslog", or a file's path; if the journal reads standard
                            error, each line begins with its priority (sd-daemon(3)) */
    const char *program; /* the program's name in syslog */
};

struct log;

/* Opens the target; from then on events are queued. On failure returns NULL and leaves nothing
 * open. */
struct log *log_open(const struct log_config *config, struct error *err) MUST_CHECK;

/* Call before dropping privileges: a log file created by log_open() is given to that user, who
 * reopens it later. A file that existed before keeps its owner. */
void log_give_to(struct log *log, uid_t user, gid_t group);

/* Starts the writer, a thread of its own, which inherits the caller's privileges as they are then.
 * The caller blocks the signals that the writer must not receive. Returns 0 or -1. */
int log_start(struct log *log, struct error *err) MUST_CHECK;

/* Applies level and format, and reopens the file under its name (after a rotation). If that fails,
 * lines still go to the old file. The target itself cannot change. Returns 0 or -1. */
int log_reopen(struct log *log, const struct log_config *config, struct error *err) MUST_CHECK;

/* Writes the queued lines, ends the writer if it was started, and frees the log. If the target
 * accepts nothing, it stops waiting after a second. NULL is allowed. */
void log_close(struct log *log);

/* True if events of that level are written: ask before forming fields that cost something. */
bool log_is_on(const struct log *log, enum log_level level);

/* Lines dropped so far because the queue was full or the target failed. */
uint64_t log_dropped(const struct log *log);

enum log_kind { LOG_KIND_TEXT, LOG_KIND_NUMBER, LOG_KIND_MS };

struct log_field {
    const char *key; /* NULL: left out */
    enum log_kind kind;
    const char *text; /* LOG_KIND_TEXT: any bytes */
    size_t text_length;
    uint64_t number; /* LOG_KIND_MS is printed as seconds, 1.234 */
};

#define LOG_TEXT(key_, text_) LOG_BYTES(key_, text_, strlen(text_))
#define LOG_BYTES(key_, text_, length_) \
    ((struct log_field){.key = (key_), .text = (text_), .text_length = (length_)})
#define LOG_NUMBER(key_, number_) \
    ((struct log_field){.key = (key_), .kind = LOG_KIND_NUMBER, .number = (number_)})
#define LOG_MS(key_, ms_) ((struct log_field){.key = (key_), .kind = LOG_KIND_MS, .number = (ms_)})

/* log_event(log, level, "fixed message", LOG_TEXT("peer", peer), LOG_NUMBER("id", id), ...): errno
 * is preserved. log_limited() does the same for events that a peer or a broken system could repeat
 * without end: the first line of a message is logged, and those of the next ten seconds are only
 * counted. No count is lost while the process lives: it is reported as soon as it fits and can be
 * written. log_limited_many() is for a line that stands for several events (`events`, at least
 * one). */
#define log_event(log, level, message, ...) LOG_WRITE(log, 0, level, message, ##__VA_ARGS__)
#define log_limited(log, level, message, ...) LOG_WRITE(log, 1, level, message, ##__VA_ARGS__)
#define log_limited_many(log, events, level, message, ...) \
    LOG_WRITE(log, events, level, message, ##__VA_ARGS__)

/* The first field is a dummy, so that a list without fields is valid C. */
#define LOG_WRITE(log, limited_events, level, message, ...)             \
    do {                                                                \
        const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};    \
        log_write(log, limited_events, level, message, log_fields_ + 1, \
                  sizeof(log_fields_) / sizeof(log_fields_[0]) - 1);    \
    } while (0)

/* limited_events: how many events a limited line stands for; 0: the line is not limited. */
void log_write(struct log *log, uint64_t limited_events, enum log_level level, const char *message,
               const struct log_field *fields, size_t count);

/* The pure part (log_line.c). Writes one line with its '\n' for an event at unix_ms; returns its
 * length, at most size - 1. A field that does not fit is left out as a whole; `message` and 80
 * bytes more must fit. */
#define LOG_LINE_MAX 2048
size_t log_line(char *out, size_t size, enum log_format format, uint64_t unix_ms,
                enum log_level level, const char *message, const struct log_field *fields,
                size_t count);
const char *log_level_word(enum log_level level);

#endif

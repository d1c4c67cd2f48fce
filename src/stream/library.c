/* SPDX-License-Identifier: BSD-2-Clause */
#include "stream/library.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

static struct log *hooked;

static void on_log(int severity, const char *text)
{
    enum log_level level = severity == EVENT_LOG_ERR    ? LOG_LEVEL_ERROR
                           : severity == EVENT_LOG_WARN ? LOG_LEVEL_WARN
                                                        : LOG_LEVEL_DEBUG;
    log_limited(hooked, level, "libevent", LOG_TEXT("text", text));
}

static void on_fatal(int code)
{
    (void)code;
    log_event(hooked, LOG_LEVEL_ERROR, "libevent cannot go on");
    log_close(hooked);
    exit(EXIT_CODE_START);
}

/* glibc's calloc(3) bypasses the thread's cache of free chunks (2.36), malloc(3) uses it, and a
 * bufferevent is four allocations. With functions of its own, libevent calls malloc and clears. */
void library_start(struct log *log)
{
    hooked = log;
    event_set_mem_functions(malloc, realloc, free);
    event_set_log_callback(on_log);
    event_set_fatal_callback(on_fatal);
}

void library_stop(void)
{
    libevent_global_shutdown();
    hooked = NULL;
}

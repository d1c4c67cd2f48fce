/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/moment.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "net/address.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_US 1000U
#define DATE_BYTES 11 /* "2026-11-28T" */

const char *moment_phase_word(enum moment_phase phase)
{
    static const char *const WORDS[] = {
#define MOMENT_WORD(NAME, word) word,
        PHASES(MOMENT_WORD)
#undef MOMENT_WORD
    };
    return WORDS[phase];
}

static uint16_t local_port(int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof(storage);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return 0;
    return address_from_sockaddr((const struct sockaddr *)&storage).port;
}

uint64_t moment_time_of_day_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct moment moment_now(int fd, uint64_t since_ns, enum moment_phase phase)
{
    return (struct moment){.time_ns = moment_time_of_day_ns(),
                           .lived_ns = since_ns ? clock_now_ns() - since_ns : 0,
                           .local_port = local_port(fd),
                           .phase = phase};
}

const char *moment_stamp(uint64_t time_ns, char *out)
{
    char seconds_text[MOMENT_STAMP_MAX - 10];
    time_t seconds = (time_t)(time_ns / NS_PER_S);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(seconds_text, sizeof(seconds_text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, MOMENT_STAMP_MAX, "%s.%06" PRIu64 "Z", seconds_text,
             time_ns % NS_PER_S / NS_PER_US);
    return out;
}

const char *moment_text(const struct moment *moment, char *out, size_t size)
{
    char time_text[MOMENT_STAMP_MAX], port[32] = "";
    if (moment->local_port)
        snprintf(port, sizeof(port), ", local port %u", (unsigned)moment->local_port);
    snprintf(out, size, "%s%s, lived %.3f s, phase %s",
             moment_stamp(moment->time_ns, time_text) + DATE_BYTES, port,
             (double)moment->lived_ns / (double)NS_PER_S, moment_phase_word(moment->phase));
    return out;
}

void moment_add_json(json_t *object, const struct moment *moment)
{
    char text[MOMENT_STAMP_MAX];
    bool is_known = moment->time_ns > 0;
    (void)json_object_set_new(
        object, "time", is_known ? json_string(moment_stamp(moment->time_ns, text)) : json_null());
    (void)json_object_set_new(object, "local_port",
                              moment->local_port ? json_integer(moment->local_port) : json_null());
    (void)json_object_set_new(object, "lived_s",
                              is_known ? json_real((double)moment->lived_ns / (double)NS_PER_S)
                                       : json_null());
    (void)json_object_set_new(
        object, "phase", is_known ? json_string(moment_phase_word(moment->phase)) : json_null());
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/service.h"

#include <string.h>
#include <time.h>

/* ---- chargen: RFC 864 ---- */

#define RING_FIRST ' '
#define RING_LENGTH 95 /* the printable characters */
#define LINE_LENGTH 72
#define LINE_BYTES (LINE_LENGTH + 2)

/* Each line starts one character later in the ring, so every byte follows from its offset. */
static size_t make_chargen(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                           size_t room)
{
    unsigned char ring[RING_LENGTH + LINE_LENGTH], line[LINE_BYTES];
    (void)facts;
    for (size_t i = 0; i < sizeof(ring); i++)
        ring[i] = (unsigned char)(RING_FIRST + i % RING_LENGTH);
    memcpy(line + LINE_LENGTH, "\r\n", 2);
    for (size_t used = 0, bytes; used < room; used += bytes) {
        size_t at = (offset + used) % LINE_BYTES;
        memcpy(line, ring + (offset + used) / LINE_BYTES % RING_LENGTH, LINE_LENGTH);
        bytes = LINE_BYTES - at < room - used ? LINE_BYTES - at : room - used;
        memcpy(out + used, line + at, bytes);
    }
    return room;
}

/* ---- daytime and time: RFC 867, RFC 868 ---- */

static size_t cut(unsigned char *out, size_t room, const void *bytes, size_t length)
{
    length = length < room ? length : room;
    memcpy(out, bytes, length);
    return length;
}

static size_t make_daytime(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                           size_t room)
{
    char text[80];
    time_t seconds = (time_t)facts->unix_s;
    struct tm utc;
    (void)offset;
    gmtime_r(&seconds, &utc);
    return cut(out, room, text,
               strftime(text, sizeof(text), "%A, %B %d, %Y %H:%M:%S-UTC\r\n", &utc));
}

static size_t make_time(const struct service_facts *facts, uint64_t offset, unsigned char *out,
                        size_t room)
{
    static const uint64_t UNIX_EPOCH_S = 2208988800U;            /* 1970-01-01, counted from 1900 */
    uint32_t seconds = (uint32_t)(facts->unix_s + UNIX_EPOCH_S); /* wraps around in 2036 */
    const unsigned char bytes[] = {(unsigned char)(seconds >> 24), (unsigned char)(seconds >> 16),
                                   (unsigned char)(seconds >> 8), (unsigned char)seconds};
    (void)offset;
    return cut(out, room, bytes, sizeof(bytes));
}

/* ---- the table ---- */

#define SERVICES(X)                          \
    X("echo", true, false, NULL)             \
    X("discard", false, false, NULL)         \
    X("chargen", false, true, make_chargen)  \
    X("daytime", false, false, make_daytime) \
    X("time", false, false, make_time)       \
    X("whoami", false, false, service_whoami)

static const struct service TABLE[] = {
#define SERVICE_ROW(word, is_echo, is_endless, make) {word, is_echo, is_endless, make},
    SERVICES(SERVICE_ROW)
#undef SERVICE_ROW
};

const char *const SERVICE_WORDS[] = {
#define SERVICE_WORD(word, is_echo, is_endless, make) word,
    SERVICES(SERVICE_WORD)
#undef SERVICE_WORD
        NULL};

const struct service *service_at(uint64_t index)
{
    return &TABLE[index];
}

ssize_t service_answer(const struct service *service, const struct service_facts *facts,
                       unsigned char *bytes, size_t length)
{
    if (service->is_echo)
        return (ssize_t)length;
    return service->make ? (ssize_t)service->make(facts, 0, bytes, length) : -1;
}

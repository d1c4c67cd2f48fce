/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/udp_stats.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define TEXT_BYTES 8192

static const char *const PATHS[] = {"/proc/self/net/snmp", "/proc/self/net/snmp6"};

void udp_stats_open(struct udp_stats_source *source)
{
    for (int i = 0; i < 2; i++)
        source->fds[i] = open(PATHS[i], O_RDONLY | O_CLOEXEC);
}

void udp_stats_close(struct udp_stats_source *source)
{
    for (int i = 0; i < 2; i++) {
        if (source->fds[i] >= 0)
            close(source->fds[i]);
        source->fds[i] = -1;
    }
}

/* Reads the whole file as text. */
static void read_text(int fd, char *text)
{
    size_t length = 0;
    ssize_t some = fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 ? 1 : 0;
    while (some > 0 && length < TEXT_BYTES - 1) {
        some = read(fd, text + length, TEXT_BYTES - 1 - length);
        length += some > 0 ? (size_t)some : 0;
    }
    text[length] = '\0';
}

/* snmp: a line "Udp: NAME NAME ...", followed by a line "Udp: NUMBER NUMBER ...". */
static uint64_t find_in_columns(const char *text, const char *name)
{
    const char *names = strstr(text, "\nUdp: ");
    const char *numbers = names ? strstr(names + 1, "\nUdp: ") : NULL;
    if (!numbers)
        return 0;
    for (names += 5, numbers += 5; *names == ' ' && *numbers == ' ';) {
        size_t length = strcspn(++names, " \n");
        uint64_t number = strtoull(numbers, NULL, 10);
        if (strlen(name) == length && memcmp(names, name, length) == 0)
            return number;
        names += length;
        numbers += 1 + strcspn(numbers + 1, " \n");
    }
    return 0;
}

/* snmp6: a line "Udp6NAME NUMBER" for each counter. */
static uint64_t find_in_lines(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

struct udp_stats udp_stats_read(const struct udp_stats_source *source)
{
    char text[TEXT_BYTES];
    struct udp_stats stats;
    read_text(source->fds[0], text);
    stats.bad_checksum = find_in_columns(text, "InCsumErrors");
    stats.no_room = find_in_columns(text, "RcvbufErrors") + find_in_columns(text, "MemErrors");
    read_text(source->fds[1], text);
    stats.bad_checksum += find_in_lines(text, "\nUdp6InCsumErrors");
    stats.no_room +=
        find_in_lines(text, "\nUdp6RcvbufErrors") + find_in_lines(text, "\nUdp6MemErrors");
    return stats;
}

uint64_t udp_stats_bad_checksum(const struct udp_stats *before, const struct udp_stats *after,
                                uint64_t drops)
{
    uint64_t no_room = after->no_room - before->no_room;
    uint64_t bad = after->bad_checksum - before->bad_checksum;
    uint64_t others = drops > no_room ? drops - no_room : 0;
    return others < bad ? others : bad;
}

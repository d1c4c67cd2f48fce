/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's lines with any bytes from a peer: one event must be one line of printable bytes, and as
 * JSON it must parse back to the same values. */
#include "fuzz.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_line(const char *line, size_t length, size_t size)
{
    PROPERTY(length > 0 && length < size && line[length - 1] == '\n');
    for (size_t i = 0; i + 1 < length; i++)
        PROPERTY(isprint((unsigned char)line[i]));
}

static void check_json(const char *line, size_t length)
{
    json_t *root = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    PROPERTY(root && json_is_object(root));
    PROPERTY(strcmp(json_string_value(json_object_get(root, "message")), "closed") == 0);
    json_t *id = json_object_get(root, "id");
    PROPERTY(!id || json_integer_value(id) == 7);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[LOG_LINE_MAX];
    size_t half = size / 2;
    /* The size varies too: a field that does not fit must be left out as a whole. */
    size_t room = size > 0 && data[0] % 2 ? sizeof(line) : 200;
    const struct log_field fields[] = {
        LOG_NUMBER("id", 7),
        LOG_BYTES("peer", (const char *)data, half),
        LOG_BYTES("error", (const char *)data + half, size - half),
        LOG_MS("seconds", size),
    };
    size_t length = log_line(line, room, LOG_FORMAT_TEXT, 1700000000123, LOG_LEVEL_INFO, "closed",
                             fields, sizeof(fields) / sizeof(fields[0]));
    check_line(line, length, room);
    length = log_line(line, room, LOG_FORMAT_JSON, 1700000000123, LOG_LEVEL_INFO, "closed", fields,
                      sizeof(fields) / sizeof(fields[0]));
    check_line(line, length, room);
    check_json(line, length);
    return 0;
}

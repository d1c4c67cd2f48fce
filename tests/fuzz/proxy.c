/* SPDX-License-Identifier: BSD-2-Clause */
/* A PROXY header, received byte by byte; and the header that the client builds. */
#include "fuzz.h"

#include "net/proxy.h"
#include "net/proxy_build.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check_whole(const struct proxy_header *header, const unsigned char *bytes,
                        ssize_t length)
{
    char text[256];
    PROPERTY(header->length == length && length <= PROXY_HEADER_MAX);
    PROPERTY(header->version == 1 || header->version == 2);
    for (int i = 0; i < PROXY_TEXT_COUNT; i++)
        PROPERTY(header->texts[i].at + header->texts[i].length <= length);
    for (int is_source = 0; is_source < 2; is_source++)
        PROPERTY(proxy_format(text, sizeof(text), header, bytes, is_source) < sizeof(text));
    struct proxy_field field = {0};
    while (proxy_next_unknown(header, bytes, &field))
        PROPERTY(field.length <= (size_t)length &&
                 field.value + field.length <= bytes + header->length);
    PROPERTY(proxy_transport_word((enum proxy_transport)header->transport) != NULL);
}

/* A complete header must stay complete, an invalid one must stay invalid, and PROXY_HEADER_MAX
 * bytes must give a verdict. */
static void check_pieces(const uint8_t *data, size_t size)
{
    ssize_t verdict = 0;
    for (size_t length = 0; length <= size; length++) {
        struct proxy_header header;
        const char *why = NULL;
        ssize_t now = proxy_parse(data, length, &header, &why);
        PROPERTY(now <= (ssize_t)length);
        PROPERTY(verdict == 0 || now == verdict);
        PROPERTY(now >= 0 || (why && *why));
        PROPERTY(now != 0 || length < PROXY_HEADER_MAX);
        if (now > 0)
            check_whole(&header, data, now);
        verdict = now;
    }
}

static void check_built(const uint8_t *data, size_t size)
{
    struct address ends[2] = {{.family = AF_INET}, {.family = AF_INET}};
    unsigned char bytes[PROXY_BUILD_MAX];
    struct proxy_header header;
    const char *why;
    if (size < 38)
        return;
    for (int i = 0; i < 2; i++) {
        ends[i].family = data[0] % 2 ? AF_INET6 : AF_INET;
        memcpy(&ends[i].port, data + 2 + 18 * i, 2);
        memcpy(ends[i].bytes, data + 4 + 18 * i, data[0] % 2 ? 16 : 4);
    }
    size_t length = proxy_build(data[1] % 2 ? PROXY_V1 : PROXY_V2, &ends[0], &ends[1], bytes);
    PROPERTY(length > 0 && proxy_parse(bytes, length, &header, &why) == (ssize_t)length);
    /* An IPv4-mapped IPv6 address is written as IPv4. */
    if (data[0] % 2 == 0)
        PROPERTY(memcmp(header.source.bytes, ends[0].bytes, 4) == 0 &&
                 header.source.port == ends[0].port && header.destination.port == ends[1].port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_pieces(data, size < 700 ? size : 700);
    check_built(data, size);
    return 0;
}

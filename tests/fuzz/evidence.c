/* SPDX-License-Identifier: BSD-2-Clause */
/* What came in the place of an echo: any bytes are kept as they are, and whatever is said of them
 * is short, plain text. */
#include "fuzz.h"

#include <jansson.h>

#include "base/pattern.h"
#include "client/evidence.h"

struct input {
    uint64_t run_seed, connection, offset, sent;
    uint8_t flags;
} __attribute__((packed));

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void check(const struct evidence *evidence, const uint8_t *bytes, size_t length)
{
    PROPERTY(evidence->length == (length < EVIDENCE_BYTES ? length : EVIDENCE_BYTES));
    PROPERTY(memcmp(evidence->bytes, bytes, evidence->length) == 0);
    PROPERTY((evidence->kind != NULL) == (evidence->looks_like[0] != '\0'));
    for (const char *at = evidence->looks_like; *at; at++)
        PROPERTY(*at >= ' ' && *at <= '~');
    json_t *object = json_object();
    evidence_add_json(object, evidence);
    char *text = json_dumps(object, JSON_COMPACT);
    PROPERTY(text != NULL);
    free(text);
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    if (size < sizeof(input))
        return 0;
    memcpy(&input, data, sizeof(input));
    data += sizeof(input);
    size -= sizeof(input);
    const struct evidence_place place = {.run_seed = input.run_seed,
                                         .connection = input.connection,
                                         .offset = input.offset,
                                         .sent = input.sent,
                                         .is_datagram = input.flags & 1,
                                         .has_sent_proxy = input.flags & 2};
    const struct evidence evidence = evidence_of(&place, data, size);
    check(&evidence, data, size);
    return 0;
}

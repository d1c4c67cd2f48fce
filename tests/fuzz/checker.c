/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's checker: it must describe a damaged stream correctly. */
#include "fuzz.h"

#include "base/pattern.h"
#include "client/failure.h"

#define STREAM_MAX 4096

struct input {
    uint64_t seed, offset;
    uint16_t length, at, shift;
    uint8_t kind, byte;
} __attribute__((packed));

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* Changes, removes or repeats bytes: the checker must find each damage at its offset, and locate
 * the bytes received instead. */
static void check(const struct input *input, unsigned char *bytes, size_t length)
{
    uint64_t seed = pattern_seed(input->seed, 1),
             offset = input->offset % (UINT64_MAX / 2) + STREAM_MAX;
    size_t at = input->at % length, right;
    uint64_t shift = 1 + input->shift % (STREAM_MAX - 1), sent = offset + length + shift, from;
    struct failure failure;
    struct evidence_place place = {.run_seed = input->seed, .connection = 1, .sent = sent};
    pattern_fill(seed, offset, bytes, length);
    PROPERTY(pattern_match(seed, offset, bytes, length) == length);
    switch (input->kind % 3) {
    case 0:
        bytes[at] = (unsigned char)(bytes[at] ^ (input->byte ? input->byte : 1));
        right = pattern_match(seed, offset, bytes, length);
        PROPERTY(right == at);
        place.offset = offset + right;
        failure = failure_explain(NULL, &place, bytes + right, length - right);
        PROPERTY(failure.came == bytes[at] && failure.expected != failure.came);
        return;
    case 1:
        from = offset + at + shift; /* removed */
        break;
    default:
        from = offset + at - shift; /* repeated */
    }
    pattern_fill(seed, from, bytes + at, length - at);
    right = pattern_match(seed, offset, bytes, length);
    PROPERTY(right >= at);
    if (right == length)
        return; /* too short to distinguish: equal by chance */
    place.offset = offset + right;
    failure = failure_explain(NULL, &place, bytes + right, length - right);
    PROPERTY(failure.how.outcome == OUTCOME_MISMATCH && failure.has_byte && !failure.is_extra);
    if (length - right >= PATTERN_LOCATE_BYTES)
        PROPERTY(failure.has_place && failure.place == from + (right - at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char bytes[STREAM_MAX];
    struct input input;
    uint64_t place;
    /* Foreign bytes have no offset, or one at which they really occur. */
    if (size >= PATTERN_LOCATE_BYTES && pattern_locate(7, data, size, UINT64_MAX, &place))
        PROPERTY(pattern_match(7, place, data, size < 8 ? size : 8) > 0);
    if (size < sizeof(input))
        return 0;
    memcpy(&input, data, sizeof(input));
    check(&input, bytes, 1 + input.length % STREAM_MAX);
    return 0;
}

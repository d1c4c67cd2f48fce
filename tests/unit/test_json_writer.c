/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <jansson.h>
#include <string.h>

#include "base/json_writer.h"

static void write_all(struct json_writer *writer)
{
    json_write_begin(writer, NULL, '{');
    json_write_begin(writer, "none", '[');
    json_write_end(writer, ']');
    json_write_begin(writer, "list", '[');
    json_write_number(writer, NULL, UINT64_MAX);
    json_write_string(writer, NULL, "{");
    json_write_begin(writer, NULL, '{');
    json_write_bool(writer, "yes", true);
    json_write_bool(writer, "no", false);
    json_write_end(writer, '}');
    json_write_end(writer, ']');
    json_write_null(writer, "nothing");
    json_write_ms(writer, "seconds", 12034);
    json_write_text(writer, "text", "a\n\"\\\x7f\xff", 6);
    json_write_end(writer, '}');
}

static const char ALL[] =
    "{\"none\":[],\"list\":[18446744073709551615,\"{\",{\"yes\":true,\"no\":false}],"
    "\"nothing\":null,\"seconds\":12.034,\"text\":\"a\\u000a\\u0022\\u005c\\u007f\\u00ff\"}";

static void test_all_kinds(void **state)
{
    char out[sizeof(ALL) + 1];
    struct json_writer writer = {.out = out, .size = sizeof(out)};
    (void)state;
    write_all(&writer);
    assert_string_equal(out, ALL);
    assert_int_equal(writer.used, strlen(ALL));
    assert_false(json_writer_is_full(&writer));
}

/* If the buffer is short, it holds the beginning and a NUL, and no byte after it is written. */
static void test_short_of_room(void **state)
{
    char out[sizeof(ALL) + 1];
    (void)state;
    for (size_t size = 1; size <= strlen(ALL) + 1; size++) {
        struct json_writer writer = {.out = out, .size = size};
        memset(out, '#', sizeof(out));
        write_all(&writer);
        assert_true(json_writer_is_full(&writer));
        assert_memory_equal(out, ALL, size - 1);
        assert_int_equal(out[size - 1], '\0');
        assert_int_equal(out[size], '#');
    }
}

/* A JSON library reads back the peer's text, one character for each byte; a long text is cut. */
static void test_any_bytes(void **state)
{
    uint64_t seed = 20261128;
    (void)state;
    for (int round = 0; round < 2000; round++) {
        char bytes[300], out[JSON_WRITER_TEXT_MAX + 16];
        struct json_writer writer = {.out = out, .size = sizeof(out)};
        size_t length = unit_random(&seed) % sizeof(bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)unit_random(&seed);
        json_write_begin(&writer, NULL, '[');
        json_write_text(&writer, NULL, bytes, length);
        json_write_end(&writer, ']');
        assert_false(json_writer_is_full(&writer));
        json_t *root = json_loads(out, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        json_t *text = json_array_get(root, 0);
        const unsigned char *read = (const unsigned char *)json_string_value(text);
        size_t left = json_string_length(text), count = 0;
        for (; left > 0; count++) { /* UTF-8 of U+0000 to U+00FF */
            unsigned char byte = read[0];
            if (byte >= 0x80)
                byte = (unsigned char)((byte & 3) << 6 | (read[1] & 0x3f));
            assert_int_equal(byte, (unsigned char)bytes[count]);
            left -= read[0] >= 0x80 ? 2 : 1;
            read += read[0] >= 0x80 ? 2 : 1;
        }
        assert_true(count == length || (count < length && count >= 255));
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_kinds),
                                       cmocka_unit_test(test_short_of_room),
                                       cmocka_unit_test(test_any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

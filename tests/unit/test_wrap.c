/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "client/wrap.h"

static void expect(const char *text, size_t width, const char *printed)
{
    char *memory = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&memory, &size);
    wrap_print("# ", "#   ", text, width, out);
    fclose(out);
    assert_string_equal(memory, printed);
    free(memory);
}

static void test_folded_between_words(void **state)
{
    (void)state;
    expect("", 10, "# \n");
    expect("one two three", 0, "# one two three\n");
    expect("one two three", 80, "# one two three\n");
    expect("one two three", 10, "# one two\n#   three\n");
    expect("one two", 10, "# one two\n"); /* nine columns: the last one stays free */
    expect("one two", 9, "# one\n#   two\n");
    expect("averylongword two", 8, "# averylongword\n#   two\n");
}

static void test_a_file_is_no_terminal(void **state)
{
    FILE *file = tmpfile();
    (void)state;
    assert_int_equal(wrap_width(file), 0);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folded_between_words),
        cmocka_unit_test(test_a_file_is_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

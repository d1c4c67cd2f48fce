/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/option.h"
#include "said.h"

struct target {
    bool flag;
    char *text;
    struct option_list list;
    uint64_t word, count, size, time, mode;
};

static const char *const WORDS[] = {"red", "green", NULL};
static const char *const AUTO[] = {"auto", NULL};
#define AT(field) offsetof(struct target, field)

static const struct option_row ROWS[] = {
    {"flag", 'f', OPTION_FLAG, OPTION_IN_FILE, NULL, NULL, 0, 0, NULL, AT(flag), "a flag"},
    {"text", 't', OPTION_TEXT, OPTION_IN_FILE, "TEXT", "none", 0, 0, NULL, AT(text), "a text"},
    {"list", 'l', OPTION_LIST, OPTION_IN_FILE, "ITEM", NULL, 0, 0, NULL, AT(list), "a list"},
    {"word", 0, OPTION_WORD, OPTION_IN_FILE, "red|green", "green", 0, 0, WORDS, AT(word), "one"},
    {"count", 'c', OPTION_COUNT, OPTION_IN_FILE | OPTION_AT_RELOAD, "N|auto", "auto", 2, 10, AUTO,
     AT(count),
     "a count that is told at some length, so that its help has to be wrapped over the "
     "end of a line"},
    {"size", 0, OPTION_SIZE, OPTION_IN_FILE | OPTION_AS_ATTRIBUTE, "SIZE", "1k", 0, 1 << 20, NULL,
     AT(size), "a size"},
    {"time", 0, OPTION_TIME, OPTION_AS_ATTRIBUTE, "TIME", "1s", 0, 0, NULL, AT(time), "a time"},
    {"mode", 0, OPTION_MODE, OPTION_AS_ATTRIBUTE | OPTION_NOT_GLOBAL, "MODE", "0660", 0, 0, NULL,
     AT(mode), "permissions"},
};

struct fixture {
    struct target target;
    struct option_set set;
    struct error err;
    char path[32];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    fixture->set =
        (struct option_set){.rows = ROWS, .count = COUNT_OF(ROWS), .target = &fixture->target};
    strcpy(fixture->path, "/tmp/test_option.XXXXXX");
    int fd = mkstemp(fixture->path);
    close(fd);
    *state = fixture;
    return fd < 0 ? -1 : option_set_defaults(&fixture->set, &fixture->err);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    option_set_clear(&fixture->set);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

/* Reads a command line of words with blanks between. */
static int command(struct fixture *fixture, const char *line)
{
    char text[256], program[] = "program", *argv[32] = {program}, *rest = text;
    int argc = 1;
    snprintf(text, sizeof(text), "%s", line);
    for (char *word; (word = strsep(&rest, " "));)
        argv[argc++] = word;
    return option_set_command(&fixture->set, *line ? argc : 1, argv, &fixture->err);
}

static int file(struct fixture *fixture, const char *bytes, size_t length)
{
    FILE *out = fopen(fixture->path, "w");
    fwrite(bytes, 1, length, out);
    fclose(out);
    return option_set_file(&fixture->set, fixture->path, &fixture->err);
}

static void test_defaults(void **state)
{
    struct fixture *fixture = *state;
    const struct target *target = &fixture->target;
    assert_false(target->flag);
    assert_string_equal(target->text, "none");
    assert_int_equal(target->list.count, 0);
    assert_int_equal(target->word, 1);
    assert_true(target->count == OPTION_AUTO);
    assert_int_equal(target->size, 1024);
    assert_int_equal(target->time, 1000);
    assert_int_equal(target->mode, 0660);
}

static void test_command_line(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(command(fixture, "-f --text a -l x --list=y --word red -c 7 --size 4k"), 0);
    assert_true(fixture->target.flag);
    assert_string_equal(fixture->target.text, "a");
    assert_int_equal(fixture->target.list.count, 2);
    assert_string_equal(fixture->target.list.items[1], "y");
    assert_int_equal(fixture->target.word, 0);
    assert_int_equal(fixture->target.count, 7);
    assert_int_equal(fixture->target.size, 4096);
}

static void test_wrong_command_lines(void **state)
{
    static const char *const WRONG[][2] = {
        {"--none", "unknown or ambiguous option '--none'"},
        {"-x", "unknown option '-x'"},
        {"--text", "--text needs a value: TEXT"},
        {"-t", "--text needs a value: TEXT"},
        {"--text=", "--text: an empty value"},
        {"--flag=1", "--flag takes no value"},
        {"word", "unexpected argument 'word'; nothing but options is expected"},
        {"--word blue", "--word: 'blue' is not one of red, green"},
        {"--count 1", "--count: '1' is too small: at least 2"},
        {"--count 11", "--count: '11' is too large: at most 10"},
        {"--count x", "--count: 'x' is not a number like 64 or 10k, or auto"},
        {"--size 2M", "--size: '2M' is too large: at most 1M"},
        {"--size 1s", "--size: '1s' is not a size"},
        {"--time 1d", "--time: '1d' is not a time"},
        {"--mode 0600", "unknown or ambiguous option '--mode'"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        assert_int_equal(command(fixture, WRONG[i][0]), -1);
        assert_int_equal(fixture->err.exit_code, EXIT_CODE_USAGE);
        if (!strstr(said(&fixture->err), WRONG[i][1]))
            fail_msg("%s: %s", WRONG[i][0], said(&fixture->err));
    }
}

static void test_one_argument(void **state)
{
    struct fixture *fixture = *state;
    fixture->set.argument_name = "PLACE";
    assert_int_equal(command(fixture, "there -f"), 0);
    assert_string_equal(fixture->set.argument, "there");
    assert_int_equal(command(fixture, "there here"), -1);
    assert_non_null(
        strstr(said(&fixture->err), "unexpected argument 'here'; one PLACE is expected"));
}

/* The command line wins, whichever is read first, and its list replaces the file's. */
static void test_precedence(void **state)
{
    static const char FILE_TEXT[] = "# a comment\n\n size = 2k \nlist = a\nlist=b\nword = red\n"
                                    "flag = yes\ntext = from file";
    struct fixture *fixture = *state;
    assert_int_equal(command(fixture, "--size 8k --list z"), 0);
    assert_int_equal(file(fixture, FILE_TEXT, sizeof(FILE_TEXT) - 1), 0);
    assert_int_equal(fixture->target.size, 8192);
    assert_int_equal(fixture->target.list.count, 1);
    assert_string_equal(fixture->target.list.items[0], "z");
    assert_int_equal(fixture->target.word, 0);
    assert_true(fixture->target.flag);
    assert_string_equal(fixture->target.text, "from file");
    assert_int_equal(command(fixture, "--text mine"), 0);
    assert_string_equal(fixture->target.text, "mine");
}

static void test_file_lists(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(file(fixture, "list = a\nlist = b\nflag = no\n", 28), 0);
    assert_int_equal(fixture->target.list.count, 2);
    assert_false(fixture->target.flag);
}

/* An error found after the file was read gets its line there, if the file set the option. */
static void test_places(void **state)
{
    struct fixture *fixture = *state;
    struct error *err = &fixture->err;
    assert_int_equal(file(fixture, "\nsize = 1k\n", 11), 0);
    error_option(err, "size", "too odd");
    option_set_locate(&fixture->set, "a.conf", err);
    assert_string_equal(said(err), "a.conf:2: size: too odd");
    option_set_locate(&fixture->set, "b.conf", err); /* it has a place */
    assert_string_equal(err->file, "a.conf");
    error_option(err, "count", "too odd");
    option_set_locate(&fixture->set, "a.conf", err);
    assert_string_equal(said(err), "--count: too odd");
    error_usage(err, "--size is a word here");
    option_set_locate(&fixture->set, "a.conf", err);
    assert_string_equal(said(err), "--size is a word here");
    assert_int_equal(command(fixture, "--size 2k"), 0);
    error_option(err, "size", "too odd");
    option_set_locate(&fixture->set, "a.conf", err);
    assert_string_equal(said(err), "--size: too odd");
}

enum { LAKE = 1, RIVER = 2, SEA = 4 };

static void test_kinds(void **state)
{
    static const struct option_row KINDS_ROWS[] = {
        {"deep", 0, OPTION_COUNT, OPTION_FOR(LAKE | SEA), "N", NULL, 0, 0, NULL, AT(count), ""},
        {"fast", 0, OPTION_COUNT, OPTION_FOR(RIVER), "N", NULL, 0, 0, NULL, AT(size), ""},
        {"long", 0, OPTION_COUNT, OPTION_IN_FILE, "N", NULL, 0, 0, NULL, AT(time), ""},
        {"wet", 0, OPTION_COUNT, OPTION_FOR(LAKE | RIVER), "N", NULL, 0, 0, NULL, AT(time), ""},
    };
    static const struct option_kinds NAMES[] = {
        {LAKE | RIVER, "fresh"}, {LAKE, "lakes"}, {RIVER, "rivers"}, {SEA, "seas"}, {0, NULL}};
    struct option_set set = {.rows = KINDS_ROWS, .count = COUNT_OF(KINDS_ROWS), .kinds = NAMES};
    struct error err;
    (void)state;
    assert_int_equal(option_set_given(&set), 0);
    set.origins[0] = set.origins[2] = OPTION_COMMAND;
    set.origins[1] = OPTION_FILE;
    assert_int_equal(option_set_given(&set), 5);
    assert_int_equal(option_set_check(&set, 5, SEA, &err), 0);
    assert_int_equal(option_set_check(&set, 5, RIVER | SEA, &err),
                     0); /* it may be of either kind */
    assert_int_equal(option_set_check(&set, 5, RIVER, &err), -1);
    assert_string_equal(said(&err), "--deep: expected only for lakes or seas, not rivers");
    assert_int_equal(option_set_check(&set, 2, SEA, &err), -1);
    assert_string_equal(said(&err), "--fast: expected only for rivers, not seas");
    assert_int_equal(option_set_check(&set, 8, SEA, &err), -1);
    assert_string_equal(said(&err), "--wet: expected only for fresh, not seas");
}

static void test_wrong_files(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *expected;
    } WRONG[] = {
        {"size = 1k\nsize = 2k\n", 20, ":2: size: already set on line 1"},
        {"\n\nnone = 1\n", 11, ":3: unknown name 'none'"},
        {"time = 1s\n", 10, ":1: time: expected on the command line alone"},
        {"size\n", 5, ":1: 'size': expected 'name = value'"},
        {"size = x\n", 9, ":1: size: 'x' is not a size"},
        {"flag = maybe\n", 13, ":1: flag: 'maybe' is neither yes nor no"},
        {"size = 1k\n\0\n", 12, ":2: a NUL byte"},
        {"\x01\x02\n", 3, "\\x01\\x02"},
        {"= 5\n", 4, ":1: unknown name ''"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        memset(fixture->set.lines, 0, sizeof(fixture->set.lines));
        assert_int_equal(file(fixture, WRONG[i].text, WRONG[i].length), -1);
        assert_int_equal(fixture->err.exit_code, EXIT_CODE_USAGE);
        if (!strstr(said(&fixture->err), WRONG[i].expected))
            fail_msg("%s", said(&fixture->err));
        assert_memory_equal(said(&fixture->err), fixture->path, strlen(fixture->path));
    }
    /* A value that the command line overrides must still be valid. */
    assert_int_equal(command(fixture, "--size 4k"), 0);
    memset(fixture->set.lines, 0, sizeof(fixture->set.lines));
    assert_int_equal(file(fixture, "size = x\n", 9), -1);
}

static void test_long_lines_and_missing_files(void **state)
{
    struct fixture *fixture = *state;
    char *line = malloc(1000000);
    memset(line, 'x', 1000000);
    assert_int_equal(file(fixture, line, 1000000), -1);
    assert_non_null(strstr(said(&fixture->err), "a line of more than 4095 bytes"));
    free(line);
    assert_int_equal(option_set_file(&fixture->set, "/none", &fixture->err), -1);
    assert_non_null(strstr(said(&fixture->err), "--config: cannot read '/none': No such file"));
    assert_int_equal(option_set_file(&fixture->set, "/", &fixture->err), -1);
    assert_non_null(strstr(said(&fixture->err), "Is a directory"));
    assert_int_equal(file(fixture, "", 0), 0);
}

static void test_attributes(void **state)
{
    struct fixture *fixture = *state;
    struct target copy = fixture->target;
    uint64_t seen = 0;
    assert_int_equal(option_set_attribute(&fixture->set, &copy, "mode=600", &seen, &fixture->err),
                     0);
    assert_int_equal(option_set_attribute(&fixture->set, &copy, "time=5", &seen, &fixture->err), 0);
    assert_int_equal(copy.mode, 0600);
    assert_int_equal(copy.time, 5000);
    assert_int_equal(fixture->target.time, 1000);
    assert_int_equal(option_set_attribute(&fixture->set, &copy, "time=6", &seen, &fixture->err),
                     -1);
    assert_non_null(strstr(said(&fixture->err), "time: given twice"));
    static const char *const WRONG[][2] = {
        /* Names as long as the buffer and longer: one byte more would overflow it. */
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1",
         "expected name=value"},
        {"no value", "expected name=value"},
        {"word=red", "unknown attribute 'word'"},
        {"time", "expected name=value"},
        {"", "expected name=value"},
        {"mode=900", "mode: '900' is not octal"},
        {"mode=1000", "mode: '1000' is not octal"},
        {"time=", "time: '' is not a time"},
    };
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        uint64_t none = 0;
        assert_int_equal(
            option_set_attribute(&fixture->set, &copy, WRONG[i][0], &none, &fixture->err), -1);
        if (!strstr(said(&fixture->err), WRONG[i][1]))
            fail_msg("%s", said(&fixture->err));
    }
}

static void test_same(void **state)
{
    struct fixture *fixture = *state, *other = NULL;
    void *other_state = NULL;
    assert_int_equal(setup(&other_state), 0);
    other = other_state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        assert_true(option_is_same(&ROWS[i], &fixture->target, &other->target));
    assert_int_equal(command(fixture, "-f -t a -l x --word red -c 7 --size 4k --time 9s"), 0);
    for (size_t i = 0; i < COUNT_OF(ROWS) - 1; i++)
        assert_false(option_is_same(&ROWS[i], &fixture->target, &other->target));
    assert_int_equal(command(other, "-l y"), 0);
    assert_false(option_is_same(&ROWS[2], &fixture->target, &other->target));
    teardown(&other_state);
}

static void test_help(void **state)
{
    struct fixture *fixture = *state;
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof(text) - 1, "w");
    option_print_help(&fixture->set, out);
    fclose(out);
    assert_non_null(strstr(text, "  -f, --flag "));
    assert_non_null(strstr(text, "--size SIZE"));
    assert_non_null(strstr(text, "[auto]"));
    assert_null(strstr(text, "--mode")); /* an attribute, not an option */
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
        assert_true(strlen(line) <= 101);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_command_line),
        TEST(test_wrong_command_lines),
        TEST(test_one_argument),
        TEST(test_precedence),
        TEST(test_file_lists),
        TEST(test_places),
        TEST(test_kinds),
        TEST(test_wrong_files),
        TEST(test_long_lines_and_missing_files),
        TEST(test_attributes),
        TEST(test_same),
        TEST(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

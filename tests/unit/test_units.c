/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/units.h"

struct example {
    const char *text;
    uint64_t value;
};

static void test_sizes(void **state)
{
    static const struct example RIGHT[] = {
        {"0", 0},
        {"64", 64},
        {"64k", 65536},
        {"64K", 65536},
        {"1M", 1048576},
        {"1G", 1073741824},
        {"1.5k", 1536},
        {"1.50k", 1536},
        {"0.25M", 262144},
        {"64.0", 64},
        {"1.00000000000000000000000000000000k", 1024},
        {"18446744073709551615", UINT64_MAX},
        {"18014398509481983k", 18014398509481983U * 1024},
    };
    static const char *const WRONG[] = {
        "",
        " ",
        "k",
        "-1",
        "+1",
        "1 k",
        " 1",
        "1kk",
        "1.5",
        "1.0001k",
        "1.",
        ".5k",
        "1..5k",
        "1.5.5k",
        "1,5k",
        "0x10",
        "1b",
        "1e3",
        "ten",
        "1s",
        "1m",
        "18446744073709551616",
        "18014398509481984k",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(RIGHT); i++) {
        uint64_t value = 1;
        assert_int_equal(units_parse_size(RIGHT[i].text, &value), 0);
        assert_true(value == RIGHT[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        uint64_t value = 77;
        assert_int_equal(units_parse_size(WRONG[i], &value), -1);
        assert_int_equal(value, 77);
    }
}

static void test_counts(void **state)
{
    uint64_t value;
    (void)state;
    assert_int_equal(units_parse_count("50k", &value), 0);
    assert_int_equal(value, 50000);
    assert_int_equal(units_parse_count("2M", &value), 0);
    assert_int_equal(value, 2000000);
    assert_int_equal(units_parse_count("1G", &value), -1);
    assert_int_equal(units_parse_count("1.5k", &value), 0);
    assert_int_equal(value, 1500);
    assert_int_equal(units_parse_count("1.5", &value), -1);
    assert_int_equal(units_parse_count("0.0005k", &value), -1);
}

static void test_rates_and_shares(void **state)
{
    static const struct example RATES[] = {{"0", 0},     {"1", 1000},       {"0.5", 500},
                                           {"0.001", 1}, {"2.5k", 2500000}, {"10M", 10000000000}};
    uint64_t value = 77;
    char text[UNITS_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(RATES); i++) {
        assert_int_equal(units_parse_rate(RATES[i].text, &value), 0);
        assert_int_equal(value, RATES[i].value);
        units_format_rate(text, sizeof(text), value);
        assert_int_equal(units_parse_rate(text, &value), 0);
        assert_int_equal(value, RATES[i].value);
    }
    assert_string_equal(units_format_rate(text, sizeof(text), 500), "0.5");
    assert_string_equal(units_format_rate(text, sizeof(text), 20000000), "20000");
    assert_string_equal(units_format_rate(text, sizeof(text), 1001), "1.001");
    assert_int_equal(units_parse_rate("0.0001", &value), -1);
    assert_int_equal(units_parse_share("0.1%", &value), 0);
    assert_int_equal(value, 1000);
    assert_int_equal(units_parse_share("100", &value), 0);
    assert_int_equal(value, 1000000);
    assert_int_equal(units_parse_share("1k", &value), -1);
}

static void test_times_in_ns_need_a_unit(void **state)
{
    static const struct example RIGHT[] = {
        {"5us", 5000}, {"0.5ms", 500000}, {"1.5s", 1500000000}, {"2m", 120000000000}, {"0s", 0}};
    static const char *const WRONG[] = {"", "5", "0", "0.5", "us", "5ns", "5 ms", "0.0001us"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(RIGHT); i++) {
        uint64_t value = 1;
        assert_int_equal(units_parse_time_ns(RIGHT[i].text, &value), 0);
        assert_int_equal(value, RIGHT[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        uint64_t value;
        assert_int_equal(units_parse_time_ns(WRONG[i], &value), -1);
    }
}

static void test_times(void **state)
{
    static const struct example RIGHT[] = {
        {"0", 0},        {"5", 5000},  {"250ms", 250},  {"30s", 30000},   {"5m", 300000},
        {"1h", 3600000}, {"0.2", 200}, {"1.5s", 1500},  {"0.5m", 30000},  {"1.25h", 4500000},
        {"0.001", 1},    {"2.0ms", 2}, {"0.2000", 200}, {"0.0001h", 360}, {"0.0", 0},
    };
    static const char *const WRONG[] = {"",
                                        "ms",
                                        "5M",
                                        "5 s",
                                        "1d",
                                        "5ss",
                                        "-5s",
                                        "1h30m",
                                        "0.0001",
                                        ".5",
                                        "5.",
                                        "5.s",
                                        "0.5ms",
                                        "1.5.5s",
                                        "18446744073709551615.5s",
                                        "18446744073709551.616s"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(RIGHT); i++) {
        uint64_t value = 1;
        assert_int_equal(units_parse_time(RIGHT[i].text, &value), 0);
        assert_int_equal(value, RIGHT[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
        uint64_t value;
        assert_int_equal(units_parse_time(WRONG[i], &value), -1);
    }
}

static void test_formats(void **state)
{
    char out[UNITS_TEXT_MAX];
    (void)state;
    assert_string_equal(units_format_size(out, sizeof(out), 262144), "256k");
    assert_string_equal(units_format_size(out, sizeof(out), 1000), "1000");
    assert_string_equal(units_format_size(out, sizeof(out), 0), "0");
    assert_string_equal(units_format_time(out, sizeof(out), 60000), "1m");
    assert_string_equal(units_format_time(out, sizeof(out), 1000), "1s");
    assert_string_equal(units_format_time(out, sizeof(out), 250), "250ms");
    assert_string_equal(units_format_time(out, sizeof(out), 0), "0");
    assert_string_equal(units_format_count(out, sizeof(out), 20000), "20000");
}

/* A printed number parses back to itself, at every power of two and next to it. */
static void test_plural(void **state)
{
    (void)state;
    assert_string_equal(units_plural(0), "s");
    assert_string_equal(units_plural(1), "");
    assert_string_equal(units_plural(2), "s");
    assert_string_equal(units_plural(UINT64_MAX), "s");
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int shift = 0; shift < 64; shift++) {
        for (int beside = -1; beside <= 1; beside++) {
            uint64_t value = (UINT64_C(1) << shift) + (uint64_t)(int64_t)beside, back;
            char out[UNITS_TEXT_MAX];
            assert_int_equal(units_parse_size(units_format_size(out, sizeof(out), value), &back),
                             0);
            assert_true(back == value);
            if (value % 1000 == 0 || value < UINT64_MAX / 1000) {
                assert_int_equal(
                    units_parse_time(units_format_time(out, sizeof(out), value), &back), 0);
                assert_true(back == value);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_rates_and_shares),
        cmocka_unit_test(test_times_in_ns_need_a_unit),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_plural),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "client/udp_flow.h"

#define SIZE 100
#define KEPT 64

/* A flow and its sent datagrams: datagram i was sent at time i + 1. */
struct fixture {
    struct udp_flow flow;
    unsigned char sent[KEPT][SIZE + 10];
    size_t sizes[KEPT];
};

static void begin(struct fixture *fixture, uint64_t count)
{
    const struct client_options options = {.seed = 1, .size_min = SIZE, .size_max = SIZE};
    assert_int_equal(udp_flow_init(&fixture->flow, &options, 7, 1), 0);
    for (uint64_t i = 0; i < count; i++) {
        fixture->sizes[i] = udp_flow_make(&fixture->flow, fixture->sent[i]);
        udp_flow_sent(&fixture->flow, i, i + 1);
    }
}

static struct udp_news take(struct fixture *fixture, uint64_t index)
{
    return udp_flow_take(&fixture->flow, fixture->sent[index], fixture->sizes[index]);
}

static void test_right(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 3);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(udp_flow_oldest_ns(&fixture.flow), i + 1);
        const struct udp_news news = take(&fixture, i);
        assert_int_equal(news.arrival, UDP_RIGHT);
        assert_int_equal(news.sequence, i);
        assert_int_equal(news.due_ns, i);
        assert_int_equal(news.sent_ns, i + 1);
        assert_false(news.is_reordered);
    }
    assert_int_equal(fixture.flow.awaited, 0);
    assert_int_equal(udp_flow_oldest_ns(&fixture.flow), UINT64_MAX);
    assert_int_equal(fixture.flow.counts.right, 3);
    udp_flow_clear(&fixture.flow);
}

static void test_lost_late_duplicate(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 4);
    assert_int_equal(take(&fixture, 1).arrival, UDP_RIGHT);
    assert_int_equal(take(&fixture, 1).arrival, UDP_TWICE);
    assert_int_equal(udp_flow_expire(&fixture.flow, 4), 2); /* 0 and 2; 3 was sent at 4 */
    assert_int_equal(fixture.flow.counts.lost, 2);
    assert_int_equal(take(&fixture, 2).arrival, UDP_LATE);
    assert_int_equal(take(&fixture, 2).arrival, UDP_TWICE);
    assert_int_equal(take(&fixture, 3).arrival, UDP_RIGHT);
    const struct udp_counts *counts = &fixture.flow.counts;
    assert_int_equal(counts->sent, 4);
    assert_int_equal(counts->right, 2);
    assert_int_equal(counts->lost, 1);
    assert_int_equal(counts->late, 1);
    assert_int_equal(counts->duplicates, 2);
    assert_int_equal(udp_loss_ppm(counts), 500000);
    udp_flow_clear(&fixture.flow);
}

static void test_reordered(void **state)
{
    static const uint64_t ORDER[] = {0, 2, 1, 3, 5, 4};
    struct fixture fixture;
    (void)state;
    begin(&fixture, 6);
    for (size_t i = 0; i < COUNT_OF(ORDER); i++) {
        const struct udp_news news = take(&fixture, ORDER[i]);
        assert_int_equal(news.arrival, UDP_RIGHT);
        assert_int_equal(news.is_reordered, ORDER[i] == 1 || ORDER[i] == 4);
    }
    assert_int_equal(fixture.flow.counts.reordered, 2);
    udp_flow_clear(&fixture.flow);
}

/* A flip of any bit of a datagram is detected, and so is any other length. */
static void test_every_flip_and_length(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 1);
    for (size_t i = 0; i < SIZE * 8; i++) {
        unsigned char *byte = &fixture.sent[0][i / 8];
        *byte ^= (unsigned char)(1U << i % 8);
        const struct udp_news news = take(&fixture, 0);
        assert_int_equal(news.arrival, UDP_WRONG);
        assert_int_equal(news.wrong.offset, i / 8);
        assert_int_equal(news.wrong.expected ^ news.wrong.came, 1U << i % 8);
        assert_int_equal(news.wrong.has_sequence, i / 8 >= UDP_HEADER_BYTES);
        if (i / 8 >= UDP_HEADER_BYTES && i / 8 + 8 < SIZE)
            assert_string_equal(news.wrong.evidence.kind, "changed");
        *byte ^= (unsigned char)(1U << i % 8);
    }
    for (size_t length = 0; length < SIZE + 10; length++) {
        fixture.sizes[0] = length;
        assert_int_equal(take(&fixture, 0).arrival, length == SIZE ? UDP_RIGHT : UDP_WRONG);
    }
    udp_flow_clear(&fixture.flow);
}

/* A wrong answer with a valid number ends the wait for that number; one without does not. */
static void test_wrong_ends_the_wait(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 2);
    fixture.sent[0][SIZE - 1] ^= 1;
    assert_int_equal(take(&fixture, 0).arrival, UDP_WRONG);
    assert_int_equal(fixture.flow.awaited, 1);
    assert_int_equal(fixture.flow.counts.lost, 1);
    fixture.sent[1][0] ^= 1;
    assert_int_equal(take(&fixture, 1).arrival, UDP_WRONG);
    assert_int_equal(fixture.flow.awaited, 1);
    assert_int_equal(udp_flow_expire(&fixture.flow, UINT64_MAX), 1);
    assert_int_equal(fixture.flow.counts.lost, 2);
    udp_flow_clear(&fixture.flow);
}

/* A correct answer that is no longer awaited counts as right within its time, and as late after
 * it. */
static void test_right_after_wrong(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 3);
    for (uint64_t i = 0; i < 2; i++) {
        fixture.sent[i][SIZE - 1] ^= 1;
        assert_int_equal(take(&fixture, i).arrival, UDP_WRONG);
        fixture.sent[i][SIZE - 1] ^= 1;
    }
    assert_int_equal(udp_flow_give_up(&fixture.flow), 1);
    assert_int_equal(fixture.flow.counts.lost, 3);
    assert_int_equal(udp_flow_oldest_ns(&fixture.flow), 1);
    assert_int_equal(udp_flow_expire(&fixture.flow, 2), 0); /* known to be lost already */
    assert_int_equal(take(&fixture, 0).arrival, UDP_LATE);
    assert_int_equal(take(&fixture, 1).arrival, UDP_RIGHT);
    assert_int_equal(take(&fixture, 2).arrival, UDP_RIGHT);
    assert_int_equal(take(&fixture, 2).arrival, UDP_TWICE);
    assert_int_equal(fixture.flow.counts.lost, 0);
    assert_int_equal(fixture.flow.counts.late, 1);
    assert_int_equal(fixture.flow.counts.right, 2);
    assert_int_equal(udp_flow_oldest_ns(&fixture.flow), UINT64_MAX);
    udp_flow_clear(&fixture.flow);
}

/* An answer to a datagram not sent yet: complete, with a future number. */
static void test_answered_before_asked(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 2);
    fixture.sizes[2] = udp_flow_make(&fixture.flow, fixture.sent[2]);
    const struct udp_news news = take(&fixture, 2);
    assert_int_equal(news.arrival, UDP_WRONG);
    assert_true(news.wrong.is_early);
    assert_int_equal(news.wrong.sequence, 2);
    assert_int_equal(fixture.flow.awaited, 2);
    fixture.sent[2][SIZE - 1] ^= 1; /* the answer to no datagram */
    assert_false(take(&fixture, 2).wrong.is_early);
    fixture.sent[2][SIZE - 1] ^= 1;
    udp_flow_sent(&fixture.flow, 3, 3);
    assert_int_equal(take(&fixture, 2).arrival, UDP_RIGHT);
    udp_flow_clear(&fixture.flow);
}

/* If the place of an awaited datagram is needed for a newer one, it counts as lost, and the sums
 * are correct. */
static void test_a_place_that_is_needed(void **state)
{
    static unsigned char first[SIZE];
    struct fixture fixture;
    (void)state;
    begin(&fixture, 1);
    memcpy(first, fixture.sent[0], SIZE);
    while (fixture.flow.awaited > 0) {
        fixture.sizes[1] = udp_flow_make(&fixture.flow, fixture.sent[1]);
        udp_flow_sent(&fixture.flow, 0, 100);
        assert_int_equal(take(&fixture, 1).arrival, UDP_RIGHT);
    }
    assert_int_equal(fixture.flow.counts.lost, 1);
    assert_int_equal(fixture.flow.counts.right, fixture.flow.next - 1);
    assert_int_equal(udp_flow_oldest_ns(&fixture.flow), UINT64_MAX);
    assert_int_equal(udp_flow_take(&fixture.flow, first, SIZE).arrival, UDP_TWICE);
    udp_flow_clear(&fixture.flow);
}

/* Datagrams due before the reset are not in the new counts, whatever their outcome and time of
 * sending. */
static void test_counts_restart(void **state)
{
    struct fixture fixture;
    (void)state;
    begin(&fixture, 4);
    assert_int_equal(udp_flow_expire(&fixture.flow, 2), 1);
    udp_flow_restart_counts(&fixture.flow, 5);
    fixture.sizes[4] = udp_flow_make(&fixture.flow, fixture.sent[4]);
    udp_flow_sent(&fixture.flow, 5, 5);
    fixture.sizes[5] = udp_flow_make(&fixture.flow, fixture.sent[5]);
    udp_flow_sent(&fixture.flow, 4, 6); /* sent late */
    assert_int_equal(take(&fixture, 0).arrival, UDP_LATE);
    assert_int_equal(take(&fixture, 1).arrival, UDP_RIGHT);
    assert_int_equal(udp_flow_expire(&fixture.flow, 4), 0);
    assert_int_equal(udp_flow_give_up(&fixture.flow), 1);
    const struct udp_counts *counts = &fixture.flow.counts;
    assert_int_equal(counts->sent, 1);
    assert_int_equal(counts->lost, 1);
    assert_int_equal(counts->late + counts->right, 0);
    assert_int_equal(take(&fixture, 4).arrival, UDP_RIGHT);
    assert_int_equal(counts->right, 1);
    assert_int_equal(counts->lost, 0);
    udp_flow_clear(&fixture.flow);
}

static void test_a_foreign_datagram_is_wrong(void **state)
{
    struct fixture fixture, other;
    const struct client_options options = {.seed = 2, .size_min = SIZE, .size_max = SIZE};
    (void)state;
    begin(&fixture, 1);
    assert_int_equal(udp_flow_init(&other.flow, &options, 7, 1), 0);
    size_t size = udp_flow_make(&other.flow, other.sent[0]);
    assert_int_equal(udp_flow_take(&fixture.flow, other.sent[0], size).arrival, UDP_WRONG);
    size = udp_flow_make(&fixture.flow, fixture.sent[1]); /* not sent yet */
    assert_int_equal(udp_flow_take(&fixture.flow, fixture.sent[1], size).arrival, UDP_WRONG);
    udp_flow_clear(&fixture.flow);
    udp_flow_clear(&other.flow);
}

/* So many that the first are forgotten: a repeated one is then only known to be old. */
static void test_memory_is_bounded(void **state)
{
    static unsigned char first[SIZE], scratch[SIZE];
    struct udp_flow flow;
    const struct client_options options = {.seed = 1, .size_min = 16, .size_max = SIZE};
    size_t first_size = 0;
    (void)state;
    assert_int_equal(udp_flow_init(&flow, &options, 1, 1), 0);
    for (uint64_t i = 0; udp_flow_has_room(&flow); i++) {
        size_t size = udp_flow_make(&flow, scratch);
        assert_in_range(size, 16, SIZE);
        if (i == 0)
            memcpy(first, scratch, first_size = size);
        udp_flow_sent(&flow, 0, i);
    }
    assert_int_equal(udp_flow_expire(&flow, UINT64_MAX), flow.slot_count);
    for (int i = 0; i < 10; i++) {
        assert_true(udp_flow_has_room(&flow));
        (void)udp_flow_make(&flow, scratch);
        udp_flow_sent(&flow, 0, 0);
    }
    assert_int_equal(udp_flow_take(&flow, first, first_size).arrival, UDP_TWICE);
    udp_flow_clear(&flow);
}

static void test_words(void **state)
{
    char text[FAILURE_TEXT_MAX];
    struct failure wrong = {.connection = 2,
                            .is_datagram = true,
                            .sequence = 9,
                            .has_sequence = true,
                            .sent_bytes = 64,
                            .came_bytes = 64,
                            .has_byte = true,
                            .offset = 20,
                            .expected = 1,
                            .came = 0xff};
    (void)state;
    for (int i = 0; i < 3; i++) {
        static const char *const LINES[] = {
            "here: flow 2, datagram 9 of 64 bytes: byte 20: expected 0x01, came 0xff",
            "here: flow 2, datagram 9 of 64 bytes: right as far as it goes, 20 bytes came",
            "here: flow 2, a datagram of unknown number: right as far as it goes, 20 bytes came"};
        assert_string_equal(failure_text(&wrong, "here", text, sizeof(text)), LINES[i]);
        wrong.has_byte = false;
        wrong.came_bytes = 20;
        wrong.has_sequence = i == 0;
    }
    assert_int_equal(udp_loss_ppm(&(struct udp_counts){0}), 0);
    assert_int_equal(udp_loss_ppm(&(struct udp_counts){.sent = 5000000, .lost = 1}), 1);
    assert_int_equal(udp_loss_ppm(&(struct udp_counts){.sent = 100, .lost = 1, .late = 1}), 20000);
}

/* Sends `count` datagrams, of which those chosen by is_lost() are not answered. */
static bool is_limited(uint64_t count, bool (*is_lost)(uint64_t))
{
    static unsigned char bytes[UDP_BYTES_MAX];
    struct udp_flow flow;
    const struct client_options options = {.seed = 1, .size_min = SIZE, .size_max = SIZE};
    assert_int_equal(udp_flow_init(&flow, &options, 1, count), 0);
    for (uint64_t i = 0; i < count; i++) {
        size_t size = udp_flow_make(&flow, bytes);
        udp_flow_sent(&flow, i, i);
        if (!is_lost(i))
            assert_int_equal(udp_flow_take(&flow, bytes, size).arrival, UDP_RIGHT);
    }
    (void)udp_flow_expire(&flow, UINT64_MAX);
    bool result = udp_flow_is_limited(&flow);
    udp_flow_clear(&flow);
    return result;
}

static uint64_t chance_seed;
static double chance;

static bool by_chance(uint64_t i)
{
    return (double)(pattern_seed(chance_seed, i) >> 11) / 9007199254740992.0 < chance;
}

static bool never(uint64_t i)
{
    return i > 1000;
}

/* 100 of 333 a second pass, once a bucket of 100 is empty. */
static bool by_a_bucket(uint64_t i)
{
    return i >= 140 && (i * 100 / 333) == ((i - 1) * 100 / 333);
}

static bool one_in_ten(uint64_t i)
{
    return i % 10 == 9;
}

static bool in_bursts(uint64_t i)
{
    return i % 40 < 7;
}

static void test_limit(void **state)
{
    static const double CHANCES[] = {0.05, 0.1, 0.3, 0.5, 0.7, 0.9};
    int mistakes = 0;
    (void)state;
    assert_false(is_limited(200, never));
    assert_true(is_limited(200, by_a_bucket));
    assert_true(is_limited(200, one_in_ten));
    assert_false(is_limited(200, in_bursts));
    for (size_t i = 0; i < sizeof(CHANCES) / sizeof(CHANCES[0]); i++) {
        chance = CHANCES[i];
        for (chance_seed = 1; chance_seed <= 500; chance_seed++)
            mistakes += is_limited(200, by_chance);
    }
    assert_true(mistakes <= 15); /* of 3000 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_lost_late_duplicate),
        cmocka_unit_test(test_reordered),
        cmocka_unit_test(test_every_flip_and_length),
        cmocka_unit_test(test_wrong_ends_the_wait),
        cmocka_unit_test(test_right_after_wrong),
        cmocka_unit_test(test_answered_before_asked),
        cmocka_unit_test(test_a_place_that_is_needed),
        cmocka_unit_test(test_counts_restart),
        cmocka_unit_test(test_a_foreign_datagram_is_wrong),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

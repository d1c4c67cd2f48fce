/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/deadline.h"

#define DEADLINES 200

static void test_order(void **state)
{
    struct deadline_queue queue = {0};
    struct deadline deadlines[3] = {0};
    (void)state;
    assert_null(deadline_first(&queue));
    assert_int_equal(deadline_queue_reserve(&queue, 3), 0);
    deadline_set(&queue, &deadlines[0], 30);
    deadline_set(&queue, &deadlines[1], 10);
    deadline_set(&queue, &deadlines[2], 20);
    assert_ptr_equal(deadline_first(&queue), &deadlines[1]);
    deadline_set(&queue, &deadlines[1], 40); /* later */
    assert_ptr_equal(deadline_first(&queue), &deadlines[2]);
    deadline_set(&queue, &deadlines[1], 5); /* earlier */
    assert_ptr_equal(deadline_first(&queue), &deadlines[1]);
    deadline_unset(&queue, &deadlines[1]);
    deadline_unset(&queue, &deadlines[1]); /* a second call has no effect */
    assert_int_equal(deadlines[1].place, 0);
    assert_ptr_equal(deadline_first(&queue), &deadlines[2]);
    deadline_queue_clear(&queue);
}

/* Compares random sets, moves and removals with a linear search. */
static void test_against_a_plain_search(void **state)
{
    struct deadline_queue queue = {0};
    struct deadline deadlines[DEADLINES] = {0};
    uint64_t seed = 7;
    (void)state;
    assert_int_equal(deadline_queue_reserve(&queue, DEADLINES), 0);
    for (int step = 0; step < 20000; step++) {
        struct deadline *one = &deadlines[unit_random(&seed) % DEADLINES];
        if (unit_random(&seed) % 3 == 0)
            deadline_unset(&queue, one);
        else
            deadline_set(&queue, one, unit_random(&seed) % 1000);
        uint64_t earliest = UINT64_MAX;
        size_t count = 0;
        for (size_t i = 0; i < DEADLINES; i++) {
            if (deadlines[i].place == 0)
                continue;
            count++;
            assert_ptr_equal(queue.heap[deadlines[i].place - 1], &deadlines[i]);
            earliest = deadlines[i].due_ms < earliest ? deadlines[i].due_ms : earliest;
        }
        assert_int_equal(queue.count, count);
        if (count > 0)
            assert_int_equal(deadline_first(&queue)->due_ms, earliest);
    }
    deadline_queue_clear(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_against_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Every call of an account: its effects on the account and the listener's counters, and the
 * identity of the sums. */
#include "unit.h"

#include <string.h>

#include "echo/account.h"

static struct counters counters;

static uint64_t counted(enum counter counter)
{
    return counter_get(&counters, counter);
}

static struct account begin(void)
{
    memset(&counters, 0, sizeof(counters));
    return (struct account){.counters = &counters};
}

static void assert_identity(const struct account *account, uint64_t owed)
{
    assert_int_equal(account_owed(account), owed);
    assert_int_equal(account->in + account->made,
                     account->out + owed + account->lost + account->sunk);
    assert_int_equal(counted(COUNTER_BYTES_IN), account->in);
    assert_int_equal(counted(COUNTER_MADE), account->made);
    assert_int_equal(counted(COUNTER_BYTES_OUT), account->out);
    assert_int_equal(counted(COUNTER_SUNK), account->sunk);
    assert_int_equal(counted(COUNTER_LOST), account->lost);
    assert_int_equal(counted(COUNTER_DISCARDED), account->discarded);
    assert_int_equal(counted(COUNTER_CUT), account->cut);
    assert_int_equal(counted(COUNTER_OWED), account->told_owed);
}

static void test_each_call(void **state)
{
    struct account account = begin();
    (void)state;
    assert_identity(&account, 0);
    account_came(&account, 100);
    assert_int_equal(account.in, 100);
    assert_identity(&account, 100);
    account_went(&account, 30);
    assert_int_equal(account.out, 30);
    assert_identity(&account, 70);
    account_made(&account, 7);
    assert_int_equal(account.made, 7);
    assert_identity(&account, 77);
    account_sunk(&account, 50); /* received, and not to be echoed */
    assert_int_equal(account.in, 150);
    assert_int_equal(account.sunk, 50);
    assert_identity(&account, 77);
    account_discarded(&account, 9); /* never received */
    assert_int_equal(account.discarded, 9);
    assert_identity(&account, 77);
    account_lose(&account, 20);
    assert_int_equal(account.lost, 20);
    assert_identity(&account, 57);
}

static void test_gauge(void **state)
{
    struct account account = begin();
    (void)state;
    assert_false(account_tell_owed(&account));
    account_came(&account, 10);
    assert_int_equal(counted(COUNTER_OWED), 0); /* reported by account_tell_owed() only */
    assert_true(account_tell_owed(&account));
    assert_int_equal(counted(COUNTER_OWED), 10);
    assert_false(account_tell_owed(&account));
    account_went(&account, 4);
    assert_true(account_tell_owed(&account)); /* down, too */
    assert_int_equal(counted(COUNTER_OWED), 6);
    account_came(&account, 4);
    account_went(&account, 4);
    assert_false(account_tell_owed(&account));
    assert_identity(&account, 6);
}

static void test_close(void **state)
{
    static const struct {
        uint64_t came, went, cut; /* the bytes that a reset discards, as the kernel reports */
        bool is_abandoned;
        uint64_t lost, cut_told, abandoned;
    } ROWS[] = {
        {0, 0, 0, false, 0, 0, 0},  {10, 10, 0, false, 0, 0, 0}, {10, 4, 0, false, 6, 0, 0},
        {10, 4, 3, false, 6, 3, 0}, {10, 4, 3, true, 6, 3, 9},   {10, 10, 10, true, 0, 10, 10},
        {10, 4, 5, true, 6, 4, 10}, /* bytes that were not the stream's own do not count */
        {0, 0, 300, true, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct account account = begin();
        account_came(&account, ROWS[i].came);
        account_went(&account, ROWS[i].went);
        bool was_owing = account_tell_owed(&account);
        assert_int_equal(account_close(&account, ROWS[i].cut, ROWS[i].is_abandoned), was_owing);
        assert_int_equal(account.lost, ROWS[i].lost);
        assert_int_equal(account.cut, ROWS[i].cut_told);
        assert_int_equal(counted(COUNTER_ABANDONED), ROWS[i].abandoned);
        assert_identity(&account, 0);
        assert_int_equal(counted(COUNTER_OWED), 0);
    }
}

/* A listener's counters are the sum of its accounts. */
static void test_two(void **state)
{
    struct account one = begin(), two = one;
    (void)state;
    account_came(&one, 10);
    account_came(&two, 5);
    account_went(&two, 2);
    (void)account_tell_owed(&one);
    (void)account_tell_owed(&two);
    assert_int_equal(counted(COUNTER_BYTES_IN), 15);
    assert_int_equal(counted(COUNTER_OWED), 13);
    assert_true(account_close(&one, 0, false));
    assert_int_equal(counted(COUNTER_OWED), 3);
    assert_int_equal(counted(COUNTER_LOST), 10);
    account_went(&two, 3);
    assert_true(account_close(&two, 0, true)); /* the gauge still contained bytes sent since */
    assert_int_equal(counted(COUNTER_OWED), 0);
    assert_int_equal(counted(COUNTER_ABANDONED), 0);
    assert_false(account_close(&two, 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call),
        cmocka_unit_test(test_gauge),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

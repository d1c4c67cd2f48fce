/* SPDX-License-Identifier: BSD-2-Clause */
#include "echo/account.h"

void account_made(struct account *account, size_t bytes)
{
    account->made += bytes;
    counter_add(account->counters, COUNTER_MADE, bytes);
}

void account_sunk(struct account *account, size_t bytes)
{
    account_came(account, bytes);
    account->sunk += bytes;
    counter_add(account->counters, COUNTER_SUNK, bytes);
}

void account_discarded(struct account *account, size_t bytes)
{
    account->discarded += bytes;
    counter_add(account->counters, COUNTER_DISCARDED, bytes);
}

void account_lose(struct account *account, size_t bytes)
{
    account->lost += bytes;
    counter_add(account->counters, COUNTER_LOST, bytes);
}

bool account_tell_owed(struct account *account)
{
    uint64_t owed = account_owed(account);
    if (owed == account->told_owed)
        return false;
    counter_add(account->counters, COUNTER_OWED, owed - account->told_owed);
    account->told_owed = owed;
    return true;
}

bool account_close(struct account *account, size_t cut, bool is_abandoned)
{
    account_lose(account, account_owed(account));
    account->cut = cut < account->out ? cut : account->out; /* the rest are bytes of TLS itself */
    counter_add(account->counters, COUNTER_CUT, account->cut);
    if (is_abandoned)
        counter_add(account->counters, COUNTER_ABANDONED, account->lost + account->cut);
    return account_tell_owed(account);
}

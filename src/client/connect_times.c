/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/connect_times.h"

#include "base/clock.h"

static void add(struct connect_times *times, uint64_t took_ns)
{
    histogram_add(&times->connect, took_ns);
    times->slow += took_ns > CONNECT_SLOW_NS;
}

void connect_times_note(struct connect_times *times, struct link *link, enum outcome outcome)
{
    if (link->is_timed)
        return;
    link->is_timed = true;
    if (link->connect_ns)
        add(times, link->connect_ns);
    else if (outcome == OUTCOME_TIMEOUT)
        add(times, clock_now_ns() - link->start_ns);
    if (link->state == LINK_OPEN && link->ssl)
        histogram_add(&times->handshake, link->handshake_ns);
}

void connect_times_merge(struct connect_times *sum, const struct connect_times *one)
{
    histogram_merge(&sum->connect, &one->connect);
    histogram_merge(&sum->handshake, &one->handshake);
    sum->slow += one->slow;
}

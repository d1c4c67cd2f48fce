#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# ./dev soak runs for a given time; here it runs for seconds, so that it stays tested.
# docs/RELIABILITY.md has the figures of a long run.

load lib

@test "F45 a short soak: nothing is lost or left behind, and memory does not grow" {
    local time
    need jq
    need prlimit
    need_plain_build "its memory grows by itself"
    time=$(sample 8s 120s)
    EVECHOD=$EVECHOD HELPERS=$HELPERS "$BATS_TEST_DIRNAME/../soak/run" "$time" "$T/soak" >report 2>said || {
        cat report said
        fail "the verdict of $time"
    }
    figure "$(tail -n 1 report); $(grep -o 'slope [^ ]* kB/h' report)"
    [[ -s $T/soak/soak.svg ]]
}

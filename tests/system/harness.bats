#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of the tests: each check of teardown can fail a test.

load lib

# fails_by WHAT COMMAND...: a test with that command must fail and report it.
fails_by() {
    local lib=$BATS_TEST_DIRNAME/lib
    printf '%s\n' "load '$lib'" '@test "one" {' "    ${*:2}" '}' >"$T/one.bats"
    run -1 env -u BATS_TEST_NAME EVECHOD="$EVECHOD" HELPERS="$HELPERS" bats "$T/one.bats"
    grep -q "^not ok 1 one" <<<"$output" || fail "it passed: $output"
    grep -qE "$1" <<<"$output" || fail "not for its reason: $output"
}

@test "a test that leaves nothing behind passes" {
    printf '%s\n' "load '$BATS_TEST_DIRNAME/lib'" '@test "one" {' '    start_server' '}' >"$T/one.bats"
    run -0 env -u BATS_TEST_NAME EVECHOD="$EVECHOD" HELPERS="$HELPERS" bats "$T/one.bats"
}

@test "a server killed by a signal fails the test" {
    fails_by 'ended with 137, expected 0' 'start_server; kill -KILL "$PID"; wait_for 5 is_gone "$PID"'
}

@test "a leaked descriptor fails the test" {
    fails_by 'descriptors: ' 'start_server; FDS_AT_START=1'
}

@test "an unexpected error line fails the test" {
    fails_by 'did not announce' 'start_server; echo "2026-01-31T12:00:00.123Z error bytes are missing" >>"$LOG"'
}

@test "a sanitizer's report fails the test" {
    fails_by 'a checker spoke up' 'start_server; echo "==1==ERROR: AddressSanitizer: heap-use-after-free" >>"$LOG"'
}

@test "a failing test shows the server's last lines" {
    fails_by 'notice listening' 'start_server; wait_for 5 in_log " notice listening"; false'
}

@test "/proc is readable for the checks, and the descriptor limit is high enough" {
    start_server
    [[ -r /proc/$PID/fd ]] && (($(fd_count) > 3)) || fail "its descriptors cannot be counted"
    (($(ulimit -n) >= 20000 || $(ulimit -n) == $(ulimit -Hn)))
}

@test "a core file fails the test" {
    fails_by 'a core file' 'start_server; : >"$T/core.1"'
}

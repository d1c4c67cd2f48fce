#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# What a failure says, in every command: when, on which port, how old the connection was, in which
# phase, and what came; as text and as fields of JSON.

load lib
load client

teardown() {
    stop_liar
    common_teardown
}

MOMENT='[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z, local port [1-9][0-9]*, lived [0-9]+\.[0-9]{3} s, phase'
FIELDS='(.time | test("^20[0-9-]+T[0-9:]+\\.[0-9]{6}Z$")) and .local_port > 1023 and .lived_s >= 0'

@test "when and where: check names both in its diagnosis, and in fields of JSON" {
    start_liar flip 100
    ends 1 evecho check --seed 1 --only large-bursts --json json "$LIAR_ENDPOINT"
    grep -qE "^#   $MOMENT exchange$" stdout || fail "$(<stdout)"
    json ".properties[0].failure | .class == \"mismatch\" and .offset == 100 and .phase == \"exchange\" and $FIELDS"
    json '.properties[0].failure | (.expected | type) == "number" and .came != .expected'
    json '.properties[0].failure.text == .properties[0].diagnosis'
}

@test "when and where: bench names both for each failure that it keeps" {
    start_liar reset 100
    ends 1 evecho bench -n 1 -s 1k --json json "$LIAR_ENDPOINT"
    grep -qE "^      $MOMENT exchange$" stdout || fail "$(<stdout)"
    json ".failures[0] | .class == \"reset\" and .end == \"RST\" and .phase == \"exchange\" and $FIELDS"
}

@test "when and where: ping, and its datagrams that are wrong or lost" {
    start_liar flip 100
    ends 1 evecho ping -c 1 -s 1k "$LIAR_ENDPOINT"
    grep -qE "^  $MOMENT exchange$" stdout || fail "$(<stdout)"
    LIAR=udpliar
    start_liar -o 2 flip 0 30
    ends 1 evecho ping -c 1 --timeout 300ms "$LIAR_ENDPOINT"
    grep -qE "^  $MOMENT exchange$" stdout || fail "$(<stdout)"
    start_liar -o 2 mute 0
    ends 1 evecho ping -c 1 --timeout 300ms "$LIAR_ENDPOINT"
    grep -A1 '^seq=1 lost: ' stdout | grep -qE "^  $MOMENT exchange$" || fail "$(<stdout)"
}

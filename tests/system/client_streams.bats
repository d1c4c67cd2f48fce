#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# evecho's checks of a stream: bytes received before a failed send, before their message, after the
# last answer, or from another run.

load lib
load client

teardown() {
    stop_liar
    common_teardown
}

@test "bench: a wrong byte before a reset is a mismatch, even if a send fails first" {
    start_liar spoil 1000
    ends 1 evecho bench -c 20 -s 200k -p 4 -t 2s --json json "$LIAR_ENDPOINT"
    json '.errors.mismatch >= 40 and .errors.reset == 0 and .errors_total == .errors.mismatch'
    ends 1 evecho bench -c 20 -r 20k -t 1s --require errors=1M --json json "$LIAR_ENDPOINT"
    json '.errors.mismatch >= 20 and .errors.reset == 0 and .errors_total == .errors.mismatch'
    [[ $(jq '.failures[].text' json | grep -c 'offset 1000: expected 0x') == 5 ]]
}

# stopped_until_the_reset COMMAND...: runs evecho, stopped from its first bytes until the liar's
# reset.
stopped_until_the_reset() {
    local port=${LIAR_ENDPOINT##*:} pid
    "$HELPERS/leash" "$LIFE" "$EVECHO" "$@" "$LIAR_ENDPOINT" <in >stdout 2>stderr 3>&- &
    pid=$!
    wait_for 5 has_sent "$port"
    kill -STOP "$pid"
    wait_for 10 not has_connection "$port"
    kill -CONT "$pid"
    wait "$pid" && fail "exit 0"
    return 0
}

has_sent() { ss -Htin "dport = :$1" | grep -q bytes_sent; }
has_connection() { ss -Htn "( sport = :$1 or dport = :$1 )" | grep -q ESTAB; }

@test "a wrong byte before a reset is reported if a send fails first" {
    head -c 4M /dev/zero >in
    start_liar spoil 1000 1000
    stopped_until_the_reset ping -c 1 -s 8M
    grep -q 'offset 1000: expected 0x' stdout || fail "$(<stdout)"
    stopped_until_the_reset bench -n 1 -s 8M
    grep -q 'offset 1000: expected 0x' stdout || fail "$(<stdout)"
    stopped_until_the_reset check --only full-duplex
    grep -q 'offset 1000: expected 0x' stdout || fail "$(<stdout)"
    stopped_until_the_reset cat
    grep -q 'received 1001 bytes, .*ended by RST' stderr || fail "$(<stderr)"
    (($(wc -c <stdout) == 1001)) || fail "$(wc -c <stdout) bytes"
}

@test "check: a wrong byte before a reset is a mismatch" {
    local property
    start_liar spoil 1000
    for property in full-duplex large-bursts half-close-in-flight holds-the-sender pipelined-order; do
        ends 1 evecho check --only "$property" "$LIAR_ENDPOINT"
        grep -q '^# .*offset 1000: expected 0x' stdout || fail "$property: $(<stdout)"
    done
}

@test "cat: all bytes received before a reset are written, for a slow reader too" {
    head -c 4M /dev/zero >in
    start_liar spoil 170000
    { evecho cat "$LIAR_ENDPOINT" <in 2>stderr || echo "$?" >code; } | { watch_for 1 && cat >out; }
    (($(<code) == 1))
    grep -q 'received 170001 bytes, .*ended by RST' stderr || fail "$(<stderr)"
    (($(wc -c <out) == 170001)) || fail "$(wc -c <out) bytes"
}

@test "an early FIN has a class of its own" {
    start_liar truncate 100
    ends 1 evecho bench -n 20 --json json "$LIAR_ENDPOINT"
    json '.errors.fin > 0 and .errors.reset == 0 and .errors_total == .errors.fin'
    grep -qE '\(REFUSED 0, TIMEOUT 0, FIN [1-9][0-9]*, RESET 0, DNS 0, TLS 0, MISMATCH 0, OTHER 0\)' stdout
    ends 1 evecho ping -c 2 -i 1ms --json json "$LIAR_ENDPOINT"
    json '.errors.fin == 1 and .errors.reset == 0'
    grep -q 'errors REFUSED 0 TIMEOUT 0 FIN 1 RESET 0 ' stdout
}

@test "each run has its own seed, which is printed and repeats the run" {
    local seed other
    start_liar honest 0
    for command in "bench -n 10 -s 1-9k" "ping -c 2 -i 1ms -s 1-9k" "check --only single-bytes"; do
        # shellcheck disable=SC2086 # words
        ends 0 evecho $command --json json "$LIAR_ENDPOINT"
        seed=$(jq .config.seed json)
        [[ $command == check* ]] || grep -qE ", seed $seed(:|\$)" stdout || fail "no seed $seed: $(<stdout)"
        # shellcheck disable=SC2086
        ends 0 evecho $command --json json "$LIAR_ENDPOINT"
        other=$(jq .config.seed json)
        ((seed != other)) || fail "$command: $seed twice"
    done
    start_liar flip 3
    ends 1 evecho check --only single-bytes "$LIAR_ENDPOINT" --seed 77
    grep -qx '# seed 77' stdout
    # The same sizes for the same seed.
    start_liar honest 0
    ends 0 evecho bench -n 10 -s 1-9k --json json "$LIAR_ENDPOINT"
    seed=$(jq -c '[.config.seed, .sent_bytes]' json)
    ends 0 evecho bench -n 10 -s 1-9k --seed "$(jq .config.seed json)" --json json "$LIAR_ENDPOINT"
    [[ $(jq -c '[.config.seed, .sent_bytes]' json) == "$seed" ]]
    ends 0 evecho ping -c 1 --seed random "$LIAR_ENDPOINT"
}

@test "bytes of an earlier run or of another connection are wrong from the first byte on" {
    local command
    for command in "bench -n 10" "ping -c 3 -i 1ms" "check --only single-bytes" \
        "check --only all-256-values"; do
        start_liar rerun 0
        # shellcheck disable=SC2086 # words
        ends 0 evecho $command "$LIAR_ENDPOINT"
        kill -USR1 "$LIAR_PID"
        # shellcheck disable=SC2086
        ends 1 evecho $command "$LIAR_ENDPOINT"
        grep -q 'offset 0: expected 0x' stdout || fail "$command: $(<stdout)"
        # The same seed has the same bytes.
        start_liar rerun 0
        # shellcheck disable=SC2086
        ends 0 evecho $command --seed 5 "$LIAR_ENDPOINT"
        kill -USR1 "$LIAR_PID"
        # shellcheck disable=SC2086
        ends 0 evecho $command --seed 5 "$LIAR_ENDPOINT"
    done
    start_liar replay 0
    ends 1 evecho check --only many-connections "$LIAR_ENDPOINT"
    grep -q 'offset 0: expected 0x' stdout || fail "$(<stdout)"
    LIAR=udpliar start_liar replay -2 64
    ends 0 evecho ping -c 2 -i 10ms "$LIAR_ENDPOINT"
    ends 1 evecho ping -c 2 -i 10ms --timeout 300ms "$LIAR_ENDPOINT"
    grep -q 'wrong: .*a datagram of unknown number: byte 0: expected 0x' stdout
    LIAR=udpliar start_liar replay -2 64
    ends 0 evecho bench -n 2 "$LIAR_ENDPOINT"
    ends 1 evecho bench -n 2 --timeout 300ms "$LIAR_ENDPOINT"
}

# pings RESULTS LIE...: three messages, with time between them.
pings() {
    local results=$1
    shift
    start_liar "$@"
    ends 1 evecho ping -c 3 -i 500ms --json json "$LIAR_ENDPOINT"
    json ".errors.mismatch > 0 and $results"
}

@test "ping: bytes before the message is sent or after the last answer are a mismatch" {
    pings true behind 0 5
    grep -qE 'connection 1, offset 0: (an extra byte came, 0x21|expected 0x.., came 0x21)' stdout
    pings true behind 64 5
    grep -q 'offset 64: an extra byte came, 0x21: ' stdout
    pings .received==3 behind 192 1
    grep -q 'offset 192: an extra byte came, 0x21: 1 byte more than was sent' stdout
    pings .received==3 parting 0 3
    grep -q 'offset 192: an extra byte came, 0x21: ' stdout
    pings true foresee 64 64
    grep -q 'offset 64: answered before asked: ' stdout
}

@test "ping: the same through a Unix socket and TLS" {
    need socat
    local lie listener address addresses=("UNIX-LISTEN:$T/s,fork,unlink-early")
    "$EVECHO" cat tls://127.0.0.1:1 </dev/null 2>&1 | grep -q 'not built into' ||
        addresses+=("OPENSSL-LISTEN:0,bind=127.0.0.1,fork,cert=both,verify=0")
    issue self localhost
    cat self.pem self.key >both
    for lie in 'behind 64 5' 'foresee 64 64' 'parting 0 5'; do
        # shellcheck disable=SC2086 # words
        start_liar $lie
        for listener in "${addresses[@]}"; do
            bg socat socat -d -d "$listener" "${LIAR_ENDPOINT/tcp:\/\//TCP:}"
            wait_for 10 said socat 'listening on'
            address=("unix:$T/s")
            [[ -S $T/s ]] || address=(-k "tls://127.0.0.1:$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' socat.out | head -n 1)")
            ends 1 evecho ping -c 1 -i 200ms --json json "${address[@]}"
            json '.errors.mismatch == 1 and .errors.tls == 0'
            grep -qE 'offset 64: (an extra byte came|answered before asked)' stdout || fail "$lie, ${address[*]}: $(<stdout)"
            end_bg socat
            rm -f "$T/s" "$T"/socat.*
        done
    done
}

@test "ping over udp://: an answer before its message is wrong, one after the last is reported" {
    LIAR=udpliar start_liar foresee 1
    ends 1 evecho ping -c 4 -i 50ms --json json "$LIAR_ENDPOINT"
    json '.datagrams_wrong == 1 and .datagrams_right == 4 and .errors.mismatch == 1'
    grep -q 'wrong: .*flow 1, datagram 2: answered before asked' stdout
    LIAR=udpliar start_liar again 2 1
    ends 0 evecho ping -c 3 -i 10ms --json json "$LIAR_ENDPOINT"
    json '.datagrams_duplicated == 1'
    grep -q '^seq=3 came once more' stdout
}

@test "bench, check: bytes after the last answer are a mismatch" {
    start_liar parting 0 3
    ends 1 evecho bench -n 3 --json json "$LIAR_ENDPOINT"
    json '.errors.mismatch == 1 and .completed == 3'
    grep -q 'offset 192: an extra byte came, 0x21: ' stdout
    ends 1 evecho check --only clean-end "$LIAR_ENDPOINT"
    grep -q 'offset 1000: an extra byte came, 0x21' stdout
    start_liar behind 1000 5
    ends 1 evecho check --only clean-end "$LIAR_ENDPOINT"
    grep -q 'offset 1000: an extra byte came, 0x21' stdout
}

@test "cat: bytes received before they were sent are reported, even if the sum is right" {
    local code=0
    mkfifo input
    start_liar foresee 8 8
    "$HELPERS/leash" "$LIFE" "$EVECHO" cat "$LIAR_ENDPOINT" <input >back 2>said 3>&- &
    local cat=$!
    exec 7>input
    printf 12345678 >&7
    came() { (($(wc -c <back) == 16)); }
    wait_for 10 came
    printf 12345678 >&7
    exec 7>&-
    wait "$cat" || code=$?
    ((code == 1)) || fail "exit $code: $(<said)"
    grep -q 'sent 16 bytes, received 16 bytes, ended by FIN; 8 bytes came before they were sent' said
}

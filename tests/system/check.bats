#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The checker, checked: every lie is found and named, and no truth is called a lie.

load lib
load client

teardown() {
    stop_liar
    common_teardown
}

@test "no truth is called a lie: TCP and Unix, both ways of reading" {
    for path in direct buffered; do
        start_server -l tcp://127.0.0.1:0 -l "unix:$T/s" -l "unix:@$BATS_ROOT_PID" --read-path $path
        for endpoint in "${ENDPOINTS[@]}"; do
            ends 0 evecho check "$endpoint"
            ! grep -q '^not ok' stdout || fail "$(<stdout)"
        done
        stop_server
    done
    start_liar honest 0
    ends 0 evecho check "$LIAR_ENDPOINT" --skip holds-the-sender,unread-then-half-close
}

@test "plan, list, only, skip, JSON" {
    start_server
    ends 0 evecho check --list
    local all
    all=$(grep -vc " udp: " stdout)
    ends 0 evecho check --only single-bytes,urgent-byte "$ENDPOINT"
    [[ $(<stdout) == $'1..2\nok 1 single-bytes\nok 2 urgent-byte' ]]
    ends 0 evecho check --skip unread-then-half-close,holds-the-sender "$ENDPOINT" --json -
    jq -e ".schema == 1 and .failed == 0 and (.properties | length) == $all - 5" stdout
    ends 0 evecho check --only idle --idle 300ms "$ENDPOINT"
    [[ $(<stdout) == $'1..1\nok 1 idle' ]]
}

# lie MODE N PATTERN: at every offset tried, the checker names the offset and the lie.
lie() {
    local mode=$1 n=$2 offset
    for offset in 0 1 7 8 63 4095 4096 65535 300001; do
        start_liar "$mode" "$offset" "$n"
        ends 1 evecho check --only large-bursts "$LIAR_ENDPOINT"
        grep -qE "offset $offset: .*$3" stdout || fail "$mode at $offset: $(<stdout)"
        stop_liar
    done
}

@test "every lie at every offset: dropped bytes" { lie drop 40 "40 bytes are missing"; }
@test "every lie at every offset: doubled bytes" {
    local offset
    # What was doubled shows where its copy ends, as bytes that came a second time.
    for offset in 0 1 7 8 63 4095 4096 65535 300001; do
        start_liar double "$offset" 40
        ends 1 evecho check --only large-bursts "$LIAR_ENDPOINT"
        grep -qE "offset $((offset + 40)): .*belongs at offset $offset: it came a second time" stdout ||
            fail "double at $offset: $(<stdout)"
        stop_liar
    done
}
@test "every lie at every offset: swapped bytes" { lie swap 1 "expected 0x.., came 0x"; }
@test "every lie at every offset: a flipped bit" { lie flip 1 "expected 0x.., came 0x"; }
@test "every lie at every offset: a truncation" { lie truncate 1 "ended too early, .*by FIN"; }
@test "every lie at every offset: a reset" {
    local offset
    # A reset overtakes what was sent before it, so it may show earlier, and never later.
    for offset in 0 1 8 4096 300001; do
        start_liar reset "$offset"
        ends 1 evecho check --only large-bursts "$LIAR_ENDPOINT"
        [[ $(<stdout) =~ offset\ ([0-9]+):.*by\ RST ]] || fail "reset at $offset: $(<stdout)"
        ((BASH_REMATCH[1] <= offset)) || fail "$(<stdout)"
        stop_liar
    done
}
@test "every lie at every offset: bytes that nobody sent" { lie extra 3 "came 0x21"; }

@test "a late echo is no lie, and one that is too late is" {
    start_liar delay 100 300
    ends 0 evecho check --only large-bursts "$LIAR_ENDPOINT"
    stop_liar
    start_liar delay 100 3000
    ends 1 evecho check --only large-bursts --timeout 200ms "$LIAR_ENDPOINT"
    grep -q 'no answer in time' stdout
}

@test "the textbook server: what it fails is named" {
    EVECHOD=$HELPERS/naive start_server
    ends 1 evecho check "$ENDPOINT"
    grep -qE '^not ok [0-9]+ urgent-byte' stdout
    grep -qE '^not ok [0-9]+ unread-then-half-close' stdout
    grep -qE 'ended too early, [0-9]+ bytes still awaited, the stream ended by FIN' stdout
    grep -qE '^ok [0-9]+ holds-the-sender # SKIP it took 67108864 bytes' stdout
}

@test "an endpoint that never answers: every property fails, within 40 s" {
    start_liar mute 0
    local start=$SECONDS
    ends 1 evecho check "$LIAR_ENDPOINT"
    ((SECONDS - start <= 42)) || fail "$((SECONDS - start)) s" # two for a busy machine
    (($(grep -c '^not ok' stdout) == 16))
}

@test "our own descriptor limit is no fault of the endpoint's: raised where it may be, else a skip" {
    start_server
    ends 0 prlimit --nofile=50:4096 "$EVECHO" check --only many-connections "$ENDPOINT"
    [[ $(<stdout) == $'1..1\nok 1 many-connections' ]]
    ends 0 prlimit --nofile=50:50 "$EVECHO" check --only single-bytes,many-connections "$ENDPOINT"
    grep -qx 'ok 1 single-bytes' stdout
    grep -q '^ok 2 many-connections # SKIP .*our own descriptor limit (ulimit -n) of 50' stdout
}

@test "a path that is slow is neither Nagle's fault nor silence" {
    start_liar slow 0 1 # 1 MB/s: 70000 bytes take 70 ms
    ends 0 evecho check --only delayed-ack "$LIAR_ENDPOINT"
    grep -qE '^ok 1 delayed-ack # SKIP 70000 bytes take .* on so slow a path' stdout
    stop_liar
    start_liar slow 0 15000 # 200 single bytes take 3 s, and its share is 2.4 s
    ends 0 evecho check --only single-bytes "$LIAR_ENDPOINT"
    [[ $(<stdout) == $'1..1\nok 1 single-bytes' ]]
    "$HELPERS/leash" 30 "$EVECHO" check "$LIAR_ENDPOINT" >out 2>&1 3>&- &
    pid=$!
    wait_for 10 grep -q single-bytes out
    kill -KILL "$pid"
    grep -qE '^ok 1 single-bytes # SKIP its share of our time was over .* of .* bytes back and right' out
}

@test "an only that would try nothing is refused, and no run passes with nothing tried" {
    start_server
    ends 2 evecho check --only idle,single-bytes "$ENDPOINT"
    grep -q "'idle' is tried with --idle TIME" stderr
    ends 2 evecho check --only close-notify "$ENDPOINT"
    grep -q "'close-notify' is a property of tls:// endpoints" stderr
    ends 2 evecho check --only small-datagrams "$ENDPOINT"
    grep -q "'small-datagrams' is a property of udp:// endpoints" stderr
    ends 2 evecho check --only single-bytes --skip single-bytes "$ENDPOINT"
    grep -q 'no property is left' stderr
}

@test "interrupted once: what is left was not verified, and the status says so" {
    start_liar slow 0 5000 # 200 single bytes take a second
    "$HELPERS/leash" 30 "$EVECHO" check --json json --only single-bytes,one-byte-drip \
        "$LIAR_ENDPOINT" >out 2>&1 3>&- &
    pid=$!
    wait_for 5 grep -q '^ok 1 single-bytes' out
    kill -INT "$pid"
    local code=0
    wait "$pid" || code=$?
    ((code == 1)) || fail "exit $code: $(<out)"
    grep -qx 'Bail out! interrupted after 1 of 2 properties' out
    jq -e '.interrupted and .failed == 0 and .passed == 1 and (.properties | length) == 1' json
}

# ends_at_once ARGUMENT...: a check that would wait for long is interrupted, and ends.
ends_at_once() {
    local code=0
    "$HELPERS/leash" 60 "$EVECHO" check "$@" >out 2>&1 3>&- &
    pid=$!
    wait_for 5 signals_are_awaited
    kill -INT "$pid"
    wait_for 2 is_gone "$pid"
    wait "$pid" || code=$?
    ((code == 1)) || fail "exit $code: $(<out)"
    not grep -qE '^(not )?ok' out
    grep -qE 'Bail out! interrupted after 0 of [0-9]+ propert' out
}

@test "interrupted in a property that waits: it is told no verdict of, and ends at once" {
    local row
    start_liar mute 0
    for row in single-bytes all-256-values clean-end half-close-at-once delayed-ack many-connections; do
        ends_at_once --only "$row" --timeout 30s "$LIAR_ENDPOINT"
    done
    stop_liar
    start_server
    ends_at_once --only idle --idle 30s "$ENDPOINT"
    stop_server
    LIAR=udpliar start_liar mute 1 # what is asked before anything else is answered
    for row in small-datagrams empty-datagram steady-flow burst; do
        ends_at_once --only "$row" --timeout 30s "$LIAR_ENDPOINT"
    done
}

@test "interrupted twice, or while the results go nowhere: it ends at once, with 4" {
    local code=0
    start_server
    mkfifo fifo
    "$HELPERS/leash" 30 "$EVECHO" check --only single-bytes --json fifo "$ENDPOINT" >out 2>&1 3>&- &
    pid=$!
    wait_for 5 grep -q '^ok 1' out
    until is_gone "$pid"; do
        kill -INT "$pid" 2>/dev/null || break
        watch_for 0.05
    done
    wait "$pid" || code=$?
    ((code == 4)) || fail "exit $code: $(<out)"
}

# By the kernel's word: there is a thread that takes them.
signals_are_awaited() {
    (($(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l) == 2))
}

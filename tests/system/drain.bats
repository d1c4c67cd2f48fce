#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# SIGTERM: accepting stops, open connections are served to their end, and bytes still owed are
# reported.

load lib

# drained OWED EXIT: checks the notice and the exit code.
drained() {
    EXPECTED_EXIT=$2 await_exit
    EXPECTED_EXIT=$2
    (($(log_count ' notice drained ') == 1)) || fail "not one notice of the drain"
    local owed
    owed=$(field owed "$(grep -a ' notice drained ' "$LOG")")
    echo "owed=$owed"
    [[ $1 == "$owed" || ($1 == some && $owed -gt 0) ]]
}

term() { kill -TERM "$PID"; }
is_refused() { peer "$ENDPOINT" stall:0 close | grep -q refused; }

@test "without connections it ends at once" {
    need_native "it takes seconds to start and to end"
    local from=${EPOCHREALTIME/./}
    start_server
    term
    drained 0 0
    (((${EPOCHREALTIME/./} - from) < 3000000 * PATIENCE))
}

drain_seconds() { field seconds "$(grep -a ' notice drained ' "$LOG" | tail -n 1)"; }

@test "without connections a drain waits only if the system cannot report handshakes" {
    need_strace
    start_server
    term
    drained 0 0
    awk -v s="$(drain_seconds)" 'BEGIN { exit !(s < 0.9) }' || fail "$(drain_seconds) s"
    : >"$LOG"
    under_strace -e trace=socket -e inject=socket:error=EPERM:when=2
    start_server
    grep -q 'AF_NETLINK.*INJECTED' trace || fail "$(<trace)"
    term
    drained 0 0
    awk -v s="$(drain_seconds)" 'BEGIN { exit !(s >= 0.9) }' || fail "$(drain_seconds) s"
}

@test "F32 60 MB in flight, in both directions, complete after SIGTERM" {
    start_server --drain-timeout 0
    bg transfer "$HELPERS/peer" "$ENDPOINT" send:20M say:half send:40M half-close read-all
    wait_for 20 said transfer half
    term
    finish transfer
    drained 0 0
    [[ $(field reason) == eof && $(field in) == $((60 << 20)) && $(field out) == $((60 << 20)) ]]
}

@test "F32 the same with many connections, over a Unix socket too" {
    local i
    start_server --drain-timeout 0 -l tcp://127.0.0.1:0 -l "unix:$T/s"
    for i in {1..6}; do
        bg "p$i" "$HELPERS/peer" -s "$i" "${ENDPOINTS[i % 2]}" send:5M say:half send:10M half-close read-all
    done
    for i in {1..6}; do
        wait_for 20 said "p$i" half
    done
    term
    for i in {1..6}; do
        finish "p$i"
    done
    drained 0 0
}

@test "F32 a half-closed connection with unread bytes receives all that it is owed" {
    start_server --drain-timeout 0
    bg reader "$HELPERS/peer" "$ENDPOINT" fill:64M say:standing wait-line half-close read-all
    wait_for 20 said reader standing
    term
    wait_for 5 in_log 'drain'
    go reader
    finish reader
    drained 0 0
}

@test "F32 signals at every moment of a transfer" {
    local i moments
    moments=$(sample 12 200)
    for ((i = 1; i <= moments; i++)); do
        start_server --drain-timeout 0 --drain-quiet 200ms
        bg "p$i" "$HELPERS/peer" -s "$i" "$ENDPOINT" send:$((i * 97))k say:now send:3M half-close read-all
        wait_for 10 said "p$i" now
        term
        finish "p$i"
        rm -f "$T/p$i.in"
        drained 0 0
        : >"$LOG"
    done
    figure "$moments moments, 0 bytes lost, 0 forced"
}

@test "new connections are refused while open ones continue" {
    start_server --drain-quiet 5s
    bg open "$HELPERS/peer" "$ENDPOINT" echo:1000 say:there wait-line echo:100000 half-close read-all
    wait_for 5 said open there
    term
    wait_for 5 is_refused
    not is_gone "$PID"
    go open
    finish open
    drained 0 0
}

@test "a quiet connection is ended by our half-close, and its time is --drain-quiet" {
    local from
    start_server --drain-quiet 400ms
    bg quiet "$HELPERS/peer" "$ENDPOINT" echo:1000 say:there read-all
    wait_for 5 said quiet there
    from=${EPOCHREALTIME/./}
    term
    finish quiet
    echo "after $(((${EPOCHREALTIME/./} - from) / 1000)) ms"
    (((${EPOCHREALTIME/./} - from) > 300000 && (${EPOCHREALTIME/./} - from) < 3000000 * PATIENCE))
    drained 0 0
    [[ $(field reason) == drain && $(field end) == fin ]]
}

@test "a client that ignores our half-close is closed after the linger time" {
    start_server --drain-quiet 100ms --linger-timeout 300ms
    bg deaf "$HELPERS/peer" "$ENDPOINT" echo:1000 say:there wait-line
    wait_for 5 said deaf there
    term
    drained 0 0
    [[ $(field reason) == drain ]]
    go deaf
    finish deaf
}

@test "500 connections, some quiet, some busy, all complete" {
    start_server --drain-timeout 0 --drain-quiet 300ms
    bg held "$HELPERS/crowd" -a -n 500 "$ENDPOINT"
    wait_for 10 said held holding=500
    bg busy "$HELPERS/peer" "$ENDPOINT" send:30M say:half send:30M half-close read-all
    wait_for 10 said busy half
    term
    finish busy
    finish held
    [[ $(fact held ended_held) == 500 && $(fact held reset_held) == 0 ]]
    drained 0 0
}

@test "a client that is never quiet is echoed until the drain timeout, then reset" {
    start_server --drain-timeout 800ms
    start_canary
    term
    run finish canary
    [[ $(fact canary verdict) == reset || $(fact canary verdict) == 'cannot send' || $(fact canary verdict) == eof ]]
    (($(fact canary got) >= 40))
    EXPECTED_EXIT='0'
    drained 0 0
    [[ $(field reason) == deadline && $(field end) == reset ]]
}

@test "bytes owed at the drain timeout: a reset, owed=N, exit 4" {
    start_server --drain-timeout 500ms
    bg deaf "$HELPERS/peer" -i 20000 "$ENDPOINT" rcvbuf:4k fill:64M say:standing await-reset
    wait_for 20 said deaf standing
    term
    finish deaf
    drained some 4
    [[ $(field reason) == deadline && $(field end) == reset ]]
    (($(field lost) > 0 && $(field in) == $(field out) + $(field lost)))
}

@test "a second signal ends at once: 0 with nothing owed" {
    local from
    start_server --drain-quiet 30s --drain-timeout 30s
    bg held "$HELPERS/crowd" -a -n 10 "$ENDPOINT"
    wait_for 5 said held holding=10
    from=${EPOCHREALTIME/./}
    term
    wait_for 5 is_refused
    term
    drained 0 0
    (((${EPOCHREALTIME/./} - from) < 5000000 * PATIENCE))
    finish held
    (($(closed_lines | grep -c 'reason=forced') == 10))
}

@test "a second signal ends at once: 4 with bytes owed" {
    start_server --drain-timeout 30s
    bg deaf "$HELPERS/peer" -i 20000 "$ENDPOINT" rcvbuf:4k fill:64M say:standing await-reset
    wait_for 20 said deaf standing
    term
    wait_for 5 is_refused
    kill -INT "$PID"
    finish deaf
    drained some 4
    [[ $(field reason) == forced && $(field end) == reset ]]
}

@test "bytes that a reset discards in the kernel count as given up, and are reported" {
    start_server --drain-timeout 1s -l tcp://127.0.0.1:0
    bg deaf "$HELPERS/peer" -i 20000 "$ENDPOINT" rcvbuf:4k send:300k say:standing await-reset
    wait_for 20 said deaf standing
    wait_for 5 all_is_out
    term
    drained some 4
    finish deaf
    [[ $(field reason) == deadline && $(field end) == reset && $(field lost) == 0 ]]
    (($(field cut) > 100000 && $(field cut) <= 300 * 1024)) || fail "$(closed_lines)"
    in_log "drained owed=$(field cut)"
}

@test "bytes that a late byte's reset discards during a drain count as given up too" {
    start_server -l tcp://127.0.0.1:0
    bg deaf "$HELPERS/peer" -i 20000 "$ENDPOINT" rcvbuf:4k send:300k say:standing wait-line text:late await-reset
    wait_for 20 said deaf standing
    wait_for 5 all_is_out
    term
    wait_for 10 is_half_closed
    go deaf
    drained some 4
    finish deaf
    [[ $(field reason) == drain && $(field end) == reset && $(field lost) == 0 ]]
    in_log "drained owed=$(field cut)"
}

# Our FIN is sent, or queued behind data.
is_half_closed() { [[ -n $(ss -Htn state fin-wait-1 "sport = :$PORT") ]]; }

all_is_out() { ask_counters && (($(counter bytes_out) == 300 * 1024)); }

@test "SIGINT drains like SIGTERM" {
    start_server
    peer "$ENDPOINT" echo:1000 half-close read-all
    kill -INT "$PID"
    drained 0 0
}

@test "connections in the backlog are accepted first" {
    need ss
    start_server --drain-quiet 500ms
    kill -STOP "$PID"
    bg waiting "$HELPERS/crowd" -k -n 50 "$ENDPOINT"
    wait_for 5 backlog_is 50
    term
    kill -CONT "$PID"
    finish waiting
    drained 0 0
}

@test "connections that wait because of --max-connections are accepted first too" {
    need ss
    start_server --max-connections 1 --drain-quiet 500ms
    bg one "$HELPERS/peer" "$ENDPOINT" echo:100 say:there wait-line half-close read-all
    wait_for 5 said one there
    bg waiting "$HELPERS/crowd" -a -k -n 20 "$ENDPOINT"
    wait_for 5 backlog_is 20
    term
    go one
    finish one
    finish waiting
    (($(fact waiting finished) == 20))
    drained 0 0
}

backlog_is() { (($(ss -Hltn "sport = :$PORT" | awk '{ print $2 }') >= $1)); }

@test "a storm of connects during SIGTERM: each is echoed or refused, none reset" {
    local i
    for i in {1..5}; do
        start_server --drain-quiet 300ms
        bg "storm$i" "$HELPERS/crowd" -a -k -n 4000 -j 100 "$ENDPOINT"
        wait_for 5 said "storm$i" 'first echo'
        term
        finish "storm$i"
        [[ $(fact "storm$i" reset) == 0 && $(fact "storm$i" eof) == 0 && $(fact "storm$i" bad) == 0 ]] ||
            fail "$(cat "$T/storm$i.out")"
        drained 0 0
        : >"$LOG"
    done
}

@test "the counters at the end balance" {
    start_server
    peer "$ENDPOINT" echo:12345 half-close read-all
    peer "$ENDPOINT" echo:100 reset
    wait_for 5 closed_at_least 2
    term
    drained 0 0
    COUNTERS=$(grep -a ' counters ' "$LOG" | tail -n 1)
    counters_balance
    [[ $(counter accepted) == 2 && $(counter closed) == 2 && $(counter bytes_in) == 12445 ]]
}

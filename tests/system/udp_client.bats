#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# evecho over udp://, with the daemon, and against a faulty echo.

load lib
load client

teardown() {
    stop_liar
    common_teardown
}

lying() {
    LIAR=udpliar start_liar "$@"
}

# pings CODE ARGUMENT...: sends six datagrams to a liar, quickly.
pings() {
    local code=$1
    shift
    ends "$code" evecho ping -c 6 -i 20ms --timeout 300ms --json json "$@" "$LIAR_ENDPOINT"
}

@test "an endpoint that answers wrongly is not reported as silent" {
    LIAR=udpliar start_liar cut 0 4
    ends 3 evecho ping -c 1 --timeout 300ms "$LIAR_ENDPOINT"
    grep -q 'what came was not what was sent' stderr
}

@test "the daemon's answers are all correct: ping, bench closed and open, check" {
    start_server --udp-rate 0 -l udp://localhost:0
    ends 0 evecho ping -c 5 -i 10ms --json json "$ENDPOINT"
    json '.sent == 5 and .datagrams_right == 5 and .loss_ppm == 0 and .p50_ns > 0'
    grep -q '^64 bytes from udp://.*: seq=5 time=' stdout
    ends 0 evecho bench -c 3 -p 4 -n 2000 -s 16-1400 --json json "$ENDPOINT"
    json '.completed == 2000 and .datagrams_sent == 2000 and .errors_total == 0 and
        .connections_opened == 3 and .connections_opened_after_warm_up == 3'
    ends 0 evecho bench -c 3 -r 2k -t 500ms -s 100 --json json "$ENDPOINT"
    json '.completed >= 800 and .completed <= 1001 and .datagrams_lost == 0'
    ends 0 evecho bench -n 20 -s 65507 "$ENDPOINT"
    ends 0 evecho check "$ENDPOINT"
    not grep -q '^not ok' stdout
    [[ $(grep -c '^ok' stdout) == "$(sed -n 's/^1\.\.//p' stdout)" ]]
}

@test "the warm-up is not counted, and flows share threads" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    ends 0 evecho bench -T 2 -c 5 -r 1k --warm-up 300ms -t 300ms --json json "$ENDPOINT"
    json '.completed >= 200 and .completed <= 310 and .connections_established == 5'
}

@test "lost, duplicate, reordered, late and wrong answers are distinguished" {
    lying drop 3
    pings 1
    json '.datagrams_lost == 1 and .datagrams_right == 5 and .errors.timeout == 1'
    grep -q '^seq=4 lost: no answer in time' stdout
    lying double 3 2
    pings 0
    json '.datagrams_duplicated == 2 and .datagrams_right == 6'
    lying swap 3
    ends 0 evecho bench -n 50 -p 4 --json json "$LIAR_ENDPOINT"
    json '.datagrams_reordered == 1 and .datagrams_right == 50'
    lying late 0 700
    pings 1 -i 200ms
    json '.datagrams_late == 1 and .datagrams_lost == 0 and .errors.timeout == 1'
    grep -q '^seq=1 late: after' stdout
    lying flip 3 40
    pings 1
    json '.datagrams_wrong == 1 and .errors.mismatch == 1'
    grep -q 'flow 1, datagram 3 of 64 bytes: byte 40: expected 0x' stdout
    lying long 3 5
    pings 1
    grep -q 'datagram 3 of 64 bytes: right as far as it goes, 69 bytes came' stdout
}

@test "a correct datagram after a wrong copy of itself is right, and neither late nor lost" {
    lying corrected 3 40
    pings 1 # for the wrong one
    json '.datagrams_right == 6 and .datagrams_wrong == 1 and .errors.mismatch == 1'
    json '.datagrams_late == 0 and .datagrams_lost == 0 and .errors.timeout == 0'
    not grep -qE '^seq=' stdout
    lying corrected 3 40
    ends 1 evecho bench -n 50 --json json "$LIAR_ENDPOINT"
    json '.datagrams_sent == 50 and .datagrams_right == 50 and .completed == 50'
    json '.datagrams_wrong == 1 and .errors_total == 1 and .errors.mismatch == 1'
}

@test "bench: a long-awaited datagram keeps its place while thousands pass" {
    lying late 3 1500
    ends 0 evecho bench -n 20000 -p 2 --timeout 5s --json json "$LIAR_ENDPOINT"
    json '.datagrams_sent == 20000 and .datagrams_right == 20000 and .datagrams_duplicated == 0'
    json '.max_ns > 1400000000'
}

@test "bench: if interrupted in the warm-up, nothing was measured, and -n begins after it" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -r 1k --warm-up 50s --json json \
        --require rate=1,errors=0 "$ENDPOINT" >stdout 2>stderr 3>&- &
    local bench=$! code=0
    udp_was_answered() { kill -USR1 "$PID" && in_log ' notice counters .* udp_out=[1-9]'; }
    wait_for 5 udp_was_answered
    kill -INT "$bench"
    wait "$bench" || code=$?
    ((code == 1)) || fail "exit $code"
    grep -qx 'evecho: interrupted before anything was measured' stderr
    json '.completed == 0 and .interrupted and .datagrams_sent == 0 and .warm_up_ns < 50000000000'
    ends 0 evecho bench -n 100 --warm-up 200ms --json json "$ENDPOINT"
    json '.completed == 100 and .datagrams_sent == 100 and .warm_up_ns > 190000000'
}

@test "bench: with one datagram in flight the latencies account for the elapsed time" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    ends 0 evecho bench -n 5000 --json json "$ENDPOINT"
    json '.completed == 5000 and .mean_ns * 5000 > .elapsed_ns / 2' || fail "$(jq -c '[.mean_ns, .elapsed_ns]' json)"
}

@test "bench: a client that cannot keep the rate still receives, and ends in time" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    ends 0 evecho bench -c 16 -r 10M -t 1s --timeout 1s --require loss=50% --json json "$ENDPOINT"
    json '.unsent > 1000000 and .elapsed_ns < 3000000000 and .completed > 1000'
}

@test "bench: losses are errors, or judged by --require loss" {
    lying drop 3
    ends 1 evecho bench -n 100 -p 8 --timeout 200ms --json json "$LIAR_ENDPOINT"
    json '.datagrams_lost == 1 and .errors.timeout == 1 and .loss_ppm == 10000 and .unanswered == 1'
    grep -q '^  datagrams    100 sent, 99 right, 1 lost, 0 late (1%)' stdout
    ends 1 evecho bench -n 100 -p 8 --timeout 200ms --require errors=0 "$LIAR_ENDPOINT"
    ends 0 evecho bench -n 100 -p 8 --timeout 200ms --require loss=1%,errors=0 "$LIAR_ENDPOINT"
    ends 1 evecho bench -n 100 -p 8 --timeout 200ms --require loss=0.9% "$LIAR_ENDPOINT"
    grep -q '^fail: loss is 1%; at most 0.9% was required' stdout
    ends 2 evecho bench --require loss=much "$LIAR_ENDPOINT"
    ends 2 evecho bench --require loss=1% tcp://127.0.0.1:1
}

@test "an open loop does not wait for lost datagrams" {
    lying mute 10
    ends 1 evecho bench -r 500 -t 400ms --timeout 300ms --json json "$LIAR_ENDPOINT"
    json '.datagrams_sent >= 150 and .datagrams_right == 10 and .datagrams_lost == .datagrams_sent - 10'
}

@test "a service that truncates every datagram is detected by all three" {
    lying cut 0 2048
    ends 1 evecho ping -c 2 -i 10ms -s 4k --timeout 300ms "$LIAR_ENDPOINT"
    ends 1 evecho bench -n 10 -s 4k --timeout 300ms "$LIAR_ENDPOINT"
    grep -q 'of 4096 bytes: right as far as it goes, 2048 bytes came' stdout
    ends 1 evecho check --timeout 300ms "$LIAR_ENDPOINT"
    grep -q '^not ok .* large-datagrams' stdout
    grep -q '^# of 2049 bytes 2048 came back' stdout
    grep -q '^ok .* small-datagrams' stdout
}

@test "check: each fault is found by its property" {
    local row
    for row in 'wedge 0 0 empty-datagram' 'elsewhere 0 0 replies-from-asked' \
        'double 20 1 steady-flow' 'again 20 300 steady-flow' 'swap 20 0 steady-flow' 'flip -1 200 all-byte-values'; do
        # shellcheck disable=SC2086 # words
        set -- $row
        lying "$1" "$2" "$3"
        ends 1 evecho check --only "$4" --timeout 300ms "$LIAR_ENDPOINT"
        grep -q "^not ok 1 $4" stdout
    done
    lying double 0 3
    ends 0 evecho check --only small-datagrams,empty-datagram --timeout 300ms "$LIAR_ENDPOINT"
    [[ $(head -n 3 stdout) == $'1..2\nok 1 small-datagrams\nok 2 empty-datagram' ]]
    lying drop 20
    ends 0 evecho check --only burst --timeout 300ms "$LIAR_ENDPOINT"
    grep -q '^ok 1 burst # SKIP of 50 datagrams 1 did not come back' stdout
    lying honest 0
    ends 0 evecho check --only privileged-source --timeout 300ms "$LIAR_ENDPOINT"
    grep -q '^ok 1 privileged-source # SKIP' stdout
}

@test "no service is exit 3, refused or silent" {
    local port
    port=$(free_port)
    ends 3 evecho ping -c 1 "udp://127.0.0.1:$port"
    grep -q 'Connection refused' stderr
    ends 3 evecho bench -t 1 "udp://127.0.0.1:$port"
    ends 3 evecho check "udp://127.0.0.1:$port"
    lying silent 0
    ends 3 evecho bench --timeout 300ms "$LIAR_ENDPOINT"
    grep -q 'no answer' stderr
}

@test "a service that ends during a run is reported as refused, without waiting" {
    lying honest 0
    bg bench "$EVECHO" bench -r 200 -t 2s --timeout 500ms --json "$T/json" "$LIAR_ENDPOINT"
    sleep_until_it_answers
    stop_liar
    finish bench || true
    json '.errors.refused > 0 and .datagrams_right > 0'
}

@test "bench: queued answers are received before a refusal is counted" {
    lying leave 50
    ends 1 evecho bench -p 512 -s 1k -t 500ms --timeout 300ms --json json "$LIAR_ENDPOINT"
    json '.datagrams_right == 51 and .errors_total == .datagrams_lost and .errors.refused > 0'
}

# The liar has read a datagram.
sleep_until_it_answers() {
    local port=${LIAR_ENDPOINT##*:}
    wait_for 5 socket_to "$port"
    watch_for 0.3
}

socket_to() { ss -Huna "dport = :$1" | grep -q .; }

@test "options that do not apply to datagrams are refused" {
    local words
    for words in 'cat' 'bench -s 8' 'ping -s 70k' 'bench --ramp-up 1s' \
        'bench --requests-per-connection 1' 'bench --proxy v1'; do
        # shellcheck disable=SC2086 # words
        ends 2 evecho $words udp://127.0.0.1:9 </dev/null
        grep -q 'udp://' stderr
    done
}

@test "ping: SIGQUIT prints interim figures, SIGINT ends with the summary, and twice ends with 4" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    "$HELPERS/leash" "$LIFE" "$EVECHO" ping -i 5ms "$ENDPOINT" >stdout 2>stderr 3>&- &
    local ping=$! code=0
    wait_for 5 grep -q seq=3 stdout
    kill -QUIT "$ping"
    wait_for 5 grep -qE '^[0-9]+ sent, [0-9]+ right, 0 lost' stderr
    kill -INT "$ping"
    wait "$ping"
    grep -q 'ping statistics' stdout
    # After the first answer it still waits for one that is never sent.
    lying mute 2
    "$HELPERS/leash" "$LIFE" "$EVECHO" ping -i 1ms --timeout 1s "$LIAR_ENDPOINT" >stdout 2>stderr 3>&- &
    ping=$!
    wait_for 5 grep -q '^seq=3 lost' stdout
    until is_gone "$ping"; do
        kill -INT "$ping" 2>/dev/null || break
        watch_for 0.1
    done
    wait "$ping" || code=$?
    ((code == 4)) || fail "exit $code"
}

@test "ping, bench: a port without a service is refused before anything is sent" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    stop_server
    ends 3 evecho bench -n 10 --timeout 300ms "$ENDPOINT"
    grep -q 'cannot reach .*Connection refused' stderr
    ends 3 evecho ping -c 3 --timeout 300ms "$ENDPOINT"
    grep -q 'cannot reach .*Connection refused' stderr
}

@test "bench: SIGINT prints the results so far" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -r 1k -t 50s "$ENDPOINT" >stdout 2>stderr 3>&- &
    local bench=$!
    has_answered() { kill -USR1 "$PID" && in_log ' notice counters .* udp_out=[1-9]'; }
    wait_for 5 has_answered
    kill -INT "$bench"
    wait "$bench"
    grep -qE 'echoes +[1-9][0-9]* verified' stdout
}

@test "a service's rate limit is distinguished from a path's losses" {
    start_server --udp-rate 100 -l udp://127.0.0.1:0
    ends 1 evecho check --only steady-flow "$ENDPOINT"
    grep -q '^# of 200 datagrams .*; the losses are as even as a limit on the rate makes them' stdout
    stop_server
    start_server --udp-rate 500 -l udp://127.0.0.1:0
    ends 0 evecho bench -r 2k -t 3s --timeout 500ms --require loss=90% --json json "$ENDPOINT"
    grep -qE '^  limit +(4[5-9]|5[0-4]).?/s came back, evenly' stdout
    json '.rate_limit_per_s > 450 and .rate_limit_per_s < 550'
    stop_server
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    ends 0 evecho bench -r 2k -t 500ms --json json "$ENDPOINT"
    json '.rate_limit_per_s == null'
}

@test "check --idle: silent for this time, and then an echo" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    ends 0 evecho check --only idle --idle 300ms "$ENDPOINT"
    [[ $(head -n 2 stdout) == $'1..1\nok 1 idle' ]]
    lying mute 1
    ends 1 evecho check --only idle --idle 300ms --timeout 500ms "$LIAR_ENDPOINT"
    grep -qx '# after 0.300 s of silence: a datagram of 64 bytes: no answer' stdout
}

@test "check: a service that ends during a flow is reported as refused, and named" {
    lying honest 0
    bg check "$EVECHO" check --only steady-flow --repeat 50 --timeout 1s "$LIAR_ENDPOINT"
    sleep_until_it_answers
    stop_liar
    not finish check
    grep -qE '^# of 200 datagrams .*; Connection refused, says 127\.0\.0\.1' check.out
}

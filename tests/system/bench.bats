#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# evecho bench: checks that its numbers are true. Endpoints here stall, lie or end at a known place,
# so the correct report is known. Streams and datagrams must meet the same rules.

load lib
load client

teardown() {
    stop_liar
    kill -CONT "$PID" 2>/dev/null || true
    common_teardown
}

lying() {
    stop_liar
    LIAR=liar start_liar "$@"
}

udp_lying() {
    stop_liar
    LIAR=udpliar start_liar "$@"
}

json() { jq -e "$1" json >/dev/null || fail "not $1: $(jq -c 'del(.config)' json)"; }

# The latency of an open loop includes every message that was due.
every_message_has_a_latency() {
    local count
    count=$(sed -nE 's/.*Total count *= *([0-9]+).*/\1/p' hgrm)
    json ".completed + .unanswered + .unsent == $count"
}

# ---- -n: the number of messages, and of which connection ----

# The first connection of a bench only tries the address, so the liar's second is bench's first.
@test "bench -n: a connection that stalls keeps its share of the messages, whatever threads there are" {
    local threads
    for threads in 1 2; do
        lying -o 2 delay 1280 1500
        ends 0 evecho bench -c 2 -T "$threads" -r 400 -n 400 --json json "$LIAR_ENDPOINT"
        json '.completed == 400 and .unsent == 0'
        json '.p75_ns > 800000000'
    done
}

@test "bench -n: one slow connection of four shows in a closed loop, whatever threads there are" {
    local threads
    for threads in 1 4; do
        lying -o 2 slow 0 312 # 20 ms a message
        ends 0 evecho bench -c 4 -T "$threads" -n 100 --json json "$LIAR_ENDPOINT"
        json '.completed == 100 and .mean_ns > 4500000'
        udp_lying -o 2 late -1 20
        ends 0 evecho bench -c 4 -T "$threads" -n 100 --json json "$LIAR_ENDPOINT"
        json '.completed == 100 and .mean_ns > 4500000'
    done
}

@test "bench -n: messages that a stalled connection did not send count as unsent, from their due time" {
    lying -o 2 mute 1280
    ends 1 evecho bench -c 2 -r 400 -n 400 -t 1500ms --timeout 5s --json json --hdr-out hgrm "$LIAR_ENDPOINT"
    json '.completed >= 200 and .completed + .unanswered + .unsent == 400 and .unsent > 150'
    json '.p90_ns > 1000000000'
    every_message_has_a_latency
}

@test "bench -n: with more connections than messages each has one at most" {
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0 --udp-rate 0
    for endpoint in "${ENDPOINTS[@]}"; do
        ends 0 evecho bench -c 10 -T 3 -n 7 --json json "$endpoint"
        json '.completed == 7'
        ends 0 evecho bench -c 10 -T 3 -r 100 -n 7 --warm-up 200ms --json json "$endpoint"
        json '.completed == 7'
    done
}

@test "with -t 0 and -n a run whose endpoint dies ends, and reports the unsent messages" {
    local scheme rate
    for scheme in tcp udp; do
        for rate in 0 1000; do
            : >"$LOG" # an earlier one's answers are none of this one's
            launch_server -l "$scheme://127.0.0.1:0" --udp-rate 0
            await_ready
            "$HELPERS/leash" "$LIFE" "$EVECHO" bench -c 2 -t 0 -n 100M -r "$rate" --timeout 500ms \
                --require errors=1M,unanswered=1M --json json "$ENDPOINT" >stdout 2>stderr 3>&- &
            local bench=$! code=0
            wait_for 5 has_answered
            kill -KILL "$PID"
            wait "$PID" || true
            PID=
            wait_for 5 is_gone "$bench"
            wait "$bench" || code=$?
            ((code == 1)) || fail "$scheme, rate $rate: exit $code, $(<stderr)"
            json '.completed > 0 and .errors_total > 0 and .unsent > 1000 and .connections_given_up == 2'
            json '.completed + .unanswered + .unsent == 100000000'
        done
    done
}

@test "with -t 0 and -n a run over UDP ends if the endpoint stops answering" {
    udp_lying mute 20
    ends 1 evecho bench -t 0 -n 100k --timeout 50ms --json json "$LIAR_ENDPOINT"
    json '.completed == 20 and .connections_given_up == 1 and .unanswered >= 10 and .completed + .unanswered + .unsent == 100000'
}

has_answered() {
    kill -USR1 "$PID"
    in_log ' notice counters .* (bytes|udp)_out=[1-9]'
}

@test "a message's size depends on the seed, its connection and its number, not on the threads" {
    local endpoint rate threads expected
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0 --udp-rate 0
    for endpoint in "${ENDPOINTS[@]}"; do
        for rate in 0 2000; do
            expected=
            for threads in 1 2 5; do
                ends 0 evecho bench -c 5 -T "$threads" -n 500 -r "$rate" -s 16-1000 --seed 7 \
                    --json json "$endpoint"
                expected=${expected:-$(jq .sent_bytes json)}
                json ".completed == 500 and .sent_bytes == $expected"
            done
        done
    done
}

# ---- the schedule ----

@test "bench --ramp-up: a connection's messages are due from when it should be open" {
    lying slow 0 80 # 5 ms a message
    ends 0 evecho bench -c 10 -r 1000 --ramp-up 1s --warm-up 1s -t 500ms --json json "$LIAR_ENDPOINT"
    json '.completed + .unsent == 500 and .completed > 450'
    json '.p90_ns < 100000000'
}

# ---- lost messages ----

@test "every lost message counts in the latency with the time that it waited" {
    local lie
    for lie in 'late-reset 1280 600' 'late-flip 1280 600' 'late-truncate 1280 600' 'mute 1280'; do
        # shellcheck disable=SC2086 # words
        lying -o 2 $lie
        ends 1 evecho bench -c 1 -p 1024 -r 200 -t 1s --timeout 600ms --json json --hdr-out hgrm "$LIAR_ENDPOINT"
        json '.unanswered > 80 and .errors_total == 1 and .completed + .unanswered + .unsent == 200'
        json '.p75_ns > 200000000' || fail "$lie"
        every_message_has_a_latency
    done
    udp_lying mute 20
    ends 1 evecho bench -r 200 -t 1s --timeout 600ms --json json --hdr-out hgrm "$LIAR_ENDPOINT"
    json '.unanswered == 180 and .p50_ns > 590000000'
    every_message_has_a_latency
}

@test "after complete messages in one piece only the rest counts as lost" {
    lying flip 640
    ends 1 evecho bench -c 1 -p 11 -n 11 --json json "$LIAR_ENDPOINT"
    json '.completed == 10 and .unanswered == 1'
}

@test "bench --require: unanswered messages fail unless it names them; unsent= judges the others" {
    lying -o 2 late-reset 1280 600
    ends 1 evecho bench -p 1024 -r 200 -t 1s --require errors=100 "$LIAR_ENDPOINT"
    grep -qE '^fail: unanswered is [0-9]+; at most 0 was required' stdout
    lying -o 2 late-reset 1280 600
    ends 0 evecho bench -p 1024 -r 200 -t 1s --require errors=100,unanswered=200 "$LIAR_ENDPOINT"
    lying -o 2 late-reset 1280 600
    ends 1 evecho bench -p 1024 -r 200 -t 1s --require errors=100,unanswered=3 "$LIAR_ENDPOINT"
    lying delay 64 1500
    ends 0 evecho bench -r 1k -t 500ms --require unsent=499 "$LIAR_ENDPOINT"
    ends 1 evecho bench -r 1k -t 500ms --require unsent=10 "$LIAR_ENDPOINT"
    grep -qE '^fail: unsent is [0-9]+; at most 10 was required' stdout
    udp_lying drop 3
    ends 1 evecho bench -n 100 -p 8 --timeout 200ms --require errors=1 "$LIAR_ENDPOINT"
    ends 0 evecho bench -n 100 -p 8 --timeout 200ms --require errors=1,unanswered=1 "$LIAR_ENDPOINT"
    ends 0 evecho bench -n 100 -p 8 --timeout 200ms --require loss=1% "$LIAR_ENDPOINT"
    ends 1 evecho bench -n 100 -p 8 --timeout 200ms --require loss=1%,unanswered=0 "$LIAR_ENDPOINT"
}

@test "messages of the warm-up do not count as unanswered" {
    lying -o 2 mute 640
    ends 1 evecho bench -c 2 --warm-up 300ms -t 600ms --timeout 600ms --json json "$LIAR_ENDPOINT"
    json '.unanswered == 0 and .errors.timeout == 1 and .completed > 0'
    lying -o 2 mute 640
    ends 1 evecho bench -p 8 --warm-up 300ms -r 100 -t 600ms --timeout 600ms --json json --hdr-out hgrm "$LIAR_ENDPOINT"
    json '.completed + .unanswered + .unsent == 60 and .unanswered + .unsent < 60'
    every_message_has_a_latency
}

# ---- the rate ----

@test "the rate is over the time measured, not until the last answer" {
    lying -o 2 delay 640 2500
    ends 0 evecho bench -c 2 -t 500ms --json json "$LIAR_ENDPOINT"
    json '.elapsed_ns == 500000000 and .max_ns > 2000000000'
    json '.rate_per_s * 0.5 <= .completed and .rate_per_s * 0.5 > .completed - 3'
    udp_lying -o 2 late 10 2500
    ends 0 evecho bench -c 2 -t 500ms --json json "$LIAR_ENDPOINT"
    json '.elapsed_ns == 500000000 and .max_ns > 2000000000 and .rate_per_s * 0.5 > .completed - 3'
}

@test "the rate counts the answers received, or the messages due, in the measured time" {
    lying delay 0 1500
    ends 0 evecho bench -c 10 -t 500ms --json json "$LIAR_ENDPOINT"
    json '.completed == 10 and .rate_per_s == 0'
    lying delay 0 1000
    ends 0 evecho bench -p 100 -r 100 -t 500ms --require rate=100 --json json "$LIAR_ENDPOINT"
    json '.completed == 50 and .rate_per_s == 100'
}

@test "with -n the measured time ends with the last answer" {
    lying -o 2 delay 640 1000
    ends 0 evecho bench -c 2 -n 100 --json json "$LIAR_ENDPOINT"
    json '.completed == 100 and .elapsed_ns > 1000000000 and .rate_per_s < 100'
}

# ---- the line on a terminal ----

@test "on a terminal the rate and latency of the last second are shown, and a stall is visible" {
    need script
    lying -o 2 delay 64000 3500 # a second of messages, and then no answer
    script -qec "'$EVECHO' bench -p 4 -r 1000 -t 5500ms '$LIAR_ENDPOINT'" typescript >/dev/null 3>&-
    tr '\r' '\n' <typescript | sed -nE 's/.*\[K([0-9]+) s  ([0-9]+)\/s  p50 ([0-9.-]+) ms.*/\1 \2 \3/p' >lines
    [[ $(awk 'NR == 1 { print ($2 > 700) }' lines) == 1 ]] || fail "$(<lines)"
    awk 'NR > 1 && $2 == 0 && $3 == "-" { stalled++ } END { exit stalled < 1 }' lines || fail "$(<lines)"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034 # lib.bash reads what is set here
#
# Large transfers, many connections, and both. Every case is a sample; EVECHO_THOROUGH=1 runs all of
# it.

load lib
load client

seconds_of() { sed -n 's/^seconds=//p' "$1" | tail -n 1; }
per_second() { awk -v n="$1" -v s="$2" 'BEGIN { printf "%d", n / (s > 0.001 ? s : 0.001) }'; }

# ---- F18 F19: one stream ----

@test "F18 byte by byte: one wait, one read and one write for each, and no more" {
    local bytes calls
    bytes=$(sample 3000 1048576)
    LIFE=$(sample 120 900)
    need_strace
    need_plain_build "it makes calls of its own"
    under_strace -c
    start_server -w 1 --log-level warn
    evecho bench -q -s 1 -n "$bytes" -t 0 --require errors=0 "$ENDPOINT" >facts || fail "$(<facts)"
    stop_server
    wait_for 10 grep -q ' total$' "$T/trace"
    calls=$(awk '$NF ~ /^(recvfrom|sendto|splice|read|readv|write|writev|epoll_wait|epoll_ctl|ioctl)$/ { n += $4 }
        END { print n }' "$T/trace")
    figure "$(awk -v c="$calls" -v b="$bytes" 'BEGIN { printf "%.2f", c / b }') system calls a byte, $bytes bytes"
    ((calls <= bytes * 45 / 10))
}

@test "F19 a long stream, every byte checked, and the same through a checksum" {
    local size began took
    size=$(sample 256 1024)
    start_server
    peer -i 30000 "$ENDPOINT" "send:${size}M" half-close read-all >facts || fail "$(<facts)"
    head -c "$((size / 4))M" /dev/urandom >random
    evecho cat "$ENDPOINT" <random | cmp - random
    figure "$size MiB both ways at $(per_second "$size" "$(seconds_of facts)") MiB/s, 0 wrong; $((size / 4)) MiB of random bytes the same"
}

# ---- F20 F21 F23: many ----

@test "F20 resets, also right after connecting: no descriptor is leaked, and the log is bounded" {
    local count lines
    count=$(sample 2000 20000)
    start_server --log-level notice
    start_canary
    crowd -k -r -n "$count" "$ENDPOINT" >facts || fail "$(<facts)"
    crowd -k -e -r -n "$count" "$ENDPOINT" >silent || fail "$(<silent)"
    stop_canary
    lines=$(wc -l <"$LOG")
    wait_for 10 fds_are_back
    figure "$(per_second "$count" "$(seconds_of facts)") resets/s after an echo," \
        "$(per_second "$count" "$(seconds_of silent)") after connecting; $lines log lines," \
        "$(fd_count) descriptors after, $FDS_AT_START before"
    ((lines <= 5)) || fail "the log grows with them"
}

@test "F21 churn: connections as fast as possible, from many addresses" {
    local i count serial took began
    count=$(sample 2000 20000)
    start_server --log-level notice
    crowd -k -j 1 -n "$count" "$ENDPOINT" >facts || fail "$(<facts)"
    serial=$(per_second "$count" "$(seconds_of facts)")
    began=${EPOCHREALTIME/./}
    for i in 1 2 3 4; do
        bg "churn$i" "$HELPERS/crowd" -k -n "$count" -b "127.0.0.$((20 + i))" "$ENDPOINT"
    done
    for i in 1 2 3 4; do
        finish "churn$i"
    done
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    ask_counters
    figure "$serial connections/s one by one, $((4 * count * 1000 / took)) in parallel, bad=0," \
        "$(ss -Htan state time-wait "sport = :$PORT or dport = :$PORT" | wc -l) in TIME_WAIT"
    [[ $(counter accepted) == $((5 * count)) && $(counter accept_errors) == 0 ]]
    counters_balance
}

@test "F23 a burst of connects: with the default backlog none overflows" {
    local count before dropped
    count=$(sample 3000 10000)
    need nstat
    start_server --log-level notice --backlog "$(sample 4096 16384)"
    before=$(listen_overflows)
    crowd -n "$count" -j "$count" "$ENDPOINT" >facts || fail "$(<facts)"
    dropped=$(($(listen_overflows) - before))
    figure "$count at once served in $(seconds_of facts) s; ListenOverflows of the machine meanwhile: $dropped"
    awk -F= '/^seconds/ { exit !($2 < 20 * '"$PATIENCE"') }' facts
}

listen_overflows() { nstat -asz TcpExtListenOverflows | awk '/ListenOverflows/ { print $2 }'; }

# ---- F17 F30: fairness ----

@test "F17 all places used by clients that never send: freed in time, one after the other" {
    local began took count
    count=$(sample 200 2000)
    start_server --max-connections "$count" --idle-timeout 1s --linger-timeout 100ms --log-level notice
    bg silent "$HELPERS/crowd" -a -e -n "$count" "$ENDPOINT"
    wait_for 10 said silent "holding=$count"
    began=${EPOCHREALTIME/./}
    start_canary
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    finish silent
    stop_canary
    figure "$count silent clients, the next one was served after $took ms (--idle-timeout 1 s)"
    [[ $(fact silent ended_held) == "$count" ]]
    ((took < 5000 * PATIENCE))
}

mice() {
    evecho bench -q -c 1000 -r 2000 -t 2s -s 64 "$ENDPOINT" --json "$1" >/dev/null
    jq .p99_ns "$1"
    # A starved client is late on average; the tail is unreliable on a busy machine.
    is_instrumented || jq -e '.p50_ns < 500000000' "$1" >/dev/null || fail "the mice are crowded out"
}

@test "F30 a thousand small connections beside a busy one, and in a flood of connects" {
    local alone elephant flood
    need jq
    start_server -w 1 --log-level notice
    alone=$(mice alone)
    bg elephant "$HELPERS/peer" "$ENDPOINT" send:1000G # it eats as long as the mice need
    wait_for 5 has_taken 10000000
    elephant=$(mice elephant)
    end_bg elephant
    bg flood bash -c 'for i in {1..40}; do
        "$1" -k -a -n 2000 -b "127.0.0.$((40 + i))" "$2" >/dev/null || exit 1; done' - "$HELPERS/crowd" "$ENDPOINT"
    flood=$(mice flood)
    end_bg flood
    figure "p99 of 1000 mice: $((alone / 1000)) us alone," \
        "$((elephant / 1000)) beside an elephant, $((flood / 1000)) in a flood of connects"
}

# ---- F26: a long pause ----

@test "F26 a window closed for long opens again: nothing is lost" {
    local ms
    ms=$(sample 2000 30000)
    start_server
    peer -t "$LIFE" -i 60000 "$ENDPOINT" rcvbuf:2k fill:4M "stall:$ms" half-close read-all >facts ||
        fail "$(<facts)"
    stop_server
    [[ $(field reason) == eof && $(field lost) == 0 ]]
    figure "window closed for $ms ms, bytes lost 0 of $(sed -n 's/^sent=//p' facts)"
}

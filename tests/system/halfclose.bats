#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Ends of streams: the peer's FIN never cuts off bytes that we owe, a reset is reported as a reset,
# and nothing of a closed connection remains.

load lib

# At the FIN more bytes are owed than all the kernel's buffers hold.
unread_then_half_close() {
    peer -i 20000 "$1" fill:64M half-close read-all >facts || fail "$(<facts)"
    figure "$(sed -n 's/^sent=//p' facts) bytes sent before the half-close, lost 0"
}

@test "F15 64 MiB unread, a half-close, then everything is read" {
    start_server
    unread_then_half_close "$ENDPOINT"
}

@test "F15 the same over a Unix socket" {
    start_server -l "unix:$T/s"
    unread_then_half_close "$ENDPOINT"
}

@test "F15 8 MB and a half-close, read slowly through a small window" {
    start_server
    peer "$ENDPOINT" rcvbuf:16k fill:8M half-close read:64k stall:50 read:64k stall:50 read-all
    stop_server
    [[ $(field reason) == eof && $(field lost) == 0 ]]
    [[ $(field in) == "$(field out)" ]]
}

@test "F15 many at once, all half-closed before they read" {
    local i
    start_server
    for i in {1..8}; do
        bg "p$i" "$HELPERS/peer" -s "$i" -i 20000 "$ENDPOINT" fill:3M half-close stall:100 read-all
    done
    for i in {1..8}; do
        finish "p$i"
    done
}

@test "F29 connections that send nothing" {
    local i
    start_server
    for i in {1..20}; do
        peer "$ENDPOINT" half-close read-all >facts || fail "$(<facts)"
        peer "$ENDPOINT" stall:0 close >facts || fail "$(<facts)"
        peer "$ENDPOINT" stall:0 reset >facts || fail "$(<facts)"
    done
    peer "$ENDPOINT" echo:1000 half-close read-all
    stop_server
    (($(closed_count) == 61))
    figure "60 connections, $(log_count ' (warn|error) ') lines above info"
    not in_log ' (warn|error) '
}

@test "the close line shows a clean end" {
    start_server
    peer "$ENDPOINT" echo:1234 half-close read-all
    wait_for 5 closed_at_least 1
    [[ $(field in) == 1234 && $(field out) == 1234 && $(field lost) == 0 ]]
    [[ $(field reason) == eof && $(field end) == fin ]]
}

@test "F08 a peer's reset is a reset in the log, not an eof" {
    start_server
    peer "$ENDPOINT" fill:256k reset
    peer "$ENDPOINT" echo:100 reset
    wait_for 5 closed_at_least 2
    closed_lines
    (($(closed_lines | grep -c 'reason=reset') == 2))
    (($(closed_lines | grep -c 'reason=eof') == 0))
    ask_counters
    [[ $(counter closed_reset) == 2 ]]
    counters_balance
}

@test "F08 a peer that is gone before its echo does not end the service" {
    local i
    start_server
    start_canary
    for i in {1..30}; do
        peer "$ENDPOINT" fill:1M close >facts || fail "$(<facts)"
        peer "$ENDPOINT" fill:100k reset >facts || fail "$(<facts)"
    done
    stop_canary
}

@test "F20 a storm of resets leaves nothing behind" {
    start_server
    start_canary
    crowd -k -r -n 3000 "$ENDPOINT"
    crowd -k -e -r -n 2000 "$ENDPOINT"
    stop_canary
    wait_for 5 closed_at_least 5001
    ask_counters
    [[ $(counter accepted) == 5001 && $(counter closed) == 5001 ]]
    counters_balance
}

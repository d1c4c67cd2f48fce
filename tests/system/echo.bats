#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Every byte, in order: all sizes, all values, all ways of sending, and foreign programs.

load lib

SIZES=(0 1 2 4095 4096 4097 16383 16384 16385 1M)

every_size_on() {
    local size
    for size in "${SIZES[@]}"; do
        peer "$1" "echo:$size" half-close read-all >facts || fail "echo of $size: $(<facts)"
        peer "$1" "send:$size" half-close read-all >facts || fail "stream of $size: $(<facts)"
    done
}

# stranger FILE COMMAND...: the command must echo the file unchanged.
stranger() {
    local file=$1
    shift
    "$HELPERS/leash" 50 "$@" <"$file" >"$T/back" 3>&-
    cmp "$file" "$T/back"
    rm "$T/back"
}

random_file() { head -c "$1" /dev/urandom >"$T/random"; }

@test "every size over TCP" {
    start_server
    every_size_on "$ENDPOINT"
}

@test "every size over a Unix socket" {
    start_server -l "unix:$T/s"
    every_size_on "$ENDPOINT"
}

@test "every size with one worker, and over an abstract socket" {
    start_server -w 1 -l "unix:@evecho-echo-$$"
    every_size_on "$ENDPOINT"
}

@test "all 256 byte values, with a foreign client" {
    need socat
    printf '%b' "$(printf '\\x%02x' {0..255})" >values
    (($(wc -c <values) == 256))
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s"
    stranger values socat -t 30 - "TCP:127.0.0.1:$PORT"
    stranger values socat -t 30 - "UNIX-CONNECT:$T/s"
}

@test "16 MiB of random bytes through socat" {
    need socat
    random_file 16M
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s"
    stranger random socat -t 30 - "TCP:127.0.0.1:$PORT"
    stranger random socat -t 30 - "UNIX-CONNECT:$T/s"
}

@test "16 MiB of random bytes through nc" {
    need nc
    random_file 16M
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s"
    stranger random nc -N 127.0.0.1 "$PORT"
    stranger random nc -N -U "$T/s"
}

@test "64 MiB while reading, then a half-close" {
    start_server
    peer "$ENDPOINT" send:64M half-close read-all
}

@test "20 short messages, each followed at once by a half-close" {
    local i
    start_server
    for i in {1..20}; do
        peer -s "$i" "$ENDPOINT" text:short half-close read-all >facts || fail "$i: $(<facts)"
    done
}

@test "one byte with an immediate end" {
    start_server
    peer "$ENDPOINT" echo:1 half-close read-all >facts || fail "$(<facts)"
    awk -F= '/^seconds/ { exit !($2 < 1) }' facts
}

@test "F18 byte by byte" {
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s"
    peer "$ENDPOINT" drip:20000:0 half-close read-all
    peer "unix:$T/s" drip:20000 half-close read-all
}

@test "many messages on one connection stay in order" {
    local steps=() i
    for i in {1..200}; do steps+=("echo:$((i * 37 % 9001))"); done
    start_server
    peer "$ENDPOINT" "${steps[@]}" half-close read-all
}

@test "F27 urgent data is echoed in its place" {
    start_server
    peer "$ENDPOINT" text:abc oob:U text:def half-close read-all >facts || fail "$(<facts)"
    figure "$(sed -n 's/^got=//p' facts)/7 bytes in place"
    peer "$ENDPOINT" echo:5000 oob:U echo:5000 oob:longer oob:V echo:5000 half-close read-all
}

@test "F27 urgent data on a Unix socket is echoed in its place, without a busy loop" {
    local steps=() i before
    start_server -w 1 -l "unix:$T/s" --idle-timeout 1s
    for i in {1..40}; do steps+=(oob:U "echo:$i"); done
    peer "$ENDPOINT" "${steps[@]}" half-close read-all
    peer "$ENDPOINT" text:abc oob:longer oob:U text:def half-close read-all
    # A single urgent byte does not cause a busy loop: it is echoed, and then its sender is idle.
    before=$(cpu_ticks)
    peer "$ENDPOINT" oob:U expect-eof
    wait_for 5 closed_at_least 3
    (($(cpu_ticks) - before < 50)) || fail "it took $(($(cpu_ticks) - before)) ticks"
    [[ $(field reason) == idle && $(field in) == 1 && $(field out) == 1 ]]
}

@test "the same over IPv6" {
    has_ipv6 || skip "no IPv6 here"
    start_server -l 'tcp://[::1]:0'
    every_size_on "$ENDPOINT"
}

@test "200 connections at once, each with its own bytes" {
    start_server
    crowd -n 200 -m 16k "$ENDPOINT"
}

@test "F21 2000 connections one after the other" {
    start_server
    crowd -k -n 2000 -j 4 "$ENDPOINT"
}

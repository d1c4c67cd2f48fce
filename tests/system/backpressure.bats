#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# A client that does not read is not read either, and costs the server no more than the buffer.

load lib

# grown_kb FROM: the growth of resident memory since.
grown_kb() { echo $(($(peak_kb) - $1)); }

@test "F16 a client that never reads is not read any more, and its memory is bounded" {
    local rss cpu
    start_server
    peer "$ENDPOINT" echo:1M half-close read-all
    rss=$(rss_kb)
    bg pusher "$HELPERS/peer" "$ENDPOINT" fill:64M say:standing wait-line half-close read-all
    wait_for 30 said pusher standing
    cpu=$(cpu_ticks)
    figure "held after $(fact pusher filled) bytes, $(grown_kb "$rss") kB grown"
    [[ $(fact pusher held) == 1 ]] || fail "64 MiB were swallowed"
    (($(fact pusher filled) < 16 << 20))
    is_instrumented || (($(grown_kb "$rss") < 1024)) || fail "memory"
    start_canary
    watch_for 1
    stop_canary
    echo "CPU while it is held: $(($(cpu_ticks) - cpu)) ticks"
    is_instrumented || (($(cpu_ticks) - cpu < 20)) || fail "CPU is burnt"
    go pusher
    finish pusher
    peer "$ENDPOINT" echo:1000 half-close read-all
}

@test "F16 --buffer sets the high-water mark" {
    local small large
    local -x EVECHOD_READ_PATH=buffered # the direct one leaves it in a Unix socket's own queue
    start_server --buffer 16k -l "unix:$T/s"
    peer "$ENDPOINT" fill:8M half-close read-all >facts || fail "$(<facts)"
    small=$(sed -n 's/^filled=//p' facts)
    stop_server
    start_server --buffer 4M -l "unix:$T/s"
    peer "$ENDPOINT" fill:8M half-close read-all >facts || fail "$(<facts)"
    large=$(sed -n 's/^filled=//p' facts)
    ((large - small > 3 << 20))
    ((small < 1 << 20))
}

@test "F16 --buffer sets a mark larger than one read, on both read paths" {
    local small large path kernel
    # The most that the kernel may buffer in addition, in both directions, on any machine.
    kernel=$(awk '{ sum += $3 } END { print sum }' /proc/sys/net/ipv4/tcp_[rw]mem)
    for path in direct buffered; do
        EVECHOD_READ_PATH=$path start_server
        peer "$ENDPOINT" rcvbuf:64k fill:128M half-close read-all >facts || fail "$(<facts)"
        small=$(sed -n 's/^filled=//p' facts)
        stop_server
        EVECHOD_READ_PATH=$path start_server --buffer 20M
        peer "$ENDPOINT" rcvbuf:64k fill:128M half-close read-all >facts || fail "$(<facts)"
        large=$(sed -n 's/^filled=//p' facts)
        stop_server
        echo "$path: $small, $large bytes"
        ((large > 20 << 20 && large < (24 << 20) + 2 * kernel)) || fail "$path: $small, $large"
    done
}

@test "F16 bytes owed are reported while the client is paused, and none afterwards" {
    start_server --buffer 64k
    bg pusher "$HELPERS/peer" "$ENDPOINT" fill:64M say:standing wait-line half-close read-all
    wait_for 30 said pusher standing
    ask_counters
    counters_balance
    (($(counter held) >= 1))
    (($(counter owed) > 0 && $(counter owed) <= 2 * 65536))
    go pusher
    finish pusher
    wait_for 5 closed_at_least 1
    ask_counters
    [[ $(counter owed) == 0 && $(counter lost) == 0 ]]
    counters_balance
}

@test "F16 many clients that never read are bounded by --max-owed" {
    local i rss
    start_server --max-owed 1M -l tcp://127.0.0.1:0
    rss=$(rss_kb)
    for i in {1..16}; do
        bg "p$i" "$HELPERS/peer" -s "$i" -i 30000 "$ENDPOINT" rcvbuf:16k fill:64M say:standing \
            wait-line half-close read-all
    done
    for i in {1..16}; do
        wait_for 30 said "p$i" standing
    done
    ask_counters
    figure "16 of them: owed $(counter owed), $(grown_kb "$rss") kB grown"
    (($(counter owed) <= (1 << 20) + (512 << 10)))
    is_instrumented || (($(grown_kb "$rss") < 4096)) || fail "memory"
    for i in {1..16}; do
        go "p$i"
    done
    for i in {1..16}; do
        finish "p$i"
    done
}

@test "chain amplification: single bytes over a Unix socket use little memory" {
    local rss
    start_server -w 1 --buffer 128k -l "unix:$T/s"
    peer "$ENDPOINT" echo:64k half-close read-all
    rss=$(rss_kb)
    bg dripper "$HELPERS/peer" "$ENDPOINT" drip:160000 say:standing wait-line half-close read-all
    wait_for 50 said dripper standing
    echo "dripped $(fact dripper dripped), $(grown_kb "$rss") kB grown"
    is_instrumented || (($(grown_kb "$rss") < 4 * 128)) || fail "more than four times the buffer"
    go dripper
    finish dripper
}

@test "chain amplification: the same over TCP, once its buffers are full" {
    local rss
    start_server -w 1
    peer "$ENDPOINT" echo:64k half-close read-all
    rss=$(rss_kb)
    bg dripper "$HELPERS/peer" "$ENDPOINT" rcvbuf:2k fill:4M drip:100000:0 say:standing wait-line \
        half-close read-all
    wait_for 50 said dripper standing
    echo "dripped $(fact dripper dripped), $(grown_kb "$rss") kB grown"
    is_instrumented || (($(grown_kb "$rss") < 4 * 256)) || fail "more than four times the buffer"
    go dripper
    finish dripper
}

@test "F26 a reader that stops and resumes loses nothing" {
    start_server
    peer "$ENDPOINT" rcvbuf:2k fill:16M stall:1500 read:100k stall:500 half-close read-all
}

@test "F06 a slow reader and chunks of all sizes keep their order" {
    local steps=() i
    for i in {1..60}; do steps+=("fill:$((i * 7919 % 60000 + 1))" "read:$((i * 3571 % 20000 + 1))"); done
    start_server --buffer 32k
    peer "$ENDPOINT" rcvbuf:4k "${steps[@]:0:40}" half-close read-all
    peer -w 20 "$ENDPOINT" "${steps[@]}" half-close read-all
}

@test "F30 one busy connection does not delay the others" {
    local before
    start_server -w 1
    bg elephant "$HELPERS/peer" "$ENDPOINT" send:1000G # it eats as long as the mice need
    wait_for 10 has_taken 10000000
    start_canary
    before=$(counter bytes_in)
    crowd -n 100 -j 10 "$ENDPOINT"
    stop_canary
    wait_for 10 has_taken $((before + 1000000))
    not is_gone "${BG_PID[elephant]}" || fail "the elephant ended before the mice: $(<elephant.out)"
    end_bg elephant
    # A starved client is late on average; the tail is unreliable on a busy machine.
    (($(fact canary p50_us) < 500000))
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Deadlines: each ends the right connection at the right time, and no active one.

load lib
load client

# seconds_between LOW HIGH: checks the duration of the peer's script (facts file). LOW is some tens
# of milliseconds below the deadline, as libevent's clock is the coarse one; HIGH is extended by
# PATIENCE.
seconds_between() {
    awk -F= -v low="$1" -v high="$(($2 * PATIENCE))" '/^seconds/ { exit !($2 >= low && $2 < high) }' facts ||
        fail "not between $1 and $2 s: $(grep seconds facts)"
}

@test "idle: a half-close after the timeout, with every byte echoed" {
    start_server --idle-timeout 500ms --linger-timeout 200ms
    peer "$ENDPOINT" echo:10000 read-all >facts || fail "$(<facts)"
    seconds_between 0.45 3
    wait_for 5 closed_at_least 1
    [[ $(field reason) == idle && $(field end) == fin && $(field lost) == 0 ]]
}

@test "idle: a client that never sends is closed too" {
    start_server --idle-timeout 300ms
    peer "$ENDPOINT" stall:0 read-all >facts || fail "$(<facts)"
    seconds_between 0.25 3
}

@test "idle: a client that sends now and then is not idle" {
    start_server --idle-timeout 600ms
    peer "$ENDPOINT" echo:10 stall:200 echo:10 stall:200 echo:10 stall:200 echo:10 stall:200 \
        echo:10 stall:200 echo:1000 half-close read-all
}

@test "idle: a client that is owed bytes is not idle" {
    start_server --idle-timeout 300ms
    peer "$ENDPOINT" rcvbuf:4k fill:4M stall:1200 half-close read-all
    wait_for 5 closed_at_least 1
    [[ $(field reason) == eof ]]
}

@test "idle: without the option there is no idle timeout" {
    start_server
    peer "$ENDPOINT" echo:10 stall:1500 echo:10 half-close read-all
}

@test "idle: an attribute of one listener wins" {
    start_server --idle-timeout 60s -l tcp://127.0.0.1:0,idle-timeout=300ms -l tcp://127.0.0.1:0
    bg other "$HELPERS/peer" "${ENDPOINTS[1]}" echo:10 wait-line echo:10 half-close read-all
    peer "${ENDPOINTS[0]}" echo:10 read-all >facts || fail "$(<facts)"
    seconds_between 0.25 3
    go other
    finish other
}

@test "stall: a slow reader is not stalled, even if the kernel has no room for more" {
    local steps=() i
    start_server --stall-timeout 1500ms -l tcp://127.0.0.1:0 -l "unix:$T/s"
    # On loopback a kernel reopens a closed window when the whole buffer, here 8 KiB, is empty.
    for ((i = 0; i < 60; i++)); do
        steps+=(read:3000 stall:50)
    done
    bg slow "$HELPERS/peer" "${ENDPOINTS[1]}" fill:64M "${steps[@]}" half-close read-all
    peer "$ENDPOINT" rcvbuf:4k fill:64M "${steps[@]}" half-close read-all
    finish slow
    wait_for 5 closed_at_least 2
    not in_log 'reason=stall'
}

@test "linger: late bytes of a bulk sender reach no other connection" {
    local i
    start_server -w 1 --idle-timeout 300ms
    peer "$ENDPOINT" echo:60000 echo:60000 echo:60000 expect-eof late:120 expect-reset
    for i in 2 3 4; do
        peer -s "$i" "$ENDPOINT" echo:60000 echo:60000 echo:60000 half-close read-all
    done
}

@test "linger: a client that ignores our FIN is closed in time" {
    start_server --idle-timeout 200ms --linger-timeout 300ms
    bg deaf "$HELPERS/peer" "$ENDPOINT" echo:10 say:there wait-line
    wait_for 5 said deaf there
    wait_for 5 closed_at_least 1
    [[ $(field reason) == idle && $(field discarded) == 0 ]]
    awk -v s="$(field seconds)" 'BEGIN { exit !(s >= 0.45 && s < 3) }'
    wait_for 5 fds_are_back
    go deaf
    finish deaf
}

@test "linger: bytes after our FIN are counted as discarded, and the end is a reset" {
    start_server --idle-timeout 200ms --linger-timeout 500ms
    peer "$ENDPOINT" echo:1000 expect-eof late:1000 expect-reset
    wait_for 5 closed_at_least 1
    closed_lines
    [[ $(field reason) == idle && $(field end) == reset ]]
    [[ $(field discarded) == 1000 && $(field in) == 1000 && $(field out) == 1000 ]]
    ask_counters
    [[ $(counter discarded) == 1000 ]]
    counters_balance
}

@test "linger: bytes after our FIN are reset at once, before the sender ends" {
    local path
    for path in direct buffered; do
        EVECHOD_READ_PATH=$path start_server --idle-timeout 200ms --linger-timeout 1h
        peer "$ENDPOINT" echo:1000 expect-eof late:3000 expect-reset >facts || fail "$(<facts)"
        seconds_between 0.15 8
        wait_for 5 closed_at_least 1
        [[ $(field end) == reset && $(field discarded) -gt 0 ]]
        stop_server
    done
    EVECHOD_READ_PATH=direct start_server -l "unix:$T/late" --idle-timeout 200ms --linger-timeout 1h
    peer "unix:$T/late" echo:1000 expect-eof late:3000 expect-reset >facts || fail "$(<facts)"
    wait_for 5 closed_at_least 1
    [[ $(field end) == reset && $(field discarded) -gt 0 ]]
}

@test "linger: a flood after our FIN is bounded by the same time" {
    start_server --idle-timeout 200ms --linger-timeout 500ms
    peer "$ENDPOINT" echo:1000 expect-eof late:200M expect-reset >facts || fail "$(<facts)"
    seconds_between 0.15 10
    wait_for 5 closed_at_least 1
}

@test "F16 stall: a client that reads nothing is reset after the timeout, and the loss is counted" {
    start_server --stall-timeout 600ms
    peer -w 200 "$ENDPOINT" rcvbuf:4k fill:64M await-reset >facts || fail "$(<facts)"
    wait_for 5 closed_at_least 1
    closed_lines
    [[ $(field reason) == stall && $(field end) == reset ]]
    (($(field lost) > 0 && $(field in) == $(field out) + $(field lost)))
    ask_counters
    [[ $(counter closed_stall) == 1 ]]
    counters_balance
}

@test "F16 stall: by default a window closed for some seconds is tolerated" {
    start_server
    peer "$ENDPOINT" rcvbuf:4k fill:4M stall:3000 half-close read-all
}

@test "F16 stall: it applies after the peer's FIN too" {
    start_server --stall-timeout 500ms
    peer -w 100 "$ENDPOINT" rcvbuf:4k fill:6M half-close await-reset
    wait_for 5 closed_at_least 1
    [[ $(field reason) == stall && $(field end) == reset ]]
}

# Twice the timeout in all, and fewer bytes than were owed by then: a read of more would wait for
# ever. The timeout is longer than TCP's own first retransmissions (0.2 + 0.4 + 0.8 s), which a
# buffer as small as the reader's may cause.
@test "F16 stall: a slow but steady reader is not stalled" {
    local i steps=()
    for i in {1..40}; do steps+=(read:60k stall:100); done
    start_server --stall-timeout 2s
    peer "$ENDPOINT" rcvbuf:64k fill:12M "${steps[@]}" half-close read-all
}

@test "flush: bytes owed after the peer's FIN have this time, even with a steady reader" {
    local -x EVECHOD_READ_PATH=buffered # the direct one reads the FIN when nothing is owed any more
    start_server --flush-timeout 700ms --buffer 64M
    peer -w 100 "$ENDPOINT" rcvbuf:2k fill:16M half-close sip:2000:2000 expect-reset >facts || fail "$(<facts)"
    wait_for 5 closed_at_least 1
    closed_lines
    [[ $(field reason) == flush && $(field end) == reset ]]
    (($(field lost) > 0))
}

@test "times may be given in every unit" {
    start_server --idle-timeout 1h --stall-timeout 5m --flush-timeout 90 --linger-timeout 250ms
    peer "$ENDPOINT" echo:10 half-close read-all
}

@test "a time of zero disables the timeout" {
    start_server --idle-timeout 0 --stall-timeout 0 --flush-timeout 0s
    peer "$ENDPOINT" rcvbuf:4k fill:4M stall:1500 half-close read-all
}

# ---- keepalive

none_open() { [[ -z $(ss -Htn state established "sport = :$1") ]]; }

# Only one timer is shown: while the echo is not acknowledged, it is the retransmission timer.
all_acknowledged() { ! ss -Htno state established "sport = :$1" | grep -q 'timer:(on,'; }

# keepalive_of ENDPOINT: prints the keepalive timer at the server's end of a new connection, if any.
keepalive_of() {
    wait_for 5 none_open "${1##*:}"
    bg one "$HELPERS/peer" "$1" echo:1 say:there wait-line half-close read-all
    wait_for 5 said one there
    wait_for 5 all_acknowledged "${1##*:}"
    ss -Htno state established "sport = :${1##*:}" | sed -n 's/.*timer:(keepalive,\([0-9]*min\).*/\1/p'
    go one
    wait_for 5 is_gone "${BG_PID[one]}"
    rm -f "$T/one.in"
}

# At most a minute below the configured time.
keepalive_is() {
    local found
    found=$(keepalive_of "$1")
    [[ $found == "$2" ]] || fail "$1 '$found', not '$2'"
}

@test "keepalive: two hours by default, an option and an attribute, off, and by a reload" {
    need ss
    printf '%s\n' 'listen = tcp://127.0.0.1:0' 'listen = tcp://127.0.0.1:0,keepalive=30m' \
        'listen = tcp://127.0.0.1:0,keepalive=off' >conf
    start_server --config conf
    keepalive_is "${ENDPOINTS[0]}" 119min
    keepalive_is "${ENDPOINTS[1]}" 29min
    keepalive_is "${ENDPOINTS[2]}" ''
    bg old "$HELPERS/peer" "$ENDPOINT" echo:1 say:there wait-line half-close read-all
    wait_for 5 said old there
    sed -i 's/=off/=1h/' conf
    echo 'keepalive = 5m' >>conf
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    wait_for 5 all_acknowledged "$PORT"
    ss -Htno state established "sport = :$PORT" | grep -q 'timer:(keepalive,119min' ||
        fail "a connection that was open has changed"
    go old
    finish old
    keepalive_is "$ENDPOINT" 4min
    keepalive_is "${ENDPOINTS[1]}" 29min
    keepalive_is "${ENDPOINTS[2]}" 59min
    sed -i 's/keepalive = 5m/keepalive = off/' conf
    kill -HUP "$PID"
    wait_for 5 log_count_is ' notice reloaded' 2
    keepalive_is "$ENDPOINT" ''
}

@test "evecho sends no keepalive, which would hide idle timeouts" {
    need ss
    start_server --keepalive off
    bg cat "$EVECHO" cat "$ENDPOINT"
    bg ping "$EVECHO" ping -i 20s "$ENDPOINT"
    bg bench "$EVECHO" bench -c 2 -r 1 -t 20 "$ENDPOINT"
    bg check "$EVECHO" check --idle 20s --only idle "$ENDPOINT"
    wait_for 5 established_at_least 5
    ss -Htno state established "dport = :$PORT" | tee sockets
    not grep -q 'timer:(keepalive' sockets
}

established_at_least() { (($(ss -Htn state established "dport = :$PORT" | wc -l) >= $1)); }

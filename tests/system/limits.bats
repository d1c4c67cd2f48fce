#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Limits of connections: of all (peers wait in the backlog), and of one source (reset).

load lib
load netns

@test "--max-connections: a client above it waits, and is served after the first close" {
    local cpu
    start_server --max-connections 5
    bg few "$HELPERS/crowd" -n 5 "$ENDPOINT"
    wait_for 5 said few holding=5
    bg many "$HELPERS/crowd" -k -n 40 "$ENDPOINT"
    wait_for 5 in_log 'limit|max-connections'
    cpu=$(cpu_ticks)
    watch_for 1
    is_instrumented || (($(cpu_ticks) - cpu < 10))
    not said many 'first echo'
    (($(open_sockets) <= 5))
    go few
    finish few
    finish many
    (($(log_count 'limit|max-connections') <= 3)) || fail "not rate-limited"
    wait_for 5 closed_at_least 45
    ask_counters
    [[ $(counter accepted) == 45 ]]
    (($(counter accept_pauses) >= 1))
}

# The number of sockets above that at the start.
open_sockets() { echo $(($(fd_count) - FDS_AT_START)); }

@test "--max-connections lowered by a reload: new clients wait as usual" {
    printf '%s\n' "listen = tcp://127.0.0.1:0" "max-connections = 10" >conf
    start_server --config conf
    bg old "$HELPERS/crowd" -n 4 "$ENDPOINT"
    wait_for 5 said old holding=4
    sed -i 's/10/2/' conf
    kill -HUP "$PID"
    wait_for 5 in_log 'max-connections is reached: new connections wait'
    bg new "$HELPERS/crowd" -n 2 "$ENDPOINT"
    watch_for 0.3
    not said new holding
    go old
    finish old
    wait_for 5 said new holding=2
    go new
    finish new
    ask_counters
    [[ $(counter refused_error) == 0 && $(counter accepted) == 6 ]]
}

@test "--max-connections holds over all listeners and workers" {
    start_server -w 3 --max-connections 4 -l tcp://127.0.0.1:0 -l "unix:$T/s"
    bg a "$HELPERS/crowd" -n 2 "${ENDPOINTS[0]}"
    bg b "$HELPERS/crowd" -n 2 "${ENDPOINTS[1]}"
    wait_for 5 said a holding=2
    wait_for 5 said b holding=2
    bg c "$HELPERS/crowd" -k -n 10 "${ENDPOINTS[0]}"
    bg d "$HELPERS/crowd" -k -n 10 "${ENDPOINTS[1]}"
    watch_for 0.3
    not said c 'first echo'
    not said d 'first echo'
    go a
    finish a
    go b
    finish b
    finish c
    finish d
}

@test "--max-connections-per-source: a client above it is reset, others are served" {
    start_server --max-connections-per-source 3
    bg held "$HELPERS/crowd" -n 3 "$ENDPOINT"
    wait_for 5 said held holding=3
    crowd -a -k -n 7 "$ENDPOINT" >facts || fail "$(<facts)"
    grep -qx reset=7 facts
    crowd -k -n 3 -j 1 -b 127.0.0.9 "$ENDPOINT"
    go held
    finish held
    wait_for 5 closed_at_least 6
    crowd -k -n 3 "$ENDPOINT"
    ask_counters
    [[ $(counter refused_source) == 7 ]]
    (($(log_count 'source') <= 3)) || fail "not rate-limited"
}

@test "F52 a source is an address, in any of its forms" {
    has_ipv6 || skip "no IPv6 here"
    start_server --max-connections-per-source 2 -l 'tcp://*:0'
    bg held "$HELPERS/crowd" -n 2 "tcp://127.0.0.1:$PORT"
    wait_for 5 said held holding=2
    crowd -a -k -n 2 "tcp://[::ffff:127.0.0.1]:$PORT" >facts || fail "$(<facts)"
    grep -qx reset=2 facts
    go held
    finish held
}

# Whole networks of addresses, in the server's own network namespace.
start_with_many_sources() {
    need_netns
    ulimit -n 12000 2>/dev/null || skip "no 12000 descriptors here"
    in_own_network 'sysctl -qw net.ipv6.ip_nonlocal_bind=1 &&
        ip -6 route add local 2001:db8::/32 dev lo'
    start_server -l 'tcp://[2001:db8:ffff::1]:0' "$@"
}

@test "thousands of IPv6 sources connect and leave without delaying others" {
    local prefix
    for prefix in 128 64; do
        start_with_many_sources --source-prefix "$prefix"
        start_near_canary
        bg_near crowd "$HELPERS/crowd" -n 5000 -b '[2001:db8::1]:0' -B "$ENDPOINT"
        wait_for 20 said crowd holding=5000
        go crowd
        finish crowd
        stop_canary
        figure "/$prefix: the longest wait for an echo was $(fact canary max_us) us"
        (($(fact canary max_us) < 500000 * PATIENCE))
        rm -f "$T"/canary.in "$T"/crowd.in
        stop_server
    done
}

@test "--source-prefix: an IPv6 source is a network, /64 by default" {
    start_with_many_sources --max-connections-per-source 2
    bg_near held "$HELPERS/crowd" -n 2 -b "[2001:db8::1]:0" -B "$ENDPOINT"
    wait_for 5 said held holding=2
    inside "$HELPERS/crowd" -a -k -n 2 -b '[2001:db8::ffff:0:0:1]:0' "$ENDPOINT" </dev/null >facts
    grep -qx reset=2 facts
    inside "$HELPERS/crowd" -k -n 2 -b '[2001:db8:0:1::1]:0' "$ENDPOINT" </dev/null
    go held
    finish held
    stop_server
    start_with_many_sources --max-connections-per-source 2 --source-prefix 48
    inside "$HELPERS/crowd" -n 2 -j 1 -k -b '[2001:db8::1]:0' "$ENDPOINT" </dev/null
    bg_near all "$HELPERS/crowd" -n 2 -b '[2001:db8::1]:0' "$ENDPOINT"
    wait_for 5 said all holding=2
    inside "$HELPERS/crowd" -a -k -n 1 -b '[2001:db8:0:1::1]:0' "$ENDPOINT" </dev/null >facts
    grep -qx reset=1 facts
    inside "$HELPERS/crowd" -k -n 1 -b '[2001:db8:1::1]:0' "$ENDPOINT" </dev/null
}

@test "F42 too few descriptors for --max-connections: it is lowered, with a warning" {
    need prlimit
    SERVER_WRAP=(prlimit --nofile=96:96)
    start_server --workers 1 --max-connections 10000
    wait_for 5 in_log ' warn .*10000'
    crowd -k -n 300 "$ENDPOINT"
    bg crowd "$HELPERS/crowd" -n 30 "$ENDPOINT"
    wait_for 5 said crowd holding=30
    go crowd
    finish crowd
    ask_counters
    [[ $(counter accept_errors) == 0 ]]
}

@test "F42 the default limit is the descriptor limit minus a reserve" {
    need prlimit
    SERVER_WRAP=(prlimit --nofile=100:100)
    start_server
    bg all "$HELPERS/crowd" -k -t 20 -n 500 -j 400 "$ENDPOINT"
    finish all
    ask_counters
    [[ $(counter accept_errors) == 0 ]]
}

@test "F17 all places used by clients that send nothing: the idle timeout frees them" {
    start_server --max-connections 20 --idle-timeout 300ms --linger-timeout 100ms
    bg silent "$HELPERS/crowd" -a -e -n 20 "$ENDPOINT"
    wait_for 5 said silent holding=20
    peer -i 5000 "$ENDPOINT" echo:1000 half-close read-all
    finish silent
    [[ $(fact silent ended_held) == 20 ]]
}

@test "F23 a burst of 2000 connections fits in the backlog" {
    start_server
    crowd -n 2000 -j 2000 "$ENDPOINT" >facts || fail "$(<facts)"
    awk -F= '/^seconds/ { s = $2 } END { exit !(s < 20) }' facts
}

@test "the backlog is as configured, and a lowered one is reported" {
    local most
    need ss
    most=$(</proc/sys/net/core/somaxconn)
    start_server --backlog 77
    [[ $(ss -Hltn "sport = :$PORT" | awk '{ print $3 }') == 77 ]]
    stop_server
    start_server --backlog $((most + 1000))
    wait_for 5 in_log "(warn|notice) .*backlog"
    [[ $(ss -Hltn "sport = :$PORT" | awk '{ print $3 }') == "$most" ]]
}

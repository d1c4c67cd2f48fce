#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Networks that lose, delay, reorder and become silent: all in the tests' own namespaces.
#
#     EVECHO_THOROUGH=1 bats network.bats   more seeds, and the system's own long timeouts

load lib
load client
load netns

# ---- F28: a faulty link ----

profiles=(
    "no fault"
    "1 % lost:-l 1 -d 5"
    "5 % lost, reordered, doubled:-l 5 -r 20 -u 5 -d 10"
    "reordered alone:-r 30 -u 10"
    "10 % lost, 100 ms:-l 10 -d 100"
)

# across_the_line SEED: three kinds of clients at once.
across_the_line() {
    local name
    bg_far both "$HELPERS/peer" -s "$1" -i 25000 "$ENDPOINT" send:100k half-close read-all
    bg_far unread "$HELPERS/peer" -s "$1" -i 25000 "$ENDPOINT" rcvbuf:4k fill:60k half-close read-all
    bg_far talk "$HELPERS/peer" -s "$1" -i 25000 "$ENDPOINT" echo:1 echo:3000 echo:7 half-close read-all
    for name in both unread talk; do
        finish "$name" || return 1
        rm -f "$T/$name.in"
    done
}

@test "F28 loss, delay, reordering and duplicate packets: nothing is lost, seed by seed" {
    local profile options seed seeds retransmitted carried=0
    seeds=${SEEDS:-$(sample 1 20)}
    LIFE=$(sample 120 600)
    start_behind_a_bad_line
    for profile in "${profiles[@]}"; do
        options=()
        [[ $profile != *:* ]] || read -ra options <<<"${profile#*:}"
        for ((seed = 1; seed <= seeds; seed++)); do
            line_up -s "$seed" "${options[@]}"
            across_the_line "$seed" ||
                fail "${profile%:*}, seed $seed (SEEDS=$seed bats network.bats)"
            line_down
            carried=$((carried + $(fact line carried)))
        done
    done
    retransmitted=$(near_statistic TcpRetransSegs)
    figure "$seeds seeds x ${#profiles[@]} profiles, $carried packets, $retransmitted retransmitted by the server"
    ((retransmitted > 0)) || fail "the line did not bite"
    wait_for 5 closed_at_least $((seeds * ${#profiles[@]} * 3))
    ! closed_lines | grep -v 'lost=0 .* reason=eof' || fail "not a clean end"
}

# ---- F32: a stop with distant peers ----

crowds=(1 2 3 4 5 6 7 8 9 10 11 12)

# Their phases differ, so at any moment some wait for our SYN-ACK.
crowds_across() {
    local i
    for i in "${crowds[@]}"; do
        bg_far "c$i" "$HELPERS/crowd" -a -k -n 200 -j 8 "$ENDPOINT"
        watch_for "0.0$i"
    done
    for i in "${crowds[@]}"; do
        wait_for 10 said "c$i" 'first echo'
    done
}

# Each was echoed or refused; ECHOED is how many were echoed.
crowds_are_whole() {
    local i
    ECHOED=0
    for i in "${crowds[@]}"; do
        finish "c$i"
        [[ $(fact "c$i" reset) == 0 && $(fact "c$i" eof) == 0 && $(fact "c$i" bad) == 0 ]] ||
            fail "crowd $i: $(<"$T/c$i.out")" || return 1
        ECHOED=$((ECHOED + $(fact "c$i" finished)))
        rm -f "$T/c$i.in"
    done
}

@test "F32 SIGTERM while peers 100 ms and more away connect: no established one is reset" {
    local delay
    for delay in 50 150; do # the second where a filter may be set, and new ones hear nothing
        start_behind_a_bad_line --drain-quiet 500ms --sandbox "$([[ $delay == 50 ]] && echo on || echo off)"
        line_up -d "$delay"
        crowds_across
        kill -TERM "$PID"
        crowds_are_whole
        await_exit
        figure "$((2 * delay)) ms of round trip: $ECHOED connections, 0 reset; drained in" \
            "$(field seconds "$(grep -a ' notice drained ' "$LOG" | tail -n 1)") s"
        line_down
        end_bg far
        rm -f "$T/far.in"
    done
}

# ---- F22: half-open connections ----

no_answer_to_far() {
    inside nft add table ip flood
    inside nft add chain ip flood out '{ type filter hook output priority 0; }'
    inside nft add rule ip flood out ip daddr "$FAR" tcp flags '&(syn|ack)==(syn|ack)' drop
}

half_open_at_least() { (($(inside ss -Htn state syn-recv | wc -l) >= $1)); }
cookies_at_least() { (($(near_statistic TcpExtSyncookiesSent) >= $1)); }

@test "F22 a flood of half-open connections: SYN cookies, and real clients are served" {
    local i began took
    need nft
    start_across --backlog 512
    start_near_canary
    no_answer_to_far
    bg_far flood "$HELPERS/crowd" -a -e -j 5000 -n "$(sample 2000 5000)" -b "$FAR" "$ENDPOINT"
    wait_for 10 half_open_at_least 500
    wait_for 10 cookies_at_least 100
    began=${EPOCHREALTIME/./}
    for i in {1..4}; do
        far "$HELPERS/crowd" -k -n 50 -j 1 -b "$FAR2" "$ENDPOINT" </dev/null >facts || fail "$(<facts)"
    done
    took=$((${EPOCHREALTIME/./} - began))
    end_bg flood
    stop_canary
    figure "$(near_statistic TcpExtSyncookiesSent) cookies, $(near_statistic TcpExtListenDrops) drops," \
        "a real client's connection and echo took $((took / 200)) us"
    [[ $(near_statistic TcpExtListenDrops) == 0 ]] || fail "connections were dropped"
}

@test "F22 a stop does not wait for half-open connections for ever" {
    local seconds
    need nft
    start_across
    far nft add table ip flood
    far nft add chain ip flood in '{ type filter hook input priority 0; }'
    far nft add rule ip flood in tcp flags '&(syn|ack)==(syn|ack)' drop
    bg_far flood "$HELPERS/crowd" -a -e -j 100 -n 100 -b "$FAR" "$ENDPOINT"
    wait_for 10 half_open_at_least 50
    kill -TERM "$PID"
    await_exit
    seconds=$(field seconds "$(grep -a ' notice drained ' "$LOG")")
    figure "drained in $seconds s"
    awk -v s="$seconds" 'BEGIN { exit !(s > 2.5) }' || fail "it did not see them"
    end_bg flood
}

# ---- F24 F25: silence ----

reaped_for() { log_count_at_least "connection closed .*reason=$1" 1; }

@test "F24 a peer that vanishes with bytes owed: the stall timeout ends it" {
    local began took line
    start_across --stall-timeout 1s
    start_near_canary
    bg_far pusher "$HELPERS/peer" "$ENDPOINT" rcvbuf:16k fill:64M say:standing wait-line read-all
    wait_for 20 said pusher standing
    far ip link set cable down
    began=${EPOCHREALTIME/./}
    wait_for 10 reaped_for stall
    took=$(((${EPOCHREALTIME/./} - began) / 1000))
    stop_canary
    figure "reaped after $took ms, --stall-timeout 1 s"
    # The last line may now be the canary's own.
    line=$(closed_lines | grep reason=stall)
    [[ $(field end "$line") == reset ]] && (($(field lost "$line") > 0))
    end_bg pusher
}

@test "F24 a peer that vanishes and is owed nothing: keepalive is set, and ends it" {
    local timer began limit_s=130
    LIFE=$(sample 120 300)
    start_across --keepalive 1m
    bg_far quiet "$HELPERS/peer" -i 200000 "$ENDPOINT" echo:100 say:standing wait-line read-all
    wait_for 5 said quiet standing
    far ip link set cable down
    timer=$(inside ss -Htno state established "sport = :$PORT")
    echo "$timer"
    [[ $timer =~ timer:\(keepalive,(1min|[1-5][0-9]sec|60sec),0\) ]] || fail "no keepalive of a minute"
    figure "the first probe is due in ${BASH_REMATCH[1]}, six more 10 s apart"
    if [[ -n ${EVECHO_THOROUGH:-} ]]; then
        began=$SECONDS
        wait_for $limit_s reaped_for reset
        figure "reaped after $((SECONDS - began)) s"
    fi
    far ip link set cable up # or its end would not be heard either
    end_bg quiet
}

# From now on the far side's bare acknowledgements are dropped on their way in.
drop_acknowledgements() {
    inside nft add table ip deaf
    inside nft add chain ip deaf in '{ type filter hook input priority 0; }'
    inside nft add rule ip deaf in ip saddr "$FAR" tcp flags '&(fin|syn|rst|ack)==ack' drop
}

sockets_in() { (($(inside ss -Htan state "$1" | wc -l) == $2)); }

# closed_in_state STATE SECONDS: an orphaned socket is in that state, and ends by itself.
closed_in_state() {
    wait_for 5 sockets_in "$1" 1
    wait_for 5 fds_are_back || fail "a descriptor is held"
    echo "orphans: $(inside awk '/^TCP:/ { print $5 }' /proc/net/sockstat)"
    local began=${EPOCHREALTIME/./}
    wait_for "$2" sockets_in "$1" 0
    figure "no descriptor is held; the kernel dropped the $1 after $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
}

@test "F25 the last acknowledgement is lost: neither descriptor nor socket remains" {
    need nft
    start_across
    inside sysctl -qw net.ipv4.tcp_orphan_retries=2
    bg_far last "$HELPERS/peer" "$ENDPOINT" echo:1000 say:standing wait-line half-close read-all
    wait_for 5 said last standing
    drop_acknowledgements
    go last
    finish last
    closed_in_state last-ack 20
}

@test "F25 a peer that acknowledges nothing after our FIN: the linger time ends it" {
    need nft
    start_across --idle-timeout 500ms --linger-timeout 300ms
    inside sysctl -qw net.ipv4.tcp_orphan_retries=2
    bg_far deaf "$HELPERS/peer" "$ENDPOINT" echo:1000 say:standing wait-line read-all
    wait_for 5 said deaf standing
    drop_acknowledgements
    inside nft add rule ip deaf in ip saddr "$FAR" tcp flags '&fin==fin' drop
    wait_for 10 reaped_for idle
    closed_in_state fin-wait-1 20
    end_bg deaf
}

# ---- datagrams on a path with a small MTU, or to an unreachable host ----

@test "a hop with a smaller MTU: the first datagram of each size is echoed, in both families" {
    local endpoint size
    start_behind_a_narrow_hop 1300 --udp-rate 0 -l "udp://$HOP_NEAR:0" -l "udp://[$HOP_NEAR6]:0"
    for endpoint in "${ENDPOINTS[@]}"; do
        for size in 1290 1400 1452 3000 60000; do
            forget_the_path
            ends 0 far_evecho ping -c 1 -s $size --timeout 3s "$endpoint"
            forget_the_path
            ends 0 far_evecho bench -n 4 -p 4 -s $size --timeout 3s "$endpoint"
        done
    done
}

@test "a hop with a smaller MTU: check gives the same verdict each time" {
    local endpoint
    start_behind_a_narrow_hop 1400 --udp-rate 0 -l "udp://$HOP_NEAR:0" -l "udp://[$HOP_NEAR6]:0"
    for endpoint in "${ENDPOINTS[@]}"; do
        forget_the_path
        ends 0 far_evecho check "$endpoint"
        not grep -q '^not ok' stdout
        mv stdout first
        ends 0 far_evecho check "$endpoint"
        cmp first stdout
    done
}

@test "a hop that refuses long packets: ping, bench and check name the path's MTU" {
    local endpoint
    start_behind_a_bad_line --udp-rate 0 -l "udp://$NEAR:0"
    endpoint=${ENDPOINTS[1]}
    line_up -m 1300
    ends 1 far_evecho ping -c 1 -s 3000 --timeout 1s "$endpoint"
    grep -q "^seq=1 lost: .*: Message too long: the path's MTU is 1300 bytes, says $NEAR" stdout
    ends 3 far_evecho bench -n 1 -s 3000 --timeout 1s --json json "$endpoint"
    grep -q "Message too long: the path's MTU is 1300 bytes, says $NEAR" stdout
    jq -e '.failures[0].text | test("MTU is 1300")' json
    ends 1 far_evecho check --only large-datagrams "$endpoint"
    grep -q "^# a datagram of 1473 bytes: Message too long: the path's MTU is 1300 bytes, says $NEAR" stdout
    line_down
}

@test "an unreachable host is named, with the sender of the error" {
    start_behind_a_narrow_hop 1300 --udp-rate 0 -l "udp://$HOP_NEAR:0" -l "udp://[$HOP_NEAR6]:0"
    ends 3 far_evecho ping udp://192.0.2.1:7
    grep -q 'Network is unreachable, says 10.78.0.254' stderr
    hop ip route add unreachable 192.0.2.1
    ends 3 far_evecho bench udp://192.0.2.1:7
    grep -q 'No route to host, says 10.78.0.254' stderr
    hop ip route add prohibit 2001:db8::1
    ends 3 far_evecho check 'udp://[2001:db8::1]:7'
    grep -q 'Permission denied, says fd78::fe' stderr
}

@test "a host that becomes unreachable during a run is named" {
    start_behind_a_narrow_hop 1300 --udp-rate 0 -l "udp://$HOP_NEAR:0" -l "udp://[$HOP_NEAR6]:0"
    bg_far run "$EVECHO" bench -r 200 -t 50s --timeout 500ms --json json "${ENDPOINTS[0]}"
    run_is_answered() { kill -USR1 "$PID" && in_log ' notice counters .* udp_out=[1-9]'; }
    wait_for 5 run_is_answered
    hop ip route replace unreachable "$HOP_NEAR"
    watch_for 1
    kill -INT "${BG_PID[run]}"
    not finish run
    jq -e '.errors.other > 0 and (.failures[0].text | test("No route to host, says 10.78.0.254"))' json
}

@test "datagrams with a wrong checksum and those dropped for lack of room are distinguished, at both ends" {
    local endpoint size
    start_behind_a_bad_line --udp-rate 0 -l "udp://$NEAR:0"
    endpoint=${ENDPOINTS[1]}
    line_up -x 10
    for size in 40 500; do # the system looks at small ones before it knows whose they are
        ends 1 far_evecho bench -n 200 -p 20 -s $size --timeout 300ms --json json "$endpoint"
        jq -e '.datagrams_bad_checksum > 0 and .datagrams_dropped_here == 0 and .datagrams_wrong == 0' json
        grep -qE '[0-9]+ came to this machine with a wrong checksum' stdout
        not grep -q 'too slow' stdout
    done
    ends 1 far_evecho ping -c 40 -i 5ms -s 500 --timeout 200ms --json json "$endpoint"
    jq -e '.datagrams_bad_checksum > 0 and .datagrams_dropped_here == 0' json
    ends 1 far_evecho check --only steady-flow "$endpoint"
    grep -qE '^# of 200 datagrams .*; [0-9]+ came to this machine with a wrong checksum' stdout
    line_down
    ask_counters
    (($(counter udp_bad_checksum) > 0 && $(counter udp_kernel_drops) == 0)) || fail "$COUNTERS"
    in_log 'datagrams dropped by the system: their checksum was wrong .*dropped=[1-9]'
    not in_log 'they came faster than we read'
}

@test "check: a random loss fails only the property of the steady flow" {
    local seed
    start_behind_a_bad_line --udp-rate 0 -l "udp://$NEAR:0"
    for seed in 1 2 3; do
        line_up -s $seed -l 2
        ends 1 far_evecho check --skip large-datagrams,largest-datagram "${ENDPOINTS[1]}"
        [[ $(grep '^not ok' stdout) =~ ^not\ ok\ [0-9]+\ steady-flow$ ]] || fail "$(<stdout)"
        not grep -q 'limit on the rate' stdout
        line_down
        line_up -s $seed -l 0.5
        ends 0 far_evecho check --only large-datagrams,largest-datagram "${ENDPOINTS[1]}"
        line_down
    done
}

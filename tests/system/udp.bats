#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Echo over UDP (RFC 862), and the rules against its abuse (F53).

load lib

dgram() { "$HELPERS/leash" "$LIFE" "$HELPERS/dgram" "$@" >facts 3>&-; }
fact_is() { grep -qxF "$1" facts || fail "no $1 among: $(tr '\n' ' ' <facts)"; }

# Checks that every datagram is accounted for, and that the counters have the values NAME=VALUE.
udp_counters_are() {
    local pair sum=0 reason
    ask_counters
    for reason in truncated address port own rate common send; do
        ((sum += $(counter "udp_dropped_$reason"))) || true
    done
    (($(counter udp_in) == $(counter udp_out) + $(counter udp_sunk) + sum)) || fail "does not add up: $COUNTERS"
    for pair; do
        [[ $(counter "${pair%%=*}") == "${pair#*=}" ]] || fail "not $pair: $COUNTERS"
    done
}

udp_counter_reaches() {
    ask_counters
    (($(counter "$1") >= $2))
}

@test "ready lines are in the order given, and both families share a port" {
    start_server -l udp://127.0.0.1:0 -l tcp://127.0.0.1:0 -l udp://localhost:0
    [[ ${ENDPOINTS[0]} == udp://127.0.0.1:* && ${ENDPOINTS[1]} == tcp://127.0.0.1:* ]]
    [[ ${ENDPOINTS[2]} == udp://127.0.0.1:* ]]
    if has_ipv6; then
        [[ ${ENDPOINTS[3]} == "udp://[::1]:${ENDPOINTS[2]##*:}" ]]
        dgram "${ENDPOINTS[3]}"
        fact_is right=1
    fi
    crowd -k -n 1 "${ENDPOINTS[1]}"
    dgram "${ENDPOINTS[2]}"
    fact_is right=1
}

@test "every size is echoed completely, from empty to the largest" {
    local size
    start_server -l udp://127.0.0.1:0
    for size in 0 1 7 8 1472 1473 2048 2049 8192 8193 65506 65507; do
        dgram -s "$size" "$ENDPOINT"
        fact_is right=1
        fact_is "longest=$size"
    done
    udp_counters_are udp_in=12 udp_out=12 udp_kernel_drops=0 bytes_in=0 accepted=0
    [[ $(counter udp_bytes_in) == "$(counter udp_bytes_out)" ]]
}

@test "an empty datagram does not block the service" {
    start_server -l udp://127.0.0.1:0
    dgram -s 0 -n 100 "$ENDPOINT"
    fact_is back=100
    dgram -n 100 "$ENDPOINT"
    fact_is right=100
}

@test "foreign clients: nc and socat" {
    need nc
    need socat
    start_server -l udp://127.0.0.1:0
    [[ $(printf hello | nc -u -w 1 127.0.0.1 "$PORT") == hello ]]
    [[ $(printf hello | socat -T 0.3 - "UDP:127.0.0.1:$PORT") == hello ]]
}

@test "with several workers, and beside TCP, unix and --max-connections" {
    start_server -w 3 --max-connections 1 -l udp://127.0.0.1:0 -l tcp://127.0.0.1:0
    bg held "$HELPERS/crowd" -n 1 "${ENDPOINTS[1]}"
    wait_for 5 said held holding=1
    dgram -n 200 "$ENDPOINT"
    fact_is right=200
    go held
    finish held
}

@test "the answer is sent from the address that the datagram was sent to" {
    need_netns
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link set lo up && ip addr add 192.0.2.1/32 dev lo &&
        ip addr add 192.0.2.2/32 dev lo && ip addr add 2001:db8::1/128 dev lo nodad &&
        ip addr add 2001:db8::2/128 dev lo nodad && exec "$@"' -)
    start_server -l 'udp://*:0'
    local address
    for address in 127.0.0.1 127.0.0.9 192.0.2.1 192.0.2.2 '[::1]' '[2001:db8::1]' '[2001:db8::2]'; do
        inside "$HELPERS/dgram" "udp://$address:$PORT" >facts
        fact_is "from=$address:$PORT"
        fact_is answerers=1
    done
}

@test "F53 privileged and own source ports are not answered, others are" {
    local port
    need_root
    start_server -l udp://127.0.0.1:0 -l udp://127.0.0.1:0
    for port in 7 19 53 1023; do
        dgram -w 100 -b "127.0.0.1:$port" "$ENDPOINT" || fail "port $port is taken"
        fact_is back=0
    done
    dgram -f 127.0.0.1:0 "$ENDPOINT"
    dgram -f "127.0.0.9:${ENDPOINTS[1]##*:}" "$ENDPOINT"
    for port in 1024 2049; do
        dgram -b "127.0.0.77:$port" "$ENDPOINT"
        fact_is right=1
    done
    wait_for 5 udp_counter_reaches udp_dropped_own 1
    udp_counters_are udp_in=8 udp_out=2 udp_dropped_port=5 udp_dropped_own=1
    in_log ' warn datagram dropped: its source port is below 1024 peer=127.0.0.1:7 '
    in_log ' warn datagram dropped: its source port is one of our own peer=127.0.0.9:'
}

@test "F53 two services of one process forged against each other exchange one datagram" {
    need_root
    start_server --udp-rate 0 -l udp://127.0.0.1:0 -l udp://127.0.0.1:0
    dgram -f "${ENDPOINTS[1]#udp://}" "$ENDPOINT"
    wait_for 5 udp_counter_reaches udp_in 1
    watch_for 0.3
    udp_counters_are udp_in=1 udp_out=0 udp_dropped_own=1
}

@test "F53 two processes forged against each other are limited by the rate" {
    need_root
    start_server --udp-rate 50 -l udp://127.0.0.1:0
    local other
    bg other "$EVECHOD" --udp-rate 50 -l udp://127.0.0.1:0
    wait_for 10 said other '^ready$'
    other=$(sed -n 's/^listening udp:..//p' other.out)
    dgram -f "$other" "$ENDPOINT"
    wait_for 10 loop_is_dead
    udp_counters_are udp_dropped_own=0
    (($(counter udp_out) >= 2 && $(counter udp_out) <= 150)) || fail "$COUNTERS"
}

# Nothing was received for a while, in which a loop would receive dozens.
loop_is_dead() {
    local before
    ask_counters
    before=$(counter udp_in)
    ((before > 0)) || return 1
    watch_for 0.5
    ask_counters
    (($(counter udp_in) == before))
}

@test "broadcast and multicast are not answered, as source or destination" {
    need_netns
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link add v0 type veth peer name v1 && ip link set lo up &&
        ip addr add 192.0.2.1/24 dev v0 && ip link set v0 up && ip link set v1 up && exec "$@"' -)
    start_server -l 'udp://*:0'
    inside "$HELPERS/dgram" -w 50 -B "udp://127.255.255.255:$PORT" >facts
    fact_is back=0
    # The kernel or we drop a forged multicast or broadcast sender: there is no answer in either
    # case.
    inside "$HELPERS/dgram" -f 192.0.2.255:4000 "udp://127.0.0.1:$PORT" || true
    inside "$HELPERS/dgram" -f 224.0.0.1:4000 "udp://127.0.0.1:$PORT" || true
    inside "$HELPERS/dgram" "udp://127.0.0.1:$PORT" >facts
    fact_is right=1
    ask_counters
    [[ $(counter udp_out) == 1 ]]
    (($(counter udp_dropped_address) >= 1))
    in_log 'datagram dropped: from or to an address of more than one'
}

@test "--udp-rate applies to each source separately, over all its ports" {
    start_server --udp-rate 100 -l udp://127.0.0.1:0
    dgram -n 1000 -w 200 "$ENDPOINT"
    fact_is sent=1000
    dgram -n 1000 -w 200 "$ENDPOINT"
    dgram -n 50 -b 127.0.0.2:0 "$ENDPOINT"
    fact_is right=50
    udp_counters_are udp_in=2050
    (($(counter udp_out) >= 150 && $(counter udp_out) <= 600)) || fail "$COUNTERS"
    in_log 'datagram dropped: its source is over udp-rate peer=127.0.0.1:'
    (($(log_count 'over udp-rate') <= 2))
}

@test "SIGHUP changes --udp-rate" {
    printf 'listen = udp://127.0.0.1:0\nudp-rate = 5\n' >conf
    start_server --config conf
    dgram -n 100 -w 200 "$ENDPOINT"
    ask_counters
    (($(counter udp_dropped_rate) >= 80))
    printf 'listen = udp://127.0.0.1:0\nudp-rate = 0\n' >conf
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    dgram -n 2000 "$ENDPOINT"
    fact_is right=2000
}

@test "datagrams queued at the stop are answered" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    kill -STOP "$PID"
    bg asking "$HELPERS/dgram" -n 500 -w 5000 "$ENDPOINT"
    wait_for 5 queue_holds 500
    kill -TERM "$PID"
    kill -CONT "$PID"
    await_exit
    finish asking
    said asking '^right=500$'
    in_log ' counters .* udp_in=500 udp_out=500 '
}

# Datagrams of 64 bytes cost the kernel 768 to 1280 each.
queue_holds() {
    local queued
    queued=$(ss -Hulnm "sport = :$PORT" | sed -n 's/.*skmem:(r\([0-9]*\),.*/\1/p')
    ((${queued:-0} >= $1 * 768))
}

@test "datagrams dropped by the kernel are counted" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    kill -STOP "$PID"
    dgram -n 2000 -s 60000 -w 0 "$ENDPOINT"
    kill -CONT "$PID"
    dgram "$ENDPOINT"
    fact_is right=1
    ask_counters
    (($(counter udp_kernel_drops) + $(counter udp_in) == 2001)) || fail "$COUNTERS"
    (($(counter udp_kernel_drops) > 0))
    in_log 'datagrams dropped by the system'
}

@test "datagrams dropped by the kernel are counted even if no more arrive" {
    start_server --udp-rate 0 -l udp://127.0.0.1:0
    kill -STOP "$PID"
    dgram -n 2000 -s 60000 -w 0 "$ENDPOINT"
    kill -USR1 "$PID" # the numbers are asked for while old ones are still queued
    kill -CONT "$PID"
    wait_for 5 all_are_counted
    (($(counter udp_kernel_drops) > 0))
    in_log 'datagrams dropped by the system'
}

all_are_counted() {
    ask_counters
    (($(counter udp_kernel_drops) + $(counter udp_in) == 2000))
}

@test "answers to a peer that is gone (ICMP refused) do not stop the service" {
    local i
    start_server -l udp://127.0.0.1:0
    for i in 1 2 3 4 5; do
        "$HELPERS/dgram" -w 0 "$ENDPOINT" >facts
    done
    dgram -n 10 "$ENDPOINT"
    fact_is right=10
}

@test "an inherited UDP socket, dual-stack and blocking, is served" {
    SERVER_WRAP=("$HELPERS/hand" 'udp://[::]:0' tcp://127.0.0.1:0 --)
    has_ipv6 || SERVER_WRAP=("$HELPERS/hand" udp://127.0.0.1:0 tcp://127.0.0.1:0 --)
    start_server -l fd:3 -l fd:4
    [[ $ENDPOINT == udp://* && ${ENDPOINTS[1]} == tcp://* ]]
    dgram -n 100 "udp://127.0.0.1:$PORT"
    fact_is right=100
    fact_is "from=127.0.0.1:$PORT"
    crowd -k -n 1 "${ENDPOINTS[1]}"
}

@test "sends that the system refuses are counted, and the others are sent" {
    need_strace
    need_native "strace injects"
    under_strace -e trace=sendmmsg -e inject=sendmmsg:error=EPERM:when=1
    start_server -l udp://127.0.0.1:0
    dgram -w 200 "$ENDPOINT"
    fact_is back=0
    dgram -n 10 "$ENDPOINT"
    fact_is right=10
    udp_counters_are udp_dropped_send=1 udp_out=10
    in_log 'the system would not send the answer .*error="Operation not permitted"'
}

@test "no room to send: answers are held for a moment and then all are sent" {
    need_strace
    need_native "strace injects"
    under_strace -e trace=sendmmsg -e inject=sendmmsg:error=EAGAIN:when=1..5
    start_server -l udp://127.0.0.1:0
    dgram -n 10 "$ENDPOINT"
    fact_is right=10
    udp_counters_are udp_dropped_send=0 udp_out=10
}

# The answer of a service to a datagram of so many bytes.
asked() { head -c "$2" /dev/zero | socat -T 0.3 -b 65536 - "UDP:${1#udp://}"; }

@test "answers of other services are no longer than the datagram" {
    need socat
    start_server --name me -l udp://127.0.0.1:0,service=discard -l udp://127.0.0.1:0,service=chargen \
        -l udp://127.0.0.1:0,service=time -l udp://127.0.0.1:0,service=whoami
    dgram -w 200 "${ENDPOINTS[0]}"
    fact_is back=0
    for size in 1 72 512; do
        dgram -s "$size" "${ENDPOINTS[1]}"
        fact_is "longest=$size"
    done
    dgram -s 0 "${ENDPOINTS[1]}"
    fact_is longest=0
    dgram -s 100 "${ENDPOINTS[2]}"
    fact_is longest=4
    asked "${ENDPOINTS[3]}" 1000 >said
    [[ $(jq -r .name said) == me && $(jq -r .local said) == "${ENDPOINTS[3]#udp://}" ]]
    [[ $(jq -r .peer said) == 127.0.0.1:* ]]
    asked "${ENDPOINTS[3]}" 10 >said
    [[ $(cat said) == '{"name":"m' ]]
    udp_counters_are udp_sunk=1 udp_out=7
}

@test "a port in use fails the start, and is named" {
    start_server -l udp://127.0.0.1:0
    local code=0
    "$EVECHOD" -l "udp://127.0.0.1:$PORT" >out 2>err || code=$?
    [[ $code == 3 ]]
    grep -q "udp://127.0.0.1:$PORT.*Address already in use" err
}

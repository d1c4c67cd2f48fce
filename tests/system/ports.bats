#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# ports.bats: ports that cannot be had, at either end: what is said, and what would be right.

# shellcheck source=tests/system/lib.bash
source "${BATS_TEST_DIRNAME}/lib.bash"
# shellcheck source=tests/system/client.bash
source "${BATS_TEST_DIRNAME}/client.bash"

says() { grep -qE -- "$1" stderr || fail "no '$1': $(<stderr)"; }

# fresh COMMAND...: in a network of its own, where ports below 1024 are privileged.
fresh() {
    "${UNSHARE[@]}" -n sh -c 'ip link set lo up && exec "$@"' - "$HELPERS/leash" "$LIFE" "$@" 3>&-
}

@test "a port in use: the daemon says who can tell which process has it" {
    local scheme
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0
    for scheme in tcp udp; do
        [[ $scheme == tcp ]] || ENDPOINT=${ENDPOINTS[1]}
        ends 3 "$EVECHOD" -l "$ENDPOINT"
        says "cannot listen on $ENDPOINT: Address already in use; .*ss -lntup shows which process"
    done
    ends 3 "$EVECHOD" -l tcp://127.0.0.1:0 --status "${ENDPOINTS[0]}"
    says "cannot listen on ${ENDPOINTS[0]}: Address already in use; .*ss -lntup"
}

@test "a port below 1024 without the right to it: the daemon says what gives the right" {
    need_netns
    need setpriv
    local scheme
    for scheme in tcp udp; do
        ends 3 fresh setpriv --bounding-set=-net_bind_service "$EVECHOD" -l "$scheme://127.0.0.1:7"
        says "cannot listen on $scheme://127.0.0.1:7: Permission denied; .*below 1024.*CAP_NET_BIND_SERVICE"
    done
}

@test "an address that no interface has: the daemon says so" {
    ends 3 "$EVECHOD" -l tcp://192.0.2.1:7007
    says 'cannot listen on tcp://192.0.2.1:7007: Cannot assign requested address; no interface .*ip address'
}

@test "local ports run out: the client says how many there are, and what to do" {
    need_netns
    local out='of 10 local ports \(40000 to 40009, net.ipv4.ip_local_port_range\) none to this address is free'
    start_server
    inside sysctl -qw net.ipv4.ip_local_port_range='40000 40009'
    ends 1 inside "$EVECHO" bench -c 20 -t 500ms --json "$T/json" "$ENDPOINT"
    grep -qE "Cannot assign requested address; $out.*--requests-per-connection" stdout || fail "$(<stdout)"
    json '.errors.other > 0 and .errors.refused == 0'
    inside sysctl -qw net.ipv4.ip_local_port_range='40020 40020'
    bg hold "${ENTER[@]}" -t "$PID" -n "$EVECHO" ping -i 50ms "$ENDPOINT"
    wait_for 5 said hold seq=1
    ends 3 inside "$EVECHO" ping -c 1 "$ENDPOINT"
    says 'of 1 local port \(40020 to 40020'
    end_bg hold
}

@test "local ports run out for datagrams too" {
    need_netns
    start_server -l udp://127.0.0.1:0
    inside sysctl -qw net.ipv4.ip_local_port_range='40000 40009'
    ends 3 inside "$EVECHO" bench -c 20 -t 500ms "$ENDPOINT"
    says 'Cannot assign requested address; of 10 local ports'
}

@test "check: local ports that run out are our own limit, and not blamed on the endpoint" {
    need_netns
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0
    inside sysctl -qw net.ipv4.ip_local_port_range='40000 40019'
    ends 5 inside "$EVECHO" check --only many-connections "${ENDPOINTS[0]}"
    grep -q '^ok 1 many-connections # SKIP not tried: .*of 20 local ports (40000 to 40019' stdout || fail "$(<stdout)"
}

@test "no source address for the endpoint's family is not a lack of ports" {
    need_netns
    ends 3 fresh sh -c 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1; exec "$@"' - "$EVECHO" ping -c 1 '[::1]:7007'
    says 'Cannot assign requested address; this machine has no address to reach it from'
}

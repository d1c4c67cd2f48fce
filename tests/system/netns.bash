# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034,SC2154 # tests read what is set here
#
# netns.bash: two networks of a test's own, with a faulty link between them. The server is in one at
# NEAR; commands that the test runs with `far` are in the other at FAR (and FAR2, FAR3). The
# addresses are not visible outside.

NEAR=10.77.0.1 FAR=10.77.0.2 FAR2=10.77.0.3

# The other network: it exists as long as the process that holds it.
start_far() {
    need_root
    need_netns
    bg far unshare -n sh -c 'ip link set lo up && echo up && exec cat'
    wait_for 5 said far up
    FAR_PID=${BG_PID[far]}
}

# far_evecho ARGUMENT...: the client, from the far side.
far_evecho() { far "$HELPERS/leash" "$LIFE" "$EVECHO" "$@" 3>&-; }

far() { nsenter -t "$FAR_PID" -n "$@"; }
bg_far() { bg "$1" nsenter -t "$FAR_PID" -n "${@:2}"; }
bg_near() { bg "$1" "${ENTER[@]}" -t "$PID" -n "${@:2}"; }

# in_own_network COMMANDS: servers started from now on have their own network, set up by the
# commands.
in_own_network() {
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c "ip link set lo up && $1 && exec \"\$@\"" -)
}

# start_across ARGUMENT...: starts the server with a cable (a veth pair) to the far side.
start_across() {
    start_far
    in_own_network "ip link add cable type veth peer name cable netns $FAR_PID &&
        ip addr add $NEAR/24 dev cable && ip link set cable up"
    unshare -n ip link add one type veth peer name two 2>/dev/null || skip "no veth devices here"
    start_server -l "tcp://$NEAR:0" "$@"
    far ip addr add "$FAR/24" dev cable
    far ip addr add "$FAR2/24" dev cable
    far ip link set cable up
}

# start_behind_a_bad_line ARGUMENT...: starts the server, and makes the ends of a link for line_up.
start_behind_a_bad_line() {
    [[ -c /dev/net/tun ]] || skip "no TUN devices here"
    start_far
    in_own_network "ip tuntap add dev line mode tun &&
        ip addr add $NEAR peer $FAR dev line && ip link set line up"
    far ip tuntap add dev line mode tun || skip "no TUN devices in a namespace here"
    far ip addr add "$FAR" peer "$NEAR" dev line
    far ip link set line up
    start_server -l "tcp://$NEAR:0" "$@"
}

# line_up OPTION...: from now on link_emulator forwards packets, with these options.
line_up() {
    bg line "$HELPERS/link_emulator" -t "$LIFE" "$@" "/proc/$PID/ns/net" "/proc/$FAR_PID/ns/net" line
    wait_for 5 said line 'the line is up'
}

line_down() {
    end_bg line
    rm -f "$T/line.in"
}

# A canary in the server's own network, so that the link does not disturb it.
start_near_canary() {
    bg_near canary "$HELPERS/canary" "$ENDPOINT"
    wait_for 5 said canary 'canary sings'
}

# near_statistic NAME: a counter of the kernel in the server's network.
near_statistic() { inside nstat -asz "$1" | awk -v name="$1" '$1 == name { print $2 }'; }

# start_behind_a_narrow_hop MTU ARGUMENT...: connects the server and the far side by cables of 1500
# bytes to a router, which forwards no packet larger than MTU. Both families; the server is at
# HOP_NEAR and HOP_NEAR6, the far side at HOP_FAR and HOP_FAR6. The caller passes the server's
# endpoints.
HOP_NEAR=10.77.0.1 HOP_NEAR6=fd77::1 HOP_FAR=10.78.0.1 HOP_FAR6=fd78::1
start_behind_a_narrow_hop() {
    local mtu=$1 hop route
    [[ -r /proc/net/if_inet6 ]] || skip "no IPv6 here"
    start_far
    bg hop unshare -n sh -c 'ip link set lo up && echo up && exec cat'
    wait_for 5 said hop up
    hop=${BG_PID[hop]}
    unshare -n ip link add one type veth peer name two 2>/dev/null || skip "no veth devices here"
    in_own_network "ip link add cable type veth peer name near netns $hop &&
        $(one_end_of_the_hop $HOP_NEAR $HOP_NEAR6)"
    nsenter -t "$FAR_PID" -n sh -ec "ip link add cable type veth peer name far netns $hop &&
        $(one_end_of_the_hop $HOP_FAR $HOP_FAR6)"
    start_server "${@:2}"
    nsenter -t "$hop" -n sh -ec "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        for end in near:${HOP_NEAR%.*}:${HOP_NEAR6%::*} far:${HOP_FAR%.*}:${HOP_FAR6%::*}; do
            IFS=: && set -- \$end && IFS=' '
            sysctl -qw net.ipv6.conf.\$1.accept_dad=0
            ip addr add \$2.254/24 dev \$1
            ip -6 addr add \$3::fe/64 dev \$1 nodad
            ip link set \$1 up
        done"
    for route in "$HOP_NEAR/32 dev near" "$HOP_NEAR6/128 dev near" "$HOP_FAR/32 dev far" "$HOP_FAR6/128 dev far"; do
        # shellcheck disable=SC2086 # words
        nsenter -t "$hop" -n ip route add $route mtu lock "$mtu"
    done
}

# Clears both ends' knowledge of the path MTU.
forget_the_path() {
    local pid
    for pid in "$PID" "$FAR_PID"; do
        nsenter -t "$pid" -n ip route flush cache
        nsenter -t "$pid" -n ip -6 route flush cache
    done
}

hop() { nsenter -t "${BG_PID[hop]}" -n "$@"; }

one_end_of_the_hop() {
    echo "sysctl -qw net.ipv6.conf.cable.accept_dad=0 && ip addr add $1/24 dev cable && ip -6 addr add $2/64 dev cable nodad &&
        ip link set cable up && ip route add default via ${1%.*}.254 &&
        ip -6 route add default via ${2%::*}::fe"
}

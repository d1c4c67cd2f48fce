#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# addresses.bats: names with several addresses, of which some are dead. The service and the client are in
# a network of their own with a hosts file of their own: .1 and .5 refuse, .2 and fd99::2 serve, .3 drops
# every packet.

# shellcheck source=tests/system/lib.bash
source "${BATS_TEST_DIRNAME}/lib.bash"
# shellcheck source=tests/system/client.bash
source "${BATS_TEST_DIRNAME}/client.bash"

start_names() {
    need nft
    need_netns
    "${UNSHARE[@]}" -nm true 2>/dev/null || skip "no mount namespaces here"
    [[ -r /proc/net/if_inet6 ]] || skip "no IPv6 here"
    printf '%s\n' '10.99.0.1 refusing' '10.99.0.2 refusing' '10.99.0.3 silent' '10.99.0.2 silent' \
        '10.99.0.1 dead' '10.99.0.5 dead' '10.99.0.2 four' '10.99.0.2 both' 'fd99::2 both' \
        '10.99.0.1 mixed' '10.99.0.5 mixed' 'fd99::1 mixed' 'fd99::5 mixed' 'fd99::6 mixed' >"$T/hosts"
    echo 'hosts: files' >"$T/nsswitch"
    SERVER_WRAP=("${UNSHARE[@]}" -nm sh -c "mount --bind '$T/hosts' /etc/hosts &&
        mount --bind '$T/nsswitch' /etc/nsswitch.conf && ip link set lo up &&
        for i in 1 2 3 5; do ip addr add 10.99.0.\$i/24 dev lo; done &&
        for i in 1 2 5 6; do ip -6 addr add fd99::\$i/64 dev lo nodad; done &&
        nft 'add table inet t; add chain inet t in { type filter hook input priority 0; };
            add rule inet t in ip daddr 10.99.0.3 drop' && exec \"\$@\"" -)
    start_server -l tcp://10.99.0.2:7007 -l udp://10.99.0.2:7007 -l 'tcp://[fd99::2]:7007' "$@"
}

# there COMMAND ARGUMENT...: the client where the names are; its folder is the root.
there() { "${ENTER[@]}" -t "$PID" -n -m "$HELPERS/leash" "$LIFE" "$EVECHO" "$@" 3>&-; }

says() { grep -qE -- "$1" stderr || fail "no '$1': $(<stderr)"; }

refusal='Connection refused after [0-9.]+ ms'

@test "a dead address of a name is reported as it fails, and listed in the JSON" {
    start_names
    local command
    for command in 'ping -c 1' 'bench -n 5' 'check --only clean-end'; do
        # shellcheck disable=SC2086 # words
        ends 0 there $command --json "$T/json" refusing:7007
        says "^evecho: tcp://10.99.0.1:7007: $refusal; trying the next$"
        (($(wc -l <stderr) == 1)) || fail "$(<stderr)"
        json '.addresses | length == 2 and .[0].address == "tcp://10.99.0.1:7007" and .[0].state == "failed"
            and .[0].class == "refused" and .[0].reason == "Connection refused" and .[0].connect_ns == null
            and .[0].elapsed_ns > 0 and .[1].address == "tcp://10.99.0.2:7007" and .[1].state == "answered"
            and .[1].class == "ok" and .[1].reason == null and .[1].connect_ns > 0
            and .[1].elapsed_ns >= .[1].connect_ns'
    done
    echo x | ends 0 there cat refusing:7007
    says "^evecho: tcp://10.99.0.1:7007: $refusal; trying the next$"
    ends 0 there ping -c 1 --json "$T/json" 10.99.0.2:7007
    json '.addresses | length == 1 and .[0].state == "answered"'
}

@test "a silent address of a name costs a quarter of a second, and is reported" {
    start_names
    local command
    for command in 'ping -c 1' 'bench -n 5' 'check --only clean-end'; do
        # shellcheck disable=SC2086 # words
        ends 0 there $command --timeout 60s --json "$T/json" silent:7007
        says '^evecho: tcp://10.99.0.3:7007: no answer after [0-9.]+ m?s; tcp://10.99.0.2:7007 answered first$'
        json '.addresses[0].state == "given up" and .addresses[0].elapsed_ns >= 250000000
            and .addresses[0].elapsed_ns < 20000000000 and .addresses[0].connect_ns == null
            and .addresses[1].state == "answered"'
    done
}

@test "datagrams: an address that refuses, or is silent, is reported, and the next is asked" {
    start_names
    local command
    for command in 'ping -c 1' 'bench -n 5' 'check --only small-datagrams'; do
        # shellcheck disable=SC2086 # words
        ends 0 there $command --json "$T/json" udp://refusing:7007
        says "^evecho: udp://10.99.0.1:7007: Connection refused.* after [0-9.]+ ms; trying the next$"
        json '.addresses[0].state == "failed" and .addresses[0].class == "refused"
            and .addresses[1].state == "answered" and .addresses[1].address == "udp://10.99.0.2:7007"'
    done
    ends 0 there ping -c 1 --timeout 60s --json "$T/json" udp://silent:7007
    says '^evecho: udp://10.99.0.3:7007: no answer after [0-9.]+ m?s; udp://10.99.0.2:7007 answered first$'
    json '.addresses[0].state == "given up" and .addresses[0].elapsed_ns < 20000000000'
}

@test "TLS: an address whose handshake fails is dead, and the next one is used with its session" {
    "$EVECHOD" --version | grep -q OpenSSL || skip "built without TLS"
    issue server localhost
    issue stranger stranger
    start_names -l "tls://10.99.0.2:7443,cert=$T/server.pem,key=$T/server.key" \
        -l "tls://10.99.0.1:7443,cert=$T/stranger.pem,key=$T/stranger.key"
    ends 0 there bench -n 40 --requests-per-connection 2 --resume --cacert "$T/server.pem" \
        --servername localhost --json "$T/json" tls://refusing:7443
    says '^evecho: tls://10.99.0.1:7443: TLS: .* after [0-9.]+ ms; .*; trying the next$'
    json '.addresses[0].state == "failed" and .addresses[0].class == "tls" and .addresses[0].connect_ns > 0
        and .addresses[1].state == "answered" and .addresses[1].elapsed_ns > .addresses[1].connect_ns
        and .handshakes_resumed > 0'
    ends 0 there check --only close-notify --cacert "$T/server.pem" --servername localhost tls://silent:7443
    says '^evecho: tls://10.99.0.3:7443: no answer after .*; tls://10.99.0.2:7443 answered first$'
}

@test "where every address is dead each has its reason, in the text and in the JSON" {
    start_names
    ends 3 there ping -c 1 --json "$T/json" dead:7007
    says "^evecho: tcp://10.99.0.1:7007: $refusal; trying the next$"
    says "^evecho: cannot connect to dead:7007: tcp://10.99.0.1:7007: $refusal; tcp://10.99.0.5:7007: $refusal$"
    json '.error and (.addresses | length == 2 and all(.state == "failed" and .class == "refused"))'
    ends 3 there ping -c 1 --json "$T/json" udp://dead:7007
    says "cannot reach udp://dead:7007: udp://10.99.0.1:7007: .*; udp://10.99.0.5:7007: "
    json '.addresses | length == 2 and all(.state == "failed")'
}

@test "the addresses of a name are tried with the families alternating" {
    start_names
    ends 3 there ping -c 1 --json "$T/json" mixed:7007
    json '[.addresses[].address | contains("[")] as $six
        | ($six | length == 5) and ([range(3)] | all($six[.] != $six[. + 1]))'
    ends 3 there ping -c 1 -4 --json "$T/json" mixed:7007
    json '[.addresses[].address] == ["tcp://10.99.0.1:7007", "tcp://10.99.0.5:7007"]'
    ends 3 there ping -c 1 -6 --json "$T/json" mixed:7007
    json '[.addresses[].address] | length == 3 and all(contains("[fd99::"))'
}

@test "-4 and -6 choose a family, and say if a name has none of it" {
    start_names
    local command
    for command in 'ping -c 1' 'bench -n 5' 'check --only clean-end'; do
        # shellcheck disable=SC2086 # words
        ends 0 there $command -4 --json "$T/json" both:7007
        json '.config.target == "tcp://10.99.0.2:7007" and .config.ipv4 and (.addresses | length == 1)'
        # shellcheck disable=SC2086 # words
        ends 0 there $command --ipv6 --json "$T/json" both:7007
        json '.config.target == "tcp://[fd99::2]:7007" and (.addresses | length == 1)'
    done
    echo x | ends 0 there cat -6 both:7007
    says 'tcp://\[fd99::2\]:7007: sent 2 bytes'
    ends 3 there ping -c 1 -6 four:7007
    says "'four:7007': 'four' has no IPv6 address, and -6 wants one"
    ends 3 there ping -c 1 -4 '[::1]:7007'
    says "'::1' has no IPv4 address, and -4 wants one"
    ends 2 there ping -4 -6 both:7007
    says '-4 and -6: one of them is expected'
    ends 2 there ping -4 "unix:$T/s"
    says '--ipv4: expected only for tcp://, tls:// or udp://'
}

@test "--all-addresses runs the command on each address, and ends with 1 if one is dead" {
    start_names
    local command
    for command in 'ping -c 2 -i 10ms' 'bench -n 5' 'check --only clean-end'; do
        # shellcheck disable=SC2086 # words
        ends 1 there $command --all-addresses --json "$T/json" refusing:7007
        grep -q '^# tcp://10.99.0.1:7007, address 1 of 2$' stdout || fail "$(<stdout)"
        grep -q '^# tcp://10.99.0.2:7007, address 2 of 2$' stdout
        grep -qE "^# tcp://10.99.0.1:7007: dead: $refusal$" stdout || fail "$(<stdout)"
        grep -qE '^# tcp://10.99.0.2:7007: exit status 0, connected in [0-9.]+ ms$' stdout || fail "$(<stdout)"
        json '.command and .config.all_addresses and (.addresses | length == 2)
            and .addresses[0].state == "failed" and .addresses[0].exit_status == 3
            and .addresses[0].results.error
            and .addresses[1].state == "answered" and .addresses[1].exit_status == 0
            and .addresses[1].results.config.target == "tcp://10.99.0.2:7007"'
        # shellcheck disable=SC2086 # words
        ends 0 there $command --all-addresses --json "$T/json" both:7007
        json '[.addresses[].exit_status] == [0, 0]'
        json '[.addresses[].address] | sort == ["tcp://10.99.0.2:7007", "tcp://[fd99::2]:7007"]'
        # shellcheck disable=SC2086 # words
        ends 3 there $command --all-addresses --json "$T/json" dead:7007
        json '[.addresses[].exit_status] == [3, 3]'
    done
    ends 1 there ping -c 1 --all-addresses --json - udp://refusing:7007
    jq -e '[.addresses[].exit_status] == [3, 0]' stdout
}

@test "--all-addresses: cat sends a file to each, and what has no end is refused" {
    start_names
    echo hello >file
    ends 0 there cat --all-addresses both:7007 <file
    (($(grep -cx hello stdout) == 2)) || fail "$(<stdout)"
    (($(grep -c 'sent 6 bytes, received 6 bytes' stderr) == 2))
    echo hello | ends 2 there cat --all-addresses both:7007
    says 'cat --all-addresses reads standard input once for each address: a file is expected'
    ends 2 there ping --all-addresses both:7007
    says '--all-addresses: needs --count'
    ends 2 there bench -t 1 --hdr-out "$T/hgrm" --all-addresses both:7007
    says '--all-addresses: --hdr-out has room for one'
}

@test "--all-addresses: an interrupt ends the address that runs, and those behind it" {
    start_names
    bg ping "${ENTER[@]}" -t "$PID" -n -m "$EVECHO" ping -c 100000 -i 10ms --all-addresses --json "$T/json" both:7007
    wait_for 5 said ping 'seq=3'
    kill -INT "${BG_PID[ping]}"
    finish ping && fail "exit 0"
    (($(grep -c 'ping statistics' ping.out) == 1)) || fail "$(<ping.out)"
    json '.interrupted and .addresses[0].exit_status == 0 and .addresses[1].state == "not tried"
        and .addresses[1].exit_status == null'
}

@test "ping -D begins each line with the time of day" {
    start_server
    ends 0 evecho ping -c 3 -i 10ms -D "$ENDPOINT"
    local stamp='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z '
    (($(grep -cE "$stamp""64 bytes from $ENDPOINT: seq=[123] time=" stdout) == 3)) || fail "$(<stdout)"
    grep -qE "$stamp"'PING ' stdout
    ! grep -vE "$stamp|^$" stdout || fail "a line without a time"
    # It is the time of day, and goes on: the third message leaves two intervals after the first line.
    local first last
    first=$(date -u -d "$(sed -n '1s/ .*//p' stdout)" +%s%N)
    last=$(date -u -d "$(sed -n '4s/ .*//p' stdout)" +%s%N)
    ((last - first >= 20000000)) || fail "$(<stdout)"
    (($(date +%s) - first / 1000000000 < 120)) || fail "$(<stdout)"
    ends 0 evecho ping -c 1 --timestamps --json - "$ENDPOINT"
    grep -qE "$stamp"'64 bytes' stderr
    jq -e '.config.timestamps' stdout
}

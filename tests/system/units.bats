#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The units of contrib/, started by a real systemd.

load lib
load systemd

ALL_IN_FORCE='sandbox mode=on seccomp=kill landlock=[1-9][0-9]* no_new_privs=yes capabilities=none .*missing=nothing'

eval "$(declare -f teardown | sed '1s/teardown/lib_&/')"
teardown() {
    power_off
    lib_teardown
}

echoes_to() { beside_systemd "$HELPERS/peer" "$1" echo:5000 half-close read-all >/dev/null; }

setup_units() {
    need_systemd
    write_units
}

# If only Landlock is missing, because of the kernel, the rest must be in force.
is_confined() {
    wait_for 5 in_journal "$1" ' notice sandbox '
    in_journal "$1" "$ALL_IN_FORCE" || in_journal "$1" 'seccomp=kill .*missing="landlock: not in this kernel' ||
        fail "$(journal "$1")"
}

@test "evechod.service: active, confined, answers, reloads and stops" {
    setup_units
    boot
    under_systemd systemctl start evechod
    property_is evechod ActiveState active
    is_confined evechod
    echoes_to tcp://127.0.0.1:7007
    has_ipv6 && echoes_to 'tcp://[::1]:7007'
    under_systemd systemctl reload evechod
    wait_for 5 in_journal evechod ' notice reloaded'
    property_is evechod StatusText 'Serving on 2 sockets'
    under_systemd systemctl stop evechod
    property_is evechod Result success
    in_journal evechod ' drained owed=0'
}

@test "evechod.socket: the first connection starts the service, which is confined and answers" {
    setup_units
    boot
    under_systemd systemctl start evechod.socket
    property_is evechod-activated ActiveState inactive
    echoes_to tcp://127.0.0.1:7007
    property_is evechod-activated ActiveState active
    is_confined evechod-activated
    has_ipv6 && echoes_to 'tcp://[::1]:7007'
    under_systemd systemctl reload evechod-activated
    under_systemd systemctl stop evechod-activated.service
    property_is evechod-activated Result success
    echoes_to tcp://127.0.0.1:7007
}

@test "evechod.socket: without IPv6 the service runs on IPv4" {
    setup_units
    has_ipv6 || skip "no IPv6 here"
    boot 'echo 1 >"$root/proc/sys/net/ipv6/conf/all/disable_ipv6"'
    under_systemd systemctl start evechod.socket
    echoes_to tcp://127.0.0.1:7007
    is_confined evechod-activated
}

@test "a stop that gives bytes up is a success for the unit, and is logged" {
    setup_units
    drop_in evechod.service '[Service]' 'Environment="EVECHOD_OPTIONS=-l 127.0.0.1:7007 --drain-timeout 500ms"'
    boot
    under_systemd systemctl start evechod
    bg rude nsenter -t "$SYSTEMD_PID" -n -- "$HELPERS/peer" -i 20000 tcp://127.0.0.1:7007 rcvbuf:4k fill:64M \
        say:held=1 await-reset
    wait_for 10 said rude held=1
    under_systemd systemctl stop evechod
    in_journal evechod ' drained owed=[1-9]'
    property_is evechod Result success
    property_is evechod ActiveState inactive
}

@test "a stop may last as long as --drain-delay, although the unit's own time is shorter" {
    setup_units
    drop_in evechod.service '[Service]' 'TimeoutStopSec=1s' \
        'Environment="EVECHOD_OPTIONS=-l 127.0.0.1:7007 --drain-delay 3s"'
    boot
    under_systemd systemctl start evechod
    under_systemd systemctl stop evechod
    in_journal evechod ' not ready: still accepting seconds=3'
    in_journal evechod ' drained owed=0'
    property_is evechod Result success
}

@test "calls refused by a filter around the service are named, each with the reason" {
    setup_units
    drop_in evechod.service '[Service]' \
        'SystemCallFilter=~seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self'
    boot
    under_systemd systemctl start evechod
    wait_for 5 in_journal evechod ' sandbox mode=on seccomp=no landlock=0 .*capabilities=none'
    in_journal evechod 'seccomp: Operation not permitted'
    in_journal evechod 'missing="landlock: Operation not permitted; ' || in_journal evechod 'missing="landlock: not in'
    echoes_to tcp://127.0.0.1:7007
}

@test "the journal stores the level of each line" {
    setup_units
    boot
    under_systemd systemctl start evechod
    echoes_to tcp://127.0.0.1:7007
    wait_for 5 in_journal evechod '^[^<]* info connection closed' 6
    in_journal evechod '^[^<]* notice sandbox ' 5
    not in_journal evechod ' notice ' 6
}

@test "other hosts are served if the unit's address filter is lifted too" {
    setup_units
    drop_in evechod.service '[Service]' 'Environment="EVECHOD_OPTIONS=-l *:7007"'
    boot 'ip addr add 192.0.2.7/32 dev lo'
    under_systemd systemctl start evechod
    echoes_to tcp://127.0.0.1:7007
    beside_systemd timeout 1 "$HELPERS/peer" tcp://192.0.2.7:7007 echo:100 && skip "no BPF here: systemd filters no addresses"
    under_systemd sh -c 'echo IPAddressAllow=any >>/etc/units/evechod.service.d/test.conf &&
        systemctl daemon-reload && systemctl restart evechod'
    echoes_to tcp://192.0.2.7:7007
}

@test "TLS: the key is readable by root only, and is passed as a credential" {
    setup_units
    need openssl
    "$EVECHOD" --version | grep -q OpenSSL || skip "built without TLS"
    mkdir -p "$T/etc/evechod"
    issue "$T/etc/evechod/server" localhost
    chmod 600 "$T/etc/evechod/server.key"
    drop_in evechod.service '[Service]' 'LoadCredential=server.pem:/etc/evechod/server.pem' \
        'LoadCredential=server.key:/etc/evechod/server.key' \
        'Environment="EVECHOD_OPTIONS=-l tls://localhost:7443,cert=%d/server.pem,key=%d/server.key"'
    boot
    under_systemd systemctl start evechod
    is_confined evechod
    beside_systemd "$HELPERS/tlspeer" 127.0.0.1:7443 echo:100
    under_systemd systemctl reload evechod
    wait_for 5 in_journal evechod ' notice reloaded'
}

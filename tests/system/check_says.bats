#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# What check says of the faults that balancers have: behind the real haproxy, nginx, socat and nft.

load lib
load client
load proxies

teardown() {
    stop_liar
    common_teardown
}

MOMENT='[0-9:]{8}\.[0-9]{6}Z, local port [1-9][0-9]*, lived [0-9.]+ s, phase'

@test "every run ends with one summary line, and reports that idle was not tried" {
    start_server
    ends 0 evecho check --skip holds-the-sender,unread-then-half-close "$ENDPOINT"
    [[ $(tail -n 2 stdout) == '# idle was not tried: --idle TIME shows what ends a silent connection
# 14 held, 0 failed, 0 choices, 0 not tried: exit status 0' ]] || fail "$(<stdout)"
    ends 0 evecho check --only single-bytes "$ENDPOINT"
    [[ $(tail -n 1 stdout) == '# 1 held, 0 failed, 0 choices, 0 not tried: exit status 0' ]]
    ends 0 evecho check --only idle --idle 200ms "$ENDPOINT"
    not grep -q 'idle was not tried' stdout
}

@test "idle: haproxy's timeout is reported as a FIN, with its seconds" {
    start_server
    start_haproxy 'timeout client 700ms'
    ends 1 evecho check --only idle --idle 3s --json json "$PROXY"
    grep -qE '^# a FIN ended the connection after 0\.[7-9][0-9]* s of silence, as an idle timeout does$' stdout || fail "$(<stdout)"
    grep -qE "^#   $MOMENT idle$" stdout
    grep -qx '#   see: evecho explain idle-fin' stdout
    json '.properties[0].failure | .end == "FIN" and .phase == "idle" and .lived_s >= 0.7 and .lived_s < 3'
}

has_echoed() { inside ss -Htin state established "dport = :$PORT" | grep -q 'bytes_acked:101 '; }

# silence RULE ARGUMENT...: a firewall changes its mind while the connection is idle.
silence() {
    need_netns
    need nft
    start_server --idle-timeout 8s "${@:2}" # it hears no end
    inside "$HELPERS/leash" "$LIFE" "$EVECHO" check --only idle --idle 4s --timeout 1s "$ENDPOINT" >said 2>&1 3>&- &
    CHECK=$!
    wait_for 5 has_echoed
    inside nft -f - <<<"table inet t { chain c { type filter hook input priority 0; tcp dport $PORT $1; }; }"
    code=0
    wait "$CHECK" || code=$?
    ((code == 1)) || fail "exit $code: $(<said)"
}

@test "idle: packets dropped by nft are reported as silence" {
    silence drop
    grep -qE '^# after 4\.000 s of silence no answer, no FIN and no RST in 1 s: something on the way has forgotten' said ||
        fail "$(<said)"
    grep -qx '#   see: evecho explain idle-silence' said
}

@test "idle: nft rejects with a RST only when we send again" {
    silence 'reject with tcp reset'
    grep -qE '^# after 4\.000 s of silence a RST answered what we sent' said || fail "$(<said)"
    grep -qx '#   see: evecho explain idle-reset' said
}

@test "idle: nft rejects with a RST while a keepalive probe is answered" {
    silence 'reject with tcp reset' --keepalive 1s
    grep -qE '^# a RST ended the connection after [0-3]\.[0-9]+ s of silence, as an idle timeout does$' said || fail "$(<said)"
    grep -qE "^#   $MOMENT idle$" said
}

@test "a half-close answered by a full close is reported as one, with the lost bytes" {
    need socat
    PROXY_PORT=$(free_port)
    # -t: so long after one side's end it still moves the other's.
    bg proxy socat -t 0 "TCP-LISTEN:$PROXY_PORT,bind=127.0.0.1,reuseaddr,fork" "SYSTEM:sleep 0.3; cat"
    wait_for 5 is_listening "$PROXY_PORT"
    ends 1 evecho check --only half-close-at-once --json json "tcp://127.0.0.1:$PROXY_PORT"
    grep -qE 'offset 0: half-close was answered by a full close, 10 bytes under way lost$' stdout || fail "$(<stdout)"
    grep -qE "^#   $MOMENT half-closed$" stdout
    json '.properties[0].failure | .phase == "half-closed" and .awaited == 10'
}

@test "a proxy that hides the end of the service: a choice, a fault with --strict or --peer evechod" {
    start_server
    PROXY_PORT=$(free_port)
    need socat
    # Ours is passed on; theirs is not, as the outer socat has another writer: nothing ends it.
    bg proxy socat -t 60 "TCP-LISTEN:$PROXY_PORT,bind=127.0.0.1,reuseaddr,fork" \
        "SYSTEM:(socat -t 60 - TCP\:127.0.0.1\:$PORT; sleep 60)"
    wait_for 5 is_listening "$PROXY_PORT"
    PROXY=tcp://127.0.0.1:$PROXY_PORT
    ends 0 evecho check --only clean-end --timeout 1s "$PROXY"
    grep -q '^ok 1 clean-end # SKIP every byte came back, but its side stays open' stdout || fail "$(<stdout)"
    ends 1 evecho check --only clean-end --timeout 1s --strict --json json "$PROXY"
    grep -qx 'not ok 1 clean-end' stdout
    json '.failed == 1 and .choices == 0 and .config.strict and .properties[0].failure.phase == "half-closed"'
    ends 1 evecho check --only clean-end --timeout 1s --peer evechod "$PROXY"
    grep -qx 'not ok 1 clean-end' stdout
    grep -q '^# every byte came back, and no end after our half-close: evechod' stdout || fail "$(<stdout)"
    ends 0 evecho check --only clean-end --peer evechod --strict "$ENDPOINT"
}

@test "strict: a property that we cannot test is no fault" {
    start_server -l "unix:$T/s"
    ends 0 evecho check --strict --only urgent-byte "unix:$T/s"
    grep -q '^ok 1 urgent-byte # SKIP Unix sockets have no urgent data' stdout
    ends 5 prlimit --nofile=50:50 "$EVECHO" check --strict --only many-connections "unix:$T/s"
}

@test "a dead backend is reported once, with advice" {
    start_server
    start_haproxy 'retries 0'
    stop_server
    local start=$SECONDS
    ends 1 evecho check --json json "$PROXY"
    ((SECONDS - start <= 15)) || fail "$((SECONDS - start)) s"
    (($(grep -c '^not ok' stdout) == 1)) || fail "$(<stdout)"
    grep -qx '# not one byte came back: a proxy without a backend ends so. What to try next:' stdout
    grep -qx "#   evecho ping $PROXY" stdout
    grep -qx "#   evecho ping tls://127.0.0.1:$PROXY_PORT" stdout
    grep -qx 'Bail out! nothing comes back: stopped after 1 of 16 properties' stdout
    [[ $(tail -n 1 stdout) == '# 0 held, 1 failed, 0 choices, 15 not tried: exit status 1' ]]
    json '.stopped and (.interrupted | not) and .failed == 1 and .not_tried == 15 and (.properties | length) == 1'
}

@test "a silent endpoint is reported once too" {
    start_liar mute 0
    ends 1 evecho check --timeout 1s "$LIAR_ENDPOINT"
    (($(grep -c '^not ok' stdout) == 1)) || fail "$(<stdout)"
    grep -qE 'offset 0: nothing moved for .* s; we gave up, the stream was still open; it took 1 byte and gave 0$' stdout
    grep -qx '# not one byte came back. What to try next:' stdout
}

@test "a limit on connections shows by its number" {
    start_server
    start_haproxy 'maxconn 50' 'backlog 1000'
    ends 1 evecho check --only many-connections --timeout 1s "$PROXY"
    grep -qE '^# 50 were served, the 51st was not: ' stdout || fail "$(<stdout)"
    grep -qx '#   see: evecho explain connection-limit' stdout
}

@test "a limit that nft rejects shows by its number" {
    need_netns
    need nft
    start_server
    # One connection was made before the crowd.
    inside nft -f - <<<"table inet t { chain c { type filter hook input priority 0;
        tcp dport $PORT tcp flags syn limit rate over 1/hour burst 30 packets reject with tcp reset; }; }"
    ends 1 inside "$EVECHO" check --only many-connections "$ENDPOINT"
    grep -qE '^# (2[0-9]|30) were open, the (30th|31st|2[0-9]th) did not connect: .*Connection refused' stdout || fail "$(<stdout)"
}

@test "dropped SYNs are counted: connects that took a second" {
    need_netns
    need nft
    start_server
    inside nft -f - <<<"table inet t { chain c { type filter hook input priority 0;
        tcp dport $PORT tcp flags & (syn | ack) == syn numgen inc mod 5 == 4 drop; }; }"
    ends 0 inside "$EVECHO" check --only many-connections "$ENDPOINT"
    grep -qE '^ok 1 many-connections # SKIP 2[0-9] of 100 connects took a second: SYNs were dropped$' stdout || fail "$(<stdout)"
    ends 1 inside "$EVECHO" check --strict --only many-connections "$ENDPOINT"
    grep -qE '^# 2[0-9] of 100 connects took a second: SYNs were dropped$' stdout || fail "$(<stdout)"
    grep -qx '#   see: evecho explain short-backlog' stdout
}

@test "peer: it is about streams, and refused for datagrams" {
    ends 2 evecho check --peer evechod udp://127.0.0.1:9
    grep -q -- '--peer' stderr
}

# on_a_terminal COLUMNS COMMAND: its output there, in typescript.
on_a_terminal() {
    script -qec "stty cols $1; $2" typescript >/dev/null 3>&- || true
}

@test "a diagnosis is folded to the terminal's width, and whole in a file" {
    need script
    start_liar mute 0
    ends 1 evecho check --only single-bytes --timeout 300ms "$LIAR_ENDPOINT"
    grep -qE '^# .*: nothing moved for .* s; we gave up, the stream was still open; it took 1 byte and gave 0$' stdout
    for columns in 80 120; do
        on_a_terminal "$columns" "NO_COLOR=1 '$EVECHO' check --only single-bytes --timeout 300ms '$LIAR_ENDPOINT'"
        tr -d '\r' <typescript | sed -n '/not ok/,/^# seed/p' | grep '^#' >lines
        grep -q 'nothing moved for' lines || fail "$(<lines)"
        not grep -qE ".{$columns}" lines || fail "$(<lines)"
    done
}

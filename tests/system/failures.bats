#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# What a failure says, in every command: when, on which port, how old the connection was, in which
# phase, and what came; as text and as fields of JSON.

load lib
load client
load proxies

teardown() {
    stop_liar
    common_teardown
}

MOMENT='[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z, local port [1-9][0-9]*, lived [0-9]+\.[0-9]{3} s, phase'
FIELDS='(.time | test("^20[0-9-]+T[0-9:]+\\.[0-9]{6}Z$")) and .local_port > 1023 and .lived_s >= 0'

@test "when and where: check names both in its diagnosis, and in fields of JSON" {
    start_liar flip 100
    ends 1 evecho check --seed 1 --only large-bursts --json json "$LIAR_ENDPOINT"
    grep -qE "^#   $MOMENT exchange$" stdout || fail "$(<stdout)"
    json ".properties[0].failure | .class == \"mismatch\" and .offset == 100 and .phase == \"exchange\" and $FIELDS"
    json '.properties[0].failure | (.expected | type) == "number" and .came != .expected'
    json '.properties[0].failure.text == .properties[0].diagnosis'
}

@test "when and where: bench names both for each failure that it keeps" {
    start_liar reset 100
    ends 1 evecho bench -n 1 -s 1k --json json "$LIAR_ENDPOINT"
    grep -qE "^      $MOMENT exchange$" stdout || fail "$(<stdout)"
    json ".failures[0] | .class == \"reset\" and .end == \"RST\" and .phase == \"exchange\" and $FIELDS"
}

@test "when and where: ping, and its datagrams that are wrong or lost" {
    start_liar flip 100
    ends 1 evecho ping -c 1 -s 1k --json json "$LIAR_ENDPOINT"
    grep -qE "^  $MOMENT exchange$" stdout || fail "$(<stdout)"
    json ".failures[0] | .class == \"mismatch\" and .offset == 100 and $FIELDS"
    LIAR=udpliar
    start_liar -o 2 flip 0 30
    ends 1 evecho ping -c 1 --timeout 300ms "$LIAR_ENDPOINT"
    grep -qE "^  $MOMENT exchange$" stdout || fail "$(<stdout)"
    start_liar -o 2 mute 0
    ends 1 evecho ping -c 1 --timeout 300ms --json json "$LIAR_ENDPOINT"
    grep -A1 '^seq=1 lost: ' stdout | grep -qE "^  $MOMENT exchange$" || fail "$(<stdout)"
    json ".failures[0] | .class == \"timeout\" and .datagram == 0 and $FIELDS"
}

@test "wrong bytes: an HTTP server's answer is shown as text and in hex, and named" {
    need nginx
    start_proxy "nginx -e stderr -p $T -c proxy.conf" "daemon off;
pid nginx.pid;
events {}
http { access_log off; server { listen 127.0.0.1:@port@; return 200 hello; } }"
    ends 1 evecho check --seed 1 --only single-bytes --json json "tcp://127.0.0.1:$PROXY_PORT"
    grep -qx '#   that is an HTTP response: a web server, or a proxy.s error page, answers' stdout || fail "$(<stdout)"
    sees http
    grep -qE '^#   came "(H?TTP/1.1 400 Bad Request|<html>)' stdout
    grep -qE '^#   hex ([0-9a-f]{2,8} ?)+$' stdout
    json '.properties[0].failure | .looks_like == "http-response" and (.came_hex | length) == 64'
    not grep -qE '.{80}' stdout
    ends 1 evecho ping -c 1 -s 100 "tcp://127.0.0.1:$PROXY_PORT"
    grep -q 'that is an HTTP response' stdout
    ends 1 evecho bench -n 1 -s 100 --json json "tcp://127.0.0.1:$PROXY_PORT"
    json '.failures[0].looks_like == "http-response"'
}

@test "wrong bytes: our own of another connection and of another run" {
    start_liar replay 0
    ends 1 evecho bench -c 2 -n 20 -s 1k --json json "$LIAR_ENDPOINT"
    json '.failures[0].looks_like == "own-connection"'
    grep -qE '^      these are our own bytes of connection [12], offset 0$' stdout || fail "$(<stdout)"
    start_liar rerun 0
    ends 0 evecho ping -c 1 -s 1k "$LIAR_ENDPOINT"
    kill -USR1 "$LIAR_PID"
    ends 1 evecho ping -c 1 -s 1k "$LIAR_ENDPOINT"
    grep -qx '  these are bytes that evecho sends, of another run, client or flow' stdout || fail "$(<stdout)"
    LIAR=udpliar start_liar replay -2 64
    ends 0 evecho ping -c 2 -i 10ms "$LIAR_ENDPOINT"
    ends 1 evecho ping -c 2 -i 10ms --timeout 300ms "$LIAR_ENDPOINT"
    grep -qx '  these are bytes that evecho sends, of another run, client or flow' stdout || fail "$(<stdout)"
}

@test "a PROXY header added on the path is not reported as ours" {
    start_server
    SERVER_LINE=send-proxy start_haproxy
    ends 1 evecho check --only single-bytes "tcp://127.0.0.1:$PROXY_PORT"
    grep -qx '#   something on the way sends a PROXY header, and the endpoint reads none' stdout || fail "$(<stdout)"
    not grep -q 'our PROXY header' stdout
    sees proxy-header
}

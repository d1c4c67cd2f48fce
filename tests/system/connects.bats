#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Time to connect, as evecho measures it: a firewall drops every fifth SYN, and the client's system sends
# each of those again after a second.

load lib
load netns
load client

# From now on every fifth SYN to the server is dropped. Retransmitted SYNs count too.
drop_every_fifth_syn() {
    need nft
    inside nft add table ip lossy
    inside nft add chain ip lossy in '{ type filter hook input priority 0; }'
    inside nft add rule ip lossy in tcp flags '&(syn|ack)==syn' numgen inc mod 5 4 drop
}

start_with_lost_syns() {
    start_across
    drop_every_fifth_syn
}

@test "bench: connects whose SYN was dropped are counted, with their times, and a threshold fails" {
    start_with_lost_syns
    ends 1 far_evecho bench -c 10 -n 40 --requests-per-connection 1 --json json \
        --require p99=500ms,connect-p99=5ms,connect-slow=0,connect-p50=500ms "$ENDPOINT"
    json '.connects == 40 and .connects_slow >= 5 and .connects_slow <= 15'
    json '.connect_p50_ns < 500000000 and .connect_p99_ns > 900000000 and .connect_max_ns > 900000000'
    json '.p99_ns < 500000000'
    grep -qE '^  connects +p50 .*; [0-9]+ of 40 connects took over 0\.9 s: SYNs were probably dropped; see: evecho explain slow-connect$' stdout
    json '[.requirements[] | select(.verdict == "fail") | .name] == ["connect-p99", "connect-slow"]'
    ends 0 far_evecho bench -c 10 -n 40 --requests-per-connection 1 --json json \
        --require connect-slow=20,connect-max=20s "$ENDPOINT"
}

@test "bench: connections that opened in the warm-up have their connect times too" {
    start_with_lost_syns
    ends 0 far_evecho bench -c 10 --warm-up 2s -t 200ms --json json "$ENDPOINT"
    json '.connects == 10 and .connects_slow >= 1'
}

@test "ping: the connect time of each connection is in the summary" {
    local i
    start_with_lost_syns
    for i in 1 2 3 4; do
        ends 0 far_evecho ping -c 1 --json json "$ENDPOINT"
        json '.connects == 1 and .connects_slow == 0 and .connect_max_ns > 0 and .connect_max_ns < 900000000'
        grep -qE '^connect time: [0-9.]+ ms$' stdout
    done
    ends 0 far_evecho ping -c 1 --json json "$ENDPOINT"
    json '.connects == 1 and .connects_slow == 1 and .connect_max_ns > 900000000'
    grep -qE '^connect time: [0-9.]+ ms; 1 of 1 connect took over 0\.9 s: a SYN was probably dropped; see: evecho explain slow-connect$' stdout
}

@test "check: a comment has the connect times of all connections" {
    start_with_lost_syns
    far_evecho check --only single-bytes,all-256-values,empty-sends,half-close-at-once --json json "$ENDPOINT" >stdout
    json '.connects >= 5 and .connects_slow >= 1'
    grep -qE '^# connect time: p50 .*; [0-9]+ of [0-9]+ connects took over 0\.9 s: ' stdout
}

@test "cat: a slow connect is reported" {
    local i
    start_with_lost_syns
    for i in 1 2 3 4; do
        ends 0 far_evecho cat "$ENDPOINT" </dev/null
        not grep -q SYN stderr
    done
    ends 0 far_evecho cat "$ENDPOINT" </dev/null
    grep -qE '^evecho: connecting took [0-9.]+ s: a SYN was probably dropped; see: evecho explain slow-connect$' stderr
}

@test "bench: a connect that was given up counts with the time that it waited" {
    start_across
    need nft
    inside nft add table ip deaf
    inside nft add chain ip deaf in '{ type filter hook input priority 0; }'
    # The first connection only tests the address: it is not dropped.
    inside nft add rule ip deaf in tcp flags '&(syn|ack)==syn' numgen inc mod 10000 != 0 drop
    far_evecho bench -c 2 -t 500ms --timeout 300ms --json json "$ENDPOINT" >stdout 2>&1 || true
    json '.errors.timeout >= 2 and .connects >= 2 and .connect_p50_ns >= 290000000 and .connects_slow == 0'
}

@test "over TLS the handshake has times of its own, in ping and check too" {
    need openssl
    "$EVECHO" cat tls://127.0.0.1:1 </dev/null 2>&1 | grep -q 'not built into' && skip "built without TLS"
    issue ca "test authority"
    issue server localhost -CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1
    start_server -l "tls://127.0.0.1:0,cert=server.pem,key=server.key"
    ends 0 evecho ping -c 1 --cacert ca.pem --json json "$ENDPOINT"
    json '.connects == 1 and .handshakes == 1 and .handshake_max_ns > 0 and .connect_max_ns > 0'
    grep -qE '^handshake time: [0-9.]+ ms$' stdout
    ends 0 evecho check --cacert ca.pem --only single-bytes --json json "$ENDPOINT"
    json '.connects >= 2 and .handshakes == .connects and .handshake_max_ns > 0'
    grep -q '^# handshake time: ' stdout
    ends 0 evecho bench -n 10 --cacert ca.pem --requests-per-connection 1 --json json \
        --require handshake-p99=30s,connect-p99=30s "$ENDPOINT"
    json '.connects == .handshakes and .handshakes == 10'
}

@test "over a Unix socket connects are measured too" {
    start_server -l "unix:$T/s"
    ends 0 evecho bench -n 10 --requests-per-connection 1 --require connect-max=30s --json json "$ENDPOINT"
    json '.connects == 10 and .connect_max_ns > 0 and .handshakes == 0'
}

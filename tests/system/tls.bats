#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# TLS, against OpenSSL's own client, socat's and stunnel's, and one that misbehaves (tlspeer).

load lib
load alloc

setup_file() {
    export PKI=$BATS_FILE_TMPDIR
    cd "$PKI" || return 1
    issue ca 'test authority'
    issue server localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
    issue second localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
    issue client $'some\nbody' -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE
    issue stranger nobody
    chmod 600 ./*.key
    CERT=cert=$PKI/server.pem,key=$PKI/server.key
    export CERT
}

eval "$(declare -f setup | sed '1s/^setup/common_setup/')"
setup() {
    common_setup
    "$EVECHOD" --version | grep -q OpenSSL || skip "built without TLS"
}

# start_tls [ATTRIBUTE,... [OPTION...]]: serves TLS; TLS is HOST:PORT.
start_tls() {
    local attributes=${1:+,$1}
    shift || true
    start_server -l "tls://127.0.0.1:0,$CERT$attributes" "$@"
    [[ $ENDPOINT == tls://127.0.0.1:* ]]
    TLS=${ENDPOINT#tls://}
}

tlspeer() { "$HELPERS/leash" "$LIFE" "$HELPERS/tlspeer" "$@" </dev/null; }
s_client() { timeout 20 openssl s_client -connect "$TLS" "$@" 2>&1 | tee "$T/s_client.out"; }

# Options of s_client; without them it would drop bytes received after its input's end.
hello() {
    : >"$T/s_client.out"
    printf 'hello\n'
    wait_for 15 grep -qx hello "$T/s_client.out" >&2
}

# peer_says PATTERN ARGUMENT...: runs tlspeer and checks its facts, not its exit code.
peer_says() {
    tlspeer "${@:2}" >"$T/facts" || true
    grep -qE "$1" "$T/facts" || fail "$1 is not in: $(<"$T/facts")"
}

refused_start() { # PATTERN ARGUMENT...
    local code=0
    "$EVECHOD" "${@:2}" >out 2>&1 </dev/null || code=$?
    [[ $code == 2 ]] || fail "exit $code"
    grep -qE "$1" out || fail "$1 is not in: $(<out)"
    (($(wc -l <out) == 1))
}

last_reason_is() { [[ $(field reason) == "$1" ]]; }

# ---- ordinary use

chooses_echo() {
    TLS=${ENDPOINT#tls://}
    hello | s_client -quiet -no_ign_eof -alpn h2,echo >out
    wait_for 5 closed_at_least 1
    [[ $(field alpn) == echo ]] || fail "$1: $(field alpn)"
    stop_server
    : >"$LOG"
}

@test "--alpn takes commas and colons between the protocols, on the command line and in a file" {
    local list
    for list in none,echo none:echo; do
        start_server -l "tls://127.0.0.1:0,$CERT" --alpn "$list"
        chooses_echo "$list"
    done
    printf 'listen = tls://127.0.0.1:0,%s\nalpn = none,echo\n' "$CERT" >conf
    start_server --config conf
    chooses_echo "in a file"
}

@test "openssl s_client: an echo, and the close line has the negotiated parameters" {
    start_tls alpn=http/1.1:echo
    hello | s_client -quiet -no_ign_eof -CAfile "$PKI/server.pem" -verify_return_error \
        -servername localhost -alpn h2,echo >out
    grep -qx hello out
    wait_for 5 closed_at_least 1
    [[ $(field tls) == TLSv1.3 && $(field alpn) == echo && $(field sni) == localhost ]]
    [[ $(field cipher) == TLS_* && $(field resumed) == no && $(field reason) == eof ]]
    [[ $(field in) == 6 && $(field out) == 6 && $(field end) == fin ]]
    ask_counters
    [[ $(counter tls_handshakes) == 1 && $(counter closed_handshake) == 0 ]]
    counters_balance
}

@test "TLS 1.2 and 1.3, and in the modern profile only 1.3" {
    start_tls "" -l "tls://127.0.0.1:0,$CERT,tls-profile=modern"
    hello | s_client -quiet -no_ign_eof -tls1_2 | grep -qx hello
    s_client -tls1_1 -cipher DEFAULT@SECLEVEL=0 </dev/null >out || true
    not grep 'Cipher is ECDHE' out
    TLS=${ENDPOINTS[1]#tls://}
    hello | s_client -quiet -no_ign_eof | grep -qx hello
    s_client -quiet -no_ign_eof -tls1_2 </dev/null >out || true
    not grep -x hello out
    wait_for 5 closed_at_least 4
    closed_lines | grep -q 'tls=TLSv1.2 cipher=ECDHE'
}

@test "a session is resumed with 1.2 and 1.3, and never with early data" {
    start_tls
    local version early
    for version in -tls1_2 -tls1_3; do
        early=()
        [[ $version == -tls1_2 ]] || early=(-early_data data)
        hello | s_client "$version" -no_ign_eof -sess_out session >out
        grep -q '^New' out
        printf 'hello\n' >data
        hello | s_client "$version" -no_ign_eof -sess_in session \
            "${early[@]}" >out
        grep -q '^Reused' out
        not grep 'Early data was accepted' out
    done
    wait_for 5 closed_at_least 4
    (($(closed_lines | grep -c 'resumed=yes') == 2))
    (($(closed_lines | grep -c 'in=6 out=6') == 4))
}

@test "13 tickets: a client that closes without reading ends cleanly, without a reset" {
    local i
    start_tls
    for i in {1..20}; do
        peer_says end=open "$TLS" handshake notify close
    done
    wait_for 5 closed_at_least 20
    (($(closed_lines | grep -c 'reason=eof') == 20)) || fail "$(closed_lines)"
}

# Its Finished and its first data are two writes, and the second waits for an acknowledgement (Nagle).
@test "13 the first echo does not wait for a delayed acknowledgement of the client's Finished" {
    local version times median
    start_tls
    for version in "" -2; do
        times=$(for _ in {1..21}; do
            tlspeer -d ${version:+"$version"} "$TLS" echo:100 notify fin read-all | sed -n 's/^echo_us=//p'
        done | sort -n)
        median=$(sed -n 11p <<<"$times")
        echo "$median us in the middle of 21${version:+, TLS 1.2}"
        ((median < 20000)) || fail "$times"
    done
}

@test "two workers, and a name of two families" {
    need_two_families
    start_server --workers 2 -l "tls://localhost:0,$CERT"
    ((${#ENDPOINTS[@]} == 2))
    for TLS in "${ENDPOINTS[@]#tls://}"; do
        inside "$HELPERS/tlspeer" "$TLS" echo:1M notify fin read-all >facts || fail "$(<facts)"
        grep -qx end=notify facts
    done
}

# ---- bytes

@test "64 MiB echoed to socat, which half-closes" {
    need socat
    start_tls
    head -c 64M /dev/urandom >data
    timeout "$LIFE" socat -t "$LIFE" - "OPENSSL:$TLS,cafile=$PKI/server.pem" <data | cmp - data
    wait_for 5 closed_at_least 1
    [[ $(field reason) == eof && $(field out) == 67108864 ]]
}

@test "8 MiB echoed through stunnel" {
    command -v stunnel4 >/dev/null || skip "stunnel4 is not installed"
    start_tls
    cat >stunnel.conf <<END
foreground = yes
pid =
[echo]
client = yes
accept = $T/front
connect = $TLS
CAfile = $PKI/server.pem
verifyChain = yes
END
    bg stunnel stunnel4 stunnel.conf
    wait_for 10 test -S front
    head -c 8M /dev/urandom >data
    timeout "$LIFE" socat -t "$LIFE" - UNIX-CONNECT:front <data | cmp - data
    wait_for 5 closed_at_least 1
    [[ $(field reason) == eof && $(field out) == 8388608 ]]
    end_bg stunnel
}

# All that is sent is read, so that no receive buffer overflows: if both of a connection do, the
# kernel may drop each end's acknowledgements for good (HACKING.md).
@test "trap 19: close_notify with megabytes owed, and all of it is delivered" {
    start_tls buffer=64M
    peer_says end=notify "$TLS" send:24M notify fin pause:300 read-all
    (($(fact_of got) == 24 * 1024 * 1024)) || fail "$(<facts)"
    wait_for 5 closed_at_least 1
    [[ $(field reason) == eof && $(field lost) == 0 ]]
    (($(field out) == $(fact_of got)))
}
fact_of() { sed -n "s/^$1=//p" facts; }

@test "trap 19: the same without close_notify is delivered, without a clean end" {
    start_tls buffer=64M
    peer_says end=fin "$TLS" send:24M fin pause:300 read-all
    (($(fact_of got) == 24 * 1024 * 1024)) || fail "$(<facts)"
    wait_for 5 closed_at_least 1
    [[ $(field reason) == truncated && $(field lost) == 0 ]]
    ask_counters
    [[ $(counter closed_truncated) == 1 ]]
}

@test "trap 20: records and close_notify in one segment" {
    local size
    start_tls
    for size in 1 1000 7000 16384 16385 50000; do
        peer_says end=notify "$TLS" cork "send:$size" notify uncork fin read-all
        grep -qx "got=$size" facts || fail "$(<facts)"
    done
}

@test "trap 21: one record of 16 KiB, then silence: all of it is echoed" {
    start_tls
    peer_says got=16384 "$TLS" echo:16384
    peer_says got=16396 "$TLS" echo:12 echo:16384
}

@test "trap 21: a small buffer and a tight total limit stall no connection" {
    start_tls buffer=4k --max-owed 64k
    peer_says end=notify "$TLS" echo:1M fill:5M notify fin read-all
    [[ $(fact_of sent) == "$(fact_of got)" ]]
}

@test "trap 22: large writes in small pieces: every byte is right" {
    start_tls buffer=64M
    peer_says end=notify "$TLS" send:32M pause:200 notify fin read-all
    (($(fact_of got) == 32 * 1024 * 1024)) || fail "$(<facts)"
}

@test "trap 23: we end with close_notify, whichever side ends first" {
    start_tls idle-timeout=300ms
    peer_says end=notify "$TLS" echo:100 read-all
    peer_says end=notify "$TLS" echo:100 notify fin read-all
    peer_says end=notify "$TLS" handshake read-all
    wait_for 5 closed_at_least 3
    (($(closed_lines | grep -c 'reason=idle') == 2))
    s_client -quiet </dev/null >out 2>&1 || true
    not grep -i 'unexpected eof' out
}

@test "trap 23: close_notify without room is sent as soon as there is room" {
    need_shim shim_io
    local seed
    for seed in 1 2 3; do
        SERVER_ENV=("LD_PRELOAD=$HELPERS/shim_io.so" "SHIM_SEED=$seed" SHIM_RATE=60)
        start_tls
        for _ in {1..20}; do
            peer_says end=notify "$TLS" echo:1000 notify fin read-all
        done
        wait_for 5 closed_at_least 20
        stop_server
    done
}

@test "trap 24: no byte of the stream is ever sent outside of TLS" {
    start_tls buffer=8M
    peer_says got= "$TLS" echo:16 echo:1000 echo:100000 send:4M notify fin read-all
    not grep leak facts
}

@test "one byte a record, endless KeyUpdates: all is echoed, and memory is bounded" {
    start_tls
    local before
    peer_says got=3000 "$TLS" tiny:3000 notify fin read-all
    before=$(rss_kb)
    peer_says got=200000 "$TLS" update:2000 echo:100000 update:20000 echo:100000
    is_instrumented || (($(rss_kb) < before + 4096))
}

# OpenSSL answers a KeyUpdate while a record of ours is half written, since the peer reads nothing.
@test "KeyUpdates received while our write is blocked lose no byte" {
    start_tls buffer=64M -l "tls://127.0.0.1:0,$CERT"
    peer_says end=notify "$TLS" send:8M update:1 send:8M update:500 send:1M notify fin read-all
    (($(fact_of got) == 17 * 1024 * 1024)) || fail "$(<facts)"
    peer_says end=notify "$TLS" mixed:16M notify fin read-all
    [[ $(fact_of sent) == "$(fact_of got)" ]] || fail "$(<facts)"
    TLS=${ENDPOINTS[1]#tls://} # by default the sender is held, and reads at last
    for _ in {1..5}; do
        peer_says end=notify "$TLS" mixed:24M update:50 notify fin read-all
        [[ $(fact_of sent) == "$(fact_of got)" ]] || fail "$(<facts)"
    done
    wait_for 5 closed_at_least 7
    (($(closed_lines | grep -c ' lost=0 .*reason=eof') == 7)) || fail "$(closed_lines)"
}

@test "KeyUpdates received after our end cause no reset" {
    start_tls idle-timeout=200ms,linger-timeout=10s
    peer_says end=notify "$TLS" echo:100 pause:1000 update:5 pause:300 notify fin read-all
    wait_for 5 closed_at_least 1
    [[ $(field reason) == idle && $(field end) == fin && $(field lost) == 0 ]]
}

# Each answer is queued behind unread bytes. Above a limit the peer is not read, without a busy
# loop.
@test "a peer that requests key updates without end and reads nothing is not read any more" {
    local before spent
    start_tls buffer=64M
    bg asker "$HELPERS/tlspeer" "$TLS" send:12M update:60000 pause:3000 notify fin read-all
    wait_for 10 eval 'ask_counters && (($(counter bytes_in) == 12 * 1024 * 1024))'
    before=$(cpu_ticks)
    watch_for 1
    spent=$(($(cpu_ticks) - before))
    echo "$spent ticks in a second"
    ((spent < 50))
    finish asker
    said asker end=notify
    (($(fact asker got) == 12 * 1024 * 1024))
    wait_for 5 closed_at_least 1
    [[ $(field reason) == eof && $(field lost) == 0 ]]
}

@test "chain amplification: one byte a record, and nothing read" {
    need_plain_build "memory is measured"
    start_tls
    local before
    peer_says got= "$TLS" echo:100
    before=$(rss_kb)
    bg dripper "$HELPERS/tlspeer" "$TLS" fill:16M tiny:60000 pause:1000 notify fin read-all
    finish dripper
    (($(peak_kb) < before + 8192)) || fail "from $before to $(peak_kb) KiB"
}

# ---- the handshake

@test "trap 12, F17: a handshake byte by byte times out" {
    start_tls handshake-timeout=400ms
    start_canary_of_tls
    peer_says 'end=(timeout|fin|reset)' "$TLS" trickle:50 handshake
    bg silent "$HELPERS/peer" "tcp://$TLS" read-all
    finish silent || true
    wait_for 5 closed_at_least 2
    (($(closed_lines | grep -c 'reason=handshake') == 2)) || fail "$(closed_lines)"
    end_bg canary
}
start_canary_of_tls() { bg canary "$HELPERS/tlspeer" "$TLS" echo:100 pause:30000; }

@test "a drain does not wait for clients that have not begun the handshake" {
    local from
    start_tls '' --drain-quiet 300ms --drain-timeout 30s
    bg silent "$HELPERS/peer" -i 20000 "tcp://$TLS" stall:1 say:there read-end
    wait_for 5 said silent there
    wait_for 5 opened_at_least 1
    from=${EPOCHREALTIME/./}
    kill -TERM "$PID"
    await_exit
    finish silent
    (((${EPOCHREALTIME/./} - from) < 5000000 * PATIENCE))
    [[ $(field reason) == drain && $(field end) == fin ]]
}

opened_at_least() { ask_counters && (($(counter accepted) >= $1)); }

@test "a slow handshake within the timeout is served" {
    start_tls
    peer_says got=100 "$TLS" trickle:1 echo:100
}

@test "F55 plain HTTP, noise and a port scan on the TLS port are each logged with a reason" {
    start_tls
    peer "tcp://$TLS" text:$'GET / HTTP/1.0\r\n\r\n' stall:100 close >/dev/null || true
    wait_for 5 closed_at_least 1
    [[ $(field reason) == handshake ]]
    closed_lines | grep -q 'error="http request"'
    peer "tcp://$TLS" send:64k stall:100 close >/dev/null || true
    peer "tcp://$TLS" half-close read-all >/dev/null || true
    peer "tcp://$TLS" stall:0 reset >/dev/null || true
    wait_for 5 closed_at_least 4
    (($(closed_lines | grep -c 'reason=handshake error=') == 3)) || fail "$(closed_lines)"
    closed_lines | grep -q 'error="the peer ended before the handshake was done"'
    ask_counters
    [[ $(counter closed_handshake) == 3 && $(counter closed_reset) == 1 ]]
    [[ $(counter tls_handshakes) == 0 ]]
}

@test "F55 renegotiation is refused, and the connection continues" {
    start_tls
    printf 'R\n' | s_client -tls1_2 -legacy_server_connect >out || true
    grep -qiE 'no renegotiation|RENEGOTIATING' out
    peer_says 'end=|error=' -2 "$TLS" echo:10 renegotiate read-all
    not grep -q 'got=0' facts
}

@test "F55 a modified record is an error with OpenSSL's text" {
    start_tls
    peer_says 'error|end=' "$TLS" echo:100 raw:this-is-no-record read-all
    wait_for 5 closed_at_least 1
    [[ $(field reason) == error && $(field in) == 100 ]]
    closed_lines | grep -q 'error="wrong version number"' || fail "$(closed_lines)"
}

@test "a protocol outside the list is refused, no protocol is accepted" {
    start_tls alpn=echo
    peer_says got=10 -a echo "$TLS" echo:10
    peer_says 'error=.*application protocol' -a h2 "$TLS" echo:10
    peer_says got=10 "$TLS" echo:10
}

# ---- clients' certificates

@test "client-cert=require: a valid one is logged, none and a foreign one are refused" {
    start_tls "client-ca=$PKI/ca.pem,client-cert=require"
    peer_says got=10 -c "$PKI/client.pem" -k "$PKI/client.key" "$TLS" echo:10
    wait_for 5 closed_at_least 1
    closed_lines | grep -q 'subject=' || fail "$(closed_lines)"
    peer_says 'got=0' "$TLS" echo:10
    peer_says 'got=0' -c "$PKI/stranger.pem" -k "$PKI/stranger.key" "$TLS" echo:10
    wait_for 5 closed_at_least 3
    closed_lines | grep -q 'error="peer did not return a certificate"'
    closed_lines | grep -q 'error="self-signed certificate"'
}

@test "client-cert=optional: none is served, a foreign one is refused" {
    start_tls "client-ca=$PKI/ca.pem,client-cert=optional"
    peer_says got=10 "$TLS" echo:10
    peer_says got=10 -c "$PKI/client.pem" -k "$PKI/client.key" "$TLS" echo:10
    peer_says got=0 -c "$PKI/stranger.pem" -k "$PKI/stranger.key" "$TLS" echo:10
}

@test "F56 a server name and a subject are escaped: one event, one line" {
    start_tls "client-ca=$PKI/ca.pem,client-cert=require"
    peer_says got=10 -n $'a\nb\x1b[31m"' -c "$PKI/client.pem" -k "$PKI/client.key" "$TLS" echo:10
    wait_for 5 closed_at_least 1
    not grep -nP '[^\x20-\x7e]' "$LOG"
    (($(log_count 'connection closed') == 1))
}

# ---- files

@test "F55 a listener without a usable certificate does not start, with the reason" {
    local at=tls://127.0.0.1:0
    refused_start "listen '$at': cert: a tls:// listener needs" -l $at
    refused_start "cert: cannot read '/no/such': No such file" -l "$at,cert=/no/such"
    refused_start "key: cannot read '/no/such': No such file" \
        -l "$at,cert=$PKI/server.pem,key=/no/such"
    refused_start "does not belong to the certificate" \
        -l "$at,cert=$PKI/server.pem,key=$PKI/second.key"
    cp "$PKI/server.key" open.key
    chmod 644 open.key
    refused_start "open.key' has mode 0644: .*chmod 600" -l "$at,cert=$PKI/server.pem,key=open.key"
    refused_start "client-cert: client-ca=FILE is expected" -l "$at,$CERT,client-cert=require"
    refused_start "alpn: " -l "$at,$CERT,alpn=a::b"
    refused_start "cert: expected only for tls://" -l "tcp://127.0.0.1:0,$CERT"
    refused_start "evechod: --cert: no endpoint is a tls:// one" -l tcp://127.0.0.1:0 --cert "$PKI/server.pem"
    refused_start "evechod: --key: no endpoint is a tls:// one" --check-config --key /no/such
    refused_start "cert: an empty value" -l "$at,cert="
    refused_start "cert: cannot read" --check-config -l "$at,cert=/no/such"
    "$EVECHOD" --check-config -l "$at,$CERT"
}

@test "certificate and key may be options, and may be in the file" {
    printf 'cert = %s\nkey = %s\nlisten = tls://127.0.0.1:0\nlisten = tcp://127.0.0.1:0\n' \
        "$PKI/server.pem" "$PKI/server.key" >conf
    start_server --config conf
    TLS=${ENDPOINTS[0]#tls://}
    peer_says got=10 "$TLS" echo:10
    peer "${ENDPOINTS[1]}" echo:10
}

@test "F55 an expired certificate is a warning, at the start and for --check-config" {
    need faketime
    local before
    before=$(date -d '-3 days' '+%Y-%m-%d %H:%M:%S')
    faketime "$before" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -keyout old.key -out old.pem -subj /CN=old 2>/dev/null
    "$EVECHOD" --check-config -l "tls://127.0.0.1:0,cert=old.pem,key=old.key" >out 2>&1
    grep -q "has expired: clients will refuse it" out
    start_server -l "tls://127.0.0.1:0,cert=old.pem,key=old.key"
    wait_for 5 in_log 'warn .*has expired'
}

serial() { s_client </dev/null 2>/dev/null | openssl x509 -noout -fingerprint; }
fingerprint() { openssl x509 -noout -fingerprint -in "$PKI/$1.pem"; }
install_pair() { cp "$PKI/$1.pem" cert.pem && cp "$PKI/$1.key" key.pem; }
reload_says() {
    kill -HUP "$PID"
    wait_for 5 in_log "$1"
}

@test "SIGHUP: new certificates for new connections, and open ones continue" {
    install_pair server
    start_server -l "tls://127.0.0.1:0,cert=cert.pem,key=key.pem"
    TLS=${ENDPOINT#tls://}
    [[ $(serial) == "$(fingerprint server)" ]]
    bg open "$HELPERS/tlspeer" "$TLS" echo:1000 pause:1500 echo:100000 notify fin read-all
    wait_for 5 eval 'ask_counters && (($(counter bytes_out) == 1000))'
    install_pair second
    reload_says reloaded
    [[ $(serial) == "$(fingerprint second)" ]]
    finish open
    said open end=notify
    said open got=101000
}

@test "F55 SIGHUP with a wrong certificate changes nothing, and reports the reason" {
    install_pair server
    printf 'listen = tls://127.0.0.1:0,cert=cert.pem,key=key.pem\nidle-timeout = 1h\n' >conf
    start_server --config conf
    TLS=${ENDPOINT#tls://}
    ANNOUNCED=('reload refused')
    cp "$PKI/second.key" key.pem
    printf 'listen = tls://127.0.0.1:0,cert=cert.pem,key=key.pem\nidle-timeout = 100ms\n' >conf
    reload_says 'reload refused.*does not belong to the certificate'
    rm cert.pem
    reload_says 'reload refused.*cert: cannot read'
    [[ $(serial) == "$(fingerprint server)" ]]
    # Nothing else of it was applied either.
    peer_says got=200 "$TLS" echo:100 pause:400 echo:100
}

@test "a drain ends quiet TLS connections with close_notify, and owes nothing" {
    start_tls
    bg quiet "$HELPERS/tlspeer" "$TLS" echo:1000 read-all
    wait_for 5 eval 'ask_counters && (($(counter bytes_out) == 1000))'
    kill -TERM "$PID"
    await_exit
    finish quiet
    said quiet end=notify
    in_log 'drained owed=0'
}

# ---- memory, and an audit

@test "an idle connection keeps at most 16 KiB" {
    need_plain_build "memory is measured"
    IGNORE_FDS=yes
    start_tls "" --workers 1
    local before i
    peer_says got=100 "$TLS" echo:100
    before=$(rss_kb)
    # Some at a time: concurrent handshakes take more memory, and the heap keeps it.
    for i in {1..5}; do
        bg "idle$i" "$HELPERS/tlspeer" -m 200 "$TLS" echo:100 pause:60000
        wait_for 30 eval 'ask_counters && (($(counter bytes_out) == 100 + i * 20000))'
    done
    echo "$((($(rss_kb) - before) * 1024 / 1000)) bytes a connection"
    (($(rss_kb) - before < 1000 * 16))
    for i in {1..5}; do
        end_bg "idle$i"
    done
}

@test "sslscan finds nothing weak" {
    need sslscan
    start_tls
    timeout 60 sslscan --no-colour "$TLS" >out
    cat out
    not grep -E '(SSLv2|SSLv3|TLSv1.0|TLSv1.1) +enabled' out
    not grep -E '(^|[^t]) vulnerable' out
    not grep -q 'Compression enabled' out
    # Only ephemeral keys and authenticated encryption.
    grep -E '^(Accepted|Preferred) +TLSv1.2 ' out >suites
    not grep -vE ' ECDHE-[A-Z]+-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305) ' suites
    not grep -E 'CBC|RC4|3DES|NULL|-SHA ' out
    grep -q 'TLSv1.3   enabled' out
}

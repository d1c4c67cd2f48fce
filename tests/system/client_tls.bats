#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# evecho over TLS and with the PROXY protocol's header, against a foreign program (socat).

load lib
load client

setup_file() {
    export PKI=$BATS_FILE_TMPDIR
    cd "$PKI" || return 1
    issue ca "test authority"
    issue server localhost -CA ca.pem -CAkey ca.key \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=CA:FALSE
    issue client somebody -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE
    issue self localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
    cat server.pem server.key >server.both
    cat client.pem client.key >client.both
    cat self.pem self.key >self.both
}

setup_tls() {
    command -v socat >/dev/null || skip "socat is not installed"
    "$EVECHO" cat tls://127.0.0.1:1 </dev/null 2>&1 | grep -q 'not built into' &&
        skip "built without TLS"
    return 0
}

eval "$(declare -f setup | sed '1s/^setup/common_setup/')"
setup() {
    common_setup
    setup_tls
}

# stranger ADDRESS [ADDRESS]: starts socat on a free port; sets PORT and TLS.
stranger() {
    local name=stranger${#BG_PID[@]}
    bg "$name" socat -d -d "${1/:PORT/:0}" "${2:-EXEC:cat}"
    wait_for 10 said "$name" 'listening on'
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$T/$name.out" | head -n 1)
    TLS=tls://127.0.0.1:$PORT
}

tls_echo() { stranger "OPENSSL-LISTEN:PORT,bind=127.0.0.1,fork,cert=$PKI/server.both,${1:-verify=0}"; }

listens() { PORT=$(ss -Hltnp | sed -n "s/.*127.0.0.1:\([0-9]*\) .*pid=$1,.*/\1/p") && [[ -n $PORT ]]; }

# reverser ARGUMENT...: openssl's own server on a free port, which answers lines reversed.
reverser() {
    bg reverser openssl s_server -quiet -rev -accept 127.0.0.1:0 -cert "$PKI/server.both" "$@"
    wait_for 10 listens "${BG_PID[reverser]}"
    TLS=tls://127.0.0.1:$PORT
}

# refused CODE PATTERN COMMAND...: checks that it fails with one line that matches.
refused() {
    local pattern=$2
    ends "$1" evecho "${@:3}" </dev/null
    (($(wc -l <stderr) == 1)) || fail "not one line: $(<stderr)"
    grep -qE -- "$pattern" stderr || fail "no '$pattern': $(<stderr)"
}

@test "cat: a file and an empty input are echoed" {
    head -c 5000000 /dev/urandom >file
    tls_echo
    evecho cat --cacert "$PKI/ca.pem" "$TLS" <file >back 2>said
    cmp file back
    grep -qx "evecho: $TLS: sent 5000000 bytes, received 5000000 bytes, ended by FIN" said
    ends 0 evecho cat -k "$TLS" </dev/null
}

@test "ping, bench and check" {
    tls_echo verify=0,nodelay
    ends 0 evecho ping -c 2 -i 1ms -s 1-40000 --cacert "$PKI/ca.pem" "$TLS"
    grep -qE '^PING tls://.*; TLSv1\.3, TLS_[A-Z0-9_]+, certificate verified$' stdout
    ends 0 evecho bench -c 4 -n 400 -p 3 -s 1-60k -k "$TLS" --json -
    jq -e '.completed == 400 and .errors_total == 0 and .sent_bytes == .received_bytes' stdout
    ends 0 evecho check -k --skip holds-the-sender,delayed-ack,many-connections "$TLS"
    grep -qE '^ok [0-9]+ urgent-byte # SKIP TLS has no urgent data' stdout
    grep -qE '^ok [0-9]+ close-notify$' stdout
    grep -qE '^ok [0-9]+ truncation$' stdout
}

@test "an untrusted server is refused, with advice" {
    tls_echo
    refused 3 'TLS: (unable to get local issuer|self-signed) certificate.*; --cacert .* -k ' ping "$TLS"
    refused 3 'TLS: hostname mismatch; --servername' \
        cat --cacert "$PKI/ca.pem" --servername other.example "$TLS"
    refused 3 'TLS: IP address mismatch; --servername' \
        check --cacert "$PKI/ca.pem" --servername 127.0.0.2 "$TLS"
    ends 0 evecho ping -c 1 --cacert "$PKI/ca.pem" --servername localhost "$TLS"
    ends 0 evecho ping -c 1 -k --servername other.example "$TLS"
    grep -q 'certificate not verified' stdout
    stranger "OPENSSL-LISTEN:PORT,bind=127.0.0.1,fork,cert=$PKI/self.both,verify=0"
    refused 3 'TLS: self-signed certificate' bench -t 1 "$TLS"
    ends 0 evecho ping -c 1 --cacert "$PKI/self.pem" "$TLS"
}

@test "our own certificate is sent if the server requests one" {
    tls_echo "verify=1,cafile=$PKI/ca.pem"
    ends 0 evecho ping -c 1 -k --cert "$PKI/client.pem" --key "$PKI/client.key" "$TLS"
    ends 0 evecho ping -c 1 -k --cert "$PKI/client.both" "$TLS"
    # TLS 1.3 verifies it after our handshake: connected, and then refused.
    ends 1 evecho bench -n 5 -t 2s -k "$TLS"
    grep -qE 'offset 0: TLS: tlsv13 alert certificate required' stdout
    grep -qE 'RESET 0, .*TLS [1-9]' stdout
    ends 1 evecho cat -k "$TLS" <"$PKI/ca.pem"
    grep -q 'TLS: tlsv13 alert certificate required; --cert and --key show one' stderr
}

@test "an expired certificate is not reported as untrusted" {
    need faketime
    local when
    for when in -3 +3; do
        faketime -f "${when}d" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
            -days 1 -keyout old.key -out old.pem -subj /CN=localhost 2>/dev/null
        cat old.pem old.key >old.both
        stranger "OPENSSL-LISTEN:PORT,bind=127.0.0.1,fork,cert=$T/old.both,verify=0"
        refused 3 'TLS: certificate (has expired|is not yet valid); -k .*clock' \
            ping --cacert old.pem --servername localhost "$TLS"
    done
}

@test "wrong TLS and PROXY options: one line that names the option, and 2" {
    head -c 100 /dev/urandom >noise
    refused 2 "--cacert: cannot read 'none': No such file" cat --cacert none tls://x:1
    refused 2 "--cacert: 'noise' is not a certificate in PEM form" ping --cacert noise tls://x:1
    refused 2 "--cacert: '/' is not a certificate" ping --cacert / tls://x:1
    refused 2 "--cert: cannot read 'none'" bench --cert none tls://x:1
    refused 2 "--cert: 'noise' is not a certificate" check --cert noise tls://x:1
    refused 2 "--key: needs --cert" cat --key "$PKI/client.key" tls://x:1
    refused 2 "--key: '.*ca.key' is not the key of '.*client.pem'" \
        cat --cert "$PKI/client.pem" --key "$PKI/ca.key" tls://x:1
    refused 2 "--cert: .*client.pem' has no private key with it" cat --cert "$PKI/client.pem" tls://x:1
    refused 2 "--alpn: 'h2,,x' is not a list" cat --alpn h2,,x tls://x:1
    refused 2 "--alpn: 'h2,:x' is not a list" cat --alpn h2,:x tls://x:1
    refused 2 "--servername: " cat --servername "" tls://x:1
    refused 2 "--proxy: 'v3' is not one of none, v1, v2" cat --proxy v3 x:1
    refused 2 "--proxy: expected only for tcp://, tls:// or unix:" ping --proxy v1 udp://x:1
    refused 2 "--proxy-src: 'nowhere' is not like" cat --proxy v1 --proxy-src nowhere x:1
    refused 2 '--proxy-src: needs --proxy v1 or v2' cat --proxy-src 1.2.3.4:5 x:1
    refused 2 "--proxy-src: expected only for tcp://, tls:// or unix:" ping --proxy-src 1.2.3.4:5 udp://x:1
    refused 2 "--proxy-dst: '1.2.3.4:70000' is not like" cat --proxy v2 --proxy-dst 1.2.3.4:70000 x:1
    refused 2 "both IPv4 or both IPv6" cat --proxy v2 --proxy-src 1.2.3.4:5 --proxy-dst '[::1]:5' x:1
    openssl pkey -in "$PKI/client.key" -aes128 -passout pass:word -out locked.key
    refused 2 "--key: 'locked.key' is not a private key without a password" \
        cat --cert "$PKI/client.pem" --key locked.key tls://x:1
}

@test "a TLS option for an endpoint without TLS is refused, and tls:// is named" {
    local words at
    for words in "--cacert $PKI/ca.pem" "--cert $PKI/client.pem" "--key $PKI/client.key" -k "--servername x" "--alpn h2"; do
        for at in tcp://x:1 x:1 udp://x:1 "unix:$T/s"; do
            # shellcheck disable=SC2086 # words
            refused 2 "expected only for tls://, not ${at%%[/x]*}" ping $words "$at"
        done
    done
    refused 2 "--resume: expected only for tls://, not tcp://" bench --resume x:1
}

@test "TLS to a plain port, and plain to a TLS port" {
    start_server
    refused 3 'TLS: .*; is it a port without TLS\?' ping "tls://127.0.0.1:$PORT"
    stop_server
    printf '\025\003\003\000\002\002\012' >alert
    stranger TCP-LISTEN:PORT,bind=127.0.0.1,fork "SYSTEM:head -c 64 >/dev/null; cat $T/alert -"
    ends 1 evecho ping -c 1 "127.0.0.1:$PORT"
    grep -q "came 0x15" stdout
    grep -qE "that is a TLS alert (.*)?: is tls:// meant" stdout
}

@test "a server that dies or sends nothing in the handshake" {
    stranger TCP-LISTEN:PORT,bind=127.0.0.1,fork "SYSTEM:head -c 100 >/dev/null"
    refused 3 'TLS: it ended the connection in the handshake' cat -k "$TLS"
    start_liar reset 0
    refused 3 'TLS: .*reset by peer.*in the handshake' cat -k "tls://${LIAR_ENDPOINT#tcp://}"
    stop_liar
    start_liar mute 0
    for command in cat "bench -t 1" check; do
        # shellcheck disable=SC2086
        refused 3 'the TLS handshake was not done in time' $command -k --timeout 200ms \
            "tls://${LIAR_ENDPOINT#tcp://}"
    done
    stop_liar
}

@test "a FIN without close_notify is an error, even if every byte was received" {
    # A palindrome reversed is unchanged; if killed, the server sends no close_notify.
    reverser
    mkfifo input
    "$HELPERS/leash" "$LIFE" "$EVECHO" cat -k "$TLS" <input >back 2>said 3>&- &
    local cat=$! code=0
    exec 7>input
    echo abcba >&7
    wait_for 10 grep -qx abcba back
    end_bg reverser
    wait "$cat" || code=$?
    exec 7>&-
    ((code == 1)) || fail "exit $code"
    grep -q 'sent 6 bytes, received 6 bytes, TLS: it ended without close_notify' said
    grep -q 'ended by TLS without close_notify' said
}

@test "bench: handshakes are counted, and resumed if requested" {
    tls_echo verify=0,nodelay
    ends 0 evecho bench -n 40 --requests-per-connection 2 -k "$TLS" --json -
    jq -e '.handshakes >= 20 and .handshakes_resumed == 0 and .handshake_p50_ns > 0 and
        .handshakes_per_s > 0 and .config.insecure == true and .config.resume == false' stdout
    ends 0 evecho bench -n 40 --requests-per-connection 2 -k --resume "$TLS"
    [[ $(<stdout) =~ handshakes\ +([0-9]+)\ .*\ ([0-9]+)\ resumed ]]
    ((BASH_REMATCH[2] == BASH_REMATCH[1] - 1)) || fail "$(<stdout)"
}

@test "ALPN: the protocols offered and the one chosen" {
    reverser -alpn echo,h2
    ends 1 evecho ping -c 1 --timeout 200ms -k --alpn h2,echo "$TLS"
    grep -q ', ALPN echo$' stdout
    ends 1 evecho ping -c 1 --timeout 200ms -k --alpn h2:echo "$TLS"
    grep -q ', ALPN echo$' stdout
    refused 3 'no application protocol' ping -c 1 -k --alpn nothing "$TLS"
}

# header OPTION...: prints the bytes that `evecho cat` sends before "x", as hexadecimal digits.
header() {
    bg "catch$1" socat -d -d TCP-LISTEN:0,bind=127.0.0.1 SYSTEM:'cat >caught'
    wait_for 10 said "catch$1" 'listening on'
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "catch$1.out")
    printf x | evecho cat --proxy "$@" "127.0.0.1:$PORT" >/dev/null 2>&1 || true
    finish "catch$1"
    od -An -v -tx1 caught | tr -d ' \n'
}

@test "PROXY: the header of both versions precedes everything else" {
    header v1 --proxy-src 192.0.2.1:4711 --proxy-dst 198.51.100.2:443
    [[ $(<caught) == $'PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\nx' ]]
    header v2 --proxy-src '[2001:db8::1]:258' --proxy-dst '[::1]:1' >hex
    [[ $(<hex) == 0d0a0d0a000d0a515549540a21210024$(
    )20010db8000000000000000000000001$(
    )00000000000000000000000000000001$(
    )0102000178 ]] || fail "$(<hex)"
}

@test "PROXY: an endpoint that does not read the header is reported" {
    start_server
    for version in v1 v2; do
        ends 1 evecho ping -c 1 --proxy $version "$ENDPOINT"
        grep -q 'that is our PROXY header: the endpoint does not read one' stdout
    done
}

@test "PROXY: without addresses it names the two ends of the connection" {
    bg socat socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork SYSTEM:'head -n 1; cat >/dev/null'
    wait_for 10 said socat 'listening on'
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' socat.out)
    evecho cat --proxy v1 "127.0.0.1:$PORT" </dev/null >back 2>/dev/null || true
    grep -qE "^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 [0-9]+ $PORT"$'\r$' back
    # Before TLS: first the header, then a handshake (0x16).
    bg first socat -d -d TCP-LISTEN:0,bind=127.0.0.1 SYSTEM:'head -n 1 >line; head -c 1 >record'
    wait_for 10 said first 'listening on'
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' first.out)
    ends 3 evecho cat --proxy v1 -k "tls://127.0.0.1:$PORT" </dev/null
    grep -q '^PROXY TCP4 ' line
}

@test "evechod and evecho: check, a file, resumption" {
    start_server -l "tls://127.0.0.1:0,cert=$PKI/server.pem,key=$PKI/server.key"
    ends 0 evecho check --cacert "$PKI/ca.pem" "$ENDPOINT"
    ! grep -q '^not ok' stdout || fail "$(<stdout)"
    (($(grep -c '# SKIP' stdout) <= 2)) || fail "$(<stdout)" # urgent-byte, and truncation is a choice
    # Every client sent close_notify, except where the test omits it.
    wait_for 5 log_count_is 'reason=truncated' 1 || fail "$(grep truncated "$LOG")"
    head -c 20000000 /dev/urandom >file
    evecho cat --cacert "$PKI/ca.pem" "$ENDPOINT" <file | cmp - file
    ends 0 evecho bench -c 4 -n 200 --requests-per-connection 5 --resume --cacert "$PKI/ca.pem" \
        "$ENDPOINT" --json -
    jq -e '.completed == 200 and .errors_total == 0 and .handshakes >= 40 and
        .handshakes_resumed == .handshakes - 4' stdout
    wait_for 5 closed_at_least 60
    ask_counters
    (($(counter bytes_in) == $(counter bytes_out) + $(counter lost)))
}

@test "PROXY: evechod accepts both versions, before TLS too" {
    local tls="cert=$PKI/server.pem,key=$PKI/server.key" version endpoint insecure=()
    start_server -l tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.0/8 \
        -l "tls://127.0.0.1:0,$tls,proxy=on,proxy-from=127.0.0.0/8"
    for endpoint in "${ENDPOINTS[@]}"; do
        [[ $endpoint != tls:* ]] || insecure=(-k)
        for version in v1 v2; do
            ends 0 evecho ping -c 2 -i 1ms "${insecure[@]}" --proxy $version --proxy-src 192.0.2.1:4711 \
                --proxy-dst 198.51.100.2:443 "$endpoint"
        done
    done
    wait_for 5 closed_at_least 4
    (($(log_count 'peer=192\.0\.2\.1:4711 ') == 4)) || fail "$(closed_lines)"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# evecho over TLS and behind the PROXY protocol's header, against a stranger (socat).

load lib
load client

setup_file() {
    export PKI=$BATS_FILE_TMPDIR
    cd "$PKI" || return 1
    issue() { # NAME SUBJECT [ARGUMENT...]
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 \
            -keyout "$1.key" -out "$1.pem" -subj "/CN=$2" "${@:3}" 2>/dev/null
    }
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

# stranger ADDRESS [ADDRESS]: socat on a free port; sets PORT and TLS.
stranger() {
    local name=stranger${#BG_PID[@]}
    bg "$name" socat -d -d "${1/:PORT/:0}" "${2:-EXEC:cat}"
    wait_for 10 said "$name" 'listening on'
    PORT=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$T/$name.out" | head -n 1)
    TLS=tls://127.0.0.1:$PORT
}

tls_echo() { stranger "OPENSSL-LISTEN:PORT,bind=127.0.0.1,fork,cert=$PKI/server.both,verify=0${1:-}"; }

# refused CODE PATTERN COMMAND...: one line that says so.
refused() {
    local pattern=$2
    ends "$1" evecho "${@:3}" </dev/null
    (($(wc -l <stderr) == 1)) || fail "not one line: $(<stderr)"
    grep -qE -- "$pattern" stderr || fail "no '$pattern': $(<stderr)"
}

@test "cat: a file there and back, and nothing at all" {
    head -c 5000000 /dev/urandom >file
    tls_echo
    evecho cat --cacert "$PKI/ca.pem" "$TLS" <file >back 2>said
    cmp file back
    grep -qx "evecho: $TLS: sent 5000000 bytes, received 5000000 bytes, ended by FIN" said
    ends 0 evecho cat -k "$TLS" </dev/null
}

@test "ping, bench and check" {
    tls_echo ,nodelay
    ends 0 evecho ping -c 2 -i 1ms -s 1-40000 --cacert "$PKI/ca.pem" "$TLS"
    grep -qE '^PING tls://.*; TLSv1\.3, TLS_[A-Z0-9_]+, certificate verified$' stdout
    ends 0 evecho bench -c 4 -n 400 -p 3 -s 1-60k -k "$TLS" --json -
    jq -e '.completed == 400 and .errors_total == 0 and .sent_bytes == .received_bytes' stdout
    ends 0 evecho check -k --skip holds-the-sender,delayed-ack,many-connections "$TLS"
    grep -qE '^ok [0-9]+ urgent-byte # SKIP TLS has no urgent data' stdout
    grep -qE '^ok [0-9]+ close-notify$' stdout
    grep -qE '^ok [0-9]+ truncation$' stdout
}

@test "a server is not trusted that should not be, and the line says what would help" {
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

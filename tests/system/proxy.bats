#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034,SC2154 # lib.bash reads what is set here, and opens names descriptors
# Received PROXY headers: their senders, their forms, and the connections after them.

load lib
load client

# serve [OPTION...]: starts an echo and a whoami that accept headers from this machine; whoami is
# the second.
serve() {
    start_server -l tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1 \
        -l "tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.0/8,service=whoami" "$@"
}

# says ENDPOINT BYTES: sends bytes (as of printf %b) and a half-close; prints the answer.
says() { printf '%b' "$2" | timeout 10 socat -t 10 - "TCP:${1#tcp://}" 2>/dev/null || true; }

# opens NAME [BYTES]: opens a connection to the echo, which stays open in the descriptor NAME.
opens() {
    eval "exec {$1}<>/dev/tcp/127.0.0.1/$PORT"
    [[ -z ${2:-} ]] || printf '%b' "$2" >&"${!1}"
}

proxied_are() { ask_counters && (($(counter proxied) == $1)); }

V1='PROXY TCP4 192.0.2.1 198.51.100.2 40000 7\r\n'
V2='\r\n\r\n\0\r\nQUIT\n'
V2_TCP4=$V2'\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x07'

@test "both versions: the real peer is logged, and the stream starts right after the header" {
    local header path
    for path in direct buffered; do
        EVECHOD_READ_PATH=$path serve
        for header in "$V1" "$V2_TCP4"; do
            [[ $(says "$ENDPOINT" "${header}hello") == hello ]]
            [[ $(says "$ENDPOINT" "$header$V1") == "$(printf '%b' "$V1")" ]]
        done
        wait_for 5 closed_at_least 4
        [[ $(closed_lines | grep -c ' peer=192.0.2.1:40000 proxy=127.0.0.1:[0-9]* ') == 4 ]]
        [[ $(closed_lines | grep -c ' in=5 out=5 .* end=fin reason=eof$') == 2 ]]
        ask_counters
        (($(counter proxied) == 4))
        counters_balance
        stop_server
        : >"$LOG"
    done
}

@test "F54 a header received byte by byte, and the bytes after it" {
    local i bytes
    serve
    bytes=$(printf '%b' "$V1")$'\n'x
    opens slow
    for ((i = 0; i < ${#bytes}; i++)); do
        printf '%s' "${bytes:i:1}" >&"$slow"
    done
    read -r -t 10 -N 1 bytes <&"$slow"
    [[ $bytes == x ]]
    exec {slow}>&-
    wait_for 5 closed_at_least 1
    [[ $(field in) == 1 && $(field peer) == 192.0.2.1:40000 ]]
}

@test "every byte of a load after headers, plain, over TLS and over a Unix socket" {
    need openssl
    issue server localhost -addext subjectAltName=DNS:localhost
    start_server --workers 2 -l tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1 \
        -l tls://127.0.0.1:0,cert=server.pem,key=server.key,proxy=on,proxy-from=127.0.0.1 \
        -l "unix:$T/s,proxy=on,proxy-from=unix"
    local endpoint version insecure
    for version in v1 v2; do
        for endpoint in "${ENDPOINTS[@]}"; do
            insecure=()
            [[ $endpoint != tls:* ]] || insecure=(-k)
            evecho bench -q "${insecure[@]}" -c 8 -n 400 -s 5k -t 0 --proxy $version \
                --proxy-src '[2001:db8::7]:7' --proxy-dst '[::1]:7' --json result "$endpoint"
            jq -e '.completed == 400 and .errors_total == 0' result
        done
    done
    # One more each: the client first tests the address.
    wait_for 5 closed_at_least 54
    ask_counters
    (($(counter proxied) == 54 && $(counter tls_handshakes) == 18))
    [[ $(closed_lines | grep -c ' peer=\[2001:db8::7\]:7 proxy=') == 54 ]]
    [[ $(closed_lines | grep -c ' proxy=unix: ') == 18 ]]
}

@test "F54 an absent, invalid or truncated header: reset before any echo, and logged" {
    local row bytes words
    serve
    while IFS='|' read -r bytes words; do
        row=$(closed_count)
        [[ -z $(says "$ENDPOINT" "$bytes") ]]
        wait_for 5 closed_at_least $((row + 1))
        echo "$bytes: $(closed_lines | tail -n 1)"
        [[ $(closed_lines | tail -n 1) == *" in=0 out=0 lost=0 "*" end=reset reason=proxy error=\"$words\"" ]]
    done <<'END'
hello\n|no PROXY header
GET / HTTP/1.1\r\n|no PROXY header
PROXY TCP4 192.0.2.1\r\n|not two addresses and two ports
PROXY TCP4 192.0.2.1 198.51.100.2 40000 70000\r\n|a malformed address or port
PROXY TCP4 192.0.2.1 198.51.100.2 40000 7\n|a line that does not end with CRLF
PROXY TCP4 192.0.2.1|the peer finished within its PROXY header
\r\n\r\n\0\r\nQUIT\n\x11\x11|not version 2, or neither LOCAL nor PROXY
\r\n\r\n\0\r\nQUIT\n\x21\x41|an unknown family or protocol
\r\n\r\n\0\r\nQUIT\n\x21\x11\x20\0|a header of more than 4096 bytes
\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01x|too short for its addresses
\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x07\x01\0\x02h|a field that reaches beyond its end
\r\n\r\n\0\r\nQUIT\n\x21\0\0\x07\x03\0\x04abcd|a wrong checksum
END
    ask_counters
    (($(counter closed_proxy) == 12 && $(counter proxied) == 0 && $(counter bytes_in) == 0))
}

@test "F54 a header from a source that is not permitted: reset, and nothing of it is used" {
    serve
    peer "$ENDPOINT" bind:127.0.0.2 "text:PROXY TCP4 1.2.3.4 1.2.3.4 1 2" read-end || true
    [[ -z $(says "$ENDPOINT,bind=127.0.0.2" "${V1}hello") ]]
    wait_for 5 in_log 'warn connection reset: its source is not in proxy-from peer=127.0.0.2:'
    ask_counters
    (($(counter refused_proxy) == 2 && $(counter accepted) == 0))
    not in_log '1\.2\.3\.4|192\.0\.2\.1'
    [[ $(says "${ENDPOINTS[1]},bind=127.0.0.2" "$V1" | jq -r .peer) == 192.0.2.1:40000 ]]
}

@test "F17 F54 headers that never end: reset after 3 seconds, and no other client waits" {
    local i started=$SECONDS
    serve --max-connections 60
    for i in {1..40}; do
        opens "idle$i" "$( ((i % 2)) && echo 'PROXY TC')"
    done
    open_are() { ask_counters && (($(counter open) == $1)); }
    wait_for 5 open_are 40
    [[ $(says "$ENDPOINT" "${V1}hello") == hello ]]
    wait_for 10 open_are 0
    ((SECONDS - started >= 2))
    [[ $(log_count ' reason=proxy error="no whole PROXY header within 3 s \(proxy-timeout\)"') == 40 ]]
    for i in {1..40}; do
        eval "exec {idle$i}>&-"
    done
}

# Some load balancers send the header only with the client's first bytes, which may be late.
@test "proxy-timeout: a silent connection is reset after that time, and with 0 never" {
    local header=$V1
    start_server --proxy-timeout 300ms -l tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1 \
        -l tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1,proxy-timeout=0
    PORT=${ENDPOINTS[1]##*:} opens silent
    PORT=${ENDPOINTS[1]##*:} opens begun "${header:0:9}"
    opens late
    wait_for 5 closed_at_least 1
    # The third connected last; the first two would have been reset before it.
    in_log " id=3 .* listener=$ENDPOINT .* end=reset reason=proxy error=\"no whole PROXY header within 0\.3 s \(proxy-timeout\)\"\$"
    (($(closed_count) == 1))
    printf '%bhello' "$header" >&"$silent"
    printf '%bhello' "${header:9}" >&"$begun"
    for header in $silent $begun; do
        read -r -t 10 -N 5 answer <&"$header"
        [[ $answer == hello ]]
    done
    exec {silent}>&- {begun}>&- {late}>&-
}

@test "proxy-timeout: a reload changes it for later connections" {
    echo 'proxy-timeout = 0' >conf
    serve --config conf
    opens first
    wait_for 5 eval 'ask_counters && (($(counter open) == 1))'
    echo 'proxy-timeout = 200ms' >conf
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    opens second
    wait_for 5 in_log ' id=2 .* reason=proxy '
    (($(closed_count) == 1))
    exec {first}>&- {second}>&-
}

@test "a source's limit counts the real peer" {
    local other=${V1/192.0.2.1/192.0.2.9}
    serve --max-connections-per-source 1
    opens one "$V1"
    opens two "$other"
    wait_for 5 proxied_are 2
    opens three "$V1"
    wait_for 5 in_log 'max-connections-per-source is reached id=3 peer=192.0.2.1:40000 proxy=127.0.0.1:'
    ask_counters
    (($(counter refused_source) == 1 && $(counter open) == 2))
    exec {one}>&-
    wait_for 5 closed_at_least 1
    [[ $(says "$ENDPOINT" "${V1}hello") == hello ]]
    exec {two}>&- {three}>&-
}

@test "a source's limit counts the proxy if the header names no peer" {
    serve --max-connections-per-source 1
    opens one 'PROXY UNKNOWN\r\n'
    wait_for 5 proxied_are 1
    opens two 'PROXY UNKNOWN\r\n'
    wait_for 5 in_log 'max-connections-per-source is reached id=2 peer=127\.0\.0\.1:[0-9]+$'
    exec {one}>&- {two}>&-
}

@test "LOCAL, UNKNOWN and UNSPEC: the peer is the proxy itself" {
    local header
    serve
    for header in "$V2"'\x20\0\0\0' "$V2"'\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x07' \
        "$V2"'\x21\0\0\0' 'PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n'; do
        [[ $(says "$ENDPOINT" "${header}hello") == hello ]]
    done
    wait_for 5 closed_at_least 4
    [[ $(closed_lines | grep -c ' peer=127.0.0.1:[0-9]* listener=') == 4 ]]
    says "${ENDPOINTS[1]}" "$V2"'\x20\0\0\0' |
        jq -e '.proxy.command == "LOCAL" and (.proxy | has("source") | not) and .peer == .proxy.from'
}

@test "UNSPEC with addresses: they are ignored, and the fields after them are read" {
    serve
    says "${ENDPOINTS[1]}" "$V2"'\x21\0\0\x16\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x07\x02\0\x02cd\x01\0\x02h2' >answer
    cat answer
    (($(wc -l <answer) == 1))
    jq -e '.peer == .proxy.from and .proxy.transport == "UNSPEC" and (.proxy | has("source") | not) and
        .proxy.authority == "cd" and .proxy.alpn == "h2" and (.proxy | has("tlvs") | not)' answer
}

@test "whoami shows unknown fields as hex by type, and names those of cloud providers" {
    serve
    says "${ENDPOINTS[1]}" "$V2"'\x21\x11\0\x24\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x07\xea\0\x05\x01vpce\xee\0\x05\x01\0\0\0\x0a\xe0\0\x01\xff\xf0\0\x01"' >answer
    cat answer
    (($(wc -l <answer) == 1))
    jq -e '[.proxy.tlvs[] | [.type, .name, .hex]] == [["0xEA", "AWS", "0176706365"],
        ["0xEE", "Azure", "010000000a"], ["0xE0", "GCP", "ff"], ["0xF0", null, "22"]]' answer
}

@test "a check that only connects is not an error" {
    serve
    says "$ENDPOINT" '' >/dev/null
    peer "$ENDPOINT" reset
    wait_for 5 closed_at_least 2
    [[ $(closed_lines | head -n 1) == *' end=fin reason=eof' ]]
    [[ $(closed_lines | tail -n 1) == *' end=reset reason=reset '* ]]
    ask_counters
    (($(counter closed_proxy) == 0))
}

@test "F56 whoami shows the header's fields, escaped" {
    serve
    says "${ENDPOINTS[1]}" "$V2"'\x21\x11\0\x23\xc0\0\x02\x01\xc6\x33\x64\x02\x9c\x40\0\x07\x02\0\x0ba\x1b\n\r"\\\xffb.cd\x01\0\x02h2\xee\0\x01x' \
        >answer
    cat answer
    (($(wc -l <answer) == 1))
    not grep -q $'[^ -~]' answer
    jq -e '.proxy.authority == "a\u001b\n\r\"\\\u00ffb.cd" and .proxy.alpn == "h2" and
        .proxy.version == 2 and .proxy.transport == "TCP4" and .peer == "192.0.2.1:40000" and
        .proxy.source == .peer and .proxy.destination == "198.51.100.2:7" and
        (.proxy.from | startswith("127.0.0.1:"))' answer
}

@test "F32 a drain reads queued headers and does not wait for absent ones" {
    serve --drain-quiet 300ms
    opens silent
    wait_for 5 eval 'ask_counters && (($(counter open) == 1))'
    kill -STOP "$PID"
    opens queued "${V1}hello"
    kill -TERM "$PID"
    kill -CONT "$PID"
    read -r -t 10 -N 5 answer <&"$queued"
    [[ $answer == hello ]]
    await_exit
    closed_lines
    closed_lines | grep -q ' peer=192.0.2.1:40000 .* in=5 out=5 lost=0 .* end=fin reason=drain$'
    closed_lines | grep -q ' peer=127.0.0.1:.* end=reset reason=drain$'
    in_log ' drained owed=0 '
}

@test "a second signal also ends connections without a complete header" {
    serve --drain-quiet 30s --drain-timeout 60s
    opens silent
    wait_for 5 eval 'ask_counters && (($(counter open) == 1))'
    kill -TERM "$PID"
    wait_for 5 in_log draining
    kill -TERM "$PID"
    await_exit
    [[ $(field reason) == forced ]]
}

@test "attributes that do not apply" {
    local row words
    while IFS='|' read -r row words; do
        ends 2 "$HELPERS/leash" 10 "$EVECHOD" -l "$row"
        (($(wc -l <stderr) == 1))
        grep -qF -e "$words" stderr || fail "$row: $(<stderr)"
    done <<'END'
tcp://127.0.0.1:0,proxy=on|proxy-from=10.0.0.0/8
tcp://127.0.0.1:0,proxy-from=127.0.0.1|only with proxy=on
tcp://127.0.0.1:0,proxy=off,proxy-from=127.0.0.1|only with proxy=on
tcp://127.0.0.1:0,proxy=yes,proxy-from=127.0.0.1|'yes' is not one of off, on
tcp://127.0.0.1:0,proxy=on,proxy-from=localhost|proxy-from: 'localhost' is not a prefix
tcp://127.0.0.1:0,proxy=on,proxy-from=10.0.0.1/8|10.0.0.0/8 is expected
tcp://127.0.0.1:0,proxy=on,proxy-from=10.0.0.0/40|is not a prefix
tcp://127.0.0.1:0,proxy=on,proxy-from=|is not a prefix
tcp://127.0.0.1:0,proxy-timeout=5s|proxy-timeout: expected only with proxy=on
tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1,proxy-timeout=soon|'soon'
udp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1|proxy: expected only for tcp://, tls://, unix: or fd: of streams
END
    ends 2 "$HELPERS/leash" 10 "$EVECHOD" --proxy on
}

# ---- a real one in front

# behind_haproxy WORDS...: starts haproxy on a free port with these words in its server line; sets
# FRONT.
behind_haproxy() {
    need haproxy
    FRONT=$(free_port)
    serve
    cat >haproxy.cfg <<END
global
    log stdout format raw local0
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    log global
listen front
    bind 127.0.0.1:$FRONT
    unique-id-format %pid-%rt
    server echo 127.0.0.1:$PORT ${*/CHECK_PORT/$PORT}
END
    bg haproxy haproxy -db -f haproxy.cfg
    is_up() { echo hello | timeout 5 nc -N 127.0.0.1 "$FRONT" | grep -qx hello; }
    wait_for 15 is_up
}

# Its checks succeeded for a while, and the connections after it are of clients.
through_haproxy() {
    evecho bench -q -c 4 -n 200 -s 3k -t 0 --json result "tcp://127.0.0.1:$FRONT"
    jq -e '.completed == 200 and .errors_total == 0' result
    proxied_lines() { (($(closed_lines | grep -c ' in=[1-9][0-9]* .* reason=eof$') >= 4)); }
    wait_for 5 proxied_lines
    closed_lines | grep -q ' peer=127.0.0.1:[0-9]* proxy=127.0.0.1:[0-9]* .* in=[1-9]'
    not in_log ' reason=proxy '
}

checked_often() { closed_at_least 12; }

@test "haproxy: send-proxy" {
    behind_haproxy send-proxy
    through_haproxy
    end_bg haproxy
}

@test "haproxy: send-proxy-v2, with all its fields" {
    behind_haproxy send-proxy-v2 proxy-v2-options crc32c,unique-id,authority
    through_haproxy
    end_bg haproxy
}

@test "haproxy: checks with a header are LOCAL, and succeed" {
    behind_haproxy send-proxy-v2 check inter 100ms check-send-proxy
    through_haproxy
    wait_for 15 checked_often
    not in_log ' reason=proxy '
    not said haproxy 'is DOWN'
    end_bg haproxy
}

@test "haproxy: checks without a header are not an error" {
    # With a separate port for the check, haproxy sends no header.
    behind_haproxy send-proxy check inter 100ms port CHECK_PORT
    through_haproxy
    watch_for 1
    not in_log ' reason=proxy '
    not said haproxy 'is DOWN'
    end_bg haproxy
}

@test "haproxy: a header that nft holds back resets a connection, unless proxy-timeout is 0" {
    need haproxy
    need nft
    need_netns
    local proxied=tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1 port=() i
    start_server --proxy-timeout 500ms -l "$proxied" -l "$proxied,proxy-timeout=0"
    port=("${ENDPOINTS[@]##*:}")
    # The handshake passes; the first data segment, which is the header, is dropped until the rule goes.
    inside nft -f - <<<"table inet t { chain c { type filter hook input priority 0;
        tcp dport { ${port[0]}, ${port[1]} } tcp flags & psh == psh drop; }; }"
    cat >haproxy.cfg <<END
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen brief
    bind 127.0.0.1:1001
    server one 127.0.0.1:${port[0]} send-proxy-v2
listen patient
    bind 127.0.0.1:1002
    server two 127.0.0.1:${port[1]} send-proxy-v2
END
    bg haproxy "${ENTER[@]}" -t "$PID" -n haproxy -db -f haproxy.cfg
    is_bound() { [[ -n $(inside ss -Hlnt 'sport = :1002') ]]; }
    wait_for 15 is_bound
    bg patient "${ENTER[@]}" -t "$PID" -n "$HELPERS/peer" -i 60000 tcp://127.0.0.1:1002 echo:1000 half-close read-all
    wait_for 5 eval 'ask_counters && (($(counter open) == 1))'
    inside "$HELPERS/peer" tcp://127.0.0.1:1001 send:10 read-all >brief || true
    wait_for 10 in_log " listener=${ENDPOINTS[0]} .* error=\"no whole PROXY header within 0.5 s"
    not in_log " listener=${ENDPOINTS[1]} "
    inside nft delete table inet t
    finish patient
    wait_for 5 in_log " peer=127.0.0.1:[0-9]* proxy=127.0.0.1:[0-9]* listener=${ENDPOINTS[1]} in=1000 out=1000 "
    end_bg haproxy
}

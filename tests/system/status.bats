#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034,SC2154 # lib.bash reads and sets things
#
# --status: numbers, health, readiness and connections over HTTP.

load lib

# start_status ARGUMENT...: starts a server with a status endpoint on a free port; sets URL and
# STATUS_PORT.
start_status() {
    need curl
    start_server --status tcp://127.0.0.1:0 "$@"
    find_status
}

find_status() {
    wait_for 5 in_log ' status endpoint=tcp://'
    URL=http://$(sed -n 's|.* status endpoint=tcp://||p' "$LOG" | tail -n 1)
    STATUS_PORT=${URL##*:}
}

get() { curl -sS -m 10 "$URL$1" "${@:2}"; }
code() { curl -sS -m 10 -o body -w '%{http_code}' "${@:2}" "$URL$1"; }
code_is() { [[ $(code "${@:2}") == "$1" ]]; }

# raw TEXT...: sends the text with printf, and prints all bytes received until the end.
raw() {
    local fd
    exec {fd}<>"/dev/tcp/127.0.0.1/$STATUS_PORT"
    # shellcheck disable=SC2059 # the text is the format
    printf "$1" >&"$fd"
    timeout 10 cat <&"$fd"
    exec {fd}>&-
}

raw_code() { raw "$1" | sed -n '1s/^HTTP\/1\.1 \([0-9]*\) .*/\1/p'; }

# metric NAME: the value of that series; NAME includes the labels.
metric() {
    get /metrics >metrics
    awk -f "$top_srcdir/tests/system/metrics.awk" metrics >&2
    awk -v series="$1" 'substr($0, 1, length(series) + 1) == series " " { print $NF }' metrics
}

metric_is() { [[ $(metric "$1") == "$2" ]]; }

@test "four pages over TCP; the log names the endpoint, standard output does not" {
    start_status
    ((${#ENDPOINTS[@]} == 1))
    [[ $STATUS_PORT != 0 && $STATUS_PORT != "$PORT" ]]
    [[ $(get /healthz) == ok && $(get '/readyz?verbose=1') == ready ]]
    [[ $(get /connections | jq -c .) == '{"connections":[],"open":0,"truncated":false}' ]]
    get /metrics -D headers >metrics
    grep -qi '^content-type: text/plain; version=0.0.4; charset=utf-8' headers
    grep -qi '^connection: close' headers
    awk -f "$top_srcdir/tests/system/metrics.awk" metrics
    metric_is evechod_ready 1
    metric_is evechod_draining 0
    metric_is evechod_workers "$(metric evechod_workers)"
    # valgrind uses some itself.
    is_instrumented || metric_is evechod_descriptor_limit "$(sed -n 's/^Max open files *\([0-9]*\) .*/\1/p' "/proc/$PID/limits")"
    metric_is "evechod_build_info{version=\"$("$EVECHOD" --version | sed 's/^evechod \([^ ]*\).*/\1/')\"}" 1
    local started age
    started=$(metric evechod_start_time_seconds)
    age=$((EPOCHSECONDS - ${started%.*}))
    ((age >= 0 && age < LIFE))
}

@test "the checker of metrics finds errors" {
    check() { printf '%b' "$1" | awk -f "$top_srcdir/tests/system/metrics.awk"; }
    local good='# HELP evechod_a_total a\n# TYPE evechod_a_total counter\nevechod_a_total'
    local buckets='# HELP evechod_h h\n# TYPE evechod_h histogram\nevechod_h_bucket{le="1"}'
    local last='evechod_h_bucket{le="+Inf"} 2\nevechod_h_sum 3.5\nevechod_h_count'
    check "$good 1\n"
    check "$good{l=\"a\\\\\\\\\\\\\"b\"} 1\n"
    check "$buckets 1\n$last 2\n"
    not check ''
    not check "$good x\n"
    not check "$good 1\nevechod_a_total 1\n"
    not check "$good 1\n$good 1\n"
    not check "$good{l=\"a\"b\"} 1\n"
    not check "$good 1\nevechod_b 1\n"
    not check '# HELP evechod_a a\n# TYPE evechod_a counter\nevechod_a 1\n'
    not check '# HELP evechod_a a\n# TYPE evechod_a gauge\n'
    not check "$buckets 3\n$last 2\n"
    not check "$buckets 1\n$last 3\n"
    not check "$buckets 1\nevechod_h_sum 3\nevechod_h_count 1\n"
}

# A listener of every kind, one with a name that a label must escape.
@test "Prometheus's own checker finds no error" {
    need promtool
    local listeners=(-l tcp://127.0.0.1:0 -l udp://127.0.0.1:0 -l "unix:$T/a\"b\\c") endpoint
    if "$EVECHOD" --version | grep -q OpenSSL; then
        issue server localhost
        listeners+=(-l tls://127.0.0.1:0,cert=server.pem,key=server.key)
    fi
    start_status "${listeners[@]}"
    crowd -k -n 3 -m 1000 "${ENDPOINTS[0]}"
    crowd -k -n 2 -m 1000 "unix:$T/a\"b\\c"
    "$HELPERS/dgram" -n 10 "${ENDPOINTS[1]}" >facts
    [[ -z ${ENDPOINTS[3]:-} ]] || openssl s_client -connect "${ENDPOINTS[3]#tls://}" </dev/null >facts 2>&1
    wait_for 10 closed_at_least $((${#ENDPOINTS[@]} == 4 ? 6 : 5))
    get /metrics >metrics
    awk -f "$top_srcdir/tests/system/metrics.awk" metrics
    timeout 20 promtool check metrics <metrics >said 2>&1 || fail "$(<said)"
    [[ ! -s said ]] || fail "$(<said)"
}

@test "a Unix socket, HEAD, and its path is removed at the end" {
    need curl
    start_server --status "unix:$T/status" --mode 0600
    wait_for 5 in_log " status endpoint=unix:$T/status"
    URL=http://localhost
    [[ $(curl -sS -m 10 --unix-socket status $URL/healthz) == ok ]]
    [[ $(stat -c %a status) == 600 ]]
    curl -sS -m 10 --unix-socket status -I $URL/metrics >headers
    grep -q '^HTTP/1.1 200 OK' headers
    (($(sed -n 's/^Content-Length: \([0-9]*\).*/\1/p' headers) > 1000))
    not grep -q evechod_ headers
    stop_server
    [[ ! -e status ]]
}

@test "requests that are invalid or for no page" {
    start_status
    code_is 404 /
    grep -q /metrics body
    code_is 404 /metrics/
    code_is 405 /metrics -X DELETE -D headers
    grep -qi '^allow: GET, HEAD' headers
    code_is 405 /metrics -d body=1
    code_is 413 /metrics -X GET -d body=1
    code_is 431 /metrics -H "A: $(printf '%09000d' 0)"
    code_is 414 "/$(printf '%09000d' 0)"
    [[ $(raw_code 'GET /healthz HTTP/1.1\r\n\r\n') == 400 ]]
    [[ $(raw_code 'GET /healthz\r\n') == 400 ]]
    [[ $(raw_code '\x16\x03\x01\x02') == 400 ]]
    [[ $(raw_code 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') == 505 ]]
    [[ $(raw_code 'GET /healthz HTTP/1.0\n\n') == 200 ]]
    [[ $(raw 'GET /healthz HTTP/1.0\r\n\r\n' | tail -n 1) == ok ]]
}

# A request of 8 KiB may consist of the smallest fields or parameters: its cost is bounded by its
# bytes, not by their number.
@test "a request of a thousand fields, or of thousands of parameters, is answered at once" {
    start_status
    local fields parameters
    fields=$(printf 'A:b\\r\\n%.0s' {1..1500})
    parameters=$(printf 'a&%.0s' {1..4000})
    [[ $(raw_code "GET /healthz HTTP/1.0\r\n$fields\r\n") == 200 ]]
    [[ $(raw_code "GET /healthz?$parameters HTTP/1.0\r\n\r\n") == 200 ]]
    not in_log 'it took too long'
}

# A request that other servers may parse differently is refused.
@test "an ambiguous request is refused" {
    start_status
    local request
    for request in 'GET /healthz HTTP/1.1\r\nHost: localhost\0.evil.example' 'GET /healthz\0x HTTP/1.0' \
        'GET /healthz HTTP/1.0\r\nA: b\rHost: localhost' 'GET /healthz HTTP/1.0\r\nA: b\r\n c: d' \
        'GET /healthz HTTP/1.0\r\nName : x' 'GET  /healthz HTTP/1.0' 'GET /healthz  HTTP/1.0' \
        'GET /healthz HTTP/1.0\r\n: x' ' /healthz HTTP/1.0' 'GET' \
        'GET /healthz HTTP/1.0\r\nContent-Length: -0'; do
        [[ $(raw_code "$request\r\n\r\n") == 400 ]] || fail "$request"
    done
}

@test "a request far too large is answered, and not read for ever" {
    start_status
    head -c 500000 /dev/zero | tr '\0' a >large
    { printf 'GET /metrics HTTP/1.0\r\nA: ' && cat large; } >header
    { printf 'POST /metrics HTTP/1.0\r\nContent-Length: 500000\r\n\r\n' && cat large; } >body
    nc -N 127.0.0.1 "$STATUS_PORT" <header | grep -q '^HTTP/1.1 431 '
    nc -N 127.0.0.1 "$STATUS_PORT" <body | grep -q '^HTTP/1.1 405 '
    # An endless sender is closed: both bytes and time are limited.
    bg flood bash -c "exec 3<>/dev/tcp/127.0.0.1/$STATUS_PORT; yes >&3"
    wait_for 10 is_gone "${BG_PID[flood]}"
    finish flood || true
    code_is 200 /healthz
    wait_for 10 fds_are_back
}

# With one worker, the endpoint shares its loop.
agrees() {
    start_status -l tcp://127.0.0.1:0 -l "unix:$T/s" --workers "$1"
    peer "$ENDPOINT" echo:5000 half-close read-all
    peer "$ENDPOINT" echo:70000 half-close read-all
    peer "unix:$T/s" echo:300 half-close read-all
    peer "$ENDPOINT" echo:11 reset
    wait_for 10 closed_at_least 4
    wait_for 10 metric_is evechod_connections_open 0
    get /metrics >metrics
    awk -f "$top_srcdir/tests/system/metrics.awk" metrics
    diff - <(grep -E '_(bytes_total|accepted_total|count|open|owed_bytes)[ {]|reason="(eof|reset)"' metrics |
        grep -vE '^#|udp|made|sunk' | sort) <<END
evechod_abandoned_bytes_total 0
evechod_connection_lifetime_seconds_count 4
evechod_connections_accepted_total 4
evechod_connections_closed_total{reason="eof"} 3
evechod_connections_closed_total{reason="reset"} 1
evechod_connections_open 0
evechod_cut_bytes_total 0
evechod_discarded_bytes_total 0
evechod_listener_connections_accepted_total{listener="$ENDPOINT"} 3
evechod_listener_connections_accepted_total{listener="unix:$T/s"} 1
evechod_listener_received_bytes_total{listener="$ENDPOINT"} 75011
evechod_listener_received_bytes_total{listener="unix:$T/s"} 300
evechod_listener_sent_bytes_total{listener="$ENDPOINT"} 75011
evechod_listener_sent_bytes_total{listener="unix:$T/s"} 300
evechod_lost_bytes_total 0
evechod_owed_bytes 0
evechod_received_bytes_total 75311
evechod_sent_bytes_total 75311
END
}

@test "the metrics match the echoed traffic, one worker" { agrees 1; }
@test "the metrics match the echoed traffic, four workers" { agrees 4; }

# A descriptor and its copy: the kernel passes each connection to one of them.
@test "two listeners with one name are one series" {
    SERVER_WRAP=("$HELPERS/hand" tcp://127.0.0.1:0 -- bash -c 'exec 4<&3; exec "$@"' -)
    start_status -l fd:3 -l fd:4
    crowd -k -n 20 -m 100 "$ENDPOINT"
    wait_for 10 closed_at_least 20
    metric_is "evechod_listener_connections_closed_total{listener=\"$ENDPOINT\"}" 20
    metric_is "evechod_listener_received_bytes_total{listener=\"$ENDPOINT\"}" \
        "$(metric evechod_received_bytes_total)"
}

listed() {
    start_status -l tcp://127.0.0.1:0 -l "unix:$T/s" --workers "$1"
    bg crowd "$HELPERS/crowd" -n 10 -m 64 "$ENDPOINT"
    bg local "$HELPERS/crowd" -n 3 -m 100 "unix:$T/s"
    wait_for 10 said crowd holding=10
    wait_for 10 said local holding=3
    get /connections >connections
    jq -e '.open == 13 and .truncated == false and (.connections | length) == 13' connections
    jq -e '[.connections[].id] | sort == [range(1; 14)]' connections
    jq -e 'all(.connections[]; .in == .out and .owed == 0 and .state == "open" and .seconds >= 0)' connections
    jq -e --arg l "$ENDPOINT" '[.connections[] | select(.listener == $l) | .in] == [range(10) | 64]' connections
    jq -e --arg l "unix:$T/s" '[.connections[] | select(.listener == $l) | .in] == [range(3) | 100]' connections
    jq -e '[.connections[].peer | select(startswith("127.0.0.1:"))] | unique | length == 10' connections
    metric_is evechod_connections_open 13
    go crowd
    go local
    finish crowd
    finish local
    wait_for 10 closed_at_least 13
    jq -e '.open == 0' < <(get /connections)
}

@test "/connections while they are open, one worker" { listed 1; }
@test "/connections while they are open, four workers" { listed 4; }

# s_client's input stays open, and so the connections do.
@test "/connections shows the parameters of a TLS connection" {
    "$EVECHOD" --version | grep -q OpenSSL || skip "built without TLS"
    issue server localhost
    issue ca 'test authority'
    issue client $'some"\nbody' -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:FALSE
    start_status --workers 2 -l tcp://127.0.0.1:0 -l "tls://127.0.0.1:0,cert=server.pem,key=server.key,alpn=echo,client-cert=optional,client-ca=ca.pem"
    local tls=${ENDPOINTS[1]} fd name
    local client=(openssl s_client -quiet -connect "${tls#tls://}")
    crowd -k -n 1 -m 10 "$ENDPOINT"
    bg plain "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 10 said plain holding=1
    bg old "${client[@]}" -tls1_2 -noservername
    go old
    wait_for 10 said old '^go$'
    bg new "${client[@]}" -tls1_3 -servername 'a"b' -alpn echo -cert client.pem -key client.key -sess_out session
    go new
    wait_for 10 said new '^go$'
    bg again "${client[@]}" -tls1_3 -noservername -sess_in session
    go again
    wait_for 10 said again '^go$'
    exec {fd}<>"/dev/tcp/127.0.0.1/${tls##*:}" # says nothing
    listed_are() { jq -e --argjson n "$1" '.open == $n' <(get /connections); }
    wait_for 10 listed_are 5
    get /connections | jq -c '.connections | sort_by(.id)[] | [.listener, .state, .tls]' >listed
    cat listed
    jq -se --arg l "$ENDPOINT" '.[0] == [$l, "open", null]' listed
    jq -se --arg l "$tls" '.[4] == [$l, "handshake", null]' listed
    jq -se '.[1][2] | .version == "TLSv1.2" and (.cipher | startswith("ECDHE-")) and .resumed == false and (has("subject") or has("sni") or has("alpn") | not)' listed
    jq -se '.[2][2] == {version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", resumed: false, alpn: "echo", sni: "a\"b", subject: "CN=some\\\"\\0Abody"}' listed
    jq -se '.[3][2] | .version == "TLSv1.3" and .resumed and (has("sni") | not)' listed
    # The close line has the same values.
    exec {fd}>&-
    for name in old new again plain; do end_bg "$name"; done
    wait_for 10 closed_at_least 6
    closed_lines | grep -q 'tls=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 resumed=yes'
}

@test "/connections lists a thousand, and reports that there are more" {
    (($(ulimit -Hn) >= 3000)) || skip "too few descriptors"
    ulimit -n 3000
    start_status --workers 2
    bg crowd "$HELPERS/crowd" -n 1100 "$ENDPOINT"
    wait_for 20 said crowd holding=1100
    local i
    for i in {1..8}; do
        get /connections >"connections.$i" &
    done
    get /connections >connections
    jq -e '.open == 1100 and .truncated and (.connections | length) == 1000' connections
    jq -e '[.connections[].id] | unique | length == 1000' connections
    wait_for 10 all_are_there
    go crowd
    finish crowd
}

all_are_there() {
    local i
    for i in {1..8}; do
        jq -e '.open == 1100 and .truncated' "connections.$i" >/dev/null 2>&1 || return 1
    done
}

@test "a paused connection is shown with the bytes it is owed" {
    start_status --workers 1
    bg slow "$HELPERS/peer" -t "$LIFE" "$ENDPOINT" fill stall:60000
    held() { jq -e '.connections[0] | .state == "paused" and .owed > 0' < <(get /connections); }
    wait_for 20 held
    (($(metric evechod_owed_bytes) > 0))
    (($(metric evechod_held_total) > 0))
}

@test "readiness turns false at the signal, and the endpoint stays to the end" {
    start_status --drain-quiet 30s --drain-timeout 30s
    bg crowd "$HELPERS/crowd" -n 2 "$ENDPOINT"
    wait_for 10 said crowd holding=2
    code_is 200 /readyz
    kill -TERM "$PID"
    wait_for 5 code_is 503 /readyz
    code_is 200 /healthz
    metric_is evechod_ready 0
    metric_is evechod_draining 1
    metric_is evechod_connections_open 2
    metric_is "evechod_listener_connections_accepted_total{listener=\"$ENDPOINT\"}" 2
    jq -e '.open == 2' < <(get /connections)
    go crowd
    finish crowd
    IGNORE_FDS=1
    await_exit
    not curl -sS -m 5 "$URL/healthz"
}

# A load balancer must send no client here, and a supervisor must not restart it.
@test "at max-connections it is full: not ready but healthy, until there is room again" {
    start_status --max-connections 2
    code_is 200 /readyz
    bg first "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 10 said first holding=1
    code_is 200 /readyz
    bg second "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 10 said second holding=1
    code_is 503 /readyz
    [[ $(<body) == full ]]
    code_is 200 /healthz
    metric_is evechod_ready 0
    metric_is evechod_full 1
    metric_is evechod_draining 0
    metric_is evechod_connections_limit 2
    go second
    finish second
    wait_for 10 code_is 200 /readyz
    metric_is evechod_ready 1
    metric_is evechod_full 0
    go first
    finish first
}

# If one client connects for each that leaves at the limit, it does not alternate between ready and
# full.
@test "it is full until a twentieth of the places is free" {
    start_status --max-connections 40
    bg most "$HELPERS/crowd" -n 38 "$ENDPOINT"
    wait_for 10 said most holding=38
    bg last "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 10 said last holding=1
    code_is 200 /readyz
    bg over "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 10 said over holding=1
    code_is 503 /readyz
    go over
    finish over
    wait_for 10 metric_is evechod_connections_open 39
    code_is 503 /readyz
    go last
    finish last
    wait_for 10 metric_is evechod_connections_open 38
    code_is 200 /readyz
    go most
    finish most
}

host_is() { [[ $(code /metrics -H "Host: $2") == "$1" ]]; }

# A foreign page in a browser here may request a name that resolves to us (DNS rebinding).
@test "a request for another host's name is refused" {
    local host path
    start_status
    for host in localhost LocalHost localhost. 127.0.0.1 127.9.8.7 '[::1]' '[0:0:0:0:0:0:0:1]'; do
        host_is 200 "$host" && host_is 200 "$host:$STATUS_PORT" && host_is 200 "$host:1" ||
            fail "$host: $(<body)"
    done
    for host in evil.example evil.example:80 localhost.evil.example 127.0.0.1.evil.example localhost.. \
        10.0.0.1 '[2001:db8::1]' ::1 0.0.0.0 127.1 '[127.0.0.1]' '[::1' 'localhost:x' 'localhost:80:80' \
        'a@localhost' 'localhost/'; do
        for path in /metrics /healthz /readyz /connections /none; do
            code_is 403 "$path" -H "Host: $host" || fail "$path of $host: $(<body)"
        done
        grep -q 'status-public' body
    done
    # The host in the target overrides the field.
    [[ $(raw_code 'GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n') == 403 ]]
    [[ $(raw_code 'GET http://localhost/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n') == 200 ]]
    [[ $(raw_code 'GET /metrics HTTP/1.1\r\nHost: \r\n\r\n') == 403 ]]
    [[ $(raw_code 'GET /metrics HTTP/1.0\r\n\r\n') == 200 ]]
}

@test "any host's name is accepted over a Unix socket, and with --status-public" {
    need curl
    start_server --status "unix:$T/status"
    wait_for 5 in_log " status endpoint=unix:$T/status"
    [[ $(curl -sS -m 10 --unix-socket status http://evil.example/healthz) == ok ]]
    stop_server
    start_status --status-public
    host_is 200 evil.example
}

@test "the host name given in --status is accepted" {
    need_two_families
    printf '127.0.0.1 localhost here.example\n' >"$T/hosts"
    need curl
    start_server --status tcp://here.example:0
    find_status
    inside curl -sS -m 10 -H 'Host: Here.Example:1' "$URL/healthz" | grep -qx ok
    inside curl -sS -m 10 -H 'Host: there.example' "$URL/healthz" | grep -q 'status-public'
}

# After a real signal no peer is refused before the first answer other than "ready".
@test "no client is refused while it still reports that it is ready" {
    start_status --drain-quiet 30s --drain-timeout 30s
    bg crowd "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 10 said crowd holding=1
    bg prober bash -c '
        while [[ $(curl -s -m 5 -o /dev/null -w "%{http_code}" "$0/readyz") == 200 ]]; do :; done
        echo turned' "$URL"
    kill -TERM "$PID"
    wait_for 5 said prober turned
    finish prober
    peer "$ENDPOINT" stall:0 close | grep -q refused
    go crowd
    finish crowd
    IGNORE_FDS=1
    await_exit
}

@test "F57 a thousand clients that connect and send nothing" {
    start_status --workers 1
    start_canary
    bg crowd "$HELPERS/crowd" -e -a -n 1000 -j 1000 "tcp://127.0.0.1:$STATUS_PORT"
    wait_for 15 in_log 'a status request was not answered.*it took too long'
    (($(fd_count) <= FDS_AT_START + 4 + 1)) || fail "more than four at once: $(fd_count)"
    end_bg crowd
    wait_for 30 code_is 200 /healthz
    stop_canary # no answer took two seconds, and a silent one has five
}

@test "F57 many slow scrapers: four at once, five seconds each, and no late echo" {
    start_status --workers 1
    start_canary
    # Some trickle, some send nothing, some send a request and never read; all stay open.
    local i fd slow=()
    for i in {1..24}; do
        exec {fd}<>"/dev/tcp/127.0.0.1/$STATUS_PORT"
        slow+=("$fd")
        case $((i % 3)) in
            0) printf 'GET /metrics HTTP/1.1\r\nA: ' >&"$fd" ;;
            1) printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$fd" ;;
        esac
    done
    # Connections of scrapers: without those open at the start and the canary's own.
    (($(fd_count) <= FDS_AT_START + 4 + 1)) || fail "more than four at once: $(fd_count)"
    # Waiting ones are served: the first four are closed after five seconds.
    wait_for 15 in_log 'a status request was not answered.*it took too long'
    for fd in "${slow[@]}"; do
        exec {fd}>&-
    done
    wait_for 20 code_is 200 /healthz
    stop_canary # no answer took two seconds, and a scraper has five
}

@test "a trickling request is closed after five seconds in all" {
    start_status
    local before=$EPOCHSECONDS fd
    exec {fd}<>"/dev/tcp/127.0.0.1/$STATUS_PORT"
    { while printf a >&"$fd"; do watch_for 0.3; done; } 2>/dev/null 3>&- &
    local writer=$!
    timeout 15 cat <&"$fd" >/dev/null || true
    kill "$writer" 2>/dev/null || true
    wait "$writer" || true
    exec {fd}>&-
    ((EPOCHSECONDS - before >= 4 && EPOCHSECONDS - before <= 12)) || fail "after $((EPOCHSECONDS - before)) s"
}

@test "without free descriptors a scraper is still served" {
    need_plain_build "it opens files of its own"
    SERVER_WRAP=(prlimit --nofile=80:80)
    start_status --workers 1
    bg crowd "$HELPERS/crowd" -e -a -n 100 "$ENDPOINT"
    wait_for 10 in_log 'max-connections is reached'
    code_is 200 /metrics
    jq -e '.open > 20' < <(get /connections)
    end_bg crowd
}

@test "a reload cannot move the status endpoint, and warns" {
    printf 'listen = tcp://127.0.0.1:0\nstatus = tcp://127.0.0.1:0\n' >conf
    need curl
    start_server --config "$T/conf"
    find_status
    sed -i 's|^status = .*|status = unix:other|' conf
    kill -HUP "$PID"
    wait_for 5 in_log 'takes effect only at a restart.*option=status'
    wait_for 5 in_log ' reloaded'
    code_is 200 /readyz
    [[ ! -e other ]]
}

@test "an endpoint that other hosts can reach is refused without --status-public" {
    need curl
    local endpoint
    for endpoint in 'tcp://*:0' 0.0.0.0:0 'tcp://[::]:0' tcp://:0; do
        ! timeout 10 "$EVECHOD" -l 127.0.0.1:0 --status "$endpoint" >out 2>&1 </dev/null
        grep -q "^evechod: --status '.*--status-public" out
        EXPECTED_EXIT=2
        launch_server --status "$endpoint"
        await_exit
    done
    EXPECTED_EXIT=0
    for endpoint in tls://localhost:0 udp://localhost:0 fd:3 127.0.0.1:0,mode=0600 nonsense; do
        EXPECTED_EXIT=2
        launch_server --status "$endpoint"
        await_exit
    done
    EXPECTED_EXIT=0
    : >"$LOG"
    start_server --status 'tcp://*:0' --status-public
    wait_for 5 in_log ' status endpoint=tcp://0.0.0.0'
    URL=http://127.0.0.1:$(sed -n 's|.* status endpoint=tcp://0.0.0.0:||p' "$LOG")
    code_is 200 /healthz
}

@test "an address in use is named with its reason" {
    start_status
    EXPECTED_EXIT=3
    local first=$PID
    launch_server --status "tcp://127.0.0.1:$STATUS_PORT"
    await_exit
    in_log "^evechod: --status 'tcp://127.0.0.1:$STATUS_PORT': cannot listen on .*in use"
    PID=$first EXPECTED_EXIT=0
}

@test "the page lists every metric, and no other" {
    start_status
    get /metrics | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | sort >told
    grep -oE '^\.It Li evechod_.*' "$top_srcdir/man/evechod.8" | grep -oE 'evechod_[a-z_]+' | sort >page
    diff told page
}

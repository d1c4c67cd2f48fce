#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034 # lib.bash reads what is set here
# The services other than echo, as in their RFCs and in inetd.

load lib

# serve WORD [OPTION...]: starts one service over TCP and over a Unix socket.
serve() {
    local word=$1
    shift
    start_server -l "tcp://127.0.0.1:0,service=$word" -l "unix:$T/s,service=$word" --name me "$@"
}

# dial ENDPOINT: sends standard input and a half-close; prints the bytes received.
dial() {
    case $1 in
        unix:*) timeout 10 socat -t 10 - "UNIX-CONNECT:${1#unix:}" ;;
        *) timeout 10 socat -t 10 - "TCP:${1#tcp://}" ;;
    esac
}

# listen_to ENDPOINT: prints the bytes received, without a half-close.
listen_to() {
    case $1 in
        unix:*) timeout 10 socat -u "UNIX-CONNECT:${1#unix:}" - ;;
        *) timeout 10 socat -u "TCP:${1#tcp://}" - ;;
    esac
}

@test "discard reads everything and answers nothing, on both read paths" {
    local path endpoint
    for path in direct buffered; do
        EVECHOD_READ_PATH=$path serve discard
        for endpoint in "${ENDPOINTS[@]}"; do
            head -c 3000000 /dev/zero | dial "$endpoint" >answer
            [[ ! -s answer ]]
        done
        wait_for 5 closed_at_least 2
        [[ $(field in) == 3000000 && $(field out) == 0 && $(field sunk) == 3000000 ]]
        [[ $(field end) == fin && $(field reason) == eof ]]
        ask_counters
        (($(counter sunk) == 6000000 && $(counter bytes_in) == 6000000 && $(counter bytes_out) == 0))
        counters_balance
        stop_server
        : >"$LOG"
    done
}

@test "chargen: the lines of RFC 864, as many as are read" {
    local endpoint line i
    serve chargen
    for endpoint in "${ENDPOINTS[@]}"; do
        listen_to "$endpoint" 2>/dev/null | head -c 740000 >lines || true
        (($(wc -c <lines) == 740000))
        [[ $(grep -c $'^[ -~]\{72\}\r$' lines) == 10000 ]]
        # The 96th line equals the first, and each line is the previous one rotated by one
        # character.
        [[ $(sed -n 96p lines) == "$(sed -n 1p lines)" && $(sed -n 1p lines) == ' !"#'* ]]
        [[ $(sed -n 5000p lines | cut -c 2-72) == "$(sed -n 5001p lines | cut -c 1-71)" ]]
    done
}

@test "chargen: for a client that does not read, memory is bounded, and it is reset in the end" {
    serve chargen --stall-timeout 1 --buffer 8k
    bg silent "$HELPERS/peer" -t 20 "$ENDPOINT" rcvbuf:4k text:x await-reset
    wait_for 10 closed_at_least 1
    finish silent
    [[ $(field reason) == stall && $(field end) == reset ]]
    (($(field lost) > 0 && $(field lost) <= 8192))
    (($(field made) == $(field out) + $(field lost)))
    [[ $(field in) == "$(field sunk)" ]]
}

@test "chargen ends with a drain, and nothing is owed" {
    serve chargen
    bg reader timeout 20 socat -u "TCP:${ENDPOINT#tcp://}" OPEN:/dev/null,wronly
    is_flowing() { ask_counters && (($(counter bytes_out) > 1000000)); }
    wait_for 10 is_flowing
    kill -TERM "$PID"
    await_exit
    finish reader
    in_log ' drained owed=0 '
    [[ $(field reason) == drain && $(field end) == fin && $(field lost) == 0 ]]
}

@test "daytime and time: sent once, then the end, for any input" {
    local endpoint now told
    serve daytime
    for endpoint in "${ENDPOINTS[@]}"; do
        now=$(date +%s)
        head -c 100000 /dev/zero | dial "$endpoint" >answer
        tr -d '\r' <answer
        [[ $(wc -l <answer) == 1 && $(tail -c 2 answer) == $'\r' ]]
        told=$(tr -d '\r' <answer)
        told=$(TZ=UTC date -d "${told/-UTC/ UTC}" +%s)
        ((told >= now && told <= now + 10)) || fail "$told is not about $now"
    done
    wait_for 5 closed_at_least 2
    [[ $(field reason) == served && $(field end) == fin && $(field lost) == 0 ]]
    stop_server
    serve time
    for endpoint in "${ENDPOINTS[@]}"; do
        now=$(date +%s)
        listen_to "$endpoint" >answer
        (($(wc -c <answer) == 4))
        told=$((16#$(od -An -tx1 answer | tr -d ' \n') - 2208988800))
        ((told >= now && told <= now + 10)) || fail "$told is not about $now"
    done
}

@test "whoami: one line of JSON with all known facts" {
    serve whoami
    listen_to "$ENDPOINT" >answer
    (($(wc -l <answer) == 1))
    jq -e --arg l "$ENDPOINT" '.name == "me" and .id == 1 and .listener == $l and
        (.peer | startswith("127.0.0.1:")) and .local == ($l | ltrimstr("tcp://")) and
        .tls == null' answer
    timeout 10 socat -u "UNIX-CONNECT:$T/s,bind=$T/"$'a\eb' - >answer
    jq -e --arg t "$T" '.id == 2 and .peer == "unix:" + $t + "/a\u001bb" and
        .local == "unix:" + $t + "/s"' answer
    wait_for 5 closed_at_least 2
}

@test "a client that leaves before the answer counts as a reset, not as a system error" {
    local i
    serve whoami
    for i in {1..20}; do
        nc -z 127.0.0.1 "$PORT"
    done
    wait_for 5 closed_at_least 20
    ask_counters
    [[ $(counter closed_error) == 0 ]] || fail "$(closed_lines | tail -n 3)"
    not in_log 'end=fin reason=reset'
}

@test "whoami reports the negotiated TLS parameters" {
    need openssl
    local words
    issue server localhost
    words=$("$HELPERS/leash" 10 "$EVECHOD" --check-config \
        -l tls://127.0.0.1:0,cert=server.pem,key=server.key 2>&1) || skip "built without TLS: $words"
    start_server -l tls://127.0.0.1:0,cert=server.pem,key=server.key,alpn=echo,service=whoami
    timeout 10 openssl s_client -quiet -connect "127.0.0.1:$PORT" -alpn echo -servername localhost \
        </dev/null >answer 2>/dev/null
    jq -e '.tls.version == "TLSv1.3" and .tls.alpn == "echo" and .tls.sni == "localhost" and
        .tls.resumed == false and (.tls.cipher | startswith("TLS_"))' answer
    wait_for 5 closed_at_least 1
    [[ $(field reason) == served && $(field end) == fin && $(field lost) == 0 ]]
}

@test "whoami uses the host's name by default" {
    start_server -l tcp://127.0.0.1:0,service=whoami
    listen_to "$ENDPOINT" | jq -e --arg h "$(uname -n)" '.name == $h'
}

@test "one service a listener, side by side, and a reload changes it" {
    start_server -l tcp://127.0.0.1:0,service=discard -l tcp://127.0.0.1:0 --workers 2
    [[ -z $(echo hello | dial "${ENDPOINTS[0]}") && $(echo hello | dial "${ENDPOINTS[1]}") == hello ]]
    stop_server
    printf 'listen = tcp://127.0.0.1:0,service=discard\n' >conf
    start_server --config conf
    [[ -z $(echo hello | dial "$ENDPOINT") ]]
    printf 'listen = tcp://127.0.0.1:0,service=echo\n' >conf
    kill -HUP "$PID"
    wait_for 5 in_log ' reloaded'
    [[ $(echo hello | dial "$ENDPOINT") == hello ]]
}

@test "an unknown service is refused" {
    local code=0
    "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0,service=telnet 2>err || code=$?
    cat err
    ((code == 2 && $(wc -l <err) == 1))
    grep -q "service: 'telnet' is not one of echo, discard, chargen, daytime, time, whoami" err
    code=0
    "$HELPERS/leash" 10 "$EVECHOD" --service echo 2>err || code=$?
    ((code == 2))
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The configuration file: the long names, one a line; errors name file and line.

load lib

config() { printf '%s\n' "$@" >"$T/conf"; }

check() {
    CODE=0
    "$HELPERS/leash" 10 "$EVECHOD" --check-config --config "$T/conf" "$@" </dev/null >stdout 2>stderr 3>&- ||
        CODE=$?
}

is_right() {
    check
    [[ $CODE == 0 ]] || fail "exit $CODE: $(<stderr)"
}

# is_wrong LINE WORD...: expects a refusal with one line that contains the file, the line and the
# words.
is_wrong() {
    local at=$1 word
    check
    echo "$CODE: $(<stderr)"
    [[ $CODE == 2 ]] || fail "exit $CODE"
    (($(wc -l <stderr) == 1)) || fail "not one line"
    shift
    for word in "conf:$at" "$@"; do
        grep -qF -- "$word" stderr || fail "'$word' is not named"
    done
}

@test "names, values, comments and blank lines" {
    config '# a comment' '' 'listen = tcp://127.0.0.1:0' "listen=unix:$T/s" \
        '   idle-timeout   =   5m   ' $'\tbuffer\t=\t64k' '    # another' 'log-level = debug'
    is_right
    start_server --config "$T/conf"
    [[ ${ENDPOINTS[0]} == tcp://127.0.0.1:* && ${ENDPOINTS[1]} == "unix:$T/s" ]]
    peer "$ENDPOINT" echo:1000 half-close read-all
    peer "unix:$T/s" echo:1000 half-close read-all
}

@test "every option may be in the file" {
    config 'listen = tcp://127.0.0.1:0' 'workers = 2' 'max-connections = 100' \
        'max-connections-per-source = 10' 'idle-timeout = 10s' 'stall-timeout = 10s' \
        'flush-timeout = 10s' 'linger-timeout = 1s' 'buffer = 128k' 'max-owed = 16M' \
        'drain-quiet = 100ms' 'drain-timeout = 5s' 'backlog = 100' 'log-level = info' \
        'log-format = text' 'log-target = stderr' "pid-file = $T/pid"
    is_right
    start_server --config "$T/conf"
    peer "$ENDPOINT" echo:1000 half-close read-all
    [[ $(<"$T/pid") == "$PID" ]]
}

@test "the command line wins, before and after" {
    config 'listen = tcp://127.0.0.1:0' 'idle-timeout = 1h'
    start_server --config "$T/conf" --idle-timeout 200ms
    peer -i 5000 "$ENDPOINT" echo:10 read-all
    stop_server
    start_server --idle-timeout 200ms --config "$T/conf"
    peer -i 5000 "$ENDPOINT" echo:10 read-all
    stop_server
    start_server -l "unix:$T/s" --config "$T/conf"
    [[ ${ENDPOINTS[*]} == "unix:$T/s" ]]
}

@test "attributes of a listener in the file" {
    config 'listen = tcp://127.0.0.1:0,idle-timeout=200ms' 'listen = tcp://127.0.0.1:0' 'idle-timeout = 1h'
    start_server --config "$T/conf"
    peer -i 5000 "$ENDPOINT" echo:10 read-all
}

@test "--check-config opens nothing" {
    start_server
    config "listen = $ENDPOINT" "listen = unix:$T/s" "pid-file = $T/pid"
    is_right
    [[ ! -e $T/s && ! -e $T/pid ]]
    [[ $(<stdout) != *listening* && $(<stdout) != *ready* ]]
}

@test "--check-config checks the command line too" {
    config 'listen = tcp://127.0.0.1:0'
    check --buffer lots
    [[ $CODE == 2 ]]
    grep -q -- --buffer stderr
}

@test "F46 errors name the file and the line" {
    config 'listen = tcp://127.0.0.1:0' '' 'colour = red'
    is_wrong 3 colour
    config 'idle-timeout = soon'
    is_wrong 1 idle-timeout soon
    config '# one' '# two' 'buffer = 12x'
    is_wrong 3 buffer 12x
    config 'just words'
    is_wrong 1 'just words'
    config 'buffer ='
    is_wrong 1 buffer
    config '= 64k'
    is_wrong 1
    config 'listen = tcp://127.0.0.1:99999'
    is_wrong 1 listen 99999
    config 'listen = tcp://127.0.0.1:0,colour=red'
    is_wrong 1 listen colour
    config 'workers = many'
    is_wrong 1 workers many
}

@test "F46 errors found only by the system name the line too" {
    local wrong=('user = no-such-user' 'group = no-such-group' 'status = tcp://192.0.2.1:0') line
    for line in "${wrong[@]}"; do
        config '' "$line"
        is_wrong 2 "conf:2: ${line%% *}" "${line##*= }"
    done
    config 'user = no-such-user'
    check --user no-one
    grep -q '^evechod: --user: ' stderr
}

@test "F46 a repeated name is an error, except listen" {
    config 'buffer = 64k' 'listen = tcp://127.0.0.1:0' 'buffer = 128k'
    is_wrong 3 buffer
    config "listen = unix:$T/a" "listen = unix:$T/b"
    is_right
}

@test "F46 options that are not allowed in a file" {
    local name
    for name in config check-config help version; do
        config "$name = x"
        is_wrong 1 "$name: expected on the command line alone"
    done
    for name in service proxy; do
        config "$name = x"
        is_wrong 1 "$name: expected behind an endpoint and a comma alone"
    done
}

@test "an error in a certificate named in the file has its line" {
    config 'idle-timeout = 1s' 'listen = tls://127.0.0.1:0' 'cert = /none.pem'
    is_wrong 2 "listen: 'tls://127.0.0.1:0': cert: cannot read '/none.pem'"
}

@test "F46 an empty file, one without a last newline, one with a carriage return" {
    : >"$T/conf"
    is_right
    printf 'buffer = 64k' >"$T/conf"
    is_right
    printf 'buffer = 64k\r\nlog-level = info\r\n' >"$T/conf"
    check
    [[ $CODE == 0 || $CODE == 2 ]]
}

@test "F46 a line of a megabyte, binary, NUL" {
    head -c 1M /dev/zero | tr '\0' x >"$T/conf"
    is_wrong 1
    printf 'buffer = 64k\nlog-level = in\0fo\n' >"$T/conf"
    is_wrong 2
    head -c 10k /dev/urandom >"$T/conf"
    check
    [[ $CODE == 2 ]]
    (($(wc -l <stderr) == 1))
    ! grep -aqP '[^\x20-\x7e]' stderr || fail "raw bytes in the message"
}

@test "F46 numbers at their limits" {
    config 'backlog = 1'
    is_right
    config 'buffer = 0'
    is_right
    config 'idle-timeout = 0'
    is_right
    config 'workers = 0'
    is_wrong 1 workers
    config 'backlog = 99999999999'
    is_wrong 1 backlog
    config 'buffer = 18446744073709551616'
    is_wrong 1 buffer
}

@test "the example configuration is valid as it is, and with every line enabled" {
    local example
    example=$(find "${top_srcdir:-.}/contrib" -name 'evechod.conf*' 2>/dev/null | head -n 1)
    [[ -n $example ]] || skip "no example configuration here"
    cp "$example" "$T/conf"
    is_right
}

@test "--pid-file refuses another kind of file, which stays unchanged" {
    local file
    mkfifo fifo
    echo 'precious text' >notes
    echo 99999999999999999999 >huge
    for file in fifo notes huge "$T"; do
        run -3 "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0 --pid-file "$file"
        [[ $output == *"--pid-file: "*"'$file'"* ]]
    done
    [[ -p fifo && $(<notes) == 'precious text' ]]
    echo 999999 >left-over
    start_server --pid-file left-over
    [[ $(<left-over) == "$PID" ]]
    stop_server
    [[ ! -e left-over ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Valid and invalid command lines: a refusal is one line with the option, the value, and the
# expected value or the system's reason, and leaves nothing behind.

load lib

# evechod ARGUMENT...: runs it if it ends by itself; sets CODE, STDOUT and STDERR.
evechod() {
    CODE=0
    "$HELPERS/leash" 15 "${SERVER_WRAP[@]}" "$EVECHOD" "$@" </dev/null >stdout 2>stderr 3>&- || CODE=$?
    STDOUT=$(<stdout)
    STDERR=$(<stderr)
}

# refuses CODE WORD... -- ARGUMENT...: expects that code, and one line on standard error with the
# words.
refuses() {
    local code=$1 words=() word
    shift
    while [[ $1 != -- ]]; do
        words+=("$1")
        shift
    done
    shift
    evechod "$@"
    echo "$* -> $CODE: $STDERR"
    [[ $CODE =~ ^($code)$ ]] || fail "exit $CODE, expected $code"
    [[ -z $STDOUT ]] || fail "standard output is not empty"
    (($(wc -l <stderr) == 1)) || fail "not one line"
    for word in "${words[@]}"; do
        [[ $STDERR == *"$word"* ]] || fail "'$word' is not named"
    done
}

usage_error() { refuses 2 "$@"; }
system_error() { refuses 3 "$@"; }

long_options=(listen workers max-connections max-connections-per-source idle-timeout stall-timeout
    flush-timeout linger-timeout buffer max-owed drain-quiet drain-timeout backlog log-level
    log-format log-target ready-fd name status status-public config check-config pid-file user group help version)

@test "--help goes to standard output, lists every option, and ends with 0" {
    local option
    evechod --help
    [[ $CODE == 0 && -z $STDERR ]]
    for option in "${long_options[@]}"; do
        grep -qE -- "--$option( |=|\[|,|\$)" stdout || fail "--$option is not in --help"
    done
}

@test "--version is one line" {
    evechod --version
    [[ $CODE == 0 && -z $STDERR ]]
    [[ $STDOUT =~ ^evechod\ [0-9]+\.[0-9]+ ]]
    (($(wc -l <stdout) == 1))
}

@test "unknown options and extra arguments" {
    usage_error --frobnicate -- --frobnicate
    usage_error -Z -- -Z
    usage_error stray -- stray
    usage_error stray -- -l tcp://127.0.0.1:0 stray
    usage_error version -- --version=3
}

@test "an option without its value" {
    usage_error buffer -- --buffer
    usage_error listen -- -l
    usage_error config -- --config
}

@test "malformed sizes" {
    local value
    for value in 12x -1 1.5 '' 0x10 ' 64' '64 ' +64 k 1kk 64K8 99999999999999999999 17000000000G; do
        usage_error --buffer "'$value'" -- --buffer "$value"
    done
    usage_error --max-owed 1q -- --max-owed 1q
}

@test "malformed times" {
    local option
    for option in idle-timeout stall-timeout flush-timeout linger-timeout drain-quiet drain-timeout; do
        usage_error "--$option" 5y -- "--$option" 5y
        usage_error "--$option" soon -- "--$option=soon"
    done
    usage_error --idle-timeout "'-5s'" -- --idle-timeout=-5s
    usage_error --idle-timeout "'1s2'" -- --idle-timeout 1s2
    usage_error --idle-timeout 99999999999999999h -- --idle-timeout 99999999999999999h
}

@test "malformed counts, and numbers out of range" {
    usage_error --max-connections 1q -- --max-connections 1q
    usage_error --max-connections-per-source -- --max-connections-per-source many
    usage_error --workers many auto -- --workers many
    usage_error --workers 100000 -- --workers 100000
    usage_error --workers "'-1'" -- --workers=-1
    usage_error --backlog 3000000000 -- --backlog 3000000000
    usage_error --ready-fd x -- --ready-fd x
    usage_error 'or none' -- --ready-fd auto
    usage_error --ready-fd 2 -- --ready-fd 2 # the log's
}

@test "values other than the expected words" {
    usage_error --log-level loud error debug -- --log-level loud
    usage_error --log-format xml text json -- --log-format xml
}

@test "the environment sets the read path: direct, buffered, or an invalid word" {
    local path
    usage_error read-path -- --read-path buffered
    for path in direct buffered; do
        EVECHOD_READ_PATH=$path start_server
        peer "$ENDPOINT" echo:5000 half-close read-all
        stop_server
    done
    local -x EVECHOD_READ_PATH=fast
    usage_error EVECHOD_READ_PATH "'fast' is neither direct nor buffered" -- --check-config
}

@test "malformed endpoints" {
    local endpoint
    for endpoint in tcp://127.0.0.1:99999 tcp://127.0.0.1:65536 tcp://127.0.0.1:http7 \
        tcp://127.0.0.1: tcp://127.0.0.1 'tcp://[::1:80' 'tcp://[::1]80' http://127.0.0.1:80 unix: \
        unix:@ fd:x fd: fd:-1 nonsense 65536 -7 ''; do
        usage_error "--listen" "'$endpoint'" -- --listen="$endpoint"
    done
}

@test "one file cannot be both the log and the pid file" {
    usage_error --pid-file "--log-target's" -- -l tcp://127.0.0.1:0 --log-target "$T/one" --pid-file "$T/one"
    [[ ! -e one ]]
}

@test "malformed attributes" {
    usage_error --listen colour -- -l tcp://127.0.0.1:0,colour=red
    usage_error --listen idle-timeout soon -- -l tcp://127.0.0.1:0,idle-timeout=soon
    usage_error --listen idle-timeout -- -l tcp://127.0.0.1:0,idle-timeout
    usage_error --listen -- -l tcp://127.0.0.1:0,
    usage_error --listen 'mode: expected only for unix:PATH' -- -l 'tcp://127.0.0.1:0,mode=0600'
    usage_error --listen 'mode: expected only for unix:PATH' -- -l 'unix:@a,mode=0600'
    usage_error --listen 'keepalive: expected only for tcp://, tls:// or fd: of TCP' -- -l 'udp://127.0.0.1:0,keepalive=1m'
    usage_error --listen 'keepalive: expected only for tcp://, tls:// or fd: of TCP' -- -l 'unix:@a,keepalive=off'
    usage_error --keepalive 'never' 'off' -- --keepalive never
    usage_error --keepalive 'too large' -- --keepalive 10h
    usage_error --source-prefix 'too large' -- --source-prefix 129
    usage_error --listen 'backlog: expected only for tcp://, tls:// or unix:' -- \
        -l 'udp://127.0.0.1:0,backlog=9'
    usage_error --listen 'idle-timeout: given twice' -- \
        -l tcp://127.0.0.1:0,idle-timeout=1s,backlog=9,idle-timeout=1s
    usage_error --name '129 bytes; at most 128' -- --name "$(printf 'n%.0s' {1..129})"
}

@test "F51 a Unix path of 107 bytes is served, one of 108 refused" {
    local path
    path=$(printf '/tmp/%0.s' 1)$(printf 'p%.0s' {1..102})
    ((${#path} == 107))
    rm -f "$path"
    start_server -l "unix:$path"
    peer "unix:$path" echo:1000 half-close read-all
    stop_server
    [[ ! -e $path ]]
    refuses '2|3' --listen "${path}q" 107 -- -l "unix:${path}q"
    refuses '2|3' --listen 107 -- -l "unix:@${path}q"
}

@test "unreadable files" {
    usage_error --config "$T/none" 'No such file' -- --config "$T/none"
    usage_error --config "$T" -- --config "$T"
    refuses '2|3' log-target "$T/none/log" 'No such file' -- -l tcp://127.0.0.1:0 --log-target "$T/none/log"
    system_error --pid-file "$T/none/pid" 'No such file' -- -l tcp://127.0.0.1:0 --pid-file "$T/none/pid"
}

@test "a user or a group that does not exist" {
    refuses '2|3' --user nobody-of-that-name -- -l tcp://127.0.0.1:0 --user nobody-of-that-name
    refuses '2|3' --group none-of-that-name -- -l tcp://127.0.0.1:0 --group none-of-that-name
}

@test "F41 a port in use, and an address of another host" {
    local port
    start_server
    port=$PORT
    system_error "tcp://127.0.0.1:$port" 'Address already in use' -- -l "tcp://127.0.0.1:$port"
    system_error 192.0.2.1 'Cannot assign requested address' -- -l tcp://192.0.2.1:0
    peer "$ENDPOINT" echo:1000 half-close read-all
}

@test "F41 a privileged port without the privilege" {
    need_plain_build "another user cannot write what it counted"
    need_root
    need_netns
    need setpriv
    chmod 755 "$T"
    cp "$EVECHOD" "$T/evechod" && chmod 755 "$T/evechod"
    setpriv --reuid=65534 --clear-groups "$T/evechod" --version >/dev/null 2>&1 ||
        skip "another user cannot run it from $T"
    EVECHOD=$T/evechod
    SERVER_WRAP+=(setpriv --reuid=65534 --clear-groups --bounding-set=-net_bind_service)
    system_error tcp://127.0.0.1:7 'Permission denied' -- -l tcp://127.0.0.1:7
}

@test "F41 two listeners on one address" {
    local port
    start_server
    port=$PORT
    stop_server
    refuses '2|3' "tcp://127.0.0.1:$port" -- -l "tcp://127.0.0.1:$port" -l "tcp://127.0.0.1:$port"
    refuses '2|3' "$T/twice" -- -l "unix:$T/twice" -l "unix:$T/twice"
    [[ ! -e $T/twice ]]
    refuses '2|3' @evecho-twice -- -l "unix:@evecho-twice-$$" -l "unix:@evecho-twice-$$"
}

@test "a failed start leaves no socket and no pid file behind" {
    local busy
    start_server
    busy=$ENDPOINT
    system_error "$busy" -- -l "unix:$T/first" --pid-file "$T/pid" -l "$busy"
    [[ ! -e $T/first && ! -e $T/pid ]]
    system_error "$T/none/s" 'No such file' -- -l "unix:$T/first" -l "unix:$T/none/s"
    [[ ! -e $T/first ]]
}

@test "F51 a file that is not a socket is never replaced" {
    echo precious >"$T/file"
    mkdir "$T/dir"
    ln -s "$T/file" "$T/link"
    system_error "$T/file" -- -l "unix:$T/file"
    system_error "$T/dir" -- -l "unix:$T/dir"
    system_error "$T/link" -- -l "unix:$T/link"
    [[ $(<"$T/file") == precious && -d $T/dir && -L $T/link ]]
}

@test "F51 a socket in use is never replaced" {
    start_server -l "unix:$T/s"
    system_error "$T/s" -- -l "unix:$T/s"
    peer "unix:$T/s" echo:1000 half-close read-all
}

@test "inherited descriptors that are not listening sockets" {
    refuses '2|3' fd:97 -- -l fd:97
    refuses '2|3' fd:0 -- -l fd:0
}

@test "no argument reaches the terminal unescaped" {
    evechod --buffer $'1\e[31m\n2'
    [[ $CODE == 2 ]]
    (($(wc -l <stderr) == 1))
    [[ $STDERR != *$'\e'* ]]
}

@test "a start that fails because of the file names the line" {
    printf '%s\n' '' "pid-file = $T/none/pid" >"$T/conf"
    system_error "$T/conf:2: pid-file: cannot write" -- --config "$T/conf" -l tcp://127.0.0.1:0
    system_error '--pid-file: cannot write' -- --config "$T/conf" -l tcp://127.0.0.1:0 --pid-file "$T/none/2"
}

@test "--help and --version that cannot be written are an error" {
    local word code
    for word in --help --version; do
        code=0
        "$EVECHOD" "$word" >/dev/full 2>stderr || code=$?
        ((code == 3)) || fail "$word: exit $code"
        grep -q '^evechod: standard output: No space left on device' stderr
    done
}

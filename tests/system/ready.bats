#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Endpoints of every kind, the lines that tell them, and how others learn that we are ready.

load lib

# The whole of standard output, so far and for good.
output_is() {
    diff <(printf '%s\n' "$@") "$OUT"
}

echoes_on() { peer "$1" echo:5000 half-close read-all >/dev/null; }

@test "listening lines in the order given, then ready, and nothing else ever" {
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s" -l "unix:@evecho-$$" -l 'tcp://127.0.0.2:0'
    output_is "${ENDPOINTS[@]/#/listening }" ready
    [[ ${ENDPOINTS[0]} =~ ^tcp://127\.0\.0\.1:[1-9][0-9]*$ ]]
    [[ ${ENDPOINTS[1]} == "unix:$T/s" ]]
    [[ ${ENDPOINTS[2]} == "unix:@evecho-$$" ]]
    [[ ${ENDPOINTS[3]} =~ ^tcp://127\.0\.0\.2:[1-9][0-9]*$ ]]
    local endpoint
    for endpoint in "${ENDPOINTS[@]}"; do
        echoes_on "$endpoint"
    done
    kill -USR1 "$PID"
    kill -HUP "$PID"
    stop_server
    output_is "${ENDPOINTS[@]/#/listening }" ready
    [[ ! -e $T/s ]]
}

@test "without arguments: localhost:7007, both families, loopback alone" {
    need ss
    need_two_families
    # Nothing may be added to the command here, so not by start_server.
    SERVER_WRAP=("${SERVER_WRAP[@]}" sh -c 'exec "$1"' -)
    start_server
    inside ss -Hltn >ss
    output_is 'listening tcp://127.0.0.1:7007' 'listening tcp://[::1]:7007' ready ||
        output_is 'listening tcp://[::1]:7007' 'listening tcp://127.0.0.1:7007' ready
    inside "$HELPERS/peer" tcp://127.0.0.1:7007 echo:100 half-close read-all
    inside "$HELPERS/peer" 'tcp://[::1]:7007' echo:100 half-close read-all
    not grep -vE '127\.0\.0\.1:7007|\[::1\]:7007' ss
}

@test "a name with two families: two lines, one port" {
    need_two_families
    start_server -l tcp://localhost:0
    ((${#ENDPOINTS[@]} == 2))
    [[ ${ENDPOINTS[0]##*:} == "${ENDPOINTS[1]##*:}" ]]
    inside "$HELPERS/peer" "tcp://127.0.0.1:$PORT" echo:100 half-close read-all
    inside "$HELPERS/peer" "tcp://[::1]:$PORT" echo:100 half-close read-all
}

@test "every address, both families, one port" {
    local host
    for host in '*' ''; do
        start_server -l "tcp://$host:0"
        echoes_on "tcp://127.0.0.1:$PORT"
        echoes_on "tcp://127.0.0.9:$PORT"
        not has_ipv6 || echoes_on "tcp://[::1]:$PORT"
        [[ $(sort -u <(printf '%s\n' "${ENDPOINTS[@]##*:}")) == "$PORT" ]]
        stop_server
    done
}

@test "the short forms" {
    start_server -l 127.0.0.1:0 -l 0 -l "$T/s"
    [[ ${ENDPOINTS[0]} == tcp://127.0.0.1:* ]]
    [[ ${ENDPOINTS[1]} == tcp://127.0.0.1:* || ${ENDPOINTS[1]} == 'tcp://[::1]:'* ]]
    [[ ${ENDPOINTS[-1]} == "unix:$T/s" ]]
    echoes_on "${ENDPOINTS[1]}"
    echoes_on "unix:$T/s"
}

@test "F52 IPv6, and a link-local address with its scope" {
    need_netns
    SERVER_WRAP=(unshare -n sh -c 'ip link set lo up && ip addr add fe80::7/64 dev lo nodad && exec "$@"' -)
    unshare -n sh -c 'ip link set lo up && ip addr add fe80::7/64 dev lo nodad' ||
        skip "no IPv6 in a namespace"
    start_server -l 'tcp://[::1]:0' -l 'tcp://[fe80::7%lo]:0'
    [[ ${ENDPOINTS[0]} =~ ^tcp://\[::1\]:[1-9][0-9]*$ ]]
    [[ ${ENDPOINTS[1]} =~ ^tcp://\[fe80::7%lo\]:[1-9][0-9]*$ ]]
    inside "$HELPERS/peer" "${ENDPOINTS[0]}" echo:5000 half-close read-all
    inside "$HELPERS/peer" "${ENDPOINTS[1]}" echo:5000 half-close read-all
}

@test "F41 a family that the machine lacks is a notice where the other binds" {
    need_two_families 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1'
    start_server -l tcp://localhost:0
    [[ ${#ENDPOINTS[@]} == 1 && $ENDPOINT == tcp://127.0.0.1:* ]]
    wait_for 5 in_log ' notice .*::1'
    inside "$HELPERS/peer" "$ENDPOINT" echo:5000 half-close read-all
}

@test "attributes are not part of the line" {
    start_server -l tcp://127.0.0.1:0,idle-timeout=30s -l "unix:$T/s,idle-timeout=5m"
    [[ $ENDPOINT =~ ^tcp://127\.0\.0\.1:[1-9][0-9]*$ ]]
    [[ ${ENDPOINTS[1]} == "unix:$T/s" ]]
}

@test "F51 the socket's mode is 0660 whatever the umask, or its attribute's" {
    umask 0077
    start_server -l "unix:$T/s" -l "unix:$T/m,mode=0600"
    echo "$(stat -c %a "$T/s") $(stat -c %a "$T/m")"
    [[ $(stat -c %a "$T/s") == 660 && $(stat -c %a "$T/m") == 600 ]]
}

@test "F34 after kill -9 a stale socket is replaced, and the port binds at once" {
    start_server -l "unix:$T/s" -l tcp://127.0.0.1:0
    local port=${ENDPOINTS[1]##*:}
    echoes_on "tcp://127.0.0.1:$port"
    EXPECTED_EXIT=137 IGNORE_FDS=1 stop_server KILL
    [[ -S $T/s ]]
    EXPECTED_EXIT=0
    local from=${EPOCHREALTIME/./}
    start_server -l "unix:$T/s" -l "tcp://127.0.0.1:$port"
    figure "ready again after $(((${EPOCHREALTIME/./} - from) / 1000)) ms"
    echoes_on "unix:$T/s"
    echoes_on "tcp://127.0.0.1:$port"
    stop_server
    [[ ! -e $T/s ]]
}

@test "somebody else's socket in our path's place is not removed at the end" {
    start_server -l "unix:$T/s"
    rm "$T/s"
    echo precious >"$T/s"
    stop_server
    [[ $(<"$T/s") == precious ]]
}

@test "sockets handed over, blocking ones: fd:N" {
    SERVER_WRAP=("$HELPERS/hand" tcp://127.0.0.1:0 "unix:$T/s" --)
    start_server -l fd:3 -l fd:4
    [[ ${ENDPOINTS[0]} =~ ^tcp://127\.0\.0\.1:[1-9][0-9]*$ ]]
    [[ ${ENDPOINTS[1]} == "unix:$T/s" ]]
    echoes_on "${ENDPOINTS[0]}"
    echoes_on "${ENDPOINTS[1]}"
    echoes_on "${ENDPOINTS[0]}"
    stop_server
    [[ -S $T/s ]] || fail "a path that was handed over is its owner's"
}

@test "--ready-fd gets a newline when all is ready" {
    SERVER_WRAP=(sh -c 'exec "$@" 9>ready' -)
    start_server --ready-fd 9
    wait_for 5 test -s "$T/ready"
    cmp <(echo) "$T/ready"
    [[ $(ls -l "/proc/$PID/fd") != *"$T/ready"* ]] || fail "the descriptor is still open"
    IGNORE_FDS=1
}

@test "--ready-fd that nobody reads holds nothing up, and the log tells" {
    mkfifo "$T/fifo"
    exec 8<>"$T/fifo"
    dd if=/dev/zero of="$T/fifo" bs=4096 count=64 oflag=nonblock 2>fill.txt ||
        grep -q unavailable fill.txt
    SERVER_WRAP=(sh -c 'exec "$@" 9<>fifo 8>&-' -)
    start_server --ready-fd 9
    wait_for 5 in_log 'warn cannot tell readiness ready-fd=9'
    echoes_on "$ENDPOINT"
    exec 8>&-
    IGNORE_FDS=1
}

@test "--ready-fd is none of the sockets to serve" {
    SERVER_WRAP=("$HELPERS/hand" tcp://127.0.0.1:0 --)
    EXPECTED_EXIT=2
    launch_server -l fd:3 --ready-fd 3
    await_exit
    in_log 'ready-fd: 3 is a socket to serve'
}

@test "NOTIFY_SOCKET is told of readiness, and of its end before the drain" {
    need socat
    bg notify socat -u "UNIX-RECV:$T/notify" -
    wait_for 5 test -S "$T/notify"
    SERVER_ENV=("NOTIFY_SOCKET=$T/notify")
    start_server
    wait_for 5 said notify 'READY=1'
    stop_server
    wait_for 5 said notify 'STOPPING=1'
}

@test "NOTIFY_SOCKET may be abstract, and a dead one is no reason to fail" {
    need socat
    bg notify socat -u "ABSTRACT-RECV:evecho-notify-$$" -
    wait_for 5 grep -q "@evecho-notify-$$" /proc/net/unix
    SERVER_ENV=("NOTIFY_SOCKET=@evecho-notify-$$")
    start_server
    wait_for 5 said notify 'READY=1'
    stop_server
    SERVER_ENV=("NOTIFY_SOCKET=$T/nobody")
    start_server
    echoes_on "$ENDPOINT"
}

@test "a closed, a full and a broken standard output are no error" {
    local how
    for how in 'exec "$@" >&-' 'exec "$@" >/dev/full' 'exec "$@" > >(:)'; do
        SERVER_WRAP=(bash -c "$how" -)
        launch_server -l "unix:$T/s"
        wait_for 10 echoes_on "unix:$T/s"
        FDS_AT_START=99
        stop_server
    done
}

@test "EVENT_ variables of the environment change nothing" {
    SERVER_ENV=(EVENT_NOEPOLL=1 EVENT_PRECISE_TIMER=1 EVENT_EPOLL_USE_CHANGELIST=1)
    start_server
    [[ $(ls -l "/proc/$PID/fd") == *eventpoll* ]]
    echoes_on "$ENDPOINT"
}

@test "the pid file holds the process id while it runs" {
    start_server --pid-file "$T/pid"
    [[ $(<"$T/pid") == "$PID" ]]
    stop_server
    [[ ! -e $T/pid ]]
}

@test "--user and --group: nothing of root is left, and the sockets still work" {
    local uid
    need_root
    need_native "another user cannot remove its files"
    start_server -l "unix:$T/s" -l tcp://127.0.0.1:0 --user nobody
    grep -E '^(Uid|Gid|Groups)' "/proc/$PID/status" | tee status
    uid=$(id -u nobody)
    [[ $(awk '/^Uid/ { print $2, $3, $4, $5 }' status) == "$uid $uid $uid $uid" ]]
    [[ $(awk '/^Gid/ { print $2 }' status) == "$(id -g nobody)" ]]
    [[ -z $(awk '/^Groups/ { print $2 }' status) || $(awk '/^Groups/ { print $2 }' status) == "$(id -g nobody)" ]]
    echoes_on "${ENDPOINTS[0]}"
    echoes_on "${ENDPOINTS[1]}"
}

@test "--user: the log file is that user's, and what it may not remove is told" {
    need_root
    need_native "another user cannot remove its files"
    local dir
    dir=$(mktemp -d "${TMPDIR:-/tmp}/evecho-user.XXXXXX") # where another user may be
    chmod 755 "$dir"
    start_server -l "unix:$dir/s" --user nobody --log-target "$dir/log" --pid-file "$dir/pid"
    kill -HUP "$PID"
    stop_server
    cp "$dir/log" log
    stat -c %U:%a "$dir/log" >owner
    rm -r "$dir"
    [[ $(<owner) == nobody:640 ]]
    in_file log ' notice reloaded'
    in_file log 'the pid file stays behind'
    in_file log 'a Unix socket stays behind'
}

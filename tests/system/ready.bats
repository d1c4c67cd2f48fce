#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Endpoints of every kind, their `listening` lines, and the notifications of readiness.

load lib

# The whole of standard output, now and at the end.
output_is() {
    diff <(printf '%s\n' "$@") "$OUT"
}

echoes_on() { peer "$1" echo:5000 half-close read-all >/dev/null; }

@test "listening lines in the order given, then ready, and nothing else" {
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

@test "without arguments: localhost:7007, both families, loopback only" {
    need ss
    need_two_families
    # The command must be unchanged here, so do not use start_server.
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
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link set lo up && ip addr add fe80::7/64 dev lo nodad && exec "$@"' -)
    "${UNSHARE[@]}" -n sh -c 'ip link set lo up && ip addr add fe80::7/64 dev lo nodad' ||
        skip "no IPv6 in a namespace"
    start_server -l 'tcp://[::1]:0' -l 'tcp://[fe80::7%lo]:0'
    [[ ${ENDPOINTS[0]} =~ ^tcp://\[::1\]:[1-9][0-9]*$ ]]
    [[ ${ENDPOINTS[1]} =~ ^tcp://\[fe80::7%lo\]:[1-9][0-9]*$ ]]
    inside "$HELPERS/peer" "${ENDPOINTS[0]}" echo:5000 half-close read-all
    inside "$HELPERS/peer" "${ENDPOINTS[1]}" echo:5000 half-close read-all
}

@test "F41 a family that the machine lacks is a notice if the other binds" {
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

@test "F51 the socket's mode is 0660 with any umask, or as its attribute says" {
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

@test "another socket at our path is not removed at the end" {
    start_server -l "unix:$T/s"
    rm "$T/s"
    echo precious >"$T/s"
    stop_server
    [[ $(<"$T/s") == precious ]]
}

@test "passed sockets that block: fd:N" {
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

@test "--ready-fd that is not read blocks nothing, and is logged" {
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

@test "--ready-fd cannot be a socket to serve" {
    SERVER_WRAP=("$HELPERS/hand" tcp://127.0.0.1:0 --)
    EXPECTED_EXIT=2
    launch_server -l fd:3 --ready-fd 3
    await_exit
    in_log 'ready-fd: 3 is a socket to serve'
}

@test "NOTIFY_SOCKET receives READY, and STOPPING before the drain" {
    need socat
    bg notify socat -u "UNIX-RECV:$T/notify" -
    wait_for 5 test -S "$T/notify"
    SERVER_ENV=("NOTIFY_SOCKET=$T/notify")
    start_server
    wait_for 5 said notify 'READY=1'
    stop_server
    wait_for 5 said notify 'STOPPING=1'
}

@test "NOTIFY_SOCKET may be abstract, and a closed one does not fail the start" {
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

@test "a closed, a full and a broken standard output are not errors" {
    local how
    for how in 'exec "$@" >&-' 'exec "$@" >/dev/full' 'exec "$@" > >(:)'; do
        SERVER_WRAP=(bash -c "$how" -)
        launch_server -l "unix:$T/s"
        wait_for 10 echoes_on "unix:$T/s"
        FDS_AT_START=99
        stop_server
    done
}

@test "EVENT_ variables in the environment have no effect" {
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

@test "--user and --group: no privilege of root is left, and the sockets still work" {
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

@test "--user: that user owns the log file, and a file that it cannot remove is reported" {
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

# ---- obstacles of a start

@test "a stale pid file does not prevent a start, even if its number is in use" {
    local number
    for number in 1 $$ 999999; do
        echo "$number" >"$T/pid"
        start_server --pid-file "$T/pid"
        [[ $(<"$T/pid") == "$PID" ]]
        stop_server
        [[ ! -e $T/pid ]]
    done
    start_server --pid-file "$T/pid"
    EXPECTED_EXIT=137 IGNORE_FDS=1 stop_server KILL
    [[ -s $T/pid ]]
    EXPECTED_EXIT=0 IGNORE_FDS=
    start_server --pid-file "$T/pid"
    [[ $(<"$T/pid") == "$PID" ]]
}

@test "a running daemon's pid file is locked, with any content: the next start reports it" {
    start_server --pid-file "$T/pid"
    run -3 "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0 --pid-file "$T/pid"
    [[ $output == *"--pid-file: '$T/pid' is locked by process $PID"* ]]
    [[ $(<"$T/pid") == "$PID" ]]
    : >"$T/pid"
    run -3 "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0 --pid-file "$T/pid"
    [[ $output == *"--pid-file: cannot write '$T/pid': another process has locked it"* ]]
    [[ -e $T/pid ]]
}

@test "a user who can read the pid file cannot block a start or a stop by locking it" {
    local reader mode
    echo 999999 >"$T/pid"
    exec {reader}<"$T/pid" # left behind: read-only, as any other user would open it
    flock -x "$reader"
    start_server --pid-file "$T/pid"
    [[ $(<"$T/pid") == "$PID" && $(stat -c %a "$T/pid") == 644 ]]
    exec {reader}<&-
    exec {reader}<"$T/pid" # in use
    flock -x "$reader"
    run -3 "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0 --pid-file "$T/pid"
    [[ $output == *"'$T/pid' is locked by process $PID"* ]]
    mode=$(stat -c %a "$T/pid.lock")
    [[ $mode == 600 ]] || fail "others can open the lock file: $mode"
    stop_server
    [[ ! -e $T/pid && ! -e $T/pid.lock ]]
    exec {reader}<&-
    mkdir "$T/pid.lock"
    run -3 "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0 --pid-file "$T/pid"
    [[ $output == *"--pid-file: cannot write '$T/pid': cannot lock it by '$T/pid.lock': it is not a regular file"* ]]
    [[ ! -e $T/pid ]]
}

@test "neither the pid file nor its removal follows a symbolic link" {
    echo 999999 >"$T/target"
    ln -s target "$T/pid"
    ln -s missing "$T/dangling"
    local link
    for link in pid dangling; do
        run -3 "$HELPERS/leash" 10 "$EVECHOD" -l tcp://127.0.0.1:0 --pid-file "$T/$link"
        [[ $output == *"--pid-file: cannot write '$T/$link': it is a symbolic link"* ]]
        [[ -L $T/$link && ! -e $T/$link.lock ]]
    done
    [[ $(<"$T/target") == 999999 && ! -e $T/missing ]]
}

# race ROUND ARGUMENT...: six starts at once, with the same arguments. One becomes ready (PID is its
# id), the other five end with 3.
race() {
    local i pid code=0 out="$T/race$1" racers=()
    shift
    for i in {1..6}; do
        "$HELPERS/leash" "$LIFE" env "${SERVER_ENV[@]}" "${SERVER_WRAP[@]}" "$EVECHOD" "$@" \
            </dev/null >"$out.$i" 2>>"$out.log" 3>&- &
        racers+=($!)
    done
    PID=
    one_is_left() {
        local left=()
        for pid in "${racers[@]}"; do is_gone "$pid" || left+=("$pid"); done
        ((${#left[@]} <= 1)) && PID=${left[0]:-}
    }
    wait_for 20 one_is_left
    [[ -n $PID ]] || fail "nobody is left: $(<"$out.log")" || return 1
    is_winner_ready() { (($(cat "$out".[1-6] | grep -cx ready) >= 1)); }
    wait_for 10 is_winner_ready
    for pid in "${racers[@]}"; do
        [[ $pid == "$PID" ]] && continue
        code=0
        wait "$pid" || code=$?
        [[ $code == 3 ]] || fail "a loser ended with $code: $(<"$out.log")" || return 1
    done
    (($(cat "$out".[1-6] | grep -cx ready) == 1)) || fail "more than one was ready"
}

# slowly CALL: delays that call, so that an event between it and the call before becomes likely.
slowly() { under_strace -e "trace=$1" -e "inject=$1:delay_enter=$2"; }

@test "six starts race for a pid file: one succeeds, and the file remains" {
    local round
    need_strace
    IGNORE_FDS=1
    for ((round = 1; round <= $(sample 8 50); round++)); do
        if ((round % 2)); then
            slowly pwrite64 20000
        else
            SERVER_WRAP=() SERVER_ENV=()
            echo 1 >"$T/pid"
        fi
        race "$round" -l tcp://127.0.0.1:0 --pid-file "$T/pid"
        [[ $(<"$T/pid") == "$PID" ]] || fail "the winner's file is gone or another's"
        stop_server
        [[ ! -e $T/pid ]]
    done
}

@test "six starts race for a Unix socket: one serves it, with and without a stale one" {
    local round
    need_strace
    IGNORE_FDS=1
    for ((round = 1; round <= $(sample 8 100); round++)); do
        case $((round % 4)) in
            0) SERVER_WRAP=() SERVER_ENV=() ;;
            1) slowly listen 20000 ;;
            *) slowly '?unlink,unlinkat' 20000 ;;
        esac
        ((round % 3 == 0)) || stale "$T/s"
        race "$round" -l "unix:$T/s"
        echoes_on "unix:$T/s"
        stop_server
        [[ ! -e $T/s && ! -e $T/s.lock ]] || fail "something is left behind"
    done
}

# A socket without a listener.
stale() {
    "$HELPERS/hand" "unix:$1" -- true
    [[ -S $1 ]]
}

@test "a Unix socket's path is removed before it refuses: a start in between keeps its own" {
    need_strace
    slowly '?unlink,unlinkat' 300000
    start_server -l "unix:$T/s"
    local first=$PID i
    SERVER_WRAP=() SERVER_ENV=()
    kill -TERM "$first"
    for ((i = 0; i < 1000; i++)); do
        launch_server -l "unix:$T/s"
        wait_for 15 is_ready
        is_gone "$PID" || break
        wait "$PID" || true
    done
    is_gone "$PID" && fail "it never got the path"
    wait_for 15 is_gone "$first"
    echoes_on "unix:$T/s"
    FDS_AT_START=$(fd_count)
}

@test "a lock file that is no regular file is reported, and a stale one is used" {
    mkdir "$T/s.lock"
    run -3 "$HELPERS/leash" 10 "$EVECHOD" -l "unix:$T/s"
    [[ $output == *"cannot listen on unix:$T/s: cannot lock it by '$T/s.lock': it is not a regular file"* ]]
    rmdir "$T/s.lock"
    echo left >"$T/s.lock" # of a start that was killed
    start_server -l "unix:$T/s"
    [[ ! -e $T/s.lock ]]
}

# ---- owners of files

# A directory that other users may enter, with a file owned by root.
open_folder() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/evecho-user.XXXXXX")
    chmod 755 "$dir"
    echo precious >"$dir/precious"
}

@test "--user changes the owner of no existing file, under any name" {
    need_root
    need_native "another user cannot remove its files"
    local dir how
    open_folder
    ln -s precious "$dir/link"
    ln -s missing "$dir/dangling"
    ln "$dir/precious" "$dir/hard"
    for how in precious link hard dangling; do
        start_server --user nobody --log-target "$dir/$how"
        stop_server
        in_file "$dir/$how" ' notice drained '
    done
    stat -c '%n %U' "$dir/precious" "$dir/missing" >owners
    cat owners
    rm -r "$dir"
    (($(grep -c ' root$' owners) == 2)) || fail "given away"
}

# ---- a manager whose queue is full

# Starts one that reads nothing until it is resumed.
stuck_manager() {
    need socat
    bg notify socat -u "UNIX-RECV:$T/notify" -
    wait_for 5 test -S "$T/notify"
    SERVER_ENV=("NOTIFY_SOCKET=$T/notify")
}
stick() {
    kill -STOP "${BG_PID[notify]}"
    yes filler | timeout 1 socat -u -b 64 - "UNIX-SENDTO:$T/notify" || true
    wait_for 10 is_manager_full
}
is_manager_full() { ! echo filler | timeout 0.3 socat -u - "UNIX-SENDTO:$T/notify"; }
unstick() { kill -CONT "${BG_PID[notify]}"; }
told() { grep -aoE '(READY|RELOADING|STOPPING)=1' notify.out | tr '\n' ' '; }
has_told() { [[ $(told) == "$1 " ]]; }

@test "NOTIFY_SOCKET that is full at the start receives READY when it has room" {
    stuck_manager
    stick
    start_server
    echoes_on "$ENDPOINT"
    unstick
    wait_for 10 has_told READY=1
}

@test "NOTIFY_SOCKET that is full at reloads receives the last one's states, in order" {
    stuck_manager
    start_server
    wait_for 5 has_told READY=1
    stick
    local i
    for i in 1 2 3; do
        kill -HUP "$PID"
        wait_for 5 log_count_is ' notice reloaded' "$i"
    done
    unstick
    wait_for 10 has_told 'READY=1 RELOADING=1 READY=1'
}

@test "NOTIFY_SOCKET that is full at the stop still receives STOPPING" {
    stuck_manager
    start_server --drain-quiet 30s --drain-timeout 30s
    bg held "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 5 said held holding=1
    stick
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    kill -TERM "$PID"
    wait_for 5 in_log 'draining: no new'
    unstick
    wait_for 10 has_told 'READY=1 RELOADING=1 READY=1 STOPPING=1'
    said notify 'EXTEND_TIMEOUT_USEC=35000000'
    go held
    finish held
    IGNORE_FDS=1
    await_exit
}

@test "NOTIFY_SOCKET that stays full blocks neither the service nor its end" {
    stuck_manager
    start_server
    stick
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    wait_for 5 in_log "warn the service manager's queue is full"
    echoes_on "$ENDPOINT"
    stop_server
    in_log ' notice drained '
    unstick
}

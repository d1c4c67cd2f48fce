#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The sandbox, tested from inside the process and observed from outside. Every other test runs in
# the sandbox too: there it must not prevent anything that serving needs.

load lib

SIGSYS=159 # 128 + 31: how a shell tells that the filter ended it

echoes_on() { peer "$1" echo:5000 half-close read-all >/dev/null; }

# escape WHAT...: tries it at the first connection; ESCAPED is the result.
escape() {
    need_plain_build "the sandbox is off there"
    SERVER_ENV=("LD_PRELOAD=$HELPERS/shim_escape.so" "ESCAPE=$*" "ESCAPE_REPORT=$T/report")
    : >"$T/report"
}

escaped() {
    peer "${1:-$ENDPOINT}" echo:100 half-close read-all >/dev/null || true
    ESCAPED=$(<"$T/report")
    echo "$ESCAPED"
}

# is_killed_for WHAT...: the attempt ends the process, and has no effect.
is_killed_for() {
    escape "$@"
    start_server
    escaped
    [[ -z $ESCAPED ]] || fail "it got as far as: $ESCAPED"
    EXPECTED_EXIT=$SIGSYS await_exit
}

in_status() { grep -qE "^$1:[[:space:]]+$2\$" "/proc/$PID/status"; }

# A line of every thread's status.
in_every_status() {
    local status
    for status in "/proc/$PID/task/"*/status; do
        grep -qE "^$1:[[:space:]]+$2\$" "$status" || fail "$(grep "^$1:" "$status")"
    done
}

said_sandbox() { wait_for 5 in_log " notice sandbox $1"; }

# The kernel does not support it, like an older one.
without() {
    need_strace
    under_strace -e "trace=$1" -e "inject=$1:error=${2:-ENOSYS}"
}

has_landlock() { said_sandbox 'mode=on .*landlock=[1-9]' >/dev/null; }

@test "one line lists the protections in force, and the system confirms them for every thread" {
    need_plain_build "the sandbox is off there"
    start_server -w 3
    said_sandbox 'mode=on seccomp=kill landlock=[0-9]+ no_new_privs=yes capabilities=none'
    in_every_status NoNewPrivs 1
    in_every_status Seccomp 2
    [[ $(grep -c '^Cap' "/proc/$PID/status") == 5 ]]
    in_every_status 'Cap(Inh|Prm|Eff|Amb)' 0+
    not grep -E '^Cap(Inh|Prm|Eff|Amb):.*[1-9a-f]' "/proc/$PID/status"
    if in_status CapBnd 0+; then
        said_sandbox '.* bounding_set=empty missing='
        in_every_status CapBnd 0+
    else
        ((EUID != 0)) || fail "root's bounding set is not empty"
        said_sandbox '.* bounding_set=kept missing="bounding set: Operation not permitted'
    fi
    echoes_on "$ENDPOINT"
}

@test "a bounding set that could not be emptied is reported" {
    need_plain_build "the sandbox is off there"
    need_root
    need setpriv
    SERVER_WRAP=(setpriv --inh-caps=-setpcap --bounding-set=-setpcap)
    start_server
    said_sandbox 'mode=on seccomp=kill .*capabilities=none bounding_set=kept missing="bounding set: Operation not permitted'
    not in_status CapBnd 0+
    echoes_on "$ENDPOINT"
}

@test "F49 as another user: no id, group or capability of root is left or can be regained" {
    local uid
    need_root
    uid=$(id -u nobody)
    escape setuid
    start_server --user nobody
    in_every_status Uid "$uid	$uid	$uid	$uid"
    in_every_status Gid "$(id -g nobody)	.*"
    in_every_status 'Groups' "($(id -g nobody) )?"
    not grep -E '^Cap...:.*[1-9a-f]' "/proc/$PID/task/"*/status
    [[ $(stat -c %u "/proc/$PID/environ") == 0 ]] || fail "it is dumpable"
    escaped
    [[ -z $ESCAPED ]]
    EXPECTED_EXIT=$SIGSYS await_exit
}

@test "F47 a forbidden call ends the process" {
    need_plain_build "the sandbox is off there"
    need_strace
    # C libraries call the one or the other.
    under_strace -e trace=epoll_wait,epoll_pwait \
        -e inject=epoll_wait,epoll_pwait:retval=0:syscall=getppid:when=1
    launch_server -w 1
    wait_for 10 is_gone "$PID"
    EXPECTED_EXIT=$SIGSYS await_exit
    grep -a 'SIGSYS' trace
}

# found_by_check MODE: prints each property of a TCP, a Unix and a UDP listener with its verdict.
found_by_check() {
    local endpoint
    start_server --sandbox "$1" -w 2 --udp-rate 0 -l tcp://127.0.0.1:0 -l "unix:$T/socket" -l udp://127.0.0.1:0
    for endpoint in "${ENDPOINTS[@]}"; do
        echo "${endpoint%%:*}"
        "$HELPERS/leash" "$LIFE" "$EVECHO" check "$endpoint" 3>&- | sed -nE '/^(not )?ok/s/( # SKIP).*|$/\1/p'
    done
    stop_server
}

@test "F48 check has the same results with the filter set to kill and without a sandbox" {
    need_plain_build "the sandbox is off there"
    found_by_check on >with
    found_by_check off >without
    (($(grep -c . with) > 20))
    diff with without
}

# another_libc [NUMBER]: makes the calls of other C libraries, in every function that the server
# uses; files are opened with the system call of that number.
another_libc() {
    need_plain_build "the sandbox is off there"
    SERVER_WRAP=(env "LD_PRELOAD=$HELPERS/shim_libc.so" "LIBC_REPORT=$T/report" ${1:+"LIBC_OPEN=$1"})
    : >"$T/report"
}

is_listening() { is_gone "$PID" || in_log ' notice listening '; }

# Every use of the server under the filter: echoes, both signals, the status pages, a drain.
is_served_throughout() {
    local asked
    wait_for 15 is_listening
    ENDPOINT=$(sed -nE 's/.* listening listener=//p' "$LOG" | head -n 1)
    FDS_AT_START=$(fd_count)
    echoes_on "$ENDPOINT"
    asked=$(wc -l <report)
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    (($(wc -l <report) > asked)) || fail "the shim was not asked at a reload"
    ask_counters
    curl -sS --unix-socket status http://localhost/metrics | grep -q '^evechod_'
    curl -sS --unix-socket status http://localhost/connections | grep -q '"open":'
    echoes_on "$ENDPOINT"
    stop_server
    in_log ' drained owed=0'
    # No refused call was one that this kernel supports and the C library needs.
    not grep -v ENOSYS <(grep '^new: ' report)
}

another_libc_config() {
    printf 'listen = tcp://127.0.0.1:0\nstatus = unix:%s/status\npid-file = %s/pid\n' "$T" "$T" >conf
}

@test "F47 it runs with another C library's calls: standard output is the null device" {
    need curl
    another_libc
    another_libc_config
    SERVER_WRAP=(sh -c 'exec "$@" >/dev/null' - "${SERVER_WRAP[@]}")
    launch_server --config "$T/conf"
    is_served_throughout
}

@test "F47 it runs with another C library's calls: standard output is a terminal" {
    need curl
    need socat
    bg terminal socat -u "PTY,raw,echo=0,link=$T/terminal" "OPEN:$T/typed,creat,append"
    wait_for 5 test -e terminal
    another_libc
    another_libc_config
    SERVER_WRAP=(sh -c 'exec "$@" >"$0"' "$T/terminal" "${SERVER_WRAP[@]}")
    launch_server --config "$T/conf"
    wait_for 15 is_listening
    wait_for 5 grep -q '^ready' typed
    is_served_throughout
}

@test "F47 it runs with another C library's calls: files are opened by other system calls" {
    local call
    need curl
    another_libc_config
    for call in 257 437; do # openat(2) and openat2(2) of x86_64, where open(2) is the shim's own
        [[ $(uname -m) == x86_64 || $call == 437 ]] || continue
        another_libc "$call"
        : >"$LOG"
        launch_server --config "$T/conf" -w 2
        is_served_throughout
    done
}

@test "nothing is printed by stdio under the filter" {
    another_libc
    start_server
    wait_for 5 in_log ' notice listening '
    stop_server
    sed '1,/^filter/d' report >after
    grep -q gmtime_r after # the log's time: so it was looked
    not grep -E 'printf|fflush|fopen' after
}

@test "F47 from within: sockets, programs, processes, code pages, signals, tracing" {
    local what
    for what in socket 'connect 9' 'bind 0' exec fork mmap mprotect "signal $$" "ptrace $$" dumpable; do
        is_killed_for "$what"
    done
}

@test "F50 files outside cannot be opened, created or removed, and the service continues" {
    local what
    mkdir "$T/conf" "$T/logs"
    echo 'idle-timeout = 5m' >"$T/conf/evechod.conf"
    echo keep >"$T/conf/neighbour"
    echo keep >"$T/precious"
    for what in "read /etc/passwd" "read $T/precious" "write $T/new" "unlink $T/precious" \
        "write $T/conf/new" "unlink $T/conf/neighbour" "read $T/logs/evechod.log"; do
        escape "$what"
        start_server --config "$T/conf/evechod.conf" --log-target "$T/logs/evechod.log" \
            -l "tcp://127.0.0.1:0"
        wait_for 5 in_file "$T/logs/evechod.log" ' sandbox '
        grep -qE ' landlock=[1-9]' "$T/logs/evechod.log" || skip "no Landlock in this kernel"
        escaped
        [[ $ESCAPED == *': Permission denied' ]]
        echoes_on "$ENDPOINT"
        stop_server
    done
    [[ -e $T/precious && -e $T/conf/neighbour && ! -e $T/new && ! -e $T/conf/new ]]
    # Permitted uses of the configuration's directory work: the rule does not refuse everything.
    escape "read $T/conf/neighbour"
    start_server --config "$T/conf/evechod.conf" -l "tcp://127.0.0.1:0"
    escaped
    [[ $ESCAPED == 'read: ok' ]]
}

@test "F50 without seccomp, Landlock alone forbids the network and other processes" {
    local what
    need_strace
    bg outside socat -u "ABSTRACT-LISTEN:evecho-outside-$$" -
    wait_for 5 grep -q "@evecho-outside-$$" /proc/net/unix
    for what in "read /etc/passwd" "connect 9" "bind 0" "abstract evecho-outside-$$" "signal $$"; do
        without seccomp EINVAL
        local env=("${SERVER_ENV[@]}")
        escape "$what"
        SERVER_ENV+=("${env[@]}")
        start_server
        said_sandbox 'mode=on seccomp=no .*missing="(bounding set: [^;]*; )?seccomp: '
        grep -qE 'landlock=([6-9]|[1-9][0-9])' "$LOG" || skip "this kernel's Landlock knows files alone"
        escaped
        [[ $ESCAPED =~ :\ (Permission\ denied|Operation\ not\ permitted)$ ]]
        stop_server
        rm "$LOG"
    done
}

@test "without Landlock a reload that needs a file is refused with that reason; another works" {
    need_plain_build "the sandbox is off there"
    without landlock_create_ruleset
    printf 'listen = 127.0.0.1:0\n' >conf
    start_server --config "$T/conf"
    said_sandbox 'mode=on seccomp=kill landlock=0 .*missing="(bounding set: [^;]*; )?landlock: '
    ANNOUNCED=('reload refused')
    kill -HUP "$PID"
    wait_for 5 in_log 'reload refused: .*no Landlock.*restart'
    echoes_on "$ENDPOINT"
    stop_server
    start_server
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
}

@test "without Landlock no file can be opened at all" {
    without landlock_create_ruleset
    local env=("${SERVER_ENV[@]}")
    escape "read /etc/passwd"
    SERVER_ENV+=("${env[@]}")
    start_server
    escaped
    [[ $ESCAPED == 'read: Permission denied' ]]
    echoes_on "$ENDPOINT"
}

@test "--sandbox require refuses to start without seccomp or no_new_privs, and starts with them" {
    need_plain_build "the sandbox is off there"
    start_server --sandbox require
    said_sandbox 'mode=require seccomp=kill'
    stop_server
    local call
    for call in seccomp prctl; do
        without "$call" EINVAL
        : >"$LOG"
        launch_server --sandbox require
        EXPECTED_EXIT=3 await_exit
        cat "$LOG"
        grep -E -- "--sandbox 'require': (seccomp|no_new_privs): (Invalid argument|Operation not supported)" "$LOG"
    done
}

@test "--sandbox require says why an instrumented build cannot" {
    is_instrumented || skip "this build is not instrumented"
    [[ ${EVECHOD##*/} != valgrind* ]] || skip "valgrind takes it away"
    launch_server --sandbox require
    EXPECTED_EXIT=3 await_exit
    grep 'an instrumented build' "$LOG"
}

@test "--sandbox log forbids nothing, and reports that" {
    escape socket
    start_server --sandbox log
    said_sandbox 'mode=log seccomp=log landlock=0 no_new_privs=yes capabilities=kept'
    in_status Seccomp 2
    escaped
    [[ $ESCAPED == 'socket: ok' ]]
    echoes_on "$ENDPOINT"
}

@test "--sandbox off drops no privilege" {
    escape exec-nothing
    start_server --sandbox off
    said_sandbox 'mode=off seccomp=no'
    in_status NoNewPrivs "$(awk '/^NoNewPrivs/ { print $2 }' /proc/self/status)"
    in_status Seccomp "$(awk '/^Seccomp:/ { print $2 }' /proc/self/status)"
    [[ $(grep ^Cap "/proc/$PID/status") == "$(grep ^Cap /proc/self/status)" ]]
}

@test "in the sandbox a reload, a rotation and removals at the end still work" {
    mkdir conf logs run
    printf 'listen = unix:%s\npid-file = %s\nlog-target = %s\nmax-connections = 7\n' \
        "$T/run/echo" "$T/run/pid" "$T/logs/log" >conf/evechod.conf
    start_server --config "$T/conf/evechod.conf"
    [[ -S run/echo && -s run/pid ]]
    # Like editors and logrotate: new files replace the old ones.
    sed 's/= 7/= 8/' conf/evechod.conf >conf/new
    mv conf/new conf/evechod.conf
    mv logs/log logs/log.1
    kill -HUP "$PID"
    wait_for 5 grep -q ' notice reloaded' logs/log
    echoes_on "unix:$T/run/echo"
    IGNORE_FDS=1 stop_server
    grep -q ' drained owed=0' logs/log
    [[ ! -e run/echo && ! -e run/pid ]]
}

@test "a reload that names a file elsewhere is refused, and the sandbox is named" {
    need openssl
    "$EVECHOD" --version | grep -q OpenSSL || skip "built without TLS"
    ANNOUNCED=('reload refused')
    mkdir conf named elsewhere
    issue named/server localhost
    issue elsewhere/server localhost
    echo "listen = tls://127.0.0.1:0,cert=$T/named/server.pem,key=$T/named/server.key" \
        >conf/evechod.conf
    start_server --config "$T/conf/evechod.conf"
    has_landlock || skip "no Landlock in this kernel"
    sed -i 's,named,elsewhere,g' conf/evechod.conf
    kill -HUP "$PID"
    wait_for 5 in_log 'reload refused: .*Permission denied; .*the sandbox .*restart instead'
}

@test "F52 in the sandbox a link-local peer's zone is logged, and is given by number only" {
    need_netns
    "${UNSHARE[@]}" -n sh -c 'ip link set lo up && ip addr add fe80::7/64 dev lo nodad' ||
        skip "no IPv6 in a namespace"
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link set lo up && ip addr add fe80::7/64 dev lo nodad && exec "$@"' -)
    ANNOUNCED=('reload refused')
    printf 'listen = [fe80::7%%lo]:0\nlisten = [::1]:0,proxy=on,proxy-from=fe80::%%lo/64\n' >conf
    start_server --config "$T/conf"
    inside "$HELPERS/peer" "${ENDPOINTS[0]}" echo:100 half-close read-all
    wait_for 5 in_log ' connection closed .*peer=\[fe80::7%(1|lo)\]'
    if said_sandbox 'mode=on seccomp=kill'; then
        kill -HUP "$PID"
        wait_for 5 in_log "reload refused: .*no interface 'lo' is found; its number"
        sed -i 's/proxy-from=fe80::%lo/proxy-from=fe80::%1/' conf
    fi
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
}

@test "a restarted syslog is used again" {
    need socat
    need_root
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    mkdir dev
    # The name in the server's /dev is a link to a directory where the reader can be restarted.
    SERVER_WRAP=(unshare -m sh -c "mount -t tmpfs none '$T/dev' && : >'$T/dev/null' &&
        mount --bind /dev/null '$T/dev/null' && ln -s '$T/devlog' '$T/dev/log' &&
        mount --rbind '$T/dev' /dev && exec \"\$@\"" -)
    bg syslog socat -u "UNIX-RECV:$T/devlog" -
    wait_for 5 test -S devlog
    start_server --log-target syslog
    echoes_on "$ENDPOINT"
    wait_for 5 said syslog 'evechod\[[0-9]+\]: info connection closed'
    end_bg syslog
    rm -f devlog
    echoes_on "$ENDPOINT"
    bg again socat -u "UNIX-RECV:$T/devlog" -
    wait_for 5 test -S devlog
    echoes_on "$ENDPOINT"
    wait_for 5 said again 'evechod\[[0-9]+\]: info connection closed'
}

@test "F43 if no thread can be started, the start fails with that reason" {
    need_root
    need_plain_build "a sanitizer needs threads of its own"
    # An otherwise unused user id, so that the limit counts only these processes.
    local id=$((50000 + $$ % 10000))
    chmod 755 "$T"
    SERVER_WRAP=(prlimit --nproc=3 setpriv --reuid "$id" --regid "$id" --clear-groups)
    setpriv --reuid "$id" --regid "$id" --clear-groups "$EVECHOD" --version ||
        skip "the program is where others cannot go"
    launch_server -w 8
    EXPECTED_EXIT=3 await_exit
    grep -E 'worker [2-8] of 8: cannot start .*thread: Resource temporarily unavailable.*ulimit -u' "$LOG"
    # With the largest permitted number it serves.
    start_server -w 1
    echoes_on "$ENDPOINT"
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# lib.bash: starts the server for every shell test, runs clients, and checks the server afterwards.
#
# A test calls start_server, uses peer, crowd and canary on "$ENDPOINT", and may end without
# stopping anything: teardown stops the server and makes the checks that follow every test. Tests
# wait for facts, only through wait_for; nothing here sleeps to let something happen.
#
#     EVECHOD          the server under test; tests/helper/naive shows what the tests catch
#     HELPERS          the directory of the built tools of tests/helper
#     EVECHO_SANITIZED not empty: the server has a sanitizer or counts lines (coverage)
#     EVECHO_THOROUGH  not empty: the heavy cases in full
#     WORKERS          if set, every server gets so many, unless the test sets its number
#     EVECHOD_READ_PATH  buffered: every server reads through libevent, unless the test sets it
#     SANDBOX          if set, every server gets --sandbox of it, unless the test sets it
#     top_builddir     the directory of both if they are not set

bats_require_minimum_version 1.5.0

top_builddir=$(cd "${top_builddir:-.}" && pwd)
EVECHOD=${EVECHOD:-$top_builddir/src/evechod}
HELPERS=${HELPERS:-$top_builddir/tests/helper}
[[ $EVECHOD == /* ]] || EVECHOD=$PWD/$EVECHOD
[[ $HELPERS == /* ]] || HELPERS=$PWD/$HELPERS
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's tests need haproxy, nft, ip
# Raises the descriptor limit as far as permitted, up to the tests' need: the default is 1024
# (setrlimit(2)).
DESCRIPTORS=$(ulimit -Hn)
[[ $DESCRIPTORS != unlimited && $DESCRIPTORS -lt 20000 ]] || DESCRIPTORS=20000
[[ $(ulimit -Sn) == unlimited || $(ulimit -Sn) -ge $DESCRIPTORS ]] || ulimit -Sn "$DESCRIPTORS"

LIFE=${LIFE:-120} # seconds that no process of a test outlives
PATIENCE=3         # a machine may be so much slower than ours: what is waited for may take longer

setup() {
    T=$BATS_TEST_TMPDIR
    cd "$T" || return 1
    OUT=$T/server.out
    LOG=$T/server.log
    PID=
    SERVER_ENV=()   # NAME=VALUE for the server alone
    SERVER_WRAP=()  # a command that ends by executing its arguments
    IS_HIDDEN=      # set where the server is not to be made visible (stay_visible)
    EXPECTED_EXIT=0 # what the server is to end with
    ANNOUNCED=()    # patterns of error lines that the test brings about
    IGNORE_FDS=     # set where descriptors cannot be as many as at the start
    declare -gA BG_PID=() BG_FD=()
}

fail() {
    echo "FAILED: $*"
    return 1
}

# Prints a number for docs/RELIABILITY.md, as a comment in the test's log.
figure() { echo "# $BATS_TEST_DESCRIPTION: $*" >&3; }

# sample LITTLE ALL: the part of a heavy case to run; ALL with EVECHO_THOROUGH=1.
sample() { if [[ -n ${EVECHO_THOROUGH:-} ]]; then echo "$2"; else echo "$1"; fi; }

# ---- waiting ----

# wait_for SECONDS COMMAND...: waits until the command succeeds; the only place that polls.
wait_for() {
    local seconds=$1 until=$((${EPOCHREALTIME/./} + $1 * PATIENCE * 1000000))
    shift
    until "$@"; do
        if ((${EPOCHREALTIME/./} > until)); then
            echo "not true within $seconds s, nor $PATIENCE times that: $*"
            return 1
        fi
        sleep 0.01
    done
}

not() { ! "$@"; }

# A time in which something is measured or must not happen. Never use it to wait for a fact.
watch_for() { sleep "$1"; }

# A zombie counts as gone: it only waits for its parent.
is_gone() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    stat=${stat##*) }
    [[ ${stat:0:1} == Z ]]
}

# ---- the server ----

is_ready() { is_gone "$PID" || grep -qx ready "$OUT"; }

has_listener() {
    local arg
    for arg; do
        case $arg in -l* | --listen* | --config* | --check-config) return 0 ;; esac
    done
    return 1
}

# Starts the server and returns at once. Without an endpoint among the arguments it gets one.
launch_server() {
    local args=("$@")
    has_listener "$@" || args=(-l tcp://127.0.0.1:0 "$@")
    [[ -z ${WORKERS:-} ]] || args=(--workers "$WORKERS" "${args[@]}") # a test's own words win
    [[ -z ${SANDBOX:-} ]] || args=(--sandbox "$SANDBOX" "${args[@]}")
    : >"$OUT"
    stay_visible
    "$HELPERS/leash" "$LIFE" env "${SERVER_ENV[@]}" "${VISIBLE[@]}" "${SERVER_WRAP[@]}" \
        "$EVECHOD" "${args[@]}" \
        </dev/null >"$OUT" 2>>"$LOG" 3>&- &
    PID=$!
}

# An ordinary user can read the server's descriptors and trace it only while it is dumpable
# (tests/helper/shim_dumpable.c); root always can.
stay_visible() {
    local shim=$HELPERS/shim_dumpable.so preloaded
    VISIBLE=()
    ((EUID != 0)) && ! is_instrumented && [[ -z $IS_HIDDEN && -e $shim ]] || return 0
    preloaded=$(printf '%s\n' "${SERVER_ENV[@]}" | sed -n 's/^LD_PRELOAD=//p' | tail -n 1)
    VISIBLE=("LD_PRELOAD=${preloaded:+$preloaded:}$shim")
}

# injecting ARGUMENT...: sets INJECTING to these arguments of strace. It replaces a failing call by
# call number -1, or by getpid() if requested, which the sandbox permits.
injecting() {
    local argument
    INJECTING=()
    for argument; do
        [[ $argument != inject=*:@(error|retval)=* || $argument == *:syscall=* ]] ||
            argument+=:syscall=getpid
        INJECTING+=("$argument")
    done
}

# end_tracer NAME TRACE: a tracer that ends during a call leaves it with getpid's result, as if so
# many bytes had been read; so it ends while every thread is stopped outside of a call.
end_tracer() {
    local before
    kill -CONT "$PID"
    before=$(grep -c 'stopped by SIGSTOP' "$2" || true)
    kill -STOP "$PID"
    wait_for 10 is_all_stopped "$2" "$before"
    end_bg "$1"
    kill -CONT "$PID"
}
is_all_stopped() {
    local threads=("/proc/$PID/task/"*)
    (($(grep -c 'stopped by SIGSTOP' "$1" || true) >= $2 + ${#threads[@]}))
}

# under_strace ARGUMENT...: servers started from now on run under strace, which writes the file
# trace. With -D the server stays our child, but the alarm is used up, so there is a second leash
# inside. LeakSanitizer is a tracer itself and cannot run with another one, so these tests check for
# leaks only without it.
under_strace() {
    SERVER_ENV=("ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0")
    injecting "$@"
    SERVER_WRAP=(strace -D -f -o "$T/trace" "${INJECTING[@]}" "$HELPERS/leash" "$LIFE")
}

# Starts the server and waits for its ready line; sets ENDPOINTS, ENDPOINT, PORT.
start_server() {
    launch_server "$@"
    await_ready
}

await_ready() {
    wait_for 15 is_ready
    if is_gone "$PID"; then
        wait "$PID" || echo "exit $?"
        PID=
        fail "the server did not start"
    fi
    mapfile -t ENDPOINTS < <(sed -n 's/^listening //p' "$OUT")
    ENDPOINT=${ENDPOINTS[0]:-}
    PORT=${ENDPOINT##*:}
    FDS_AT_START=$(fd_count)
}

fd_count() {
    local fds=("/proc/$PID/fd/"*)
    echo ${#fds[@]}
}

fds_are_back() { (($(fd_count) <= FDS_AT_START)); }

# stop_server [SIGNAL]: sends the signal, waits for the end and checks the exit code.
stop_server() {
    if ! is_gone "$PID"; then
        # Checked once only: clients may connect and leave during a second check.
        if [[ -z $IGNORE_FDS ]] && ! wait_for 5 fds_are_back; then
            ls -l "/proc/$PID/fd"
            fail "descriptors: $(fd_count), $FDS_AT_START at the start" || return 1
        fi
        kill "-${1:-TERM}" "$PID"
    fi
    await_exit
}

# Waits for a server that ends by itself and checks its exit code.
await_exit() {
    local code=0 pid=$PID
    if ! wait_for 20 is_gone "$PID"; then
        kill -KILL "$PID"
    fi
    PID=
    wait "$pid" || code=$?
    [[ $code == "$EXPECTED_EXIT" ]] || fail "the server ended with $code, expected $EXPECTED_EXIT"
}

# ---- after every test ----

# bats checks only the status that teardown returns: so each step reports its own failure.

unannounced_errors() {
    local pattern lines
    lines=$(grep -aE '^[^ ]+ error |"level":"error"' "$LOG" 2>/dev/null) || return 1
    for pattern in "${ANNOUNCED[@]}"; do
        lines=$(grep -avE "$pattern" <<<"$lines") || return 1
    done
    echo "$lines"
}

check_traces() {
    if grep -aE 'Sanitizer|runtime error:|^==[0-9]+== ' "$LOG" 2>/dev/null; then
        fail "a checker spoke up" || return 1
    fi
    if unannounced_errors; then
        fail "error lines that the test did not announce" || return 1
    fi
    if compgen -G "$T/core*" >/dev/null; then
        fail "a core file" || return 1
    fi
}

teardown() {
    local name
    if [[ ${BATS_TEST_COMPLETED:-} == 1 || -n ${BATS_TEST_SKIPPED:-} ]]; then
        for name in "${!BG_PID[@]}"; do
            end_bg "$name"
        done
        [[ -z $PID ]] || stop_server || return 1
        check_traces || return 1
        return 0
    fi
    for name in "${!BG_PID[@]}"; do
        kill -KILL "${BG_PID[$name]}" 2>/dev/null || true
        echo "--- $name"
        tail -n 20 "$T/$name.out"
    done
    [[ -z $PID ]] || kill -KILL "$PID" 2>/dev/null || true
    echo "--- the server's last lines"
    tail -n 20 "$LOG" 2>/dev/null || true
}

# ---- processes beside the test ----

# bg NAME COMMAND...: runs it in the background, with output in NAME.out and standard input from a
# pipe for `go NAME`.
bg() {
    local name=$1 fd
    shift
    mkfifo "$T/$name.in"
    exec {fd}<>"$T/$name.in"
    BG_FD[$name]=$fd
    "$HELPERS/leash" "$LIFE" "$@" <&"$fd" >"$T/$name.out" 2>&1 3>&- &
    BG_PID[$name]=$!
}

go() { echo go >&"${BG_FD[$1]}"; }

# finish NAME: waits for its end and returns its exit code; its output is in NAME.out.
finish() {
    local pid=${BG_PID[$1]} fd=${BG_FD[$1]}
    wait_for "$LIFE" is_gone "$pid"
    unset "BG_PID[$1]"
    exec {fd}>&-
    wait "$pid" || {
        local code=$?
        cat "$T/$1.out"
        return "$code"
    }
}

end_bg() {
    kill -TERM "${BG_PID[$1]}" 2>/dev/null || true
    wait "${BG_PID[$1]}" 2>/dev/null || true
    unset "BG_PID[$1]"
}

said() { grep -aqE "$2" "$T/$1.out"; }

# fact NAME KEY: the last value that NAME printed for it.
fact() { sed -n "s/^$2=//p" "$T/$1.out" | tail -n 1; }

# ---- clients ----

peer() { "$HELPERS/peer" "$@"; }
crowd() { "$HELPERS/crowd" "$@" </dev/null; }

start_canary() {
    bg canary "$HELPERS/canary" "${1:-$ENDPOINT}"
    wait_for 5 said canary 'canary sings'
}

# Checks that every answer arrived, and prints the figures.
stop_canary() {
    go canary
    finish canary
    echo "canary: p99 $(fact canary p99_us) us, worst $(fact canary max_us) us"
}

# ---- the server's figures ----

in_file() { grep -aqE "$2" "$1"; }
in_log() { in_file "$LOG" "$1"; }
log_count() { grep -acE "$1" "$LOG" || true; }
closed_lines() { grep -aE ' connection closed |"message":"connection closed"' "$LOG" || true; }
closed_count() { closed_lines | wc -l; }
closed_at_least() { (($(closed_count) >= $1)); }
log_count_is() { (($(log_count "$1") == $2)); }
log_count_at_least() { (($(log_count "$1") >= $2)); }

# field KEY [LINE]: the value in a text line of the log (of the last close line).
field() {
    local line=${2:-$(closed_lines | tail -n 1)}
    line=" $line "
    [[ $line == *" $1="* ]] || return 1
    line=${line#*" $1="}
    echo "${line%% *}"
}

rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$PID/status"; }
peak_kb() { awk '/^VmHWM/ { print $2 }' "/proc/$PID/status"; }

# CPU time in clock ticks of a hundredth of a second.
cpu_ticks() {
    local stat
    read -r stat <"/proc/$PID/stat"
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    echo $((${12} + ${13}))
}

# Requests the counters and waits for the log line; `counter NAME` then reads them.
ask_counters() {
    local before
    before=$(log_count ' counters ')
    kill -USR1 "$PID"
    wait_for 5 log_count_at_least ' counters ' $((before + 1))
    COUNTERS=$(grep -aE ' counters ' "$LOG" | tail -n 1)
}

counter() { field "$1" "$COUNTERS"; }

# has_taken BYTES: true if the service has read more than that.
has_taken() {
    ask_counters
    (($(counter bytes_in) > $1))
}

counters_balance() {
    local in made out owed lost sunk
    in=$(counter bytes_in) made=$(counter made) out=$(counter bytes_out) owed=$(counter owed)
    lost=$(counter lost) sunk=$(counter sunk)
    ((in + made == out + owed + lost + sunk)) ||
        fail "in=$in + made=$made is not out=$out + owed=$owed + lost=$lost + sunk=$sunk"
}

# ---- certificates ----

# issue NAME SUBJECT [ARGUMENT...]: makes NAME.pem and NAME.key, self-signed by default.
issue() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -keyout "$1.key" -out "$1.pem" -subj "/CN=$2" "${@:3}" 2>/dev/null
}

# ---- requirements of tests ----

is_instrumented() {
    [[ -n ${EVECHO_SANITIZED:-} || ${EVECHOD##*/} == valgrind* ]]
}

need_plain_build() { ! is_instrumented || skip "not with a sanitizer or valgrind: $1"; }
need_native() { [[ ${EVECHOD##*/} != valgrind* ]] || skip "not under valgrind: $1"; }
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }
need_root() { ((EUID == 0)) || skip "needs root"; }
need_strace() {
    need strace
    strace -f -e trace=none true 2>/dev/null || skip "strace may not trace here"
}

# strace -p: for a process that is not strace's child.
need_attach() {
    local scope
    need_strace
    scope=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
    ((EUID == 0 || scope == 0)) || skip "needs root: kernel.yama.ptrace_scope=$scope"
}

# An ordinary user is root in its own namespace, if the system permits that (user_namespaces(7)).
UNSHARE=(unshare) ENTER=(nsenter)
((EUID == 0)) || UNSHARE=(unshare --map-root-user) ENTER=(nsenter -U --preserve-credentials)

need_netns() {
    "${UNSHARE[@]}" -n true 2>/dev/null || skip "needs root or user namespaces: no network namespaces here"
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link set lo up && exec "$@"' -)
}

has_ipv6() { [[ -r /proc/net/if_inet6 && -n $(</proc/net/if_inet6) ]]; }

# Names with both families for the server, independent of the machine's hosts file.
need_two_families() {
    need_netns
    "${UNSHARE[@]}" -m true 2>/dev/null || skip "no mount namespaces here"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$T/hosts"
    SERVER_WRAP=("${UNSHARE[@]}" -nm sh -c "mount --bind '$T/hosts' /etc/hosts && ${1:-true} &&
        ip link set lo up && exec \"\$@\"" -)
}

# Runs a command in the server's own network.
inside() { "${ENTER[@]}" -t "$PID" -n "$@"; }

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The environment of the service: clocks that jump, missing files, addresses in use.

load lib

# ---- F37: the wall clock ----

# From now on servers see the wall clock that clock_says last wrote, but the system's monotonic
# clock.
need_own_clock() {
    local shim
    shim=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
    [[ -n $shim ]] || skip "faketime is not installed"
    need_plain_build "faketime stands before the C library, and so does a sanitizer"
    clock_says +0
    SERVER_ENV=("LD_PRELOAD=$shim" "FAKETIME_TIMESTAMP_FILE=$T/clock" FAKETIME_NO_CACHE=1
        DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0)
}

clock_says() {
    echo "$1" >"$T/clock.new"
    mv "$T/clock.new" "$T/clock"
}

year_in_log() { tail -n 1 "$LOG" | grep -qE "^$1-[01][0-9]-[0-3][0-9]T[0-9:]{8}\.[0-9]{3}Z "; }

@test "F37 the clock jumps by an hour, to 1970 and past 2038: no timeout is early or late" {
    local jump year began took early=0 late=0
    need_own_clock
    # faketime reads its file at each call: the sandbox permits reading in the configuration's
    # directory.
    echo 'listen = 127.0.0.1:0' >"$T/conf"
    start_server --config "$T/conf" --idle-timeout 500ms --linger-timeout 100ms
    start_canary
    for jump in +3600:20.. -3600:20.. '@1970-01-01 00:01:00:1970' '@2038-01-19 03:14:00:2038' \
        '@2100-02-28 12:00:00:2100' +0:20..; do
        year=${jump##*:}
        bg quiet "$HELPERS/peer" -i 8000 "$ENDPOINT" echo:10 say:standing read-all
        wait_for 5 said quiet standing
        began=${EPOCHREALTIME/./}
        clock_says "${jump%:*}"
        finish quiet
        took=$(((${EPOCHREALTIME/./} - began) / 1000))
        rm -f "$T/quiet.in"
        echo "${jump%:*}: the idle timeout of 500 ms ended it after $took ms"
        ((took >= 350)) || early=$((early + 1))
        ((took <= 500 + 2000 * PATIENCE)) || late=$((late + 1))
        wait_for 5 year_in_log "$year" || fail "${jump%:*}: $(tail -n 1 "$LOG")"
    done
    stop_canary
    figure "6 jumps: $early times early, $late late"
    ((early == 0 && late == 0))
}

# ---- F40: a poor file system ----

@test "F40 a file system that is read-only, without hosts, resolv.conf or /dev/log" {
    need_native "it writes files of its own"
    need_root
    unshare -nm true 2>/dev/null || skip "no namespaces here"
    mkdir "$T/empty"
    SERVER_WRAP=(unshare -nm sh -c "ip link set lo up && mount -t tmpfs -o ro none /etc &&
        mount --bind '$T' '$T' && mount -o remount,ro,bind / && exec \"\$@\"" -)
    start_server -l tcp://localhost:0 -l "unix:$T/s"
    inside "$HELPERS/peer" "$ENDPOINT" echo:5000 half-close read-all
    inside "$HELPERS/peer" "tcp://127.0.0.1:$PORT" echo:5000 half-close read-all
    peer "unix:$T/s" echo:1000 half-close read-all
    figure "$(log_count ' warn ') warnings"
    (($(log_count ' (warn|error) ') <= 1)) || fail "it warns more than once"
}

# ---- F41: addresses ----

refused_start() {
    local code=0 words=$1
    shift
    "$HELPERS/leash" 10 "$EVECHOD" "$@" </dev/null >stdout 2>stderr 3>&- || code=$?
    [[ $code == 3 ]] || fail "exit $code: $*: $(<stderr)"
    grep -qE "$words" stderr || fail "no '$words' in: $(<stderr)"
    [[ ! -s stdout ]] || fail "words on standard output"
}

@test "F41 both families on one port: the second start names the address and the reason" {
    local port
    has_ipv6 || skip "no IPv6 here"
    start_server -l 'tcp://[::]:0'
    port=$PORT
    refused_start "tcp://\[::1?\]:$port.*Address already in use" -l "tcp://*:$port"
    refused_start "tcp://\[::\]:$port.*Address already in use" -l "tcp://[::]:$port"
    # [::] is IPv6 alone, so every IPv4 address is free.
    LOG=$T/second.log OUT=$T/second.out PID='' start_second "tcp://0.0.0.0:$port"
    figure "3 cases"
}

start_second() {
    start_server -l "$1"
    peer "tcp://127.0.0.1:${1##*:}" echo:100 half-close read-all
    stop_server
}

@test "F41 IPv6 is disabled: its address is refused by name" {
    need_netns
    "${UNSHARE[@]}" -n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null || skip "no IPv6 here"
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link set lo up &&
        sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && exec "$@"' -)
    launch_server -l 'tcp://[::1]:0'
    wait_for 10 is_gone "$PID"
    EXPECTED_EXIT=3 await_exit
    EXPECTED_EXIT=0
    ANNOUNCED=('Cannot assign requested address|not supported')
    grep -E '\[::1\].*(Cannot assign requested address|not supported)' "$LOG"
}

@test "F41 IPv6 is disabled: localhost and * are served on IPv4" {
    local host
    need_netns
    SERVER_WRAP=("${UNSHARE[@]}" -n sh -c 'ip link set lo up &&
        { sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null || :; } && exec "$@"' -)
    for host in localhost '*'; do
        start_server -l "tcp://$host:7007"
        [[ ${ENDPOINTS[*]} != *'['*']'* || $host == '*' ]] || fail "served: ${ENDPOINTS[*]}"
        inside "$HELPERS/peer" tcp://127.0.0.1:7007 echo:5000 half-close read-all
        stop_server
    done
}

# ---- users, and process ids ----

@test "as user 65534, who has no privilege: it serves, confined, and drains" {
    need_root
    need_native "it writes files of its own"
    need setpriv
    setpriv --reuid 65534 --regid 65534 --clear-groups "$EVECHOD" --version >version ||
        skip "the program is where others cannot go"
    SERVER_WRAP=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    start_server
    peer "$ENDPOINT" echo:5000 half-close read-all
    is_instrumented || wait_for 5 in_log ' notice sandbox mode=on .*capabilities=none'
    grep -qE '^Uid:.65534.65534.65534.65534$' "/proc/$PID/status"
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
}

@test "as process 1 of a namespace, as in a container: it serves, reloads, and ends at SIGTERM" {
    local first
    need_native "valgrind's process is another"
    "${UNSHARE[@]}" --pid --fork true 2>/dev/null || skip "needs root or user namespaces"
    bg first "${UNSHARE[@]}" --pid --mount-proc --fork --kill-child "$EVECHOD" -l 127.0.0.1:0
    wait_for 10 said first '^ready$'
    peer "$(sed -n 's/^listening //p' first.out)" echo:5000 half-close read-all
    first=$(cat "/proc/${BG_PID[first]}/task/${BG_PID[first]}/children")
    grep -qE '^NSpid:.*[[:space:]]1$' "/proc/${first% }/status"
    kill -HUP "${first% }"
    wait_for 5 said first ' notice reloaded'
    kill -TERM "${first% }"
    finish first
    said first ' drained owed=0'
}

# ---- F51: Unix sockets ----

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

@test "F51 user nobody cannot use it, nor replace another user's; a stale link is not followed" {
    need_root
    need setpriv
    # The test's own directory is closed to other users, but this tests the socket's mode.
    local dir
    dir=$(mktemp -d /tmp/evecho-f51.XXXXXX)
    chmod 1777 "$dir"
    cp "$HELPERS/peer" "$dir/peer"
    start_server -l "unix:$dir/s"
    peer "unix:$dir/s" echo:100 half-close read-all
    as_nobody "$dir/peer" "unix:$dir/s" echo:100 >facts 2>&1 && fail "nobody is served"
    grep -q 'connect=Permission denied' facts
    stop_server
    as_nobody ln -s "$dir/elsewhere" "$dir/link"
    refused_start "$dir/link" -l "unix:$dir/link"
    [[ -L $dir/link && ! -e $dir/elsewhere ]] || fail "the link was followed"
    figure "EACCES for nobody at mode 0660; links left alone"
    rm -r "$dir"
}

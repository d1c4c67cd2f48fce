#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034 # lib.bash reads what is set here
#
# Every allocation and every system call of an exchange fails, once, or from then on for ever. There
# must be no crash, no hang beyond the deadlines, and all bytes sent are echoed or the end is a
# reset. Samples run here; ./dev torture runs all (TORTURE_STRIDE=7: every seventh).

load lib
load alloc
load client

LIFE=$(sample 120 7200)

# The first echo is one record that libevent reads in two pieces.
tls_exchange() {
    "$HELPERS/leash" 20 "$HELPERS/tlspeer" "$1" echo:16000 echo:20000 notify fin read-all >facts 2>&1 ||
        true
}

# No client hangs, and an end that looks clean to a client is one.
is_whole_or_cut() {
    not grep -q end=timeout facts && { not grep -q end=notify facts || grep -qx got=36000 facts; }
}

# ---- system calls ----

# The errors of a call, as documented in its page.
errors_of() {
    case $1 in
        accept4) echo EMFILE ENOBUFS ;;
        bind | listen) echo EADDRINUSE ;;
        clone3 | epoll_create1 | eventfd2) echo EMFILE ENOMEM ;;
        connect | ioctl | setsockopt | getsockopt | getsockname | getpeername) echo ENOBUFS ;;
        epoll_ctl) echo ENOMEM ENOSPC ;;
        brk) echo UNMOVED ;;
        epoll_wait | epoll_pwait) echo EINTR ;;
        fcntl | prlimit64 | sched_getaffinity | unlink | chmod) echo EPERM ;;
        getrandom) echo EAGAIN ;;
        mmap | madvise) echo ENOMEM ;;
        read | readv | recvfrom) echo EAGAIN EINTR EIO ;;
        recvmmsg) echo EAGAIN EINTR ENOMEM ;;
        sendmmsg) echo EAGAIN EINTR ENOBUFS EPERM ;;
        sendto | writev) echo EAGAIN EINTR ENOBUFS EPIPE ;;
        write) echo EAGAIN EPIPE EIO ;;
        shutdown) echo ENOTCONN ;;
        splice) echo EAGAIN EINVAL EPIPE ENOMEM ;;
        socket | socketpair | pipe2) echo EMFILE ;;
    esac
}

# The kernel's brk has no error: it returns the break, and a value below the requested one is the
# refusal. glibc takes an injected -ENOMEM for a very high break.
fault_of() {
    case $1 in
        UNMOVED) echo retval=0 ;;
        *) echo "error=$1" ;;
    esac
}

# The calls of the loader and the C library before main() are not ours, but strace counts them.
calls_before_main() {
    strace -f -c -o "$T/counts" "$HELPERS/leash" "$LIFE" "$EVECHOD" --version >/dev/null
    calls_in "$T/counts"
}

calls_in() { awk 'NF >= 5 && $1 ~ /^[0-9.]+$/ && $NF != "total" { print $NF, $4 }' "$1"; }

# An exchange writes its errors to facts. Echoes, with slow reads:
stream_exchange() {
    peer -i 4000 "$STREAM" echo:100 echo:20000 rcvbuf:4k fill:300k half-close read-end >facts 2>&1 ||
        grep -qE 'connect=|refused|verdict=.*(reset|connect)' facts
}

# The rest: datagrams and pages may be lost, but no client may hang.
other_exchange() {
    tls_exchange "127.0.0.1:$TLS_PORT"
    is_whole_or_cut || return 1
    "$HELPERS/leash" 20 "$HELPERS/dgram" -n 5 -w 200 "udp://127.0.0.1:$UDP_PORT" >datagrams 2>&1 || true
    curl -s -m 8 --unix-socket "$T/s" http://localhost/metrics >page || (($? != 28)) ||
        { echo "the page does not come" >>facts && return 1; }
}

# Starts a server that may fail to start. The Unix socket's path shows that it started, even if its
# output is lost.
is_up_or_gone() { is_gone "$PID" || [[ -S $T/s ]]; }

# The result: fine, or a word about the fault.
verdict() {
    local code=0 pid
    rm -f "$T/s"
    : >"$LOG"
    launch_server -w 1 "${TORTURED[@]}" --stall-timeout 1s --flush-timeout 2s
    wait_for 10 is_up_or_gone >/dev/null || { echo "neither up nor gone" && return; }
    if ! is_gone "$PID"; then
        "$EXCHANGE" || { tail -n 1 facts && return; }
        kill -TERM "$PID" 2>/dev/null
    fi
    wait_for 5 is_gone "$PID" >/dev/null || kill -TERM "$PID" # the first was the call that failed
    wait_for 15 is_gone "$PID" >/dev/null || { echo "does not end" && return; }
    pid=$PID PID=
    wait "$pid" 2>/dev/null || code=$?
    case $code in
        0 | 4) echo fine ;; # 2 is a file that was named and cannot be read
        2 | 3) if [[ -s $LOG ]]; then echo fine; else echo "exit $code without a word"; fi ;;
        *) echo "exit $code" ;;
    esac
}

# times CALL ERROR K: once, and for ever. A transient error does not last: it occurs every other
# time. A write(2) is a log line or libevent's byte for a signal, which a real pipe accepts. While
# no accept(2) succeeds, peers wait (F02).
times() {
    case $1:$2 in
        write:* | accept:* | accept4:*) echo "$3" ;;
        *:EAGAIN | *:EINTR) echo "$3" "$3+2" ;;
        *) echo "$3" "$3+" ;;
    esac
}

# Every STRIDE-th combination of a call, its errors and its occurrences, once and for ever.
torture_calls() {
    local stride=$1 call all before error k when point=0 tried=0 bad=0 what
    IS_HIDDEN=1 # no library before main that calls_before_main did not count
    calls_before_main | sort >before
    SERVER_WRAP=(strace -D -f -c -o "$T/all" "$HELPERS/leash" "$LIFE")
    [[ $(verdict) == fine ]] || fail "nothing was done, and it is not fine: $(verdict)"
    wait_for 5 grep -q ' total$' "$T/all"
    while read -r call all; do
        before=$(sed -n "s/^$call //p" before)
        for error in $(errors_of "$call"); do
            for ((k = ${before:-0} + 1; k <= all && k <= ${before:-0} + 40; k++)); do
                for when in $(times "$call" "$error" "$k"); do
                    ((point++ % stride == 0)) || continue
                    tried=$((tried + 1))
                    under_strace -e "trace=$call" -e "inject=$call:$(fault_of "$error"):when=$when"
                    what=$(verdict)
                    [[ $what == fine ]] || { echo "$call $error when=$when: $what" && bad=$((bad + 1)); }
                done
            done
        done
    done < <(calls_in "$T/all")
    figure "$tried of $point points, $bad of them wrong"
    ((tried >= 3 && bad == 0))
}

# tortured STRIDE EXCHANGE OPTION...: runs the exchange with a server with these options.
tortured() {
    local stride=$1
    EXCHANGE=$2 TORTURED=("${@:3}")
    need_strace
    need_plain_build "it makes calls of its own"
    ANNOUNCED=(.)
    torture_calls "$(sample "$stride" "${TORTURE_STRIDE:-1}")"
}

# Free ports, for servers that are restarted again and again.
find_ports() {
    start_server "$@"
    stop_server
}

# Buffered bytes of a Unix socket cannot end in a reset (evechod(8), CAVEATS): there the exchange
# uses TCP.
@test "every system call fails, once and permanently: buffered, TCP" {
    find_ports
    STREAM=tcp://127.0.0.1:$PORT
    EVECHOD_READ_PATH=buffered tortured 61 stream_exchange -l "$STREAM" -l "unix:$T/s"
}

@test "every system call fails, once and permanently: direct, TCP" {
    find_ports
    STREAM=tcp://127.0.0.1:$PORT
    EVECHOD_READ_PATH=direct tortured 67 stream_exchange -l "$STREAM" -l "unix:$T/s"
}

@test "every system call fails, once and permanently: direct, Unix" {
    STREAM=unix:$T/s
    EVECHOD_READ_PATH=direct tortured 59 stream_exchange -l "$STREAM"
}

@test "every system call fails, once and permanently: TLS, datagrams, the status page" {
    need openssl
    need curl
    issue server localhost
    chmod 600 server.key
    find_ports -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0
    TLS_PORT=${ENDPOINTS[0]##*:} UDP_PORT=${ENDPOINTS[1]##*:}
    tortured 97 other_exchange -l "tls://127.0.0.1:$TLS_PORT" -l "udp://127.0.0.1:$UDP_PORT" \
        --cert "$T/server.pem" --key "$T/server.key" --status "unix:$T/s"
}

# ---- allocations, in addition to faults.bats ----

@test "each allocation of an exchange fails: a Unix socket, and the buffered read path" {
    local mode
    start_with_shim
    EVECHOD_READ_PATH=direct start_server -w 1 --stall-timeout 1s -l "unix:$T/s"
    for mode in once ever; do
        each_allocation_fails "$mode" rcvbuf:4k fill:300k half-close
    done
    stop_server
    EVECHOD_READ_PATH=buffered start_server -w 1 --stall-timeout 1s
    for mode in once ever; do
        each_allocation_fails "$mode" send:40000 half-close
        each_allocation_fails "$mode" rcvbuf:4k fill:300k half-close
    done
    ask_counters
    counters_balance
}

# Refused with a reason, or done; and all clients are still served.
@test "each allocation of a reload fails" {
    local n mode before
    start_with_shim
    ANNOUNCED=(.)
    echo "listen = tcp://127.0.0.1:0" >"$T/conf"
    start_server --config "$T/conf"
    for mode in once ever; do
        for ((n = 1; n < 400; n++)); do
            before=$(log_count 'reload|configuration')
            arm "$mode" "$n"
            kill -HUP "$PID"
            wait_for 10 log_count_at_least 'reload|configuration' $((before + 1))
            wait_for 10 peer -i 4000 "$ENDPOINT" close >/dev/null
            (($(allocations) >= n)) || break
            arm off 0
            peer -i 4000 "$ENDPOINT" echo:40000 half-close read-all >facts || fail "$mode $n: $(<facts)"
        done
        arm off 0
        figure "$((n - 1)) allocations, $mode"
        ((n > 10))
    done
}

# OpenSSL makes some for the first connection and keeps them.
find_tls_points() {
    local all
    tls_exchange "${ENDPOINT#tls://}"
    arm once 100000
    tls_exchange "${ENDPOINT#tls://}"
    all=$(allocations)
    ((all > 200)) || fail "an exchange takes $all allocations"
    POINTS=$(seq 1 "$(sample 7 1)" $((all + 20)))
}

@test "F13 each allocation of a TLS exchange fails: complete or cut short, and the next is served" {
    local n mode
    need openssl
    ANNOUNCED=(.)
    issue server localhost
    chmod 600 server.key
    for mode in once ever; do
        start_with_shim # a server for each: no process lives longer than $LIFE
        start_server -w 1 -l tls://127.0.0.1:0 --cert "$T/server.pem" --key "$T/server.key" --stall-timeout 1s
        find_tls_points
        for n in $POINTS; do
            arm "$mode" "$n"
            tls_exchange "${ENDPOINT#tls://}"
            is_whole_or_cut || fail "allocation $n, $mode: $(<facts)"
            (($(allocations) >= n)) || break
            arm off 0
            tls_exchange "${ENDPOINT#tls://}"
            grep -qx end=notify facts || fail "the next after $mode $n: $(<facts)"
        done
        arm off 0
        figure "$((n - 1)) allocations, $mode"
        ((n > 200))
        ask_counters
        counters_balance
        stop_server
    done
}

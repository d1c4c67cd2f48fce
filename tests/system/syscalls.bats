#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# System calls that fail or are slow while the service runs, and memory that runs out: only that
# connection is affected, and all others are still served.

load lib

# One of so many calls fails in the running server: strace attaches to it after its start.
inject() {
    local name=$1
    need_attach
    shift
    injecting "$@"
    bg "$name" strace -f -o "$T/$name.trace" "${INJECTING[@]/#/-e}" -p "$PID"
    wait_for 10 is_traced
}

is_traced() { ! grep -L 'TracerPid:.[1-9]' "/proc/$PID/task/"*/status | grep -q .; }
injected() { grep -cE 'INJECTED|DELAYED' "$T/$1.trace" || true; }

stop_injecting() {
    end_tracer "$1" "$T/$1.trace"
    rm -f "$T/$1.in"
}

# ---- F03 F05 F08: harmless errors ----

@test "F03 a connection that is gone before it is accepted, and EINTR: no log line" {
    local error
    need_strace
    for error in ECONNABORTED EINTR; do
        under_strace -e trace=accept,accept4 -e "inject=accept,accept4:error=$error:when=1+2"
        start_server
        crowd -k -n 20 "$ENDPOINT" >facts || fail "$error: $(<facts)"
        stop_server
        grep -q "$error.*INJECTED" "$T/trace"
    done
    figure "$(log_count ' (warn|error) ') lines, 2 errnos"
    not in_log ' (warn|error) '
}

@test "F05 EINTR from every call that waits, reads or writes loses nothing" {
    need_strace
    start_server -w 1
    inject signals trace=epoll_wait,epoll_pwait,recvfrom,readv,sendto,splice,writev \
        inject=epoll_wait,epoll_pwait:error=EINTR:when=1+3 \
        inject=recvfrom,readv:error=EINTR:when=1+3 inject=sendto,writev:error=EINTR:when=1+3 \
        inject=splice:error=EINTR:when=1+3
    peer "$ENDPOINT" echo:1 echo:3000 echo:70000 send:1M half-close read-all
    peer "$ENDPOINT" rcvbuf:4k fill:600k half-close read-all
    stop_injecting signals
    figure "$(injected signals) calls interrupted, no byte lost"
    (($(injected signals) > 20))
}

@test "F08 EPIPE and ECONNRESET from a write: only that connection ends, and is reported" {
    local error
    need_strace
    start_server -w 1
    for error in EPIPE ECONNRESET; do
        inject "$error" trace=sendto,writev "inject=sendto,writev:error=$error:when=3"
        peer "$ENDPOINT" echo:100 echo:100 half-close read-all
        peer "$ENDPOINT" echo:100 expect-reset
        peer "$ENDPOINT" echo:1000 echo:100 half-close read-all
        stop_injecting "$error"
        [[ $(injected "$error") == 1 ]]
    done
    wait_for 5 closed_at_least 6
    closed_lines
    (($(closed_lines | grep -cE 'lost=100 .*end=reset reason=(reset|error)') == 2))
    ask_counters
    counters_balance
    [[ $(counter lost) == 200 && $(counter closed_eof) == 4 ]]
    figure "process deaths 0, connections told of 2 of 2"
}

# ---- F10: calls that fail while it runs ----

@test "F10 calls that fail at run time affect that connection and no other" {
    local call error faults=0
    need_strace
    start_server -w 2
    start_canary
    for call in epoll_ctl:ENOMEM epoll_ctl:ENOSPC setsockopt:ENOBUFS getsockopt:ENOBUFS \
        getsockname:ENOBUFS fcntl:ENOMEM shutdown:ENOBUFS ioctl:ENOMEM; do
        error=${call#*:} call=${call%:*}
        inject "$call-$error" "trace=$call" "inject=$call:error=$error:when=1+2"
        crowd -a -k -t 20 -n 20 -j 3 "$ENDPOINT" >facts || fail "$call $error: $(<facts)"
        grep -qx bad=0 facts || fail "$call $error: $(<facts)"
        stop_injecting "$call-$error"
        faults=$((faults + $(injected "$call-$error")))
        crowd -k -n 20 "$ENDPOINT" >facts || fail "after $call $error: $(<facts)"
    done
    stop_canary
    ask_counters
    counters_balance
    figure "$faults calls failed; crashes 0, hangs 0"
    ((faults > 0))
    ANNOUNCED=(.)
}

# ---- F11: slow calls ----

@test "F11 an occasionally slow call: every client waits that time and no longer" {
    need_strace
    need_plain_build "it is slow enough"
    start_server -w 1
    start_canary
    inject slow trace=sendto,writev inject=sendto,writev:delay_enter=20ms:when=50+50
    peer "$ENDPOINT" send:20M half-close read-all
    crowd -k -n 300 -j 20 "$ENDPOINT"
    stop_injecting slow
    stop_canary
    figure "$(injected slow) calls of 20 ms more, canary p99 $(fact canary p99_us) us"
    (($(injected slow) > 3))
    (($(fact canary p99_us) < 200000 * PATIENCE)) || fail "the canary waited longer than the calls took"
}

# ---- F14: memory runs out ----

virtual_kb() { awk '/^VmSize/ { print $2 }' "/proc/$PID/status"; }

@test "F14 the address space is full: new connections are refused, old ones continue, and freed room is used" {
    local refused
    local -x EVECHOD_READ_PATH=direct # the buffered way allocates to read, so old ones would suffer too
    need prlimit
    need_plain_build "it has a shadow of its own"
    start_server -w 1 --stall-timeout 2s
    start_canary
    bg old "$HELPERS/crowd" -n 200 "$ENDPOINT"
    wait_for 5 said old holding=200
    prlimit --pid "$PID" --as=$((($(virtual_kb) + 256) * 1024)):
    bg new "$HELPERS/crowd" -a -n 4000 "$ENDPOINT"
    wait_for 20 said new holding
    ask_counters
    refused=$(($(counter refused_error) + $(counter closed_memory)))
    figure "RSS $(rss_kb) kB when it refused; of 4000 new ones $refused were refused, of 201 old ones none"
    ((refused > 0)) || fail "the limit did not bite"
    go old
    finish old
    prlimit --pid "$PID" --as=unlimited:
    go new
    finish new
    grep -qx bad=0 "$T/new.out"
    crowd -k -n 200 "$ENDPOINT"
    stop_canary
    ask_counters
    counters_balance
    ANNOUNCED=('memory')
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Two faults at a time. Each alone has its test; here pairs are drawn from a seed, while a canary
# runs and an earlier transfer continues.
#
#     SEEDS=7 bats compound.bats            that pair alone
#     EVECHO_THOROUGH=1 bats compound.bats  sixty pairs

load lib

# A fault NAME is begin_NAME, lift_NAME (ends the cause) and settle_NAME (waits for its effects to
# end).
faults=(descriptors unread resets reloads counters stopped silent interrupted memory dripping)

begin_descriptors() { prlimit --pid "$PID" --nofile=$(($(fd_count) + 1)):; }
lift_descriptors() { prlimit --pid "$PID" --nofile="$NOFILE:"; }
settle_descriptors() { :; }

begin_unread() { bg unread "$HELPERS/peer" -i 30000 "$ENDPOINT" fill:64M half-close say:standing wait-line read-end; }
lift_unread() {
    wait_for 10 said unread standing
    go unread
}
settle_unread() { settled unread; }

begin_resets() { bg resets "$HELPERS/crowd" -a -k -r -n 400 "$ENDPOINT"; }
lift_resets() { :; }
settle_resets() { settled resets; }

begin_reloads() { bg reloads bash -c 'while kill -HUP "$1"; do read -rt 0.02 && break; done' - "$PID"; }
lift_reloads() { go reloads; }
settle_reloads() { settled reloads || true; }

begin_counters() { bg counters bash -c 'while kill -USR1 "$1"; do read -rt 0.01 && break; done' - "$PID"; }
lift_counters() { go counters; }
settle_counters() { settled counters || true; }

begin_stopped() { kill -STOP "$PID"; }
lift_stopped() { kill -CONT "$PID"; }
settle_stopped() { :; }

begin_silent() { bg silent "$HELPERS/crowd" -a -e -n 50 "$ENDPOINT"; }
lift_silent() { go silent; }
settle_silent() { settled silent; }

begin_interrupted() {
    bg interrupted strace -f -o "$T/interrupted.trace" -e trace=epoll_wait,recvfrom,sendto,splice,writev \
        -e inject=epoll_wait,recvfrom,sendto,splice,writev:error=EINTR:when=1+4:syscall=getpid -p "$PID"
}
lift_interrupted() { end_tracer interrupted "$T/interrupted.trace"; }
settle_interrupted() { rm -f "$T/interrupted.in"; }

begin_memory() {
    local kb
    kb=$(awk '/^VmSize/ { print $2 }' "/proc/$PID/status")
    is_instrumented || prlimit --pid "$PID" --as=$(((kb + 128) * 1024)):
}
lift_memory() { prlimit --pid "$PID" --as=unlimited:; }
settle_memory() { :; }

begin_dripping() { bg dripping "$HELPERS/peer" -i 30000 "$ENDPOINT" rcvbuf:2k drip:2000:50 half-close read-end; }
lift_dripping() { :; }
settle_dripping() { settled dripping; }

settled() {
    local code=0
    finish "$1" || code=$?
    rm -f "$T/$1.in"
    return "$code"
}

# pair FAULT FAULT SEED: runs both at once.
pair() {
    bg steady "$HELPERS/peer" -s "$3" -i 30000 "$ENDPOINT" echo:1000 say:standing send:30M half-close read-end
    wait_for 10 said steady standing
    "begin_$1"
    "begin_$2"
    watch_for 0.3
    "lift_$1"
    "lift_$2"
    "settle_$1" || return 1
    "settle_$2" || return 1
    settled steady || return 1
    crowd -k -n 20 "$ENDPOINT" >facts || return 1
}

@test "F31 pairs of faults, drawn from a seed" {
    local seed first last a b names=()
    need prlimit
    need_strace
    first=${SEEDS:-1} last=${SEEDS:-$(sample 8 60)}
    LIFE=$(sample 120 300)
    start_server --stall-timeout 20s
    NOFILE=$(awk '/^Max open files/ { print $4 }' "/proc/$PID/limits")
    start_canary
    for ((seed = first; seed <= last; seed++)); do
        RANDOM=$seed
        a=$((RANDOM % ${#faults[@]})) b=$((RANDOM % (${#faults[@]} - 1)))
        b=$((b >= a ? b + 1 : b))
        names+=("${faults[a]}+${faults[b]}")
        pair "${faults[a]}" "${faults[b]}" "$seed" ||
            fail "${faults[a]} and ${faults[b]} (SEEDS=$seed bats compound.bats): $(cat facts 2>/dev/null)"
    done
    stop_canary
    ask_counters
    counters_balance
    figure "${#names[@]} pairs: ${names[*]}; canary's worst $(fact canary max_us) us"
    ANNOUNCED=('memory')
}

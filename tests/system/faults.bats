#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Faults and their effects: every byte read is echoed in order, or the connection ends with a reset,
# a logged reason and a counter; and all other clients are still served.
#
#     SEEDS=1000 bats faults.bats   runs so many seeds instead of a sample

load lib
load alloc

# ---- F01 F02 F03: accepting ----

# The server's threads are all traced by now.
is_traced() { ! grep -L 'TracerPid:.[1-9]' "/proc/$PID/task/"*/status | grep -q .; }

# trace NAME EXPRESSION...: attaches strace to the running server; it writes NAME.trace.
trace() {
    local name=$1
    need_attach
    shift
    bg "$name" strace -f -ttt -o "$T/$name.trace" "${@/#/-e}" -p "$PID"
    wait_for 10 is_traced
}

# failed_accepts FROM TO: the number of failed accepts between two times. strace writes with a
# delay, so call it after strace has ended.
failed_accepts() {
    awk -v from="$1" -v to="$2" '$2 > from && $2 < to && /(EMFILE|ENFILE)/ { n++ } END { print n + 0 }' \
        "$T/accepts.trace"
}

backlog_is() { (($(ss -Hltn "sport = :$PORT" | awk '{ print $2 }') >= $1)); }

@test "F01 out of descriptors: accepting pauses, open connections are served, and it resumes" {
    need_native "it keeps a descriptor limit of its own"
    local cpu from to errors took
    need prlimit
    need ss
    need_strace
    start_server
    start_canary
    wait_for 5 has_fds $((FDS_AT_START + 1))
    prlimit --pid "$PID" --nofile=$(($(fd_count) + 5))
    bg few "$HELPERS/crowd" -n 5 "$ENDPOINT"
    wait_for 5 said few holding=5
    bg many "$HELPERS/crowd" -k -n 50 "$ENDPOINT"
    wait_for 5 backlog_is 45
    cpu=$(cpu_ticks)
    watch_for 1
    cpu=$(($(cpu_ticks) - cpu))
    trace accepts trace=accept,accept4
    from=$EPOCHREALTIME
    watch_for 2
    to=$EPOCHREALTIME
    not said many 'first echo'
    end_bg accepts
    errors=$(failed_accepts "$from" "$to")
    figure "$errors failed accepts in 2 s, $cpu % of a core"
    ((errors <= 21)) || fail "more than one failed accept in 100 ms"
    is_instrumented || ((cpu <= 5)) || fail "CPU is burnt"
    from=${EPOCHREALTIME/./}
    go few
    wait_for 5 said many 'first echo'
    took=$(((${EPOCHREALTIME/./} - from) / 1000))
    figure "resumed $took ms after a close"
    ((took < 1000 * PATIENCE))
    finish few
    finish many
    stop_canary
    in_log 'Too many open files|descriptors'
    (($(log_count 'Too many open files|descriptors') <= 3)) || fail "not rate-limited"
}

has_fds() { (($(fd_count) >= $1)); }

accept_errors=(EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET
    EHOSTUNREACH EOPNOTSUPP ENETUNREACH ECONNABORTED EINTR)

@test "F02 F03 no error of accept ends the service" {
    local error list=("${accept_errors[@]}")
    need_strace
    [[ -n ${SEEDS:-}${EVECHO_THOROUGH:-} ]] || list=(ENFILE ENOBUFS EPERM EPROTO EOPNOTSUPP ECONNABORTED EINTR)
    for error in "${list[@]}"; do
        under_strace -e "trace=accept,accept4" \
            -e "inject=accept,accept4:error=$error:when=1..3"
        start_server
        peer "$ENDPOINT" echo:1000 half-close read-all >facts || fail "$error: $(<facts)"
        crowd -k -n 20 "$ENDPOINT" >facts || fail "$error: $(<facts)"
        stop_server
        grep -q "$error.*INJECTED" "$T/trace"
    done
    figure "${#list[@]} of ${#accept_errors[@]} errnos, wrong reactions 0"
    ANNOUNCED=(.)
}

# ---- F04 F05 F06: short calls ----

disturbed() { sed -E "s/.*$1=([0-9]+).*/\1/" "$T/report"; }

@test "F06 F04 F05 short reads and writes, EAGAIN and EINTR: nothing is lost, seed by seed" {
    local seed size shorts=0 seeds=${SEEDS:-$(sample 16 1000)}
    need_shim shim_io
    for ((seed = 1; seed <= seeds; seed++)); do
        SERVER_ENV=("LD_PRELOAD=$HELPERS/shim_io.so" "SHIM_SEED=$seed"
            "SHIM_RATE=$((30 + seed * 7 % 65))" "SHIM_REPORT=$T/report")
        start_server -w $((1 + seed % 2))
        for size in 0 1 2 4095 4097 16384 16385 200k; do
            peer -s "$seed" "$ENDPOINT" "send:$size" half-close read-all >facts ||
                fail "seed $seed, $size bytes (SEEDS=$seed bats faults.bats): $(<facts)"
        done
        peer -s "$seed" "$ENDPOINT" rcvbuf:4k fill:300k stall:5 half-close read-all >facts ||
            fail "seed $seed, unread (SEEDS=$seed bats faults.bats): $(<facts)"
        stop_server
        shorts=$((shorts + $(disturbed short) + $(disturbed eagain) + $(disturbed eintr)))
    done
    figure "$seeds seeds, $shorts disturbed calls, 0 bytes lost"
    ((shorts > seeds * 20)) || fail "the shim did not bite"
}

@test "F06 short calls on Unix sockets, 1 MiB, partly byte by byte" {
    need_shim shim_io
    SERVER_ENV=("LD_PRELOAD=$HELPERS/shim_io.so" SHIM_SEED=7 SHIM_RATE=80 "SHIM_REPORT=$T/report")
    start_server -l "unix:$T/s" -l tcp://127.0.0.1:0
    peer "unix:$T/s" send:1M half-close read-all
    peer "${ENDPOINTS[1]}" fill:1M half-close read-all
    stop_server
    (($(disturbed short) > 100 && $(disturbed eagain) > 100 && $(disturbed eintr) > 100))
}

# ---- F07 F08 F09: writing ----

@test "F07 a failed write resets that connection with its reason, and no other" {
    local error
    need_strace
    for error in ENOBUFS ENOMEM EIO; do
        under_strace -e "trace=writev,sendto,sendmsg" \
            -e "inject=writev,sendto,sendmsg:error=$error:when=7"
        start_server -w 1
        peer "$ENDPOINT" echo:1000 echo:1000 echo:1000 >facts || fail "$(<facts)"
        peer "$ENDPOINT" echo:100 echo:100 echo:100 echo:100 echo:100 expect-reset >facts ||
            fail "$error: $(<facts)"
        grep -q "$error.*INJECTED" "$T/trace"
        peer "$ENDPOINT" echo:1000 half-close read-all >facts || fail "$(<facts)"
        wait_for 5 closed_at_least 3
        closed_lines | grep -E 'reason=(error|memory)' | tail -n 1 | tee line
        [[ $(field lost "$(<line)") == 100 && $(field end "$(<line)") == reset ]]
        ask_counters
        counters_balance
        [[ $(counter lost) == 100 ]]
        stop_server
        : >"$LOG"
    done
    figure "3 errnos, 0 clean ends after a loss"
}

lies_told() { grep -c INJECTED "$T/trace" || true; }

@test "F09 the checker: every fault is found, and an honest server has none" {
    local lie i size before code lies=0 truths=0
    need_strace
    for lie in 1 2 7 49 99; do
        under_strace -e "trace=writev,sendto,sendmsg" \
            -e "inject=writev,sendto,sendmsg:retval=$lie:when=2+4"
        start_server -w 1 --log-level error
        for i in {1..10}; do
            size=$((100 + i * 13)) before=$(lies_told) code=0
            peer -s "$i" -i 2000 "$ENDPOINT" "echo:$size" "echo:$size" half-close read-all >facts ||
                code=$?
            if (($(lies_told) > before)); then
                ((code == 1)) || fail "a lie of $lie bytes, size $size, passed: $(<facts)"
                lies=$((lies + 1))
            else
                ((code == 0)) || fail "no lie, size $size: $(<facts)"
                truths=$((truths + 1))
            fi
        done
        stop_server
    done
    figure "$lies of $lies lies found, $truths of $truths truths let pass"
    ((lies >= 10 && truths >= 10))
}

@test "F09 the checker: a whole message that was never sent is missed, too" {
    need_strace
    under_strace -e "trace=writev,sendto,sendmsg" \
        -e "inject=writev,sendto,sendmsg:retval=100:when=1"
    start_server -w 1 --log-level error
    run ! peer "$ENDPOINT" send:100 half-close read-all
    [[ $output == *'a clean end after 0 of 100 bytes'* ]]
}

# ---- F10: other calls ----

starts_or_says_why() {
    local code=0 pid
    launch_server
    wait_for 15 is_ready || fail "$1: it hangs"
    if is_gone "$PID"; then
        pid=$PID PID=
        wait "$pid" || code=$?
        ((code == 3)) || fail "$1: exit $code: $(tail -n 2 "$LOG")"
        [[ -s $LOG ]] || fail "$1: no word"
        return
    fi
    await_ready
    peer -i 3000 "$ENDPOINT" echo:100 half-close read-end >facts || [[ $(<facts) == *connect=* ]] ||
        fail "$1: $(<facts)"
    kill -TERM "$PID"
    await_exit
}

@test "F10 failing calls at the start: a clear error or a working service" {
    local call k
    need_strace
    ANNOUNCED=(.)
    for call in epoll_create1 epoll_ctl eventfd2 socket bind listen setsockopt pipe2 clone3; do
        for k in 1 2 3; do
            : >"$LOG"
            under_strace -e "trace=$call" \
                -e "inject=$call:error=ENOMEM:when=$k"
            starts_or_says_why "$call $k"
        done
    done
    figure "27 pairs of a call and a moment, crashes 0, hangs 0"
}

# ---- F12: memory ----

@test "F12 each allocation of an exchange fails once: complete or reset, and the next is served" {
    start_with_shim
    start_server -w 1 --stall-timeout 1s
    each_allocation_fails once send:40000 half-close
}

@test "F12 each allocation of an exchange and all after it fail" {
    start_with_shim
    start_server -w 1 --stall-timeout 1s
    each_allocation_fails ever send:40000 half-close
}

@test "F12 allocations fail while a slow reader is owed much" {
    start_with_shim
    start_server -w 1 --stall-timeout 1s
    each_allocation_fails once rcvbuf:4k fill:600k half-close
    ask_counters
    counters_balance
}

# scrapes PAGE: expects a complete answer or a closed connection; never silence or a part of a page.
scrapes() {
    local status=0 code
    code=$(curl -sS -m 4 -o scrape -w '%{http_code}' "$STATUS_URL/$1" 2>scrape.err) || status=$?
    [[ $status == 0 || $status == 52 || $status == 56 ]] || fail "curl ended with $status: $(<scrape.err)"
    case $code/$1 in
        200/metrics) grep -q '^evechod_listener_udp_sent_total' scrape ;;
        200/connections) jq -e '.open >= 0 and .truncated == ((.connections | length) < .open) and
            all(.connections[].tls | values; .subject == null or .subject == "CN=client")' scrape >/dev/null ;;
        *) [[ $code == 000 || $code == 503 ]] ;;
    esac
}

each_allocation_of_a_scrape_fails() {
    local n
    for ((n = 1; n < 200; n++)); do
        arm "$1" "$n"
        scrapes "$2"
        (($(allocations) >= n)) || break
        arm off 0
        [[ $(curl -sS -m 4 "$STATUS_URL/readyz") == ready ]]
    done
    arm off 0
    echo "$((n - 1)) allocations"
    ((n > 3)) || fail "the shim did not bite"
    peer "$ENDPOINT" echo:40000 half-close read-all
}

@test "F12 each allocation of a scrape fails: an answer or a close, and the next is served" {
    need curl
    start_with_shim
    local listeners=(-l tcp://127.0.0.1:0)
    if "$EVECHOD" --version | grep -q OpenSSL; then
        issue server localhost
        issue client client
        listeners+=(-l tls://127.0.0.1:0,cert=server.pem,key=server.key,client-cert=require,client-ca=client.pem)
    fi
    start_server -w 2 --status 127.0.0.1:0 "${listeners[@]}"
    wait_for 5 in_log ' status endpoint='
    STATUS_URL=http://$(sed -n 's|.* status endpoint=tcp://||p' "$LOG")
    each_allocation_of_a_scrape_fails once metrics
    each_allocation_of_a_scrape_fails ever metrics
    bg crowd "$HELPERS/crowd" -n 3 "$ENDPOINT"
    wait_for 5 said crowd holding=3
    if ((${#ENDPOINTS[@]} == 2)); then
        bg tls openssl s_client -quiet -connect "${ENDPOINTS[1]#tls://}" -cert client.pem -key client.key
        go tls
        wait_for 5 said tls '^go$'
    fi
    each_allocation_of_a_scrape_fails once connections
    each_allocation_of_a_scrape_fails ever connections
    go crowd
    finish crowd
}

@test "F12 each allocation after a PROXY header fails: a complete answer or a reset" {
    need socat
    start_with_shim
    # If an event could not be added, the stall timeout ends the connection.
    start_server -w 1 --stall-timeout 300ms \
        -l tcp://127.0.0.1:0,proxy=on,proxy-from=127.0.0.1,service=whoami
    asks() {
        printf 'PROXY TCP4 192.0.2.1 192.0.2.2 7 8\r\n' |
            timeout 5 socat -t 4 - "TCP:127.0.0.1:$PORT" 2>/dev/null | jq -r .peer
    }
    local n mode
    for mode in once ever; do
        for ((n = 1; n < 100; n++)); do
            arm "$mode" "$n"
            [[ $(asks) =~ ^(192\.0\.2\.1:7)?$ ]]
            (($(allocations) >= n)) || break
            arm off 0
            [[ $(asks) == 192.0.2.1:7 ]]
        done
        arm off 0
        echo "$((n - 1)) allocations"
        ((n > 5 && n < 100)) || fail "the shim did not bite, or there is no end"
    done
    nobody_is_left() { ask_counters && (($(counter open) == 0)); }
    wait_for 5 nobody_is_left
    counters_balance
}

@test "F12 each allocation of the start fails: a clear error or a working service" {
    local n mode last stride
    need_plain_build "gcov's runtime does not survive a start without memory"
    start_with_shim
    start_server
    stop_server
    arm once 1000000
    start_server
    last=$(allocations)
    arm off 0
    stop_server
    stride=$(sample $((last / 25 + 1)) 1)
    figure "$last allocations, every ${stride}th failed, once and for ever"
    for mode in once ever; do
        for ((n = 1; n <= last; n += stride)); do
            : >"$LOG"
            arm "$mode" "$n"
            starts_or_says_why_and_disarm "allocation $n $mode"
        done
    done
    ANNOUNCED=(.)
}

starts_or_says_why_and_disarm() {
    local code=0 pid
    launch_server
    wait_for 15 is_ready || fail "$1: it hangs"
    arm off 0
    if is_gone "$PID"; then
        pid=$PID PID=
        wait "$pid" || code=$?
        ((code == 3)) || fail "$1: exit $code: $(tail -n 2 "$LOG")"
        return
    fi
    await_ready
    peer -i 3000 "$ENDPOINT" echo:100 half-close read-all >facts || fail "$1: $(<facts)"
    kill -TERM "$PID"
    await_exit
}

# ---- F38 F39 F40: where the log goes ----

@test "F38 a log pipe that is not read blocks no connection" {
    mkfifo "$T/fifo"
    exec {blocked}<>"$T/fifo"
    LOG=$T/fifo start_server
    start_canary
    crowd -k -n 4000 -t 20 "$ENDPOINT"
    stop_canary
    figure "canary p99 $(fact canary p99_us) us"
    wait_for 5 fds_are_back
    kill -TERM "$PID"
    await_exit
    exec {blocked}>&-
}

@test "F38 dropped lines are counted, and reported when the log is read again" {
    local reader
    mkfifo "$T/fifo"
    exec {blocked}<>"$T/fifo"
    LOG=$T/fifo start_server
    crowd -k -r -n 16000 "$ENDPOINT" >facts || fail "$(<facts)"
    cat <"$T/fifo" >"$LOG" 3>&- &
    reader=$!
    wait_for 5 in_log 'connection closed'
    peer "$ENDPOINT" echo:100 half-close read-all
    wait_for 5 in_log 'dropped'
    ask_counters
    (($(counter log_dropped) > 0))
    lines_are_told() { (($(counter log_dropped) + $(closed_count) >= 16001)); }
    wait_for 5 lines_are_told || fail "lines are missing without a count"
    stop_server
    kill "$reader"
    exec {blocked}>&-
}

@test "F38 a full disk under the log" {
    start_server -l "unix:$T/s" --log-target /dev/full
    start_canary "unix:$T/s"
    crowd -k -n 500 "unix:$T/s"
    stop_canary
    LOG=/dev/full start_second
}

# The same with standard error itself.
start_second() {
    stop_server
    start_server
    crowd -k -n 500 "$ENDPOINT"
    stop_server
}

@test "F38 a log pipe whose reader has closed" {
    mkfifo "$T/fifo"
    exec {reader}<>"$T/fifo"
    SERVER_WRAP=(sh -c 'exec "$@" 2>fifo' -)
    start_server
    exec {reader}>&-
    crowd -k -n 500 "$ENDPOINT"
    stop_server
}

# The server logs nothing here, so check its socket instead.
echoes_on() { peer "$1" echo:20000 half-close read-all >facts; }

@test "F39 started with descriptors 0, 1 and 2 closed: no socket takes their place" {
    need_native "its log is standard error"
    local how fd
    for how in '<&- >&- 2>&-' '2>&-' '>&- 2>&-' '<&-'; do
        SERVER_WRAP=(bash -c "exec \"\$@\" $how" -)
        launch_server -l "unix:$T/s"
        wait_for 10 echoes_on "unix:$T/s"
        crowd -k -n 50 "unix:$T/s"
        for fd in 0 1 2; do
            echo "$how: $fd -> $(readlink "/proc/$PID/fd/$fd")"
            [[ $(readlink "/proc/$PID/fd/$fd") == /* ]] || fail "$fd is no file"
        done
        kill -TERM "$PID"
        await_exit
        rm -f "$T/s"
    done
    figure "bytes of the log in a client's stream 0"
}

@test "F42 too few descriptors to start: our own message and exit code" {
    local limit code
    need prlimit
    for limit in 4 6 8 10 12; do
        code=0
        "$HELPERS/leash" 10 prlimit --nofile="$limit:$limit" "$EVECHOD" -l tcp://127.0.0.1:0 \
            </dev/null >stdout 2>stderr 3>&- &
        PID=$!
        wait_for 5 ready_or_gone
        if is_gone "$PID"; then
            wait "$PID" || code=$?
            echo "limit $limit: $code $(<stderr)"
            ((code == 3)) && grep -qE 'descriptor|Too many open files' stderr
        else
            kill -TERM "$PID"
            await_exit
        fi
        PID=
    done
    figure "5 limits from 4 to 12"
}

ready_or_gone() { is_gone "$PID" || grep -qx ready stdout; }

# ---- F31: two at a time ----

@test "F31 F01 F15 out of descriptors while much is owed and half-closed" {
    local i
    need prlimit
    start_server
    for i in 1 2 3; do
        bg "p$i" "$HELPERS/peer" -s "$i" -i 20000 "$ENDPOINT" fill:64M half-close say:standing wait-line read-all
        wait_for 20 said "p$i" standing
    done
    prlimit --pid "$PID" --nofile="$(fd_count)"
    bg many "$HELPERS/crowd" -k -n 30 "$ENDPOINT"
    for i in 1 2 3; do
        go "p$i"
    done
    for i in 1 2 3; do
        finish "p$i"
    done
    finish many
}

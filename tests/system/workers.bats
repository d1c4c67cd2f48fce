#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Several loops: connections go to the worker with the fewest; nothing else differs.

load lib

threads() {
    local tasks=("/proc/$PID/task/"*)
    echo ${#tasks[@]}
}

# The number of sockets of each event loop, smallest first (including the main loop's listener).
sockets_per_loop() {
    local loop sockets
    sockets=$(find "/proc/$PID/fd" -lname 'socket:*' -printf ' %f')
    while read -r loop; do
        awk -v sockets="$sockets " '$1 == "tfd:" { n += index(sockets, " " $2 " ") > 0 }
            END { print n + 0 }' "/proc/$PID/fdinfo/$loop"
    done < <(find "/proc/$PID/fd" -lname '*eventpoll*' -printf '%f\n') | sort -n
}

spread_is_even() {
    local loops least most
    mapfile -t loops < <(sockets_per_loop | tail -n 4)
    least=${loops[0]} most=${loops[-1]}
    echo "sockets per loop: ${loops[*]}"
    ((least + $1 >= most && most > 0))
}

@test "each worker is one more thread" {
    local one
    start_server -w 1
    one=$(threads)
    stop_server
    start_server -w 5
    echo "$one threads with one worker, $(threads) with five"
    (($(threads) >= one + 4 && $(threads) <= one + 5))
    stop_server
    start_server -w auto
    (($(threads) >= one))
}

@test "connections are distributed evenly, to the loops with the fewest" {
    start_server -w 4
    bg first "$HELPERS/crowd" -n 40 "$ENDPOINT"
    wait_for 5 said first holding=40
    spread_is_even 1
    bg second "$HELPERS/crowd" -n 13 "$ENDPOINT"
    wait_for 5 said second holding=13
    go first
    finish first
    wait_for 5 closed_at_least 40
    bg third "$HELPERS/crowd" -n 27 "$ENDPOINT"
    wait_for 5 said third holding=27
    spread_is_even 1
    go second
    go third
    finish second
    finish third
}

# The number of sockets of each event loop, in the loops' order.
sockets_by_loop() {
    local loop
    while read -r loop; do
        grep -c '^tfd:' "/proc/$PID/fdinfo/$loop"
    done < <(find "/proc/$PID/fd" -lname '*eventpoll*' -printf '%f\n' | sort -n)
}

@test "successive connections are distributed over the workers in turn" {
    local i
    start_server -w 4
    sockets_by_loop >before
    for i in 1 2 3 4; do
        bg "one$i" "$HELPERS/peer" "$ENDPOINT" echo:100 say:there wait-line half-close read-all
        wait_for 5 said "one$i" there
        sockets_by_loop | paste before - | awk '$2 > $1 { print NR }' >>loops
        go "one$i"
        finish "one$i"
        wait_for 5 fds_are_back
    done
    echo "loops: $(<loops)"
    (($(sort -u loops | wc -l) == 4))
}

@test "every worker echoes, each connection its own bytes" {
    start_server -w 4
    crowd -n 400 -m 32k "$ENDPOINT"
    ask_counters
    [[ $(counter accepted) == 400 && $(counter bytes_in) == $((400 * 2 * 32768)) ]]
    counters_balance
}

@test "signals with many workers: no warning of libevent in the log" {
    start_server -w 8
    crowd -n 50 "$ENDPOINT"
    kill -HUP "$PID"
    kill -USR1 "$PID"
    wait_for 5 in_log ' counters '
    stop_server
    not in_log '\[warn\]|\[err\]|libevent'
    not in_log 'event_(warn|err)|evsignal'
}

@test "ids are never reused, over all workers" {
    start_server -w 4
    crowd -k -n 500 "$ENDPOINT"
    crowd -n 100 "$ENDPOINT"
    wait_for 5 closed_at_least 600
    (($(closed_lines | sed -E 's/.* id=([^ ]+) .*/\1/' | sort -u | wc -l) == 600))
}

@test "one busy connection on each worker, and all others are served" {
    local i
    start_server -w 2
    for i in 1 2; do
        bg "e$i" "$HELPERS/peer" -s "$i" "$ENDPOINT" send:400M half-close read-all
    done
    start_canary
    crowd -n 60 "$ENDPOINT"
    for i in 1 2; do
        finish "e$i"
    done
    stop_canary
}

@test "1000 connections open at once, at a bounded cost each" {
    local rss
    start_server -w 2
    crowd -k -n 50 "$ENDPOINT" >/dev/null
    rss=$(rss_kb)
    bg crowd "$HELPERS/crowd" -n 1000 "$ENDPOINT"
    wait_for 10 said crowd holding=1000
    echo "$((($(rss_kb) - rss) * 1024 / 1000)) bytes a connection"
    is_instrumented || ((($(rss_kb) - rss) * 1024 / 1000 <= 2000)) || fail "memory"
    go crowd
    finish crowd
}

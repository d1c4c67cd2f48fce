#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# All data shared by threads, at once. ./dev tsan runs this under ThreadSanitizer.

load lib

config() { printf '%s\n' "$@" >"$T/conf"; }

@test "four workers under load, reloaded and queried meanwhile, then drained" {
    local i
    config "listen = tcp://127.0.0.1:0"
    start_server --config "$T/conf" --workers 4 --max-owed 1M
    bg slow "$HELPERS/peer" -i 40000 "$ENDPOINT" rcvbuf:4k fill:600k half-close say:owed wait-line read-all
    wait_for 20 said slow owed
    for i in {1..4}; do
        bg "stream$i" "$HELPERS/peer" -s "$i" -i 40000 "$ENDPOINT" send:3M say:half send:3M half-close read-all
    done
    for i in {1..8}; do
        config "listen = tcp://127.0.0.1:0" "stall-timeout = $((60 + i))s" "log-level = debug"
        kill -HUP "$PID"
        crowd -k -r -n 50 "$ENDPOINT" >facts || fail "$(<facts)"
        crowd -n 50 "$ENDPOINT" </dev/null >facts || fail "$(<facts)"
        kill -USR1 "$PID"
    done
    for i in {1..4}; do
        wait_for 40 said "stream$i" half
    done
    kill -TERM "$PID"
    for i in {1..4}; do
        finish "stream$i"
    done
    go slow
    finish slow
    await_exit
    COUNTERS=$(grep -aE ' counters ' "$LOG" | tail -n 1)
    counters_balance
    (($(counter owed) == 0 && $(counter lost) == 0)) || fail "$COUNTERS"
}

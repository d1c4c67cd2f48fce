#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# evecho bench: why a message left after it was due. The client was late, its connection was not open, or
# its pipeline was full; and whether the client had to wait for a processor.

load lib
load netns
load client

teardown() {
    stop_liar
    kill -CONT "${BENCH:-$PID}" "$PID" 2>/dev/null || true
    common_teardown
}

# start_bench ARGUMENT...: in the background, with its results in json; BENCH is the process.
start_bench() {
    "$EVECHO" bench --json json "$@" >stdout 2>stderr 3>&- &
    BENCH=$!
}

@test "a stalled endpoint: the pipeline was full, and the client was not late" {
    start_liar delay 6400 1500
    ends 0 evecho bench -r 1k -t 1s --json json "$LIAR_ENDPOINT"
    json '.pipeline_full_count > 300 and .pipeline_full_max_ns > 700000000'
    json '.pipeline_full_total_ns > 10 * .client_late_total_ns and .no_connection_max_ns < 700000000'
    json '.late_p50_ns < 300000000'
    grep -qE '^    pipeline full +[0-9]+ messages, [0-9.]+ s in all, [0-9.]+ ms at most$' stdout
}

@test "messages that never left have their reason too" {
    start_liar delay 6400 5000
    ends 1 evecho bench -r 100 -t 1500ms --timeout 10s --require unsent=0 --json json "$LIAR_ENDPOINT"
    json '.unsent > 20 and .pipeline_full_count >= .unsent - 1'
}

@test "lost SYNs: the connection was not there, and the client was not late" {
    need nft
    start_across
    inside nft add table ip lossy
    inside nft add chain ip lossy in '{ type filter hook input priority 0; }'
    inside nft add rule ip lossy in tcp flags '&(syn|ack)==syn' numgen inc mod 5 4 drop
    ends 0 far_evecho bench -c 2 -r 200 -t 3s --requests-per-connection 10 --json json "$ENDPOINT"
    json '.connects_slow >= 2 and .no_connection_count > 50 and .no_connection_max_ns > 800000000'
    json '.no_connection_total_ns > 5 * .client_late_total_ns'
    json '.no_connection_total_ns > 5 * .pipeline_full_total_ns'
    grep -qE '^    connection not open +[0-9]+ messages, [0-9.]+ s in all, [0-9.]+ ms at most$' stdout
}

@test "a client that is stopped is late itself, over TCP and over UDP" {
    local endpoint
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0 --udp-rate 0
    for endpoint in "${ENDPOINTS[@]}"; do
        : >json
        start_bench -r 1k -t 3s --timeout 20s "$endpoint"
        watch_for 1 # whether that is before its first message or not
        kill -STOP "$BENCH"
        watch_for 1
        kill -CONT "$BENCH"
        wait "$BENCH" || fail "$(<stderr)"
        json '.client_late_count > 300 and .client_late_max_ns > 700000000'
        json '.client_late_total_ns > 3 * (.pipeline_full_total_ns + .no_connection_total_ns)' ||
            fail "$endpoint"
        grep -qE '^    client late +[0-9]+ messages, [0-9.]+ s in all, [0-9.]+ ms at most$' stdout
    done
}

@test "a closed loop has no schedule that a message could be late for" {
    start_server
    ends 0 evecho bench -n 100 --json json "$ENDPOINT"
    json '.client_late_count + .no_connection_count + .pipeline_full_count == 0'
    not grep -q 'client late  *[0-9]' stdout
}

@test "a client that waits for a processor says so, in a closed loop and in an open one" {
    local cpu rate hogs=() i
    need taskset
    read -r _ i _ </proc/self/schedstat 2>/dev/null || skip "this kernel has no schedstat"
    cpu=$(taskset -cp "$BASHPID" | sed -E 's/.*: ([0-9]+).*/\1/')
    start_server
    for i in 1 2; do
        taskset -c "$cpu" "$HELPERS/leash" 60 sh -c 'while :; do :; done' 3>&- &
        hogs+=("$!")
    done
    for rate in 0 500; do
        ends 0 nice -n 19 taskset -c "$cpu" "$EVECHO" bench -r "$rate" -t 2s --timeout 20s --json json "$ENDPOINT"
        json '.client_starved_ms > 200 and .client_starved_share > 0.1 and .client_starved_share <= 1'
        grep -qE '^  warning +this client had to wait for a processor \([0-9.]+ s, [0-9.]+ % of the time in one thread\):$' stdout
        grep -qx "               see: evecho explain client-starved" stdout
    done
    ends 0 nice -n 19 taskset -c "$cpu" "$EVECHO" ping -c 20 -i 10ms --timeout 20s --json json "$ENDPOINT"
    json '.client_starved_ms > 10 and .client_starved_share > 0.1 and .client_starved_share <= 1'
    grep -qE '^warning: this client had to wait for a processor \([0-9.]+ s, [0-9.]+ % of the time of its messages\):$' stdout
    kill "${hogs[@]}"
    wait "${hogs[@]}" || true
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# evecho cat, ping and bench, against the service and against faulty or missing endpoints.

load lib
load client

teardown() {
    stop_liar
    kill -CONT "$PID" 2>/dev/null || true # where a test failed that had stopped it
    common_teardown
}

@test "cat: a file is echoed over TCP and a Unix socket" {
    head -c 5000000 /dev/urandom >file
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s"
    for endpoint in "${ENDPOINTS[@]}"; do
        evecho cat "$endpoint" <file >back 2>said
        cmp file back
        grep -qx "evecho: $endpoint: sent 5000000 bytes, received 5000000 bytes, ended by FIN" said
    done
}

@test "cat: an empty input is echoed" {
    start_server
    ends 0 evecho cat "$ENDPOINT" </dev/null
    grep -q 'sent 0 bytes, received 0 bytes, ended by FIN' stderr
}

@test "cat: memory stays bounded with a slow reader" {
    start_server
    mkfifo pipe
    head -c 30000000 /dev/zero |
        "$HELPERS/leash" "$LIFE" "$EVECHO" cat "$ENDPOINT" >pipe 2>said 3>&- &
    local cat=$!
    exec 7<pipe
    is_held() { [[ -n $(ss -Htn state established "dport = :$PORT" | awk '$2 > 0') ]]; }
    wait_for 10 is_held
    is_instrumented ||
        (($(awk '/VmHWM/ { print $2 }' "/proc/$cat/status") < 30000)) || fail "memory grew"
    (($(wc -c <&7) == 30000000))
    exec 7<&-
    wait "$cat"
    grep -q 'sent 30000000 bytes, received 30000000 bytes, ended by FIN' said
}

@test "cat: quiet input is no timeout, and our end restarts the clock" {
    local i
    start_server
    for i in {1..6}; do
        (echo x && watch_for 0.4) | ends 0 evecho cat --timeout 300ms "$ENDPOINT"
    done
}

@test "cat: an early end and a missing answer are reported, and end with 1" {
    start_liar truncate 1000
    head -c 5000 /dev/zero >file
    ends 1 evecho cat "$LIAR_ENDPOINT" <file
    (($(wc -l <stderr) == 1))
    # The FIN may come before our own half-close.
    grep -qE 'received 1000 bytes, ended by FIN; (half-close was answered by a full close, )?4000 bytes did not come back' stderr
    stop_liar
    start_liar reset 1000
    ends 1 evecho cat "$LIAR_ENDPOINT" <file
    grep -q 'ended by RST' stderr
    stop_liar
    start_liar mute 0
    ends 1 evecho cat --timeout 200ms "$LIAR_ENDPOINT" <file
    grep -q 'nothing moved for .* s; we gave up, the stream was still open' stderr
}

@test "no listener: one line with every address and reason, and 3" {
    local port
    port=$(free_port)
    for command in cat ping "bench -t 1" check; do
        # shellcheck disable=SC2086
        ends 3 evecho $command "127.0.0.1:$port" </dev/null
        diff - stderr <<<"evecho: cannot connect to 127.0.0.1:$port: Connection refused"
    done
    # The message lists the addresses of a name.
    ends 3 evecho ping -c 1 "localhost:$port"
    (($(grep -c 'cannot connect to' stderr) == 1))
    grep -q "cannot connect to localhost:$port: .*tcp://127.0.0.1:$port: Connection refused after" stderr
    ends 3 evecho ping -c 1 nobody.invalid:7
    grep -q "cannot resolve 'nobody.invalid'" stderr
    ends 3 evecho ping -c 1 "unix:$T/none"
    grep -q 'No such file' stderr
}

@test "wrong options: one line that names the option, and 2" {
    refused() {
        ends 2 evecho "$@"
        (($(wc -l <stderr) == 1)) || fail "more than a line: $(<stderr)"
    }
    refused
    grep -q 'no command' stderr
    refused nonsense
    refused cat
    refused cat --nonsense x:1
    refused bench --size 0 x:1
    refused bench --size 9-3 x:1
    refused bench --size 2G x:1
    refused bench --rate fast x:1
    refused bench -t 0 x:1
    refused bench --require p99 x:1
    refused bench --require p100=1s x:1
    refused bench --require p99=5 x:1
    refused bench --require handshake-p99=5ms x:1
    refused bench --require errors=1ms x:1
    refused bench --require p99=1s,errors=0,p99=2s x:1
    refused bench --json same --hdr-out same x:1
    refused ping x:0
    grep -q 'port 0 is for listening alone' stderr
    refused ping fd:3
    refused ping tcp://x:1,idle-timeout=3s
    refused check --only none x:1
    refused ping x:1 y:1
    ends 0 evecho --help
    ends 0 evecho --version
    [[ $(<stdout) =~ ^evecho\ [0-9]+\.[0-9]+ ]]
    for command in cat ping bench check; do
        ends 0 evecho "$command" --help
        grep -q -- --timeout stdout
    done
}

@test "ping: as ping prints, with a summary" {
    start_server
    ends 0 evecho ping -c 3 -i 1ms -s 1-5000 "$ENDPOINT"
    (($(grep -cE "^[0-9]+ bytes from $ENDPOINT: seq=[0-9]+ time=[0-9.]+ ms$" stdout) == 3))
    grep -q '^3 messages sent, 3 received, 0% lost' stdout
    grep -qE '^rtt min/avg/max/stddev = ([0-9.]+/){3}[0-9.]+ ms$' stdout
    ends 0 evecho ping -c 2 -i 1ms -q "$ENDPOINT" --json -
    jq -e '.schema == 1 and .completed == 2 and .lost == 0 and .p99_ns > 0 and .config.count == 2
        and .errors.mismatch == 0' stdout
}

@test "ping: an interval of a fraction of a second" {
    start_server
    ends 0 evecho ping -c 3 -i 0.02 --timeout 1.5s --json json "$ENDPOINT"
    json '.config.interval_ms == 20 and .config.timeout_ms == 1500'
    ends 2 evecho ping -i 0.0001 "$ENDPOINT"
    grep -q -- "--interval: '0.0001' is not a time like 250ms, 1.5s" stderr
}

@test "ping: SIGQUIT prints interim figures, SIGINT ends with the summary" {
    start_server
    "$HELPERS/leash" "$LIFE" "$EVECHO" ping -i 5ms "$ENDPOINT" >stdout 2>stderr 3>&- &
    local ping=$!
    wait_for 5 grep -q seq=3 stdout
    kill -QUIT "$ping"
    wait_for 5 grep -qE '^[0-9]+/[0-9]+ messages, 0% lost' stderr
    kill -INT "$ping"
    wait "$ping"
    grep -q 'ping statistics' stdout
}

@test "ping: a wrong byte is reported with its offset, and the next message uses a new connection" {
    start_liar flip 70
    ends 1 evecho ping -c 4 -i 1ms "$LIAR_ENDPOINT"
    grep -qE 'seq=2 lost: .*connection 1, offset 70: expected 0x[0-9a-f]{2}, came 0x' stdout
    grep -q 'connected again' stdout
    grep -q '4 messages sent, 2 received, 50% lost; .*MISMATCH 2' stdout
    stop_liar
    start_liar mute 64
    ends 1 evecho ping -c 2 -i 1ms --timeout 100ms "$LIAR_ENDPOINT"
    grep -q 'TIMEOUT 1' stdout
    stop_liar
    start_liar extra 64 5
    ends 1 evecho ping --seed 1 -c 2 -i 1ms "$LIAR_ENDPOINT"
    grep -q 'offset 64: .*came 0x21' stdout
}

@test "bench: every byte verified, numbers that agree, JSON and percentiles" {
    start_server -l tcp://127.0.0.1:0 -l "unix:$T/s"
    for endpoint in "${ENDPOINTS[@]}"; do
        ends 0 evecho bench -c 8 -T 2 -n 4000 -s 1-20k -p 3 "$endpoint" --json result \
            --hdr-out result.hgrm --require errors=0,connections=8,rate=1
        grep -qE '^  echoes +4000 verified, 0 unanswered, 0 never sent$' stdout
        grep -q '8 requested, 8 established, 8 opened in all' stdout
        grep -q 'REFUSED 0, TIMEOUT 0, FIN 0, RESET 0, DNS 0, TLS 0, MISMATCH 0, OTHER 0' stdout
        jq -e '.schema == 1 and .completed == 4000 and .sent_bytes == .received_bytes and
            .errors_total == 0 and .connections_established == 8 and .config.pipeline == 3 and
            .p50_ns <= .p99_ns and .p99_ns <= .max_ns and .uncorrected_p50_ns <= .p50_ns' result
        grep -q '#\[Mean ' result.hgrm
        grep -qE '^ +[0-9.]+ +0\.000000000000 +[1-9]' result.hgrm
        grep -q 'Total count    =         4000' result.hgrm
    done
    ask_counters
    (($(counter bytes_in) == $(counter bytes_out)))
}

@test "bench: an open loop keeps its rate, warm-up and ramp-up are not counted" {
    start_server
    ends 0 evecho bench -c 4 -r 1k -t 1s --warm-up 300ms --ramp-up 100ms "$ENDPOINT" --json - 
    jq -e '.completed > 800 and .completed < 1100 and .rate_requested_per_s == 1000 and
        .config.warm_up_ms == 300' stdout
}

@test "cat: bytes received before a reset reach a slow reader, and then it ends" {
    local code=0
    start_liar reset 300001
    head -c 1M /dev/urandom >in
    { evecho cat "$LIAR_ENDPOINT" <in 2>stderr || echo "$?" >code; } | { watch_for 1 && cat >out; }
    code=$(<code)
    ((code == 1)) || fail "exit $code: $(<stderr)"
    grep -q 'ended by RST' stderr
    cmp -n "$(stat -c %s out)" in out
    [[ -s out ]]
}

@test "cat: if interrupted, it waits for the echo of its bytes, but not for an endless flood" {
    local code=0
    start_server -l tcp://127.0.0.1:0,service=chargen
    "$HELPERS/leash" "$LIFE" "$EVECHO" cat --timeout 500ms "$ENDPOINT" </dev/zero >/dev/null 2>stderr 3>&- &
    local cat=$!
    wait_for 5 has_sent "$PORT"
    kill -INT "$cat"
    wait_for 4 is_gone "$cat"
    wait "$cat" || code=$?
    ((code == 1)) || fail "exit $code: $(<stderr)"
}

@test "bench: an open loop sends every message of its time, whatever threads share it" {
    local row
    start_server
    for row in '3 1s 8 8 3' '7 2s 16 4 14' '100 1s 20 10 100' '1000 1s 100 16 1000' '1 2s 1 1 2'; do
        # shellcheck disable=SC2086 # words
        set -- $row
        ends 0 evecho bench -r "$1" -t "$2" -c "$3" -T "$4" --require "rate=$1,errors=0" "$ENDPOINT" --json json
        jq -e ".completed == $5 and .unsent == 0" json >/dev/null || fail "$row: $(jq -c .completed json)"
    done
}

@test "bench: -n begins after the warm-up; if interrupted in it, nothing was measured" {
    start_server
    ends 0 evecho bench -T 2 -c 3 -n 100 --warm-up 200ms "$ENDPOINT" --json json
    jq -e '.completed == 100 and .warm_up_ns > 190000000 and (.interrupted | not)' json
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -c 2 --warm-up 50s --require rate=1,errors=0 --json json \
        "$ENDPOINT" >stdout 2>stderr 3>&- &
    local bench=$! code=0
    wait_for 5 has_sent "$PORT"
    kill -INT "$bench"
    wait "$bench" || code=$?
    ((code == 1)) || fail "exit $code: $(<stdout)"
    grep -qx 'evecho: interrupted before anything was measured' stderr
    grep -qE '^  0\.00 s measured, after [0-9]\.[0-9]{2} s of warm-up' stdout
    jq -e '.completed == 0 and .interrupted and .rate_per_s == 0 and .sent_bytes == 0' json
}

@test "bench, ping: blocked output does not prevent the end" {
    start_server
    mkfifo fifo
    local command code pid
    for command in "bench -n 10" "ping -c 1"; do
        rm -f stdout # the other's is not this one's
        # shellcheck disable=SC2086
        "$HELPERS/leash" "$LIFE" "$EVECHO" $command --json fifo "$ENDPOINT" >stdout 2>stderr 3>&- &
        pid=$! code=0
        wait_for 5 grep -qsE 'verified|statistics' stdout
        kill -INT "$pid"
        wait "$pid" || code=$?
        ((code == 4)) || fail "$command: exit $code"
    done
}

@test "bench: a stalled endpoint shows only in the corrected latency" {
    start_liar delay 6400 600
    ends 0 evecho bench -r 1k -t 1s "$LIAR_ENDPOINT" --json -
    # Some hundred messages were due during the stall; one was in flight.
    jq -e '.p90_ns > 100000000 and .uncorrected_p90_ns < 50000000 and .pipeline_full_max_ns > 50000000' stdout
}

@test "bench: a message that was due and never sent counts with the time that it waited" {
    start_liar delay 6400 3000
    ends 1 evecho bench -c 1 -r 100 -t 2s --timeout 10s --require p90=50ms "$LIAR_ENDPOINT" --json json
    grep -qE '^fail: p90 is [0-9]+\.[0-9]{3} ms; at most 50\.000 ms was required' stdout
    jq -e '.unsent > 50 and .completed + .unsent == 200 and .errors_total == 0' json
}

@test "bench: a message that was never answered counts with the time that it waited" {
    start_liar delay 6400 3000
    ends 1 evecho bench -c 1 -p 1024 -r 100 -t 2s --timeout 500ms --require p90=50ms,errors=9 \
        "$LIAR_ENDPOINT" --json json --hdr-out hgrm
    grep -qE '^fail: p90 is [0-9]+\.[0-9]{3} ms; at most 50\.000 ms was required' stdout
    jq -e '.unanswered > 20 and .p90_ns > 50000000 and .uncorrected_p90_ns < 50000000' json
    # It includes each message of the schedule.
    (($(sed -nE 's/.*Total count *= *([0-9]+).*/\1/p' hgrm) == $(jq '.completed + .unanswered + .unsent' json)))
}

@test "bench: a message without room in the socket is not sent yet: it waits as for a full pipeline" {
    start_server -w 1
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -s 256k -p 200 -r 40 -t 2s --timeout 20s --json json \
        "$ENDPOINT" >stdout 2>stderr 3>&- &
    local bench=$!
    wait_for 5 has_sent "$PORT"
    kill -STOP "$PID"
    watch_for 2
    kill -CONT "$PID"
    wait "$bench"
    jq -e '.pipeline_full_max_ns > 300000000 and .uncorrected_max_ns > 0' json || fail "$(<json)"
}

@test "bench: messages belong to connections, whatever threads share them" {
    start_server
    ends 0 evecho bench -c 3 -T 2 -r 3000 -n 3000 --require rate=3000,errors=0 "$ENDPOINT"
    ends 0 evecho bench -c 10 -T 4 -n 3 --require connections=10 "$ENDPOINT" --json json
    jq -e '.completed == 3' json
    ends 0 evecho bench -c 10 -T 4 -n 3 --warm-up 200ms "$ENDPOINT" --json json
    jq -e '.completed == 3' json
}

@test "bench: if no echo was counted, the run is not a success" {
    start_server
    ends 1 evecho bench -r 1 -t 100ms "$ENDPOINT"
    grep -q 'no echo was counted, so nothing is known' stderr
}

@test "bench: --require errors=N allows so many, but no wrong byte" {
    start_liar reset 320
    ends 1 evecho bench -n 10 "$LIAR_ENDPOINT"
    ends 0 evecho bench -n 10 --require errors=1,unanswered=1 "$LIAR_ENDPOINT"
    ends 1 evecho bench -n 30 --require errors=1,unanswered=30 "$LIAR_ENDPOINT"
    stop_liar
    start_liar flip 320
    ends 1 evecho bench -n 10 --require errors=10,unanswered=10 "$LIAR_ENDPOINT"
}

@test "bench: a wrong byte in the warm-up is reported" {
    start_liar flip 320
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -c 1 --warm-up 50s --json json "$LIAR_ENDPOINT" \
        >stdout 2>stderr 3>&- &
    local bench=$! code=0
    watch_for 1 # each connection's lie comes at once
    kill -INT "$bench"
    wait "$bench" || code=$?
    ((code == 1)) || fail "exit $code"
    jq -e '.completed == 0 and .errors.mismatch > 0' json
    grep -q 'offset 320: ' stdout
}

@test "ping: it ends if its output is closed" {
    start_server
    evecho ping -i 10ms "$ENDPOINT" 2>stderr | head -n 2 >/dev/null || true
    grep -q 'standard output: Broken pipe' stderr
    ends 2 evecho ping -c 1 --seed 9223372036854775808 "$ENDPOINT"
}

@test "bench: a new connection after so many messages" {
    start_server
    ends 0 evecho bench -c 2 -n 100 --requests-per-connection 10 "$ENDPOINT" --json -
    jq -e '.completed == 100 and .connections_opened >= 10 and .errors_total == 0' stdout
    wait_for 5 closed_at_least 10
}

@test "bench: wrong bytes, resets and silence are counted in their classes, and end with 1" {
    start_liar flip 100
    ends 1 evecho bench -n 50 "$LIAR_ENDPOINT"
    grep -qE 'offset 100: expected 0x.., came 0x' stdout
    grep -qE 'MISMATCH [1-9]' stdout
    stop_liar
    start_liar reset 100
    ends 1 evecho bench -n 20 "$LIAR_ENDPOINT"
    grep -qE 'RESET [1-9]' stdout
    grep -q 'the stream ended by RST' stdout
    stop_liar
    start_liar truncate 100
    ends 1 evecho bench -n 20 "$LIAR_ENDPOINT"
    grep -q 'ended too early, .* the stream ended by FIN' stdout
    stop_liar
    start_liar mute 100
    ends 1 evecho bench -n 4 --timeout 100ms "$LIAR_ENDPOINT"
    grep -qE 'TIMEOUT [1-9]' stdout
    stop_liar
    start_liar drop 1000 64
    ends 1 evecho bench -s 2000 -n 4 "$LIAR_ENDPOINT"
    grep -q 'offset 1000: .*which belongs at offset 1064: 64 bytes are missing' stdout
}

@test "if no echo was counted, no latency is reported" {
    start_liar mute 0
    ends 1 evecho bench -n 1 --timeout 100ms --require p99=1s "$LIAR_ENDPOINT" --json -
    grep -qE '^    p50 +- +- +-$' stderr
    grep -qE '^    max +- +- +-$' stderr
    grep -qE '^    mean +- +- +-$' stderr
    grep -qx 'fail: p99 is not known, as nothing was measured; at most 1000.000 ms was required' stderr
    jq -e '.completed == 0 and (to_entries | map(select(.key | test("(p[0-9]+|m[a-z]+|stddev)_ns$") and
        (test("^(connect|client_late|no_connection|pipeline_full)_") | not)))
        | length == 40 and all(.value == null))' stdout
    ends 1 evecho ping -c 1 --timeout 100ms "$LIAR_ENDPOINT" --json -
    jq -e 'has("p50_ns") and .p50_ns == null and .min_ns == null and .mean_ns == null' stdout
}

@test "a count of one is printed in the singular" {
    start_server
    printf x >file
    ends 0 evecho cat "$ENDPOINT" <file
    grep -q ': sent 1 byte, received 1 byte, ended by FIN$' stderr
    ends 0 evecho ping -c 1 -s 1 "$ENDPOINT"
    grep -q ': messages of 1 byte$' stdout
    grep -q '^1 byte from ' stdout
    grep -q '^1 message sent, 1 received' stdout
    ends 0 evecho bench -n 1 -s 1 "$ENDPOINT"
    grep -q '^  1 connection, 1 thread, messages of 1 byte, ' stdout
    ends 0 evecho bench -n 4 -c 2 -T 2 "$ENDPOINT"
    grep -q '^  2 connections, 2 threads, messages of 64 bytes, ' stdout
    stop_server
    start_liar drop 7 1
    ends 1 evecho bench -n 1 "$LIAR_ENDPOINT"
    grep -q ': 1 byte is missing' stdout
    stop_liar
    start_liar truncate 63
    ends 1 evecho bench -n 1 "$LIAR_ENDPOINT"
    grep -q ', 1 byte still awaited' stdout
}

@test "bench: a missed threshold is reported, and ends with 1" {
    start_server
    ends 1 evecho bench -n 100 --require p99=1ms,rate=900M "$ENDPOINT"
    grep -q '^fail: rate is .* at least 900000000/s was required' stdout
}

@test "a run that cannot connect leaves no older results behind" {
    local command
    for command in "ping -c 1" "bench -n 1" "check"; do
        echo old >json
        # shellcheck disable=SC2086
        ends 3 evecho $command --json json tcp://127.0.0.1:1
        jq -e '.schema == 1 and (.error | test("Connection refused")) and .config' json
    done
    ends 3 evecho ping -c 1 --json - --timeout 300ms udp://127.0.0.1:1
    jq -e '.error' stdout
}

@test "bench: a rate that was kept is not reported as missed because of rounding" {
    start_server
    ends 0 evecho bench -r 200 -t 500ms --require rate=200,errors=0 "$ENDPOINT"
    ends 1 evecho bench -r 200 -t 500ms --require rate=210 "$ENDPOINT"
    ends 2 evecho bench -r 10000001 -t 1s "$ENDPOINT"
    grep -q -- '--rate.*10000000' stderr
    ends 2 evecho bench --ramp-up 2s -t 1s "$ENDPOINT"
    ends 2 evecho bench --json - --hdr-out - "$ENDPOINT"
}

@test "bench: a rate that cannot be reached is reported" {
    start_liar delay 64 3000
    ends 0 evecho bench -r 1k -t 500ms --timeout 10s "$LIAR_ENDPOINT" --json -
    jq -e '.unsent > 300 and .rate_per_s < 500' stdout
}

# The first connection of a bench only tests that the endpoint accepts; it sends nothing.
has_sent() { [[ $(ss -Htni state established "dport = :$1") == *bytes_sent:* ]]; }

@test "bench: SIGINT prints the results so far, and a second one ends with 4" {
    start_server
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -t 50s "$ENDPOINT" >stdout 2>stderr 3>&- &
    local bench=$!
    wait_for 5 has_sent "$PORT"
    kill -INT "$bench"
    wait "$bench"
    grep -qE 'echoes +[0-9]+ verified' stdout
    stop_server
    start_liar mute 0
    "$HELPERS/leash" "$LIFE" "$EVECHO" bench -t 50s --timeout 50s "$LIAR_ENDPOINT" >stdout 2>stderr 3>&- &
    bench=$!
    wait_for 5 has_sent "${LIAR_ENDPOINT##*:}"
    local code=0
    # A pending signal would absorb the second one: so it is sent until it is handled.
    until is_gone "$bench"; do
        kill -INT "$bench" 2>/dev/null || break
        watch_for 0.1
    done
    wait "$bench" || code=$?
    ((code == 4)) || fail "exit $code"
}

# A stopped server with a full backlog: new connections get neither an answer nor a refusal.
stop_answering() {
    kill -STOP "$PID"
    exec 7<>"/dev/tcp/127.0.0.1/$PORT" 8<>"/dev/tcp/127.0.0.1/$PORT"
}
answer_again() {
    exec 7<&- 8<&-
    kill -CONT "$PID"
}
is_connecting() { [[ -n $(ss -Htn state syn-sent "dport = :$PORT") ]]; }
is_asking() { [[ -n $(ss -Hun "dport = :${1##*:}") ]]; }

@test "SIGINT and SIGTERM while connecting: one line about it, and 3" {
    start_server -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0 --backlog 1
    stop_answering
    local command signal code
    for command in "cat ${ENDPOINTS[0]}" "ping ${ENDPOINTS[0]}" "bench ${ENDPOINTS[0]}" \
        "check ${ENDPOINTS[0]}" "ping ${ENDPOINTS[1]}" "bench ${ENDPOINTS[1]}"; do
        for signal in INT TERM; do
            # shellcheck disable=SC2086
            "$HELPERS/leash" "$LIFE" "$EVECHO" $command --timeout 50s >stdout 2>stderr 3>&- 7<&- 8<&- &
            if [[ $command == *udp:* ]]; then
                wait_for 5 is_asking "${ENDPOINTS[1]}"
            else
                wait_for 5 is_connecting
            fi
            kill -$signal $!
            code=0
            wait $! || code=$?
            ((code == 3)) || fail "$command: exit $code, $(<stderr)"
            [[ $(<stderr) == "evecho: interrupted while connecting to ${command#* }" ]] ||
                fail "$command: $(<stderr)"
            [[ ! -s stdout ]] || fail "$command: $(<stdout)"
        done
    done
    answer_again
}

@test "ping: SIGINT while reconnecting ends with the summary" {
    start_server --backlog 1
    "$HELPERS/leash" "$LIFE" "$EVECHO" ping -i 10ms --timeout 2s "$ENDPOINT" >stdout 2>stderr 3>&- &
    local ping=$! code=0
    wait_for 5 grep -q seq=3 stdout
    stop_answering
    wait_for 10 is_connecting
    kill -INT "$ping"
    wait "$ping" || code=$?
    answer_again
    ((code == 1)) || fail "exit $code"
    (($(grep -c 'lost: ' stdout) == 1)) || fail "it waited on: $(<stdout)"
    grep -q 'ping statistics' stdout
}

@test "bench: more connections than descriptors are refused before they fail" {
    start_server
    ends 3 prlimit --nofile=50:50 "$EVECHO" bench -c 100 -t 1 "$ENDPOINT"
    grep -q -- '--connections: 100 need .* descriptors, and ulimit -n allows 50' stderr
}

@test "closed standard descriptors are not reused for the connection, and a full output is reported" {
    start_server
    ends 0 evecho ping -c 1 -q "$ENDPOINT" 0<&-
    local command place code
    local -A reasons=([closed]='Bad file descriptor' [full]='No space left on device')
    for command in "ping -c 2 -i 10ms" "bench -n 10" "check --only single-bytes" \
        "check --only single-bytes --json -" "bench --help"; do
        for place in closed full; do
            code=0
            # shellcheck disable=SC2086
            if [[ $place == full ]]; then
                evecho $command "$ENDPOINT" >/dev/full 2>stderr || code=$?
            else
                evecho $command "$ENDPOINT" >&- 2>stderr || code=$?
            fi
            ((code == 3)) || fail "$command, output $place: exit $code: $(<stderr)"
            grep -q "${reasons[$place]}" stderr || fail "$command, output $place: $(<stderr)"
        done
    done
    ends 3 evecho bench -n 200 -s 1-20k "$ENDPOINT" --hdr-out /dev/full
    grep -qx "evecho: cannot write '/dev/full': No space left on device" stderr
    code=0
    echo data | evecho cat "$ENDPOINT" >/dev/full 2>stderr || code=$?
    ((code == 3)) || fail "cat to a full output: exit $code"
    not grep 'did not come back' stderr
    ends 3 evecho cat "$ENDPOINT" <&-
    grep -q 'standard input: Bad file descriptor' stderr
}

@test "a results file that cannot be written is reported before anything is sent" {
    start_server
    local option path
    for option in --json --hdr-out; do
        for path in "$T/nowhere/file" "$T"; do
            ends 3 evecho bench -n 10 "$option" "$path" "$ENDPOINT"
            grep -q "cannot write '$path': " stderr
            [[ ! -s stdout ]] || fail "it ran: $(<stdout)"
        done
    done
    ends 0 evecho bench -n 10 --json "$T/new.json" "$ENDPOINT"
    jq -e '.completed == 10' "$T/new.json"
}

@test "cat: SIGINT ends the input, and bytes in flight are still echoed" {
    start_server
    mkfifo input
    exec {input}<>input
    "$HELPERS/leash" "$LIFE" "$EVECHO" cat "$ENDPOINT" <input >stdout 2>stderr 3>&- &
    local cat=$!
    echo hello >&"$input"
    wait_for 5 grep -qx hello stdout
    kill -INT "$cat"
    wait "$cat"
    exec {input}>&-
    grep -q 'ended by FIN' stderr
}

@test "bench: on a terminal a line shows the progress" {
    need script
    start_server
    script -qec "'$EVECHO' bench -c 2 --warm-up 0 -t 2500ms '$ENDPOINT'" typescript >/dev/null 3>&-
    grep -qaE $'\r\033\\[K[0-9]+ s  [0-9]+/s  p50 [0-9.]+ ms  p99 [0-9.]+ ms  errors 0' typescript
    script -qec "'$EVECHO' bench -q -c 2 -t 1500ms '$ENDPOINT'" typescript >/dev/null 3>&-
    not grep -qa 'errors 0$' typescript
    script -qec "'$EVECHO' check --only single-bytes '$ENDPOINT'" typescript >/dev/null 3>&-
}

@test "bench: results that cannot be written are an error, even after a good run" {
    start_server
    ends 3 evecho bench -n 10 --hdr-out /dev/full "$ENDPOINT"
    grep -q "/dev/full.*No space left on device" stderr
    ends 3 evecho bench -n 10 --json /dev/full "$ENDPOINT"
    grep -q "/dev/full.*No space left on device" stderr
    ends 3 evecho bench -n 10 --json "$T/none/json" "$ENDPOINT"
    grep -q "none/json.*No such file or directory" stderr
    ends 2 evecho bench -n 10 --require "errors=0,$(printf 'p99=1s,%.0s' {1..300})" "$ENDPOINT"
    grep -q 'a list of more than' stderr
    ends 0 evecho bench -n 10 --require mean=5s,errors=0 "$ENDPOINT"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# Tests the checker: every fault is found and named, and a correct echo passes.

load lib
load client
load proxies

teardown() {
    stop_liar
    common_teardown
}

@test "a correct echo passes every check: TCP and Unix, both read paths" {
    for path in direct buffered; do
        EVECHOD_READ_PATH=$path start_server -l tcp://127.0.0.1:0 -l "unix:$T/s" -l "unix:@$BATS_ROOT_PID"
        for endpoint in "${ENDPOINTS[@]}"; do
            ends 0 evecho check "$endpoint"
            ! grep -q '^not ok' stdout || fail "$(<stdout)"
        done
        stop_server
    done
    start_liar honest 0
    ends 0 evecho check "$LIAR_ENDPOINT" --skip holds-the-sender,unread-then-half-close
}

# The output of check without the times to connect and the sums.
verdicts() { grep -vE '^# (connect time: |[0-9]+ held, )' stdout; }

@test "plan, list, only, skip, JSON" {
    start_server
    ends 0 evecho check --list
    local all
    all=$(grep -vc " udp: " stdout)
    ends 0 evecho check --only single-bytes,urgent-byte "$ENDPOINT"
    [[ $(verdicts) == $'1..2\nok 1 single-bytes\nok 2 urgent-byte' ]]
    ends 0 evecho check --skip unread-then-half-close,holds-the-sender "$ENDPOINT" --json -
    jq -e ".schema == 1 and .failed == 0 and (.properties | length) == $all - 5" stdout
    ends 0 evecho check --only idle --idle 300ms "$ENDPOINT"
    [[ $(verdicts) == $'1..1\nok 1 idle' ]]
}

# lie MODE N PATTERN: the checker must name the offset and the fault, at every offset tried.
lie() {
    local mode=$1 n=$2 offset
    for offset in 0 1 7 8 63 4095 4096 65535 300001; do
        start_liar "$mode" "$offset" "$n"
        # With a random seed two equal bytes could be there, whose swap is no fault.
        ends 1 evecho check --seed 1 --only large-bursts "$LIAR_ENDPOINT"
        grep -qE "offset $offset: .*$3" stdout || fail "$mode at $offset: $(<stdout)"
        stop_liar
    done
}

@test "a fault at every offset is found: dropped bytes" { lie drop 40 "40 bytes are missing"; }
@test "a fault at every offset is found: duplicated bytes" {
    local offset
    # Duplicated bytes are detected where the copy ends, as bytes received a second time.
    for offset in 0 1 7 8 63 4095 4096 65535 300001; do
        start_liar double "$offset" 40
        ends 1 evecho check --only large-bursts "$LIAR_ENDPOINT"
        grep -qE "offset $((offset + 40)): .*belongs at offset $offset: it came a second time" stdout ||
            fail "double at $offset: $(<stdout)"
        stop_liar
    done
}
@test "a fault at every offset is found: swapped bytes" { lie swap 1 "expected 0x.., came 0x"; }
@test "a fault at every offset is found: a flipped bit" { lie flip 1 "expected 0x.., came 0x"; }
@test "a fault at every offset is found: a truncation" { lie truncate 1 "ended too early, .*by FIN"; }
@test "a fault at every offset is found: a reset" {
    local offset
    # A reset overtakes bytes sent before it, so it may be detected earlier, but never later.
    for offset in 0 1 8 4096 300001; do
        start_liar reset "$offset"
        ends 1 evecho check --only large-bursts "$LIAR_ENDPOINT"
        [[ $(<stdout) =~ offset\ ([0-9]+):.*by\ RST ]] || fail "reset at $offset: $(<stdout)"
        ((BASH_REMATCH[1] <= offset)) || fail "$(<stdout)"
        stop_liar
    done
}
@test "a fault at every offset is found: foreign bytes" { lie extra 3 "came 0x21"; }

@test "a late echo passes, and one after the timeout fails" {
    start_liar delay 100 300
    ends 0 evecho check --only large-bursts "$LIAR_ENDPOINT"
    stop_liar
    start_liar delay 100 3000
    ends 1 evecho check --only large-bursts --timeout 200ms "$LIAR_ENDPOINT"
    grep -qE 'nothing moved for 0\.[0-9]+ s; we gave up, the stream was still open; it took' stdout
}

@test "the textbook server: the failed properties are named" {
    EVECHOD=$HELPERS/naive start_server
    ends 1 evecho check "$ENDPOINT"
    grep -qE '^ok [0-9]+ urgent-byte # SKIP TCP urgent data is dropped' stdout
    grep -qE '^not ok [0-9]+ unread-then-half-close' stdout
    grep -qE 'half-close was answered by a full close, [0-9]+ bytes under way lost' stdout
    grep -qE '^ok [0-9]+ holds-the-sender # SKIP it took 67108864 bytes' stdout
}

@test "an endpoint that answers no property: each that is tried fails, within 40 s" {
    start_liar mute 4 # the round trip of a byte is measured before
    local start=$SECONDS
    ends 1 evecho check "$LIAR_ENDPOINT"
    ((SECONDS - start <= 42)) || fail "$((SECONDS - start)) s" # two for a busy machine
    # They take nearly the whole budget: on a busy machine the last ones may not get their turn.
    (($(grep -c '^not ok' stdout) + $(grep -c '^ok .* # SKIP not tried: ' stdout) == 16))
    (($(grep -c '^not ok' stdout) >= 12))
}

@test "our own descriptor limit is not blamed on the endpoint: it is raised if possible, else a skip" {
    start_server
    ends 0 prlimit --nofile=50:4096 "$EVECHO" check --only many-connections "$ENDPOINT"
    [[ $(verdicts) == $'1..1\nok 1 many-connections' ]]
    ends 5 prlimit --nofile=50:50 "$EVECHO" check --only single-bytes,many-connections "$ENDPOINT"
    grep -qx 'ok 1 single-bytes' stdout
    grep -q '^ok 2 many-connections # SKIP not tried: our own descriptor limit (ulimit -n) of 50' stdout
    [[ $(tail -n 1 stdout) == '# 1 held, 0 failed, 0 choices, 1 not tried: exit status 5' ]]
}

@test "a slow path is reported neither as Nagle's algorithm nor as silence" {
    start_liar slow 0 1 # 1 MB/s: 70000 bytes take 70 ms
    ends 0 evecho check --only delayed-ack "$LIAR_ENDPOINT"
    grep -qE '^ok 1 delayed-ack # SKIP (17000|70000) bytes take .* on so slow a path' stdout
    stop_liar
    start_liar slow 0 15000 # 2000 bytes take 30 s
    ends 5 evecho check --budget 3s --only single-bytes,one-byte-drip --json json "$LIAR_ENDPOINT"
    grep -qx 'ok 1 single-bytes' stdout # with fewer of them
    grep -qE '^# a round trip takes 1[5-9]\.. ms: ' stdout
    grep -qE '^ok 2 one-byte-drip # SKIP not tried: its share of our time was over .* of .* bytes back and right; --budget' stdout
    [[ $(tail -n 1 stdout) == '# 1 held, 0 failed, 0 choices, 1 not tried: exit status 5' ]]
    jq -e '.passed == 1 and .not_tried == 1 and .properties[1].verdict == "not tried"' json
}

@test "a round trip above a second: nothing fails, and checks without time report that" {
    local verdicts
    start_liar far 0 1200
    ends 5 evecho check --budget 30s "$LIAR_ENDPOINT"
    not grep -q '^not ok' stdout
    grep -qE '^ok [0-9]+ single-bytes$' stdout
    grep -qE '^# a round trip takes 1[2-9]..\.. ms' stdout
    verdicts=$(grep -c '^ok .* # SKIP not tried: ' stdout)
    ((verdicts > 0))
    [[ $(tail -n 1 stdout) == *", 0 failed, "*", $verdicts not tried: exit status 5" ]]
    ends 0 evecho check --only clean-end,all-256-values "$LIAR_ENDPOINT"
}

@test "50 ms of round trip: everything is tried within the budget" {
    start_liar far 0 50
    ends 0 evecho check --skip holds-the-sender,unread-then-half-close "$LIAR_ENDPOINT"
    not grep -q '# SKIP not tried' stdout
    not grep -q '^not ok' stdout
}

@test "the budget is kept with an endpoint that answers no property" {
    local start=$SECONDS
    start_liar mute 4
    ends 1 evecho check --budget 6s --only single-bytes,clean-end,full-duplex "$LIAR_ENDPOINT"
    ((SECONDS - start <= 8)) || fail "$((SECONDS - start)) s"
    (($(grep -c '^not ok' stdout) == 3))
}

@test "--repeat runs each property so many times, and the first failure fails it" {
    start_server
    ends 0 evecho check --repeat 5 --only single-bytes,clean-end --json json "$ENDPOINT"
    [[ $(verdicts) == $'1..2\nok 1 single-bytes\n# held 5 of 5 times\nok 2 clean-end\n# held 5 of 5 times' ]]
    jq -e '.config.repeat == 5 and .properties[0].held == 5' json
    stop_server
    start_liar tired 2
    ends 1 evecho check --repeat 5 --only single-bytes --timeout 500ms --json json "$LIAR_ENDPOINT"
    grep -qx 'not ok 1 single-bytes' stdout
    grep -qx '# held 2 of 5 times' stdout
    jq -e '.properties[0].held == 2' json
    stop_liar
    start_liar slow 0 5000 # 200 bytes take a second
    ends 5 evecho check --repeat 1000 --budget 3s --only single-bytes "$LIAR_ENDPOINT"
    grep -q '^ok 1 single-bytes # SKIP not tried: ' stdout
    grep -qE '^# held [0-9]+ of 1000 times$' stdout
}

@test "urgent data: dropping it is permitted; plain bytes stuck or lost after it are a fault" {
    start_liar deaf 0
    ends 0 evecho check --only urgent-byte "$LIAR_ENDPOINT"
    grep -qx 'ok 1 urgent-byte # SKIP TCP urgent data is dropped, as proxies do; few protocols use it' stdout
    stop_liar
    start_liar stuck 0
    ends 1 evecho check --only urgent-byte "$LIAR_ENDPOINT"
    grep -qx '# plain bytes stay stuck behind an urgent one: 3 of 6 came back, and the others only when more was sent' stdout
    stop_liar
    start_liar stuck 0 2
    ends 1 evecho check --only urgent-byte "$LIAR_ENDPOINT"
    grep -qx "# bytes are lost or wrong behind an urgent one: abcUdef and then ghi was sent, U as urgent data, and 'abc' came back" stdout
    stop_liar
    start_liar drop 4 1
    ends 1 evecho check --only urgent-byte "$LIAR_ENDPOINT"
    grep -q ": abcUdef was sent, U as urgent data, and 'abcUef' came back" stdout
    stop_liar
    start_liar mute 0
    ends 1 evecho check --only urgent-byte --timeout 500ms "$LIAR_ENDPOINT"
    grep -q 'offset 0: nothing moved for .* s; we gave up, the stream was still open; it took 7 bytes and gave 0' stdout
}

@test "urgent data: the real haproxy drops it, which is permitted" {
    start_server
    start_haproxy
    ends 0 evecho check --only urgent-byte "tcp://127.0.0.1:$PROXY_PORT"
    grep -qx 'ok 1 urgent-byte # SKIP TCP urgent data is dropped, as proxies do; few protocols use it' stdout
}

@test "urgent data: plain bytes stay stuck in the real nginx" {
    local module=/usr/lib/nginx/modules/ngx_stream_module.so
    need nginx
    [[ -e $module ]] || skip "nginx has no stream module here"
    start_server
    start_proxy "nginx -e stderr -p $T -c proxy.conf" "load_module $module;
daemon off;
pid nginx.pid;
events {}
stream { server { listen 127.0.0.1:@port@; proxy_pass @echo@; } }"
    ends 1 evecho check --only urgent-byte "tcp://127.0.0.1:$PROXY_PORT"
    cat stdout
    grep -q '^# plain bytes stay stuck behind an urgent one: 3 of 6 came back' stdout
}

@test "a silence interrupted by keepalive probes is reported" {
    need socat
    PROXY_PORT=$(free_port)
    bg echo socat "TCP-LISTEN:$PROXY_PORT,bind=127.0.0.1,reuseaddr,fork,keepalive,keepidle=1,keepintvl=1" PIPE
    wait_for 5 is_listening "$PROXY_PORT"
    ends 0 evecho check --only idle --idle 3s "tcp://127.0.0.1:$PROXY_PORT"
    grep -qE '^# --idle 3s: the other side sent keepalive probes meanwhile, [1-9] segments?; they hide a timeout' stdout
    end_bg echo
    start_server
    ends 0 evecho check --only idle --idle 10s "$ENDPOINT"
    grep -q '^# --idle 10s: no keepalive probe came here; one beyond a proxy could hide' stdout
}

@test "--only that selects nothing is refused, and a run that tries nothing does not pass" {
    start_server
    ends 2 evecho check --only idle,single-bytes "$ENDPOINT"
    grep -q "'idle' is tried with --idle TIME" stderr
    ends 2 evecho check --only close-notify "$ENDPOINT"
    grep -q "'close-notify' is a property of tls:// endpoints" stderr
    ends 2 evecho check --only small-datagrams "$ENDPOINT"
    grep -q "'small-datagrams' is a property of udp:// endpoints" stderr
    ends 2 evecho check --only single-bytes --skip single-bytes "$ENDPOINT"
    grep -q 'no property is left' stderr
}

@test "interrupted once: the rest is not verified, and the exit status shows that" {
    start_liar slow 0 5000 # 200 single bytes take a second
    "$HELPERS/leash" 30 "$EVECHO" check --json json --only single-bytes,one-byte-drip \
        "$LIAR_ENDPOINT" >out 2>&1 3>&- &
    pid=$!
    wait_for 5 grep -q '^ok 1 single-bytes' out
    kill -INT "$pid"
    local code=0
    wait "$pid" || code=$?
    ((code == 1)) || fail "exit $code: $(<out)"
    grep -qx 'Bail out! interrupted after 1 of 2 properties' out
    jq -e '.interrupted and .failed == 0 and .passed == 1 and (.properties | length) == 1' json
}

# ends_at_once ARGUMENT...: interrupts a check that would wait long; it must end at once.
ends_at_once() {
    local code=0
    "$HELPERS/leash" 60 "$EVECHO" check "$@" >out 2>&1 3>&- &
    pid=$!
    wait_for 5 signals_are_awaited
    kill -INT "$pid"
    wait_for 2 is_gone "$pid"
    wait "$pid" || code=$?
    ((code == 1)) || fail "exit $code: $(<out)"
    not grep -qE '^(not )?ok' out
    grep -qE 'Bail out! interrupted after 0 of [0-9]+ propert' out
}

@test "interrupted in a waiting property: it gets no verdict, and the run ends at once" {
    local row
    start_liar mute 0
    for row in single-bytes all-256-values clean-end half-close-at-once delayed-ack many-connections; do
        ends_at_once --only "$row" --timeout 30s "$LIAR_ENDPOINT"
    done
    stop_liar
    start_server
    ends_at_once --only idle --idle 30s "$ENDPOINT"
    stop_server
    LIAR=udpliar start_liar mute 1 # what is asked before anything else is answered
    for row in small-datagrams empty-datagram steady-flow burst; do
        ends_at_once --only "$row" --timeout 30s "$LIAR_ENDPOINT"
    done
}

@test "interrupted twice, or while the output is blocked: it ends at once, with 4" {
    local code=0
    start_server
    mkfifo fifo
    "$HELPERS/leash" 30 "$EVECHO" check --only single-bytes --json fifo "$ENDPOINT" >out 2>&1 3>&- &
    pid=$!
    wait_for 5 grep -q '^ok 1' out
    until is_gone "$pid"; do
        kill -INT "$pid" 2>/dev/null || break
        watch_for 0.05
    done
    wait "$pid" || code=$?
    ((code == 4)) || fail "exit $code: $(<out)"
}

# By the kernel's word: there is a thread that takes them.
signals_are_awaited() {
    (($(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l) == 2))
}

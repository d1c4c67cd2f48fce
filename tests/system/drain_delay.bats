#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034,SC2154 # lib.bash reads and sets variables
#
# --drain-delay: after SIGTERM the service reports that it is not ready and goes on accepting, so that
# a load balancer can send new connections elsewhere before the drain begins.

load lib
load client

# start_delayed OPTION...: a server with a status endpoint; sets URL.
start_delayed() {
    need curl
    start_server --status tcp://127.0.0.1:0 "$@"
    wait_for 5 in_log ' status endpoint=tcp://'
    URL=http://$(sed -n 's|.* status endpoint=tcp://||p' "$LOG" | tail -n 1)
}

page() { curl -sS -m 10 "$URL$1"; }
page_is() { [[ $(page "$1") == "$2" ]]; }
term() { kill -TERM "$PID"; }
echoes() { peer "$1" echo:5000 half-close read-all; }
is_refused() { peer "$ENDPOINT" stall:0 close | grep -q refused; }
drained_once() { (($(log_count ' notice drained owed=0 ') == 1)); }
ms_since() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); }

@test "/readyz is 503 at once, and new connections are accepted and served" {
    start_delayed --drain-delay 60s -l tcp://127.0.0.1:0 -l udp://127.0.0.1:0 -l "unix:$T/s"
    page_is /readyz ready
    term
    wait_for 5 page_is /readyz draining
    [[ $(curl -sS -o body -w '%{http_code}' "$URL/readyz") == 503 ]]
    page_is /healthz ok
    page /metrics | grep -qx 'evechod_ready 0'
    in_log ' notice not ready: still accepting seconds=60.000 '
    echoes "${ENDPOINTS[0]}"
    echoes "${ENDPOINTS[2]}"
    "$HELPERS/dgram" -n 3 "${ENDPOINTS[1]}" | grep -qx right=3
    not in_log 'draining: no new'
    term
    await_exit
    drained_once
}

@test "the drain begins after the delay, and its timeout counts from there" {
    start_server --drain-delay 700ms --drain-timeout 700ms
    start_canary
    local from=${EPOCHREALTIME/./}
    term
    wait_for 10 in_log 'draining: no new'
    (($(ms_since "$from") >= 700))
    run finish canary # it is never quiet, so the timeout resets it
    (($(ms_since "$from") >= 1400))
    [[ $(field reason) == deadline ]]
    await_exit
    drained_once
    awk -v s="$(field seconds "$(grep -a ' notice drained ' "$LOG")")" 'BEGIN { exit !(s >= 0.69) }'
}

@test "a connection that is open goes on through the delay, and is drained when quiet" {
    start_server --drain-delay 500ms --drain-quiet 200ms
    bg open "$HELPERS/peer" "$ENDPOINT" echo:1000 say:there wait-line echo:100000 say:again read-all
    wait_for 5 said open there
    term
    wait_for 5 in_log 'not ready: still accepting'
    go open
    wait_for 5 said open again
    finish open
    await_exit
    [[ $(field reason) == drain && $(field end) == fin ]]
    drained_once
}

@test "a second signal ends the delay and resets what is open" {
    start_server --drain-delay 60s --drain-timeout 60s
    bg held "$HELPERS/crowd" -a -n 10 "$ENDPOINT"
    wait_for 5 said held holding=10
    term
    wait_for 5 in_log 'not ready: still accepting'
    term
    await_exit
    in_log ' notice second signal: ending at once open=10'
    finish held
    (($(closed_lines | grep -c 'reason=forced') == 10))
    drained_once
}

@test "SIGHUP within the delay opens the log again and changes nothing else" {
    echo 'drain-delay = 60s' >conf
    start_server -l tcp://127.0.0.1:0 --config conf
    term
    wait_for 5 in_log 'not ready: still accepting'
    kill -HUP "$PID"
    wait_for 5 in_log 'draining: nothing but the log is opened again'
    not in_log ' reloaded'
    echoes "$ENDPOINT"
    term
    await_exit
}

@test "the service manager is told once, of a time that covers delay and drain" {
    need socat
    bg notify socat -u "UNIX-RECV:$T/notify" -
    wait_for 5 test -S "$T/notify"
    SERVER_ENV=("NOTIFY_SOCKET=$T/notify")
    start_server --drain-delay 300ms --drain-timeout 20s
    term
    await_exit
    wait_for 5 said notify 'EXTEND_TIMEOUT_USEC=25300000'
    (($(grep -c STOPPING=1 notify.out) == 1))
    # A drain without end has no time that could be told, but the delay has.
    start_server --drain-delay 300ms --drain-timeout 0
    term
    await_exit
    wait_for 5 said notify 'EXTEND_TIMEOUT_USEC=5300000'
}

# ---- behind a real HAProxy

# start_replica NAME PORT STATUS_PORT OPTION...: one of two servers behind HAProxy.
start_replica() {
    bg "$1" "$EVECHOD" -l "tcp://127.0.0.1:$2" --status "tcp://127.0.0.1:$3" "${@:4}"
    wait_for 15 said "$1" '^ready$'
}

# roll OPTION...: restarts two replicas with these options one after the other, under load that goes
# through HAProxy, which asks /readyz and never sends a connection elsewhere by itself. It does not
# retry either: with its 3 retries, a second apart, a quick restart costs seconds in place of errors.
# The results of the load are in the file json.
roll() {
    need haproxy
    local port=() status=() front i
    front=$(free_port)
    for i in 1 2; do
        port[i]=$(free_port)
        status[i]=$(free_port)
        start_replica "old$i" "${port[i]}" "${status[i]}" "$@"
    done
    cat >haproxy.cfg <<END
global
    log stdout format raw local0
defaults
    mode tcp
    log global
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    retries 0
    no option redispatch
listen front
    bind 127.0.0.1:$front
    balance roundrobin
    option httpchk GET /readyz
    http-check expect status 200
    default-server check inter 200ms fall 2 rise 1
    server replica1 127.0.0.1:${port[1]} port ${status[1]}
    server replica2 127.0.0.1:${port[2]} port ${status[2]}
END
    bg haproxy haproxy -db -f haproxy.cfg
    wait_for 15 eval "echoes tcp://127.0.0.1:$front >/dev/null"
    bg load "$EVECHO" bench -q -c 8 -r 200 -s 100 -t 100s --requests-per-connection 1 --json json "tcp://127.0.0.1:$front"
    for i in 1 2; do
        wait_for 15 serves "old$i"
        kill -TERM "${BG_PID[old$i]}"
        finish "old$i"
        wait_for 15 said haproxy "front/replica$i is DOWN"
        start_replica "new$i" "${port[i]}" "${status[i]}" "$@"
        wait_for 15 said haproxy "front/replica$i is UP"
        wait_for 15 serves "new$i"
    done
    kill -INT "${BG_PID[load]}"
    finish load || true
    for i in 1 2; do
        end_bg "new$i"
    done
    end_bg haproxy
    jq -c '{completed, errors_total, errors}' json
}
# serves NAME: that replica has echoed something.
serves() { said "$1" ' connection closed .* in=100 out=100 '; }

@test "F32 HAProxy without redispatch: two replicas restarted under load, and no error" {
    roll --drain-delay 4s
    jq -e '.completed > 100 and .errors_total == 0' json
    figure "$(jq -r '"\(.completed) requests, \(.errors_total) errors"' json)"
}

@test "F32 HAProxy without redispatch: without the delay the same restart has errors" {
    roll --drain-delay 0
    jq -e '.errors_total > 0' json
    figure "$(jq -r '"\(.completed) requests, \(.errors_total) errors"' json)"
}

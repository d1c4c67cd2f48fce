#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Started by others: systemd's sockets, inetd's, and notifications for a service manager.

load lib
load client
load netns

echoes_on() { peer "$1" echo:5000 half-close read-all >/dev/null; }

# exactly ARGUMENT...: starts the server with only these arguments; lib.bash would add an endpoint.
exactly() {
    # shellcheck disable=SC2016 # for the shell inside
    SERVER_WRAP+=(bash -c 'exec "$2" "${@:3:$1}"' - $# "$EVECHOD" "$@")
}

hand() { SERVER_WRAP=("$HELPERS/hand" "$@" --); }

# Checks that a start fails with one line that contains the words.
refused() {
    local code=$1 said word
    shift
    said=$(launch_server && wait "$PID") && fail "it started" || [[ $? == "$code" ]] || fail "exit $?"
    PID=
    for word; do
        grep -qF -- "$word" "$LOG" || fail "'$word' is not in: $(<"$LOG")"
    done
}

# ---- systemd's sockets

@test "passed sockets are served without a listen option, in their order" {
    hand tcp://127.0.0.1:0 "unix:$T/s" tcp://127.0.0.2:0
    exactly
    start_server
    ((${#ENDPOINTS[@]} == 3))
    [[ ${ENDPOINTS[0]} == tcp://127.0.0.1:* && ${ENDPOINTS[1]} == "unix:$T/s" ]]
    [[ ${ENDPOINTS[2]} == tcp://127.0.0.2:* ]]
    local endpoint
    for endpoint in "${ENDPOINTS[@]}"; do
        echoes_on "$endpoint"
    done
}

@test "a reload keeps the passed sockets" {
    hand "unix:$T/s"
    exactly
    start_server
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
    echoes_on "unix:$T/s"
}

@test "fd:NAME is every socket of that name, each with the attributes" {
    SERVER_ENV=(LISTEN_FDNAMES=web:admin:web)
    hand "unix:$T/0" "unix:$T/1" "unix:$T/2"
    start_server -l fd:admin -l fd:web,idle-timeout=200ms
    [[ ${ENDPOINTS[*]} == "unix:$T/1 unix:$T/0 unix:$T/2" ]]
    peer "unix:$T/2" send:10 read-all >/dev/null
    wait_for 5 closed_at_least 1
    [[ $(field listener) == "unix:$T/2" && $(field reason) == idle ]]
    echoes_on "unix:$T/1"
    kill -HUP "$PID"
    wait_for 5 in_log ' notice reloaded'
}

@test "a passed socket that no listener uses is reported" {
    SERVER_ENV=(LISTEN_FDNAMES=web:admin)
    hand "unix:$T/0" "unix:$T/1"
    start_server -l fd:web
    wait_for 5 in_log ' warn a socket that was passed is not served fd=4 name=admin'
}

@test "an endpoint whose port or path was passed as a socket: the error names that socket" {
    local port
    port=$(free_port)
    # refused_beside WORDS OPTION...: with three passed sockets and these options.
    refused_beside() {
        rm -f "$T/s" "$LOG"
        SERVER_WRAP=()
        hand "tcp://127.0.0.1:$port" "udp://127.0.0.1:$port" "unix:$T/s"
        exactly "${@:2}"
        refused 3 "$1" "in use"
        (($(wc -l <"$LOG") == 1))
    }
    SERVER_ENV=(LISTEN_FDNAMES=web:web:sock)
    refused_beside "descriptor 3 ('web') was passed for that port; --listen fd:3 serves it: " -l "127.0.0.1:$port"
    refused_beside "descriptor 4 ('web') was passed for that port; --listen fd:4 serves it: " \
        -l "udp://127.0.0.1:$port"
    refused_beside "descriptor 5 ('sock') was passed for that path; --listen fd:5 serves it: " \
        -l fd:web -l "unix:$T/s"
    refused_beside "--status" -l fd:web -l fd:sock --status "tcp://127.0.0.1:$port"
    in_log "descriptor 3 \('web'\) was passed for that port, and is served: "
}

@test "sockets passed to another process are ignored" {
    hand "unix:$T/s"
    # The shell's child has another id than the shell, to which the sockets were passed.
    # shellcheck disable=SC2016
    SERVER_WRAP+=(sh -c '"$1" -l fd:unknown; exit $?' -)
    refused 2 "no socket named 'unknown' was passed; 0 were"
}

@test "an invalid LISTEN_FDS is refused, and so are closed descriptors" {
    # shellcheck disable=SC2016
    SERVER_WRAP=(sh -c 'LISTEN_PID=$$ LISTEN_FDS=many exec "$@"' -)
    refused 2 LISTEN_FDS many
    # shellcheck disable=SC2016
    SERVER_WRAP=(sh -c 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$1"' -)
    refused 3 fd:3 'Bad file descriptor'
    hand "unix:$T/s"
    SERVER_ENV=(LISTEN_FDNAMES=web)
    exactly -l fd:web -l fd:3
    refused 2 "--listen 'fd:3'" 'descriptor 3 is served already'
}

@test "systemd-socket-activate: TCP and Unix, started by the first connection" {
    need_native "it passes no environment on"
    need systemd-socket-activate
    need_netns
    SERVER_WRAP+=(systemd-socket-activate -l 127.0.0.1:7007 -l "$T/s" --fdname=a:b)
    exactly
    launch_server
    wait_for 5 test -S "$T/s"
    bg first "$HELPERS/peer" "unix:$T/s" echo:5000 half-close read-all
    await_ready
    finish first
    [[ "${ENDPOINTS[*]}" == "tcp://127.0.0.1:7007 unix:$T/s" ]]
    inside "$HELPERS/peer" "${ENDPOINTS[0]}" echo:5000 half-close read-all
    echoes_on "unix:$T/s"
    stop_server
}

@test "systemd-socket-activate: the first datagram, which starts the service, is answered" {
    local address
    need_native "it passes no environment on"
    need systemd-socket-activate
    need socat
    for address in 127.0.0.1 0.0.0.0; do
        need_netns
        SERVER_WRAP+=(systemd-socket-activate -d -l "$address:7007")
        exactly
        launch_server
        wait_for 5 is_bound
        inside socat -t 10 - UDP:127.0.0.1:7007 <<<first >came 3>&- &
        wait_for 10 grep -qx first came
        await_ready
        stop_server
    done
}

# passed_late ARGUMENT...: hand opens a listener on port 7007 of a network of its own, and the server
# starts once the file `go` is there.
passed_late() {
    need_netns
    # shellcheck disable=SC2016
    SERVER_WRAP+=("$HELPERS/hand" "$@" tcp://127.0.0.1:7007 --
        sh -c 'until [ -e go ]; do sleep 0.01; done; exec "$@"' -)
    exactly
    rm -f go
    launch_server
    wait_for 5 is_listening
}

is_listening() { [[ -n $(inside ss -Hltn 'sport = :7007') ]]; }

# The keepalive timer of the server's end of the one connection.
keepalive_due() { inside ss -Htno state established 'sport = :7007' | grep -o 'timer:(keepalive,[^,]*'; }

@test "F27 a client queued in a passed socket gets its urgent byte echoed in place, and keepalive" {
    local flag
    need ss
    for flag in '' -m; do
        [[ -z $flag || $(</proc/sys/net/mptcp/enabled) == 1 ]] 2>/dev/null || continue
        # shellcheck disable=SC2086
        passed_late $flag
        bg_near urgent "$HELPERS/peer" tcp://127.0.0.1:7007 text:abc oob:U text:def say:sent \
            wait-line half-close read-all
        wait_for 5 said urgent sent
        touch go
        await_ready
        wait_for 5 keepalive_due
        [[ $(keepalive_due) == 'timer:(keepalive,119min' ]] || fail "$(keepalive_due)"
        go urgent
        finish urgent || fail "lost with '$flag'"
        [[ $(fact urgent got) == 7 ]]
        rm -f "$T/urgent.in"
        stop_server
    done
}

@test "systemd-socket-activate: the urgent byte that starts the service is echoed in its place" {
    need_native "it passes no environment on"
    need systemd-socket-activate
    need_netns
    SERVER_WRAP+=(systemd-socket-activate -l 127.0.0.1:7007)
    exactly
    launch_server
    wait_for 5 is_listening
    inside "$HELPERS/peer" tcp://127.0.0.1:7007 text:abc oob:U text:def half-close read-all >facts ||
        fail "$(<facts)"
    await_ready
    stop_server
}

@test "keepalive is refused for a passed Unix socket" {
    hand "unix:$T/s"
    exactly -l fd:3,keepalive=1m
    refused 2 "--listen 'fd:3,keepalive=1m'" 'keepalive: expected only for tcp://, tls:// or fd: of TCP'
    rm -f "$T/s"
    hand tcp://127.0.0.1:0
    exactly -l fd:3,keepalive=1m
    start_server
    stop_server
    echo 'listen = fd:3' >conf
    hand "unix:$T/s"
    exactly --config conf
    start_server
    echo 'listen = fd:3,keepalive=1m' >conf
    ANNOUNCED=('reload refused')
    kill -HUP "$PID"
    wait_for 5 in_log 'reload refused.* keepalive: expected only for tcp://, tls:// or fd: of TCP'
}

is_bound() { [[ -n $(inside ss -Huna 'sport = :7007') ]]; }

@test "options for streams are refused for passed UDP sockets too" {
    local attribute
    for attribute in proxy=on,proxy-from=127.0.0.0/8 idle-timeout=5 buffer=1k; do
        hand udp://127.0.0.1:0
        exactly -l "fd:3,$attribute"
        refused 2 "--listen 'fd:3,$attribute" "${attribute%%=*}: expected only for tcp://, tls://, unix: or fd: of streams"
    done
    hand udp://127.0.0.1:0
    exactly -l fd:3,service=discard
    start_server
}

@test "a passed socket keeps its backlog" {
    hand tcp://127.0.0.1:0
    exactly -l fd:3,backlog=77
    refused 2 "--listen 'fd:3,backlog=77'" 'backlog: expected only for tcp://, tls:// or unix:'
}

@test "a path with a newline is printed as one line" {
    hand "unix:$T/one
ready"
    exactly
    start_server
    [[ $(wc -l <"$OUT") == 2 && $(head -n 1 "$OUT") == *'/one\x0aready' ]]
}

# ---- inetd's

@test "inetd, wait: the listening socket is standard input, output and error" {
    # shellcheck disable=SC2016
    SERVER_WRAP=("$HELPERS/hand" "unix:$T/s" -- env -u LISTEN_PID
        sh -c 'exec "$@" 0<&3 1>&3 2>&3 3<&-' -)
    launch_server -l fd:0 --log-target "$T/log"
    wait_for 10 echoes_on "unix:$T/s"
    echoes_on "unix:$T/s"
    wait_for 5 grep -q "notice listening listener=unix:$T/s" "$T/log"
    FDS_AT_START=99
    stop_server
    grep -q ' drained owed=0' "$T/log"
    [[ -S $T/s ]] || fail "the path is inetd's"
}

@test "inetd, nowait: a connection is refused as a listening socket, with advice" {
    need_native "systemd-socket-activate passes no environment on"
    need systemd-socket-activate
    SERVER_WRAP=(systemd-socket-activate --accept --inetd -l "$T/s")
    exactly -l fd:0
    launch_server
    wait_for 5 test -S "$T/s"
    peer "unix:$T/s" read-all >/dev/null || true
    wait_for 5 in_log "cannot listen on fd:0: .* but one connection; inetd .* .wait', systemd .*Accept=no"
    kill -KILL "$PID"
    wait "$PID" || PID=
}

# ---- notifications for the manager

start_manager() {
    need socat
    bg notify socat -u "UNIX-RECV:$T/notify" -
    wait_for 5 test -S "$T/notify"
    SERVER_ENV+=("NOTIFY_SOCKET=$T/notify")
}

said_times() { (($(grep -aoE "$2" "$T/$1.out" | wc -l) >= $3)); }

@test "a reload is notified with its time and ends with READY, and a failed one reports that" {
    start_manager
    printf 'listen = 127.0.0.1:0\nidle-timeout = 5m\n' >conf
    start_server --config "$T/conf"
    wait_for 5 said notify 'STATUS=Serving on 1 socket'
    kill -HUP "$PID"
    wait_for 5 said notify 'RELOADING=1'
    wait_for 5 said notify 'MONOTONIC_USEC=[0-9]+'
    wait_for 5 said_times notify READY=1 2
    echo 'idle-timeout = soon' >conf
    ANNOUNCED=('reload refused')
    kill -HUP "$PID"
    wait_for 5 said notify 'STATUS=.*the last reload was refused'
    stop_server
    wait_for 5 said notify 'STATUS=Draining'
    wait_for 5 said notify 'EXTEND_TIMEOUT_USEC=15000000'
}

# The main thread, the log's thread, then the workers': their ids are in ascending order.
last_thread() { find "/proc/$PID/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tail -n 1; }

@test "the watchdog is notified while every worker responds, and not while one hangs" {
    local count
    need_attach
    start_manager
    SERVER_ENV+=(WATCHDOG_USEC=200000)
    start_server -w 2
    wait_for 5 said_times notify WATCHDOG=1 3
    # One thread is held in epoll_wait, for longer than the check takes.
    bg hold strace -o /dev/null -p "$(last_thread)" -e inject=epoll_wait,epoll_pwait:delay_enter=20s
    wait_for 10 in_log ' warn a worker hangs'
    count=$(grep -ao WATCHDOG=1 notify.out | wc -l)
    watch_for 0.5
    (($(grep -ao WATCHDOG=1 notify.out | wc -l) == count)) || fail "it is told that we live"
    echoes_on "$ENDPOINT" & # the other worker, or this one later
    local echoes=$!
    end_bg hold
    wait_for 10 said_times notify WATCHDOG=1 $((count + 2))
    wait "$echoes"
}

@test "a watchdog for another process is ignored" {
    start_manager
    SERVER_ENV+=(WATCHDOG_USEC=20000 WATCHDOG_PID=1)
    start_server
    wait_for 5 said notify READY=1
    watch_for 0.2
    not said notify WATCHDOG
}

# ---- the units

units() {
    local unit
    need systemd-analyze
    for unit in evechod.service evechod-activated.service; do
        # shellcheck disable=SC2154 # lib.bash sets it
        sed "s|^ExecStart=[^ ]*|ExecStart=$EVECHOD|" "$top_builddir/contrib/$unit" >"$unit"
    done
    cp "$BATS_TEST_DIRNAME/../../contrib/evechod.socket" .
}

exposure() { systemd-analyze security --no-pager --offline=true --threshold="$2" "$1"; }

@test "systemd-analyze finds no fault in the units" {
    units
    SYSTEMD_UNIT_PATH="$T:" systemd-analyze verify --man=no evechod.service \
        evechod-activated.service evechod.socket 2>&1 | tee said
    not grep -E "^$T|evechod" said
}

@test "the units' exposure: high port 1.0, port 7 1.6, socket-activated 0.3" {
    units
    exposure evechod.service 10
    exposure evechod-activated.service 3
    sed -e 's/^PrivateUsers=.*/PrivateUsers=no/' -e 's/^CapabilityBoundingSet=/&CAP_NET_BIND_SERVICE/' \
        -e 's/^AmbientCapabilities=/&CAP_NET_BIND_SERVICE/' evechod.service >port7.service
    exposure port7.service 16
}

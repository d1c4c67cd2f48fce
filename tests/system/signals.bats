#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# SIGHUP, SIGUSR1, and unexpected signals.

load lib

config() { printf '%s\n' "$@" >"$T/conf"; }
reloaded() { log_count_at_least 'reload' "$1"; }

@test "SIGUSR1: the counters, and in = out + owed + lost" {
    start_server
    peer "$ENDPOINT" echo:100000 half-close read-all
    bg held "$HELPERS/crowd" -n 7 "$ENDPOINT"
    wait_for 5 said held holding=7
    ask_counters
    [[ $(counter accepted) == 8 && $(counter open) == 7 && $(counter closed) == 1 ]]
    [[ $(counter bytes_in) == $((100000 + 7 * 64)) && $(counter bytes_out) == $((100000 + 7 * 64)) ]]
    counters_balance
    go held
    finish held
}

@test "F36 a storm of SIGUSR1 is answered at most once a second, and delays no client" {
    local i
    start_server
    start_canary
    for i in {1..300}; do kill -USR1 "$PID"; done
    wait_for 5 in_log ' counters '
    stop_canary
    figure "300 signals, $(log_count ' counters ') lines; canary p99 $(fact canary p99_us) us"
    (($(log_count ' counters ') <= 3))
}

@test "F36 SIGPIPE and SIGUSR2's like do not end it" {
    start_server
    kill -PIPE "$PID"
    kill -WINCH "$PID"
    kill -URG "$PID"
    peer "$ENDPOINT" echo:1000 half-close read-all
}

@test "F36 SIGSTOP and SIGCONT: data received meanwhile prevents the idle timeout" {
    start_server --idle-timeout 500ms
    bg canary "$HELPERS/canary" -w 8000 "$ENDPOINT"
    wait_for 5 said canary 'canary sings'
    kill -STOP "$PID"
    watch_for "$(sample 1.5 4)"
    kill -CONT "$PID"
    stop_canary
    figure "the canary's longest gap $(($(fact canary max_us) / 1000)) ms, no connection timed out"
}

@test "SIGHUP: the new configuration applies to new connections" {
    config "listen = tcp://127.0.0.1:0" "idle-timeout = 60s"
    start_server --config "$T/conf"
    bg old "$HELPERS/peer" "$ENDPOINT" echo:100 say:there wait-line echo:100 half-close read-all
    wait_for 5 said old there
    config "listen = tcp://127.0.0.1:0" "idle-timeout = 200ms"
    kill -HUP "$PID"
    wait_for 5 reloaded 1
    peer -i 5000 "$ENDPOINT" echo:100 read-all
    [[ $(field reason) == idle ]] || wait_for 5 in_log 'reason=idle'
    go old
    finish old || true
}

@test "SIGHUP: the command line still wins" {
    config "listen = tcp://127.0.0.1:0" "idle-timeout = 60s"
    start_server --config "$T/conf" --idle-timeout 300ms
    config "listen = tcp://127.0.0.1:0" "idle-timeout = 50s"
    kill -HUP "$PID"
    wait_for 5 reloaded 1
    peer -i 5000 "$ENDPOINT" echo:100 read-all
}

@test "F35 SIGHUP: an invalid configuration is refused with its reason, and the old one stays" {
    config "listen = tcp://127.0.0.1:0" "idle-timeout = 300ms"
    start_server --config "$T/conf"
    config "listen = tcp://127.0.0.1:0" "idle-timeout = soon"
    kill -HUP "$PID"
    wait_for 5 in_log "conf:2.*soon"
    ANNOUNCED=('conf:2')
    peer -i 5000 "$ENDPOINT" echo:100 read-all
    rm "$T/conf"
    kill -HUP "$PID"
    wait_for 5 in_log 'No such file'
    ANNOUNCED+=('No such file')
    peer -i 5000 "$ENDPOINT" echo:100 read-all
}

@test "SIGHUP: a changed attribute that a reload cannot change is reported" {
    config "listen = unix:$T/s,mode=0600"
    start_server --config "$T/conf"
    config "listen = unix:$T/s,mode=0666"
    kill -HUP "$PID"
    wait_for 5 in_log 'takes effect only at a restart option=mode'
    wait_for 5 reloaded 1
}

@test "F35 SIGHUP: a configuration that became a FIFO does not block" {
    config "listen = tcp://127.0.0.1:0"
    start_server --config "$T/conf"
    rm "$T/conf"
    mkfifo "$T/conf"
    kill -HUP "$PID"
    wait_for 5 in_log 'reload refused.*is not a file'
    ANNOUNCED=('is not a file')
    peer "$ENDPOINT" echo:1000 half-close read-all
}

@test "SIGHUP: while draining the log file is still reopened" {
    start_server --log-target "$T/file.log" --drain-quiet 30s --drain-timeout 30s
    bg held "$HELPERS/peer" "$ENDPOINT" echo:100 say:there wait-line half-close read-all
    wait_for 5 said held there
    kill "$PID"
    wait_for 5 in_file "$T/file.log" 'draining: no new connections'
    mv "$T/file.log" "$T/old.log"
    kill -HUP "$PID"
    wait_for 5 test -e "$T/file.log"
    go held
    finish held
    await_exit
    in_file "$T/file.log" 'nothing but the log is opened again'
    in_file "$T/file.log" ' notice drained '
}

@test "F35 reloads under load drop no connection" {
    local i reloads
    reloads=$(sample 30 100)
    config "listen = tcp://127.0.0.1:0" "stall-timeout = 60s"
    start_server --config "$T/conf"
    start_canary
    bg transfer "$HELPERS/peer" "$ENDPOINT" send:300M half-close read-all
    bg held "$HELPERS/crowd" -n 100 "$ENDPOINT"
    for ((i = 1; i <= reloads; i++)); do
        config "listen = tcp://127.0.0.1:0" "stall-timeout = $((30 + i))s"
        kill -HUP "$PID"
        peer "$ENDPOINT" echo:1000 half-close read-all >facts || fail "$(<facts)"
    done
    wait_for 5 said held holding=100
    go held
    finish held
    finish transfer
    stop_canary
    figure "$reloads reloads, 0 connections dropped"
}

@test "SIGHUP without a configuration file has no effect" {
    start_server
    start_canary
    kill -HUP "$PID"
    kill -HUP "$PID"
    peer "$ENDPOINT" echo:1000 half-close read-all
    stop_canary
}

@test "stopped as soon as it is ready, again and again" {
    local i
    for i in {1..25}; do
        start_server -w $((1 + i % 4)) -l "unix:$T/s"
        kill -TERM "$PID"
        await_exit
        [[ ! -e $T/s ]]
    done
}

@test "HUP, USR1 and TERM at once" {
    local i
    for i in {1..5}; do
        start_server
        kill -HUP "$PID"
        kill -USR1 "$PID"
        kill -TERM "$PID"
        await_exit
        in_log ' notice drained '
    done
}

# The log cannot be written here, so the process waits its last second; its pid file is removed
# already.
@test "a signal in the last second changes nothing, with a log that is not read" {
    mkfifo "$T/fifo"
    local blocked signal
    exec {blocked}<>"$T/fifo"
    dd if=/dev/zero of="$T/fifo" bs=4096 count=64 oflag=nonblock 2>fill.txt ||
        grep -q unavailable fill.txt
    # shellcheck disable=SC2016
    SERVER_WRAP=(sh -c 'exec "$@" 2>fifo' -)
    for signal in TERM INT; do
        start_server --pid-file "$T/pid"
        kill "-$signal" "$PID"
        wait_for 10 not test -e "$T/pid"
        while ! is_gone "$PID"; do
            kill "-$signal" "$PID" && kill -HUP "$PID" && kill -USR1 "$PID" || true
        done 2>/dev/null
        await_exit
    done
    exec {blocked}>&-
}

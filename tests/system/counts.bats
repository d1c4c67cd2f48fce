#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2034 # lib.bash reads what is set here
# The cost of an echo in counts, which do not depend on the load of the machine. ./dev bench
# measures times.

load lib
load client

ECHOES=5000
unset EVECHOD_READ_PATH # each test says which it counts

# counted PATH CONNECTIONS SIZE: sets CALLS, the system calls of a hundred echoes, including
# connections.
counted() {
    need_strace
    need_plain_build "a sanitizer makes calls of its own"
    under_strace -c
    EVECHOD_READ_PATH=$1 start_server --workers 1 --log-level warn
    evecho bench -q -c "$2" -s "$3" -n "$ECHOES" -t 0 "$ENDPOINT" --json result
    jq -e ".completed == $ECHOES and .errors_total == 0" result
    stop_server
    wait_for 10 grep -q ' total$' "$T/trace"
    CALLS=$(awk -v echoes=$ECHOES '
        $NF ~ /^(recvfrom|sendto|splice|read|readv|write|writev|epoll_wait|epoll_ctl|ioctl)$/ { sum += $4 }
        END { printf "%d", sum * 100 / echoes }' "$T/trace")
    echo "$1, $2 connections, $3 bytes: $CALLS calls for 100 echoes"
}

@test "system calls an echo: direct, 64 connections" {
    counted direct 64 64
    ((CALLS <= 220)) || fail "$CALLS for 100 echoes"
}

@test "system calls an echo: direct, one connection" {
    counted direct 1 64
    ((CALLS <= 320)) || fail "$CALLS for 100 echoes"
}

@test "system calls an echo: direct, 64 KiB" {
    counted direct 4 64k
    ((CALLS <= 800)) || fail "$CALLS for 100 echoes"
}

@test "system calls an echo: buffered, 64 connections" {
    counted buffered 64 64
    ((CALLS <= 330)) || fail "$CALLS for 100 echoes"
}

# User-space instructions for one echo, including libraries, without the start.
@test "instructions an echo: direct" {
    need valgrind
    need_plain_build "a sanitizer has instructions of its own"
    local echoes
    for echoes in 1000 3000; do
        SERVER_WRAP=(valgrind -q --tool=callgrind "--callgrind-out-file=$T/callgrind.$echoes")
        start_server --workers 1 --log-level warn
        evecho bench -q -n "$echoes" -t 0 "$ENDPOINT"
        stop_server
    done
    instructions() { awk '/^(summary|totals):/ { print $2; exit }' "$T/callgrind.$1"; }
    local each=$((($(instructions 3000) - $(instructions 1000)) / 2000))
    echo "$each instructions an echo"
    ((each > 100 && each <= 2600)) || fail "$each instructions an echo"
}

# The server's calls from the one that read the peer's reset to close(2), in order.
after_reset() {
    awk '/ECONNRESET/ { is_dead = 1; next }
        is_dead && match($0, /[a-z_0-9]+\(/) { print substr($0, RSTART, RLENGTH - 1) }
        is_dead && / close\(/ { exit }' "$T/trace"
}

@test "system calls after a peer's reset was read: none but close(2) and the loop's own" {
    local path size
    need_strace
    need_plain_build "a sanitizer makes calls of its own"
    for path in direct buffered; do
        for size in 64 200k; do
            under_strace -e trace=recvfrom,readv,splice,setsockopt,getsockopt,ioctl,shutdown,epoll_ctl,close
            EVECHOD_READ_PATH=$path start_server --workers 1
            peer "$ENDPOINT" "echo:$size" reset
            wait_for 5 closed_at_least 1
            stop_server
            [[ $(closed_lines) == *"reason=reset"* ]]
            echo "$path, $size: $(after_reset | xargs)"
            [[ $(after_reset | xargs) == "epoll_ctl close" ]] || fail "$path, $size: $(after_reset | xargs)"
        done
    done
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# peers.bash: echo servers, ours and those that people use, all started, stopped and measured alike.
#
#     peer_scratch DIR       where programs are built and logs go; once, before everything else
#     peer_is_here NAME      what it needs is installed, and it was built
#     peer_start NAME        sets peer_pid, the leader of a session that holds all its processes, and
#                            peer_endpoint; PEER_CPU, when set, is the processor it is kept on
#     peer_cpu_ns            CPU time of all its processes and threads so far
#     peer_stop

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
evechod=${EVECHOD:-${top_builddir:-$PWD/build/gcc}/src/evechod}
peer_pid=

peer_scratch() {
    peer_dir=$1
    evecho=${EVECHO:-${top_builddir:-$PWD/build/gcc}/src/evecho}
    cc -O2 -std=c11 -D_GNU_SOURCE "$bench/floor.c" -o "$peer_dir/floor"
    cc -O2 -std=c11 -D_GNU_SOURCE "$bench/../helper/naive.c" -levent_core -o "$peer_dir/textbook"
    cc -O2 -std=c11 -D_GNU_SOURCE "$bench/tls_floor.c" -lssl -lcrypto -o "$peer_dir/tls-floor"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -keyout "$peer_dir/key.pem" -out "$peer_dir/cert.pem" 2>/dev/null
}

# Uses Debian's crates, without a network; does nothing if they are not installed.
peer_build_tokio() {
    command -v cargo >/dev/null && compgen -G "/usr/share/cargo/registry/tokio-1*" >/dev/null || return 1
    cp -r "$bench/peers/tokio" "$peer_dir/tokio-source"
    (cd "$peer_dir/tokio-source" && cargo build -q --release --offline) >"$peer_dir/cargo.log" 2>&1 || return 1
    cp "$peer_dir/tokio-source/target/release/echo" "$peer_dir/tokio"
}

peer_is_here() {
    case $1 in
    floor | tls-floor | textbook | evechod*) ;;
    tokio) [ -x "$peer_dir/tokio" ] || peer_build_tokio ;;
    node | xinetd | ncat) command -v "$1" >/dev/null ;;
    python) [ -x /usr/bin/python3 ] ;;
    socat*) command -v socat >/dev/null ;;
    *) return 1 ;;
    esac
}

peer_xinetd_file() {
    cat >"$peer_dir/xinetd.conf" <<END
defaults
{
    instances = UNLIMITED
    per_source = UNLIMITED
    cps = 1000000 1
    log_type = FILE $peer_dir/xinetd.log
}
service echo
{
    id = echo-stream
    type = INTERNAL UNLISTED
    socket_type = stream
    protocol = tcp
    port = $1
    bind = 127.0.0.1
    user = root
    wait = no
}
END
    echo "$peer_dir/xinetd.conf"
}

# The command line of a server on a port of 127.0.0.1.
peer_command() {
    local port=$2
    case $1 in
    floor) command=("$peer_dir/floor" "$port") ;;
    tls-floor) command=("$peer_dir/tls-floor" "$port" "$peer_dir/cert.pem" "$peer_dir/key.pem") ;;
    evechod-tls) command=("$evechod" -l "tls://127.0.0.1:$port,cert=$peer_dir/cert.pem,key=$peer_dir/key.pem" -w 1 --log-target "$peer_dir/log") ;;
    textbook) command=("$peer_dir/textbook" -l "tcp://127.0.0.1:$port") ;;
    evechod) command=("$evechod" -l "tcp://127.0.0.1:$port" -w 1 --log-target "$peer_dir/log") ;;
    evechod-quiet) command=("$evechod" -l "tcp://127.0.0.1:$port" -w 1 --log-target "$peer_dir/log" --log-level error) ;;
    evechod-buffered) command=(env EVECHOD_READ_PATH=buffered "$evechod" -l "tcp://127.0.0.1:$port" -w 1 --log-target "$peer_dir/log") ;;
    evechod-unix) command=("$evechod" -l "tcp://127.0.0.1:$port" -l "unix:$peer_dir/socket" -w 1 --log-target "$peer_dir/log") ;;
    socat-cat) command=(socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" EXEC:cat) ;;
    socat-pipe) command=(socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" PIPE) ;;
    ncat) command=(ncat -l 127.0.0.1 "$port" -k -e /bin/cat) ;;
    xinetd) command=(xinetd -dontfork -pidfile "$peer_dir/xinetd.pid" -f "$(peer_xinetd_file "$port")") ;;
    tokio) command=("$peer_dir/tokio" "$port") ;;
    node) command=(node "$bench/peers/echo.js" "$port") ;;
    python) command=(/usr/bin/python3 "$bench/peers/echo.py" "$port") ;;
    esac
}

# Waits without connecting, since a connection is work for the measured server.
peer_listens() { [ -n "$(ss -Hltn "sport = :$1")" ]; }

peer_start() {
    local command port wrap=()
    port=$((20000 + RANDOM % 10000))
    while peer_listens "$port"; do port=$((port + 1)); done
    peer_command "$1" "$port"
    [ -z "${PEER_CPU:-}" ] || wrap=(taskset -c "$PEER_CPU")
    setsid "${wrap[@]}" "${command[@]}" >"$peer_dir/$1.out" 2>&1 </dev/null &
    peer_pid=$!
    peer_endpoint=tcp://127.0.0.1:$port
    case $1 in
    evechod-unix) peer_endpoint=unix:$peer_dir/socket ;;
    *tls*) peer_endpoint=tls://127.0.0.1:$port ;;
    esac
    for _ in $(seq 500); do
        ! peer_listens "$port" || return 0
        sleep 0.01
    done
    echo "$1 does not listen: $(tail -n 1 "$peer_dir/$1.out")" >&2
    return 1
}

# Of every process of its session, from the scheduler's clock; for ended processes in ticks of 10
# ms.
peer_cpu_ns() {
    local stat fields task total=0 ran
    for stat in /proc/[0-9]*/stat; do
        { read -r fields <"$stat"; } 2>/dev/null || continue
        read -r -a fields <<<"${fields##*) }"
        [ "${fields[3]}" = "$peer_pid" ] || continue
        total=$((total + (fields[13] + fields[14]) * 10000000))
        for task in "${stat%/stat}"/task/*/schedstat; do
            { read -r ran _ <"$task"; } 2>/dev/null || continue
            total=$((total + ran))
        done
    done
    echo "$total"
}

peer_stop() {
    [ -n "$peer_pid" ] || return 0
    kill -- "-$peer_pid" 2>/dev/null || true
    wait "$peer_pid" 2>/dev/null || true
    peer_pid=
}

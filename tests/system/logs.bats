#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The log: one event a line, in two formats and to three targets, for any bytes of a peer.

load lib

TIMESTAMP='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z'

@test "text: every line is a time, a level, a message and fields" {
    start_server
    peer "$ENDPOINT" echo:1000 half-close read-all
    peer "$ENDPOINT" echo:10 reset
    wait_for 5 closed_at_least 2
    ask_counters
    stop_server
    ! grep -avE "$TIMESTAMP (error|warn|notice|info|debug) [a-z]" "$LOG" || fail "these are not such lines"
}

@test "text: the close line has all facts of a connection" {
    local line key
    start_server
    peer "$ENDPOINT" echo:1000 half-close read-all
    wait_for 5 closed_at_least 1
    line=$(closed_lines)
    echo "$line"
    [[ $line =~ $TIMESTAMP\ info\ connection\ closed\ id= ]]
    for key in id peer listener in out lost discarded seconds end reason; do
        field "$key" "$line" >/dev/null || fail "no $key="
    done
    [[ $(field peer) =~ ^127\.0\.0\.1:[0-9]+$ && $(field listener) == "$ENDPOINT" ]]
    [[ $(field in) == 1000 && $(field out) == 1000 && $(field reason) == eof && $(field end) == fin ]]
    [[ $(field seconds) =~ ^[0-9]+\.[0-9]{3}$ ]]
}

@test "JSON: every line is an object, with the same keys and numbers as numbers" {
    need jq
    start_server --log-format json -l tcp://127.0.0.1:0 -l "unix:$T/s"
    peer "$ENDPOINT" echo:1000 half-close read-all
    peer "unix:$T/s" bind:"$T/"$'a "b"\\\n\e[31m\xc3\xa4' echo:10 half-close read-all
    wait_for 5 closed_at_least 2
    kill -USR1 "$PID"
    wait_for 5 in_log '"message":"counters"'
    stop_server
    (($(jq -c . "$LOG" | wc -l) == $(wc -l <"$LOG")))
    jq -e 'has("time") and has("level") and has("message")' "$LOG" >/dev/null
    jq -es '[.[] | select(.message == "connection closed")] | length == 2 and
        (.[0] | .level == "info" and .in == 1000 and .out == 1000 and .lost == 0 and
            .discarded == 0 and .reason == "eof" and .end == "fin" and (.seconds | type) == "number"
            and (.id | type) == "number" and (.peer | startswith("127.0.0.1:")))' "$LOG"
    jq -es '[.[] | select(.message == "counters")] | all(.bytes_in == .bytes_out + .owed + .lost)' "$LOG"
    jq -es 'any(.message == "drained" and .owed == 0 and .level == "notice")' "$LOG"
}

@test "levels: no line below the configured level" {
    start_server --log-level error
    peer "$ENDPOINT" echo:1000 half-close read-all
    stop_server
    [[ ! -s $LOG ]]
    start_server --log-level notice
    peer "$ENDPOINT" echo:1000 half-close read-all
    stop_server
    not in_log ' (info|debug) '
    in_log ' notice drained '
    start_server --log-level debug
    peer "$ENDPOINT" echo:1000 half-close read-all
    stop_server
    in_log ' info connection closed '
}

@test "ids are unique, and every line about a connection has its own" {
    start_server --log-level debug
    crowd -k -n 200 "$ENDPOINT" >/dev/null
    wait_for 5 closed_at_least 200
    (($(closed_lines | sed -E 's/.* id=([^ ]+) .*/\1/' | sort -u | wc -l) == 200))
    ! grep -aE ' connection ' "$LOG" | grep -vE ' id=[0-9]+' || fail "lines about a connection without its id"
}

@test "F56 a peer's name is escaped: one event, one line, only printable bytes" {
    local name
    start_server -l "unix:$T/s"
    for name in $'a\nb' $'\e[31mred' $'tab\there' $'ü\u202eright' 'quote"back\slash' ' id=99 reason=none' $'\x01\x7f\xff'; do
        rm -f "$T/$name"
        peer "$ENDPOINT" "bind:$T/$name" echo:100 half-close read-all >facts || fail "$(<facts)"
    done
    wait_for 5 closed_at_least 7
    (($(closed_count) == 7))
    ! grep -aP '[^\x20-\x7e]' "$LOG" || fail "raw bytes in the log"
    in_log 'a\\x0ab'
    in_log '\\x1b\[31mred'
    stop_server
    (($(grep -acE "$TIMESTAMP" "$LOG") == $(wc -l <"$LOG")))
}

@test "--log-target FILE: all lines are in the file, none on standard error" {
    start_server --log-target "$T/file.log"
    peer "$ENDPOINT" echo:1000 half-close read-all
    wait_for 5 in_file "$T/file.log" ' connection closed '
    stop_server
    [[ ! -s $LOG ]]
    in_file "$T/file.log" ' notice drained '
    [[ $(stat -c %a "$T/file.log") =~ ^6[04]0$|^644$ ]]
}

@test "--log-target FILE: an old file is continued" {
    echo old >"$T/file.log"
    start_server --log-target "$T/file.log"
    stop_server
    [[ $(head -n 1 "$T/file.log") == old ]]
    in_file "$T/file.log" ' notice drained '
}

@test "F38 SIGHUP opens the file again after a rotation" {
    start_server --log-target "$T/file.log"
    peer "$ENDPOINT" echo:1000 half-close read-all
    wait_for 5 in_file "$T/file.log" ' connection closed '
    mv "$T/file.log" "$T/old.log"
    peer "$ENDPOINT" echo:2000 half-close read-all
    wait_for 5 in_file "$T/old.log" ' in=2000 '
    kill -HUP "$PID"
    wait_for 5 test -e "$T/file.log"
    peer "$ENDPOINT" echo:3000 half-close read-all
    wait_for 5 in_file "$T/file.log" ' in=3000 '
    not in_file "$T/old.log" ' in=3000 '
}

@test "F38 the log is reopened after a rotation even if the configuration is refused" {
    ANNOUNCED=("reload refused")
    printf 'listen = tcp://127.0.0.1:0\nlog-target = %s\n' "$T/log" >"$T/conf"
    LOG=$T/log
    start_server --config "$T/conf"
    mv "$T/log" "$T/log.1"
    echo 'colour = red' >>"$T/conf"
    kill -HUP "$PID"
    wait_for 5 grep -q 'reload refused.*colour' "$T/log"
    sed -i '$d' "$T/conf"
    not grep -q 'reload refused' "$T/log.1"
}

@test "F38 if the log cannot be reopened after a rotation, the old file is kept" {
    mkdir "$T/dir"
    start_server --log-target "$T/dir/file.log"
    mv "$T/dir" "$T/gone"
    kill -HUP "$PID"
    peer "$ENDPOINT" echo:3000 half-close read-all
    wait_for 5 in_file "$T/gone/file.log" ' in=3000 '
}

@test "F38 a log file that cannot be reopened: the reload continues, and a line reports it" {
    mkdir "$T/dir"
    printf 'listen = tcp://127.0.0.1:0\nlog-target = %s\nidle-timeout = 60s\n' "$T/dir/log" >"$T/conf"
    LOG=$T/dir/log
    start_server --config "$T/conf"
    mv "$T/dir" "$T/gone"
    LOG=$T/gone/log ANNOUNCED=('the old log stays')
    sed -i 's/^idle-timeout.*/idle-timeout = 200ms/' "$T/conf"
    kill -HUP "$PID"
    wait_for 5 in_log " error the old log stays why=.*cannot open '$T/dir/log'.*No such file"
    wait_for 5 in_log ' notice reloaded'
    peer -i 5000 "$ENDPOINT" echo:100 read-all
    wait_for 5 in_log ' in=100 .*reason=idle'
}

@test "F38 a small disk that is full: dropped lines are counted, and it recovers" {
    need_root
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    mkdir "$T/small"
    SERVER_WRAP=(unshare -m sh -c "mount -t tmpfs -o size=64k none '$T/small' && exec \"\$@\"" -)
    start_server --log-target "$T/small/file.log"
    start_canary
    crowd -k -n 2000 "$ENDPOINT" >/dev/null
    stop_canary
    wait_for 30 fds_are_back
    kill -USR1 "$PID"
    local file="/proc/$PID/root$T/small/file.log" try
    # After the disk was emptied, the queued lines can fill it once more, but not twice.
    for try in 1 2; do
        : >"$file"
        peer "$ENDPOINT" echo:4321 half-close read-all
        if wait_for 5 in_file "$file" ' in=4321 '; then break; fi
    done
    wait_for 10 in_file "$file" ' in=4321 '
    wait_for 10 in_file "$file" 'dropped'
    figure "canary p99 $(fact canary p99_us) us with the disk full; it recovers"
}

@test "--log-target syslog: each line with its level, without blocking" {
    need socat
    need_root
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    mkdir "$T/dev"
    bg syslog socat -u "UNIX-RECV:$T/devlog" -
    wait_for 5 test -S "$T/devlog"
    with_own_dev "ln -s '$T/devlog' '$T/dev/log'"
    start_server --log-target syslog
    peer "$ENDPOINT" echo:1000 half-close read-all
    wait_for 5 said syslog '<[0-9]+>.*evechod.*connection closed .*in=1000'
    stop_server
    wait_for 5 said syslog '<[0-9]+>.*drained .*owed=0'
    [[ ! -s $LOG ]]
}

# The server's own /dev, filled by the command.
with_own_dev() {
    SERVER_WRAP=(unshare -m sh -c "mount -t tmpfs none '$T/dev' &&
        for d in null zero full random urandom; do : >'$T/dev/'\$d; mount --bind /dev/\$d '$T/dev/'\$d; done &&
        $1 && mount --rbind '$T/dev' /dev && exec \"\$@\"" -)
}

@test "F40 no /dev/log: it starts and serves" {
    need_root
    unshare -m true 2>/dev/null || skip "no mount namespaces here"
    mkdir "$T/dev"
    with_own_dev true
    start_server --log-target syslog
    peer "$ENDPOINT" echo:1000 half-close read-all
}

@test "repeated lines are limited, and their number is reported" {
    start_server --max-connections-per-source 1
    bg held "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 5 said held holding=1
    crowd -a -k -n 300 "$ENDPOINT" >/dev/null
    ask_counters
    [[ $(counter refused_source) == 300 ]]
    (($(log_count ' warn ') <= 3))
    go held
    finish held
    stop_server
    grep -aE ' warn ' "$LOG"
    grep -aE ' warn ' "$LOG" | grep -qE '299|300' || fail "the number of the others is not told"
}

# Events of a message: its own lines plus the counts in them.
events() {
    grep -aE "$1" "$LOG" | awk '{
        if (match($0, / repeated=[0-9]+/)) n += substr($0, RSTART + 10, RLENGTH - 10); else n++
    } END { print n + 0 }'
}

# A window ends during the flood, while the writer is busy.
@test "a flood of repeated lines: the reported counts add up to the events" {
    start_server --max-connections-per-source 1 -l tcp://127.0.0.1:0 -l "unix:$T/s"
    bg held "$HELPERS/crowd" -n 1 "$ENDPOINT"
    wait_for 5 said held holding=1
    bg others bash -c 'while :; do "$0" -a -k -n 1000 "$1" >/dev/null; done' "$HELPERS/crowd" "unix:$T/s"
    local until=$((EPOCHSECONDS + $(sample 12 60)))
    while ((EPOCHSECONDS < until)); do
        crowd -a -k -n 5000 "$ENDPOINT" >/dev/null
    done
    end_bg others
    go held
    finish held
    IGNORE_FDS=1
    ask_counters
    stop_server
    figure "$(counter refused_source) refused, $(events ' warn connection reset: max') told"
    (($(counter log_dropped) == 0))
    [[ $(events ' warn connection reset: max-connections-per-source') == $(counter refused_source) ]]
}

@test "if the journal reads standard error, each line begins with its priority" {
    : >"$LOG"
    SERVER_ENV=("JOURNAL_STREAM=$(stat -c %d:%i "$LOG")")
    start_server
    peer "$ENDPOINT" echo:100 half-close read-all
    wait_for 5 in_log '^<6>[^<]* info connection closed'
    in_log '^<5>[^<]* notice listening'
    not grep -v '^<[3-7]>' "$LOG"
    stop_server
    # Another stream is not the journal, even if the environment names one.
    LOG=$T/second.log
    start_server
    wait_for 5 in_log '^[0-9]+-.* notice listening'
    not grep '^<' "$LOG"
}

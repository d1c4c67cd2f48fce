#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Data flows one way and includes follow it:
#   main -> server -> acceptor -> options -> worker -> listener -> conn
#        -> {service, fault, limit} -> policy
# and daemon | client -> net -> base between the rooms. A file includes its own
# rank or a lower one. The server and its acceptor are given the options; from
# the worker down only the policy that was made of them is known. libevent is named by the waist and by the files that own
# a loop; a bufferevent by the stream alone.
. "${top_srcdir:-.}/tests/lint/tap.sh"

# Ranks: a room's hundred, plus the place in the daemon's own line. A file that
# serves several others and knows none of them (notify, pidfile...) has 205.
wrong_way()
{
    c_files src | xargs awk '
        function noun(path) { sub(/.*\//, "", path); sub(/\.[ch]$/, "", path); return path }
        function room(path) { sub(/\/.*/, "", path); return path }
        function rank(path,    r, n) {
            r = room(path); n = noun(path); sub(/_.*/, "", n)
            if (r == "base") return 0
            if (r == "net") return 100
            if (r == "client") return 200
            if (r != "daemon") return -1
            return (n in line) ? 200 + line[n] : -1
        }
        BEGIN {
            n = split("policy=10 bucket=15 tls=15 limit=20 fault=20 service=20 conn=30 greeting=35 udp=35 listener=40 worker=50 " \
                      "options=60 acceptor=65 totals=66 status=68 server=70 main=80 notify=5 pidfile=5 privilege=5 metrics=5 request=5 census=35 activation=5 sandbox=62 watchdog=55", l, / /)
            for (i = 1; i <= n; i++) { split(l[i], kv, "="); line[kv[1]] = kv[2] }
        }
        FNR == 1 {
            self = FILENAME; sub(/^src\//, "", self); mine = rank(self)
            if (mine < 0) print FILENAME ": has no rank: give it one in tests/lint/includes.sh"
        }
        /^[ \t]*#[ \t]*include[ \t]*"/ {
            split($0, part, "\""); target = part[2]
            if (target == "config.h") next
            if (target !~ /\//) { print FILENAME ":" FNR ": name the room: " $0; next }
            theirs = rank(target)
            if (theirs < 0) print FILENAME ":" FNR ": unknown rank: " $0
            else if (theirs > mine || (theirs >= 200 && room(target) != room(self)))
                print FILENAME ":" FNR ": runs the wrong way: " $0
        }'
}

# includes_outside PATTERN ALLOWED: lines that include PATTERN in other files.
includes_outside()
{
    c_files src | xargs grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$1" /dev/null |
        grep -vE "^src/($2):"
}

tap_plan 3
tap_clean "includes follow the ranks" "$(wrong_way)"
tap_clean "only src/net/stream names bufferevent" \
    "$(includes_outside 'event2/bufferevent' 'net/stream[a-z_]*\.[ch]')"
tap_clean "libevent is named by net, the client, and the daemon's owners of loops alone" \
    "$(includes_outside 'event2?[/.]|event2?/' \
        'net/[a-z_]*\.[ch]|(client/[a-z_]*|daemon/(watchdog|greeting|worker|listener|udp|acceptor|status|server|main))(_[a-z_]*)?\.[ch]')"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Data flows one way and includes follow it:
#   main -> server -> {drain, reload} -> acceptor -> options -> worker -> listener -> conn
#        -> {service, limit} -> policy
# and daemon | client -> net -> base between the rooms. A file includes its own
# rank or a lower one. The server and its acceptor are given the options; from
# the worker down only the policy that was made of them is known. libevent is named by the waist and by the files that own
# a loop; a bufferevent by the stream and its transports alone.
. "${top_srcdir:-.}/tests/lint/tap.sh"

ranks='account=10 policy=10 bucket=15 tls=15 limit=20 service=20 conn=30 greeting=35 udp=35 listener=40 http=45 worker=50 options=60 acceptor=65 totals=66 status=68 server_parts=69 report=70 drain=71 reload=71 server=75 main=80 notify=5 pidfile=5 privilege=5 metrics=5 request=5 census=35 activation=5 sandbox=62 watchdog=55'

# Ranks: a room's hundred, plus the place in the daemon's own line. A file that
# serves several others and knows none of them (notify, pidfile...) has 205.
wrong_way()
{
    c_files src | xargs awk -v ranks="$ranks" '
        function noun(path) { sub(/.*\//, "", path); sub(/\.[ch]$/, "", path); return path }
        function room(path) { sub(/\/.*/, "", path); return path }
        function rank(path,    r, n) {
            r = room(path); n = noun(path)
            if (!(n in line)) sub(/_.*/, "", n)
            if (r == "base") return 0
            if (r == "net") return 100
            if (r == "client") return 200
            if (r != "daemon") return -1
            return (n in line) ? 200 + line[n] : -1
        }
        BEGIN {
            n = split(ranks, l, / /)
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

# HACKING.md draws the same order, in one line: each that it names has a lower rank than those before.
wrong_picture()
{
    awk -v ranks="$ranks net=1 base=0" '
        BEGIN { n = split(ranks, l, / /); for (i = 1; i <= n; i++) { split(l[i], kv, "="); rank[kv[1]] = kv[2] } }
        /^    main -> / {
            seen = 1; last = 1000
            n = split($0, step, / *-> */)
            for (i = 1; i <= n; i++) {
                m = split(step[i], noun, /[ ,]+/); lowest = last
                for (j = 1; j <= m; j++) {
                    if (noun[j] == "") continue
                    if (!(noun[j] in rank) || rank[noun[j]] + 0 >= last) print "HACKING.md:" FNR ": " noun[j]
                    else if (rank[noun[j]] + 0 < lowest) lowest = rank[noun[j]] + 0
                }
                last = lowest
            }
        }
        END { if (!seen) print "HACKING.md: the order is not there" }' HACKING.md
}

tap_plan 4
tap_clean "includes follow the ranks" "$(wrong_way)"
tap_clean "only the stream and its transports name bufferevent" \
    "$(includes_outside 'event2/bufferevent' 'net/(stream|transport_[a-z]*)\.[ch]')"
tap_clean "libevent is named by net, the client, and the daemon's owners of loops alone" \
    "$(includes_outside 'event2?[/.]|event2?/' \
        'net/[a-z_]*\.[ch]|(client/[a-z_]*|daemon/(watchdog|notify|greeting|worker|listener|udp|acceptor|http|report|drain|server|main))(_[a-z_]*)?\.[ch]')"
tap_clean "HACKING.md draws the ranks as they are" "$(wrong_picture)"
